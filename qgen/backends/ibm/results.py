"""Results of jobs: packed as bytes for the journal, and checked against the shapes that were asked for."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit

from qgen.errors import HardwareError

#: Name of the Estimator's values; its other arrays are not used.
VALUES = "evs"
#: Name under which the number of executions is packed.
_EXECUTIONS = "executions"


class ResultMismatchError(HardwareError):
    """The result of a job is not what was asked for."""


class ArraySpec(NamedTuple):
    """Shape of an array of a result, and the number of bits packed into its last axis; 0: it holds values."""

    shape: tuple[int, ...]
    bits: int


@dataclass(frozen=True)
class ExpectedResult:
    """What the result of a request has to look like.

    Attributes:
        parts: for each circuit the arrays by name. A Sampler's are the registers: (*rows, shots, bytes).
        executions: number of executions that they come from.
    """

    parts: tuple[dict[str, ArraySpec], ...]
    executions: int

    @classmethod
    def bits(cls, circuits: Sequence[QuantumCircuit], rows: tuple[int, ...], shots: int) -> ExpectedResult:
        """Return the expected result of a Sampler: the bits of every register of each circuit."""
        parts = tuple(
            {
                register.name: ArraySpec((*rows, shots, -(-register.size // 8)), register.size)
                for register in circuit.cregs
            }
            for circuit in circuits
        )
        return cls(parts, len(parts) * prod(rows) * shots)

    @classmethod
    def values(cls, shape: tuple[int, ...], executions: int) -> ExpectedResult:
        """Return the expected result of an Estimator, for one circuit."""
        return cls(({VALUES: ArraySpec(shape, 0)},), executions)

    @classmethod
    def from_json(cls, text: str) -> ExpectedResult:
        """Read what `to_json` wrote."""
        plain = json.loads(text)
        parts = [
            {name: ArraySpec(tuple(shape), bits) for name, (shape, bits) in part.items()} for part in plain["parts"]
        ]
        return cls(tuple(parts), int(plain["executions"]))

    def to_json(self) -> str:
        """Return it as text for the journal."""
        return json.dumps({"parts": self.parts, "executions": self.executions})

    def check(self, packed: bytes) -> None:
        """Compare a packed result with it.

        Raises:
            ResultMismatchError: the result cannot be read, or differs; the message says how.
        """
        results = unpack(packed)
        if len(results) != len(self.parts):
            raise ResultMismatchError(f"it has the results of {len(results)} circuits, and {len(self.parts)} ran")
        executions = _executions(packed)
        if executions not in (None, self.executions):
            raise ResultMismatchError(
                f"it has the bits of {executions:,} executions, and {self.executions:,} were asked for"
            )
        for result, specs in zip(results, self.parts, strict=True):
            arrays = vars(result.data)
            if missing := [name for name in specs if name not in arrays]:
                names = ", ".join(sorted(arrays)) or "none at all"
                raise ResultMismatchError(f"it has no data `{missing[0]}`, but {names}")
            for name, spec in specs.items():
                _check_array(name, arrays[name].array, spec)


def pack(results: Any) -> bytes:
    """Pack the arrays of a Sampler's or an Estimator's results.

    Raises:
        ResultMismatchError: it is no result of a primitive.
    """
    try:
        arrays: dict[str, Any] = {
            f"{k}/{name}": np.asarray(getattr(value, "array", value))
            for k, result in enumerate(results)
            for name, value in result.data.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise ResultMismatchError(f"it is no result of a primitive ({type(error).__name__})") from error
    executions = getattr(results, "executions", None)
    if executions is not None:
        arrays[_EXECUTIONS] = np.asarray(executions)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack(packed: bytes) -> list[SimpleNamespace]:
    """Return packed results with `data.NAME.array`, one for each circuit.

    Raises:
        ResultMismatchError: it was not packed by `pack`, or is damaged.
    """
    results: dict[int, dict[str, SimpleNamespace]] = {}
    try:
        with np.load(io.BytesIO(packed)) as arrays:
            for name in arrays.files:
                if name != _EXECUTIONS:
                    k, _, register = name.partition("/")
                    results.setdefault(int(k), {})[register] = SimpleNamespace(array=arrays[name])
    except Exception as error:  # NumPy, zip and zlib say in many ways that bytes are damaged
        raise ResultMismatchError(f"it cannot be read ({type(error).__name__})") from error
    return [SimpleNamespace(data=SimpleNamespace(**results[k])) for k in sorted(results)]


def execution_counter() -> Any:
    """Return a decoder for IBM's client that changes nothing, and counts the executions that a result has bits of."""
    from qiskit_ibm_runtime.decoders.result_decoder import ResultDecoder
    from qiskit_ibm_runtime.results.quantum_program import QuantumProgramResult

    class ExecutionCounter(ResultDecoder):  # type: ignore[misc]  # IBM has no types
        executions = 0

        @classmethod
        def is_applicable(cls, data: Any) -> bool:
            if isinstance(data, QuantumProgramResult):
                shapes = [[array.shape[:-1] for array in item.values() if array.dtype == bool] for item in data]
                cls.executions = sum(max((prod(shape) for shape in item), default=0) for item in shapes)
            return False

    return ExecutionCounter


def _executions(packed: bytes) -> int | None:
    """Return the number of executions of a result; None in a journal of an older version."""
    with np.load(io.BytesIO(packed)) as arrays:
        return int(arrays[_EXECUTIONS]) if _EXECUTIONS in arrays.files else None


def _check_array(name: str, array: Any, spec: ArraySpec) -> None:
    if array.shape != spec.shape:
        raise ResultMismatchError(f"its data `{name}` have the shape {array.shape}, and {spec.shape} was asked for")
    if spec.bits and (array.dtype != np.uint8 or (spec.bits % 8 and (array[..., 0] >> spec.bits % 8).any())):
        raise ResultMismatchError(f"its data `{name}` are not {spec.bits} bits each")
    if not spec.bits and not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        raise ResultMismatchError(f"its data `{name}` are no finite numbers")
