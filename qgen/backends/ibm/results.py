"""What a job brought, as bytes for the journal: the arrays in a primitive's result, by circuit and name."""

from __future__ import annotations

import io
from types import SimpleNamespace
from typing import Any

import numpy as np


def pack(results: Any) -> bytes:
    """The arrays of a Sampler's or an Estimator's results."""
    arrays: dict[str, Any] = {
        f"{k}/{name}": np.asarray(getattr(value, "array", value))
        for k, result in enumerate(results)
        for name, value in result.data.items()
    }
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack(packed: bytes) -> list[SimpleNamespace]:
    """What was packed: results with `data.NAME.array`, one for each circuit."""
    found: dict[int, dict[str, SimpleNamespace]] = {}
    with np.load(io.BytesIO(packed)) as arrays:
        for name in arrays.files:
            k, _, register = name.partition("/")
            found.setdefault(int(k), {})[register] = SimpleNamespace(array=arrays[name])
    return [SimpleNamespace(data=SimpleNamespace(**found[k])) for k in sorted(found)]
