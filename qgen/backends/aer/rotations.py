"""Products of one-qubit gates for many rows of angles at once, and the angles by which Aer names them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Parameter

from qgen.backends.angles import Angles
from qgen.backends.statevector.gates import GateOp, Kind, Matrix

Doubles = npt.NDArray[np.float64]
Complexes = npt.NDArray[np.complexfloating[Any, Any]]
Columns = npt.NDArray[np.int64]

_PLAIN = {Kind.RX: "mcrx", Kind.RY: "mcry", Kind.RZ: "mcrz", Kind.P: "mcphase"}
_WIDTHS = {"u": 3, "mcu": 4}  # angles of a gate by its name; one for all others


class Spin(NamedTuple):
    """exp(i phase) [[a, -conj(b)], [b, conj(a)]] with |a|^2 + |b|^2 = 1: three arrays of one shape."""

    a: Complexes
    b: Complexes
    phase: Doubles


class Rotations:
    """Ops with angles that depend on the same parameters: from these to the numbers that Aer's gates take.

    Attributes:
        places: for each op the columns of its numbers.
        columns: how many columns there are.
    """

    def __init__(self, ops: Sequence[GateOp], parameters: Sequence[Parameter]) -> None:
        angles = [[factor.angle for factor in op.factors if factor.angle is not None] for op in ops]
        self._angles = Angles([angle for some in angles for angle in some], parameters)
        starts = np.cumsum([0, *map(len, angles)])
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for k, op in enumerate(ops):
            alike[aer_name(op), *(factor.kind for factor in op.factors)].append(k)
        self._families = [_Family([ops[k] for k in family], starts[family]) for family in alike.values()]
        self.columns = 0
        places: dict[int, tuple[int, ...]] = {}
        for members, family in zip(alike.values(), self._families, strict=True):
            for k in members:
                places[k] = tuple(range(self.columns, self.columns + family.width))
                self.columns += family.width
        self.places = [places[k] for k in range(len(ops))]

    def numbers(self, parameters: Doubles) -> Doubles:
        """(rows, P) -> (rows, columns).

        Raises:
            InputError: an angle is NaN or infinite, though its parameters are not.
        """
        angles = self._angles.values(parameters)
        return np.concatenate([angles[:, :0], *(family.numbers(angles) for family in self._families)], axis=1)


class _Family:
    """Ops of one name whose factors are of the same kinds in the same order: they are multiplied out together."""

    def __init__(self, ops: Sequence[GateOp], first: Columns) -> None:
        self.width = _WIDTHS.get(aer_name(ops[0]), 1)
        self._first = first
        self._factors: list[Spin | _Turn] = []
        for position, factor in enumerate(ops[0].factors):
            if factor.angle is None:
                self._factors.append(_constant(np.array([op.factors[position].matrix for op in ops])))
            else:
                self._factors.append(_Turn(factor.kind, first))
                first = first + 1

    def numbers(self, angles: Doubles) -> Doubles:
        """(rows, angles) -> (rows, ops * width)."""
        if self.width == 1:
            return angles[:, self._first]
        spins = [one.spin(angles) if isinstance(one, _Turn) else one for one in self._factors]
        found = _euler_angles(reduce(_product, spins))[: self.width]
        return np.stack(found, axis=-1).reshape(len(angles), -1)


class _Turn(NamedTuple):
    """Rotations of one kind, by the angles in these columns."""

    kind: Kind
    columns: Columns

    def spin(self, angles: Doubles) -> Spin:
        half = angles[:, self.columns] / 2
        zero = np.zeros_like(half)
        if self.kind is Kind.RX:
            return Spin(np.cos(half) + 0j, -1j * np.sin(half), zero)
        if self.kind is Kind.RY:
            return Spin(np.cos(half) + 0j, np.sin(half) + 0j, zero)
        if self.kind is Kind.PHASE:
            return Spin(zero + (1 + 0j), zero + 0j, 2 * half)
        return Spin(np.exp(-1j * half), zero + 0j, half if self.kind is Kind.P else zero)


def aer_name(op: GateOp) -> str:
    """The name of Aer's gate for this op, whose controls all have the value 1."""
    if op.flips:
        return "mcx"
    factor = op.factors[0]
    if len(op.factors) == 1 and factor.angle is not None and factor.kind in _PLAIN:
        return _PLAIN[factor.kind]
    return "mcu" if op.controls else "u"  # without controls there is no phase to keep


def constant_numbers(op: GateOp) -> tuple[float, ...]:
    """The numbers that Aer's gate takes for an op without angles."""
    if op.flips:
        return ()
    found = _euler_angles(_constant(op.constant()))[: _WIDTHS[aer_name(op)]]
    return tuple(float(angle) for angle in found)


def _constant(matrices: Matrix) -> Spin:
    phase = np.angle(np.linalg.det(matrices)) / 2
    special = matrices * np.exp(-1j * phase)[..., None, None]
    return Spin(special[..., 0, 0], special[..., 1, 0], phase)


def _product(first: Spin, second: Spin) -> Spin:
    return Spin(
        second.a * first.a - second.b.conj() * first.b,
        second.b * first.a + second.a.conj() * first.b,
        first.phase + second.phase,
    )


def _euler_angles(spin: Spin) -> tuple[npt.NDArray[np.floating[Any]], ...]:
    """(theta, phi, lambda, gamma) of exp(i gamma) U(theta, phi, lambda).

    Where a or b is zero its argument counts as zero, and all four entries still come out right.
    """
    alpha, beta = np.angle(spin.a), np.angle(spin.b)
    theta = 2 * np.arctan2(np.abs(spin.b), np.abs(spin.a))
    return theta, beta - alpha, -alpha - beta, spin.phase + alpha
