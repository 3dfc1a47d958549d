"""Where the Bloch vectors of a circuit's qubits are, roughly and at once: what errors do to a qubit depends on that.

Followed are the means of Pauli operators and of their squared expectation values over all angles that are open: of each
qubit X, Y and Z, and all 15 products with the qubit that it had its last gate with, if neither had one with a third
since. So a block of gates on two qubits is followed as it is, also where a gate is undone later; open angles count as
independent. What a qubit knows of a third is forgotten: it becomes mixed too soon where a gate is undone after that. A
gate takes some two to eight microseconds.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from qiskit.circuit import Gate
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, Pauli

from qgen.circuits.expressions import is_unbound

#: Means of I, X, Y and Z.
Four: TypeAlias = tuple[float, float, float, float]
#: Of a Pauli operator after a gate on two qubits: coefficients and the operators before it, by their places in a pair.
Image: TypeAlias = tuple[tuple[float, int], ...]

_PAULIS = "IXYZ"
_GROUND: Four = (1.0, 0.0, 0.0, 1.0)
_FRAMES = ("rz", "p", "u1")
_NEGLIGIBLE = 1e-12
#: What exp(-i a ZZ / 2) turns into each other, as places in a pair: XI and YZ, XZ and YI, IX and ZY, ZX and IY.
_TURNED_BY_ZZ = ((4, 11), (7, 8), (1, 14), (13, 2))


class BlochMoments:
    """Means of the Paulis of qubits, and of their squares; all qubits begin in their ground state.

    Args:
        qubits: those that are followed.
    """

    def __init__(self, qubits: Sequence[int]) -> None:
        self._groups = {qubit: _Group((qubit,), list(_GROUND), list(_GROUND)) for qubit in qubits}

    def mean(self, qubit: int) -> Four:
        """Return the means of I, X, Y and Z of a qubit."""
        return self._groups[qubit].of(qubit)[0]

    def square(self, qubit: int) -> Four:
        """Return the means of the squares of <I>, <X>, <Y> and <Z> of a qubit."""
        return self._groups[qubit].of(qubit)[1]

    def purity(self, qubits: Sequence[int]) -> float:
        """Return the mean purity of these qubits together, in [1 / d, 1]."""
        group = self._groups[qubits[0]]
        if len(qubits) == 2 and qubits[1] in group.qubits:
            return sum(group.square) / 4
        purity = 1.0
        for qubit in qubits:
            purity *= sum(self.square(qubit)) / 2
        return purity

    def apply(self, name: str, angles: Sequence[Any], qubits: Sequence[int]) -> None:
        """Go past a gate of Qiskit's library, whose angles may be open; one of another name turns qubits anywhere."""
        if len(qubits) == 1:
            self._groups[qubits[0]].turn(name, angles, qubits[0])
            return
        if len(qubits) > 2:
            self._part(qubits)
            for qubit in qubits:
                self._groups[qubit].mix(qubit)
            return
        group = self._pair(qubits[0], qubits[1])
        if any(map(is_unbound, angles)):
            group.turn_by_zz() if name == "rzz" else group.scramble()
        elif (images := _images(name, tuple(map(float, angles)))) is None:
            group.scramble()
        else:
            group.apply(images)

    def _pair(self, first: int, second: int) -> _Group:
        """Return the group of two qubits, in this order; others that they were with are left alone."""
        one, other = self._groups[first], self._groups[second]
        if one is other:
            if one.qubits[0] != first:
                one.swap()
            return one
        self._part((first, second))
        one, other = self._groups[first], self._groups[second]
        joined = _Group(
            (first, second),
            [a * b for a in one.mean for b in other.mean],
            [a * b for a in one.square for b in other.square],
        )
        self._groups[first] = self._groups[second] = joined
        return joined

    def _part(self, qubits: Sequence[int]) -> None:
        """Forget what these qubits know of others."""
        for group in [self._groups[qubit] for qubit in qubits]:
            for qubit in group.qubits:
                mean, square = group.of(qubit)
                self._groups[qubit] = _Group((qubit,), list(mean), list(square))


