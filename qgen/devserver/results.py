"""What a client gets back from the program `executor`, by its schema."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from math import prod
from typing import Any

import numpy as np


def encode_result(
    program: Any, found: Sequence[Mapping[str, Any]], shapes: Sequence[tuple[int, ...]], start: datetime
) -> str:
    """The result as JSON.

    Args:
        program: what was asked for, as the schema's model has it.
        found: arrays by name, item by item.
        shapes: of the items.
        start: when the first of them began to run; the last one ended now.
    """
    from ibm_quantum_schemas.executor import version_2_0 as schema

    span = schema.ChunkSpan(start=start, stop=datetime.now(UTC), parts=[_part(*one) for one in enumerate(shapes)])
    result = schema.QuantumProgramResultModel(
        data=[_item(arrays) for arrays in found],
        metadata=schema.MetadataModel(chunk_timing=[span]),
        passthrough_data=program.passthrough_data,
        semantic_role=program.semantic_role,
    )
    return str(result.model_dump_json())


def _part(index: int, shape: tuple[int, ...]) -> Any:
    from ibm_quantum_schemas.executor.version_2_0 import ChunkPart

    size, axes = prod(shape), list(range(len(shape)))
    return ChunkPart(idx_item=index, size=size, permutation=axes, element_range=(0, size, 1))


def _item(arrays: Mapping[str, Any]) -> Any:
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0 import ItemMetadataModel, QuantumProgramResultItemModel

    tensors = {name: CompressedTensorModel.from_numpy(np.asarray(array)) for name, array in arrays.items()}
    return QuantumProgramResultItemModel(results=tensors, metadata=ItemMetadataModel())
