"""What a job brought, as bytes for the journal: the arrays in a primitive's result, by circuit and name."""

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

#: The Estimator's values; what else it says of them is not used.
VALUES = "evs"
#: What their number is packed as.
_EXECUTIONS = "executions"


class SpoiltError(HardwareError):
    """What a job brought is not what was asked for."""


class Part(NamedTuple):
    """An array of a result: its shape, and how many bits are packed into the last axis; 0: it has values."""

    shape: tuple[int, ...]
    bits: int


@dataclass(frozen=True)
class Expected:
    """What the result of a request has to be like.

    Attributes:
        parts: for each circuit the arrays by name. A Sampler's are the registers: (*rows, shots, bytes).
        executions: of the device, that they come from.
    """

    parts: tuple[dict[str, Part], ...]
    executions: int

    @classmethod
    def bits(cls, circuits: Sequence[QuantumCircuit], rows: tuple[int, ...], shots: int) -> Expected:
        """Of a Sampler: the bits of every register of each circuit."""
        parts = tuple(
            {one.name: Part((*rows, shots, -(-one.size // 8)), one.size) for one in circuit.cregs}
            for circuit in circuits
        )
        return cls(parts, len(parts) * prod(rows) * shots)

    @classmethod
    def values(cls, shape: tuple[int, ...], executions: int) -> Expected:
        """Of an Estimator, of one circuit."""
        return cls(({VALUES: Part(shape, 0)},), executions)

    @classmethod
    def read(cls, text: str) -> Expected:
        """What `text` wrote."""
        plain = json.loads(text)
        parts = [{name: Part(tuple(shape), bits) for name, (shape, bits) in one.items()} for one in plain["parts"]]
        return cls(tuple(parts), int(plain["executions"]))

    @property
    def text(self) -> str:
        """For the journal."""
        return json.dumps({"parts": self.parts, "executions": self.executions})

    def check(self, packed: bytes) -> None:
        """Compares it with what was packed.

        Raises:
            SpoiltError: it cannot be read, or does not fit; the message says in what.
        """
        found = unpack(packed)
        if len(found) != len(self.parts):
            raise SpoiltError(f"it has the results of {len(found)} circuits, and {len(self.parts)} ran")
        ran = _executions(packed)
        if ran not in (None, self.executions):
            raise SpoiltError(f"it has the bits of {ran:,} executions, and {self.executions:,} were asked for")
        for one, parts in zip(found, self.parts, strict=True):
            names = vars(one.data)
            if missing := [name for name in parts if name not in names]:
                raise SpoiltError(f"it has no data `{missing[0]}`, but {', '.join(sorted(names)) or 'none at all'}")
            for name, part in parts.items():
                _check_part(name, names[name].array, part)


def _executions(packed: bytes) -> int | None:
    """How many a result comes from; None in a journal of an older version."""
    with np.load(io.BytesIO(packed)) as arrays:
        return int(arrays[_EXECUTIONS]) if _EXECUTIONS in arrays.files else None


def _check_part(name: str, array: Any, part: Part) -> None:
    if array.shape != part.shape:
        raise SpoiltError(f"its data `{name}` have the shape {array.shape}, and {part.shape} was asked for")
    if part.bits and (array.dtype != np.uint8 or (part.bits % 8 and (array[..., 0] >> part.bits % 8).any())):
        raise SpoiltError(f"its data `{name}` are not {part.bits} bits each")
    if not part.bits and not (np.issubdtype(array.dtype, np.floating) and np.isfinite(array).all()):
        raise SpoiltError(f"its data `{name}` are no finite numbers")


def pack(results: Any) -> bytes:
    """The arrays of a Sampler's or an Estimator's results.

    Raises:
        SpoiltError: it is none.
    """
    try:
        arrays: dict[str, Any] = {
            f"{k}/{name}": np.asarray(getattr(value, "array", value))
            for k, result in enumerate(results)
            for name, value in result.data.items()
        }
    except (AttributeError, TypeError, ValueError) as error:
        raise SpoiltError(f"it is no result of a primitive ({type(error).__name__})") from error
    ran = getattr(results, "executions", None)
    if ran is not None:
        arrays[_EXECUTIONS] = np.asarray(ran)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


def unpack(packed: bytes) -> list[SimpleNamespace]:
    """What was packed: results with `data.NAME.array`, one for each circuit.

    Raises:
        SpoiltError: it was not packed by `pack`, or is damaged.
    """
    found: dict[int, dict[str, SimpleNamespace]] = {}
    try:
        with np.load(io.BytesIO(packed)) as arrays:
            for name in (one for one in arrays.files if one != _EXECUTIONS):
                k, _, register = name.partition("/")
                found.setdefault(int(k), {})[register] = SimpleNamespace(array=arrays[name])
    except Exception as error:  # NumPy, zip and zlib say in many ways that bytes are damaged
        raise SpoiltError(f"it cannot be read ({type(error).__name__})") from error
    return [SimpleNamespace(data=SimpleNamespace(**found[k])) for k in sorted(found)]