class _Group:
    """One qubit or two.

    Attributes:
        qubits: one or two.
        mean: the means of their 4 or 16 Paulis, "IXYZ" of the first and within that of the second.
        square: of their squared expectation values, likewise.
    """

    __slots__ = ("mean", "qubits", "square")

    def __init__(self, qubits: tuple[int, ...], mean: list[float], square: list[float]) -> None:
        self.qubits, self.mean, self.square = qubits, mean, square

    def of(self, qubit: int) -> tuple[Four, Four]:
        """Return the means of a qubit's own Paulis, and of their squares."""
        mean, square = self.mean, self.square
        if len(mean) == 16 and qubit == self.qubits[0]:
            return (mean[0], mean[4], mean[8], mean[12]), (square[0], square[4], square[8], square[12])
        return (mean[0], mean[1], mean[2], mean[3]), (square[0], square[1], square[2], square[3])

    def swap(self) -> None:
        """Write the other qubit first."""
        self.qubits = self.qubits[::-1]
        self.mean = [self.mean[4 * b + a] for a in range(4) for b in range(4)]
        self.square = [self.square[4 * b + a] for a in range(4) for b in range(4)]

    def _places(self, qubit: int) -> tuple[tuple[int, int, int, int], ...]:
        """Return where I, X, Y and Z of a qubit are, for each Pauli of the other."""
        if len(self.mean) == 4:
            return ((0, 1, 2, 3),)
        return _FIRST if qubit == self.qubits[0] else _SECOND

    def turn(self, name: str, angles: Sequence[Any], qubit: int) -> None:
        """Go past a gate on one qubit."""
        mean, square, places = self.mean, self.square, self._places(qubit)
        if name == "sx":  # the most frequent ones, which are the rest of this function at once
            for _, _, y, z in places:
                mean[y], mean[z], square[y], square[z] = -mean[z], mean[y], square[z], square[y]
        elif name in _FRAMES and is_unbound(angles[0]):  # any angle
            for _, x, y, _ in places:
                mean[x] = mean[y] = 0.0
                square[x] = square[y] = (square[x] + square[y]) / 2
        elif name in _FRAMES:
            c, s = math.cos(angles[0]), math.sin(angles[0])
            for _, x, y, _ in places:
                old_x, old_y = mean[x], mean[y]
                more_x, more_y = square[x] - old_x * old_x, square[y] - old_y * old_y
                new_x, new_y = c * old_x - s * old_y, s * old_x + c * old_y
                mean[x], mean[y] = new_x, new_y
                square[x] = new_x * new_x + c * c * more_x + s * s * more_y
                square[y] = new_y * new_y + s * s * more_x + c * c * more_y
        elif any(map(is_unbound, angles)) or (rows := _rotation(name, tuple(map(float, angles)))) is None:
            self.mix(qubit)
        else:
            for _, *xyz in places:
                old, more = [mean[k] for k in xyz], [square[k] - mean[k] ** 2 for k in xyz]
                for k, row in zip(xyz, rows, strict=True):
                    mean[k] = sum(r * one for r, one in zip(row, old, strict=True))
                    square[k] = mean[k] ** 2 + sum(r * r * one for r, one in zip(row, more, strict=True))

    def apply(self, images: tuple[Image, ...]) -> None:
        """Go past a gate on both qubits."""
        mean, square = self.mean, self.square
        new_mean, new_square = [], []
        for image in images:
            if len(image) == 1:
                c, k = image[0]
                new_mean.append(c * mean[k])
                new_square.append(c * c * square[k])
                continue
            value = sum(c * mean[k] for c, k in image)
            new_mean.append(value)
            new_square.append(value * value + sum(c * c * (square[k] - mean[k] ** 2) for c, k in image))
        self.mean, self.square = new_mean, new_square

    def turn_by_zz(self) -> None:
        """Go past an RZZ of any angle."""
        for one, other in _TURNED_BY_ZZ:
            self.mean[one] = self.mean[other] = 0.0
            self.square[one] = self.square[other] = (self.square[one] + self.square[other]) / 2

    def mix(self, qubit: int) -> None:
        """Turn a qubit into any direction."""
        for _, *xyz in self._places(qubit):
            length = sum(self.square[k] for k in xyz) / 3
            for k in xyz:
                self.mean[k], self.square[k] = 0.0, length

    def scramble(self) -> None:
        """Turn two qubits together into any direction, of 15."""
        length = (sum(self.square) - 1) / 15
        self.mean, self.square = [1.0] + 15 * [0.0], [1.0] + 15 * [length]


_FIRST = tuple((b, 4 + b, 8 + b, 12 + b) for b in range(4))
_SECOND = tuple((4 * a, 4 * a + 1, 4 * a + 2, 4 * a + 3) for a in range(4))


@lru_cache(maxsize=4096)
def _rotation(name: str, angles: tuple[float, ...]) -> tuple[tuple[float, ...], ...] | None:
    """Return how a gate turns the Bloch vector, (3, 3); None for a gate that Qiskit's library does not have."""
    matrix = _matrix(name, angles)
    if matrix is None:
        return None
    paulis = [np.asarray(Pauli(label).to_matrix()) for label in "XYZ"]
    back = [matrix.conj().T @ pauli @ matrix for pauli in paulis]
    return tuple(tuple(float(np.trace(after @ before).real) / 2 for before in paulis) for after in back)


@lru_cache(maxsize=4096)
def _images(name: str, angles: tuple[float, ...]) -> tuple[Image, ...] | None:
    """Return what the 16 Paulis of two qubits after a gate were before it; None likewise."""
    matrix = _matrix(name, angles)
    if matrix is None or len(matrix) != 4:
        return None
    # Qiskit writes the second qubit first.
    paulis = [np.asarray(Pauli(second + first).to_matrix()) for first in _PAULIS for second in _PAULIS]
    back = [matrix.conj().T @ pauli @ matrix for pauli in paulis]
    parts = np.einsum("aij,bji->ab", back, paulis).real / 4
    return tuple(tuple((float(row[k]), int(k)) for k in np.flatnonzero(abs(row) > _NEGLIGIBLE)) for row in parts)


def _matrix(name: str, angles: tuple[float, ...]) -> np.ndarray | None:
    gate = _library().get(name)
    try:
        return None if gate is None else np.asarray(Operator(gate.base_class(*angles)).data)
    except (QiskitError, TypeError):
        return None


@lru_cache(maxsize=1)
def _library() -> Mapping[str, Gate]:
    return {name: gate for name, gate in get_standard_gate_name_mapping().items() if isinstance(gate, Gate)}
