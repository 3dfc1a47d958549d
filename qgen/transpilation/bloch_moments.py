"""Where the Bloch vectors of a circuit's qubits are, roughly and at once: what errors do to a qubit depends on that.

Of each qubit the means of X, Y and Z are followed, and the means of their squares, over all angles that are open. A
gate on two qubits turns a Pauli operator of one into a product of operators of both, and the mean of a product is taken
for the product of means: what two qubits know of each other is left out, so that a qubit becomes mixed too soon where a
gate is undone later. It takes one to three microseconds a gate.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

import numpy as np
from qiskit.circuit import Gate, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Operator, Pauli

#: Means of I, X, Y and Z.
Four: TypeAlias = tuple[float, float, float, float]
#: Of a Pauli operator after a gate on two qubits: coefficients and the operators before it, by their places in "IXYZ".
Image: TypeAlias = tuple[tuple[float, int, int], ...]

_PAULIS = "IXYZ"
_GROUND: Four = (1.0, 0.0, 0.0, 1.0)
_FRAMES = ("rz", "p", "u1")
_NEGLIGIBLE = 1e-12


class BlochMoments:
    """Means of the Paulis of each qubit, and of their squares; all qubits begin in their ground state.

    Attributes:
        mean: by qubit, the means of I, X, Y and Z.
        square: by qubit, the means of the squares of <I>, <X>, <Y> and <Z>.

    Args:
        qubits: those that are followed.
    """

    def __init__(self, qubits: Sequence[int]) -> None:
        self.mean: dict[int, Four] = dict.fromkeys(qubits, _GROUND)
        self.square: dict[int, Four] = dict.fromkeys(qubits, _GROUND)

    def purity(self, qubits: Sequence[int]) -> float:
        """Return the mean purity of these qubits together, in [1 / d, 1]."""
        purity = 1.0
        for qubit in qubits:
            purity *= sum(self.square[qubit]) / 2
        return purity

    def apply(self, name: str, angles: Sequence[Any], qubits: Sequence[int]) -> None:
        """Go past a gate of Qiskit's library, whose angles may be open; one of another name turns qubits anywhere."""
        if len(qubits) == 1:
            self._apply_to_one(name, angles, qubits[0])
            return
        images = None if any(map(_is_open, angles)) else _images(name, tuple(map(float, angles)))
        if len(qubits) == 2 and images is not None:
            self._apply_to_two(images, qubits[0], qubits[1])
        elif len(qubits) == 2:
            self._scramble(qubits)
        else:
            for qubit in qubits:
                self._mix(qubit)

    def _apply_to_one(self, name: str, angles: Sequence[Any], qubit: int) -> None:
        if name == "sx":  # the most frequent ones, which are the rest of this function at once
            (_, x, y, z), (_, xx, yy, zz) = self.mean[qubit], self.square[qubit]
            self.mean[qubit], self.square[qubit] = (1.0, x, -z, y), (1.0, xx, zz, yy)
            return
        if name in _FRAMES:
            (_, x, y, z), (_, xx, yy, zz) = self.mean[qubit], self.square[qubit]
            if _is_open(angles[0]):  # any angle
                around = (xx + yy) / 2
                self.mean[qubit], self.square[qubit] = (1.0, 0.0, 0.0, z), (1.0, around, around, zz)
                return
            c, s = math.cos(angles[0]), math.sin(angles[0])
            new_x, new_y, spread_x, spread_y = c * x - s * y, s * x + c * y, xx - x * x, yy - y * y
            squares = c * c * spread_x + s * s * spread_y, s * s * spread_x + c * c * spread_y
            self.mean[qubit] = (1.0, new_x, new_y, z)
            self.square[qubit] = (1.0, new_x * new_x + squares[0], new_y * new_y + squares[1], zz)
            return
        rows = None if any(map(_is_open, angles)) else _rotation(name, tuple(map(float, angles)))
        if rows is None:
            self._mix(qubit)
            return
        mean, square = self.mean[qubit], self.square[qubit]
        spread = [square[k] - mean[k] ** 2 for k in (1, 2, 3)]
        turned = [sum(r * mean[k + 1] for k, r in enumerate(row)) for row in rows]
        more = [sum(r * r * one for r, one in zip(row, spread, strict=True)) for row in rows]
        self.mean[qubit] = (1.0, turned[0], turned[1], turned[2])
        self.square[qubit] = (1.0, turned[0] ** 2 + more[0], turned[1] ** 2 + more[1], turned[2] ** 2 + more[2])

    def _apply_to_two(self, images: tuple[tuple[Image, Image, Image], ...], first: int, second: int) -> None:
        one, other, squares, others = self.mean[first], self.mean[second], self.square[first], self.square[second]
        for qubit, of_qubit in zip((first, second), images, strict=True):
            mean, square = [1.0], [1.0]
            for image in of_qubit:
                value = more = 0.0
                for c, a, b in image:
                    value += c * one[a] * other[b]
                    more += c * c * squares[a] * others[b]
                mean.append(value)
                square.append(more)
            self.mean[qubit] = (1.0, mean[1], mean[2], mean[3])
            self.square[qubit] = (1.0, square[1], square[2], square[3])

    def _mix(self, qubit: int) -> None:
        """Turn a qubit into any direction."""
        length = (sum(self.square[qubit]) - 1) / 3
        self.mean[qubit], self.square[qubit] = (1.0, 0.0, 0.0, 0.0), (1.0, length, length, length)

    def _scramble(self, qubits: Sequence[int]) -> None:
        """Turn two qubits together into any direction, of 15."""
        length = (4 * self.purity(qubits) - 1) / 15
        for qubit in qubits:
            self.mean[qubit], self.square[qubit] = (1.0, 0.0, 0.0, 0.0), (1.0, length, length, length)


def _is_open(angle: Any) -> bool:
    return isinstance(angle, ParameterExpression)


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
def _images(name: str, angles: tuple[float, ...]) -> tuple[tuple[Image, Image, Image], ...] | None:
    """Return what X, Y and Z of both qubits after a gate were before it; None likewise."""
    matrix = _matrix(name, angles)
    if matrix is None or len(matrix) != 4:
        return None
    pairs = {(a, b): _PAULIS[b] + _PAULIS[a] for a in range(4) for b in range(4)}  # the second qubit comes first
    paulis = {pair: np.asarray(Pauli(label).to_matrix()) for pair, label in pairs.items()}

    def image(pair: tuple[int, int]) -> Image:
        back = matrix.conj().T @ paulis[pair] @ matrix
        parts = {pair: float(np.trace(back @ other).real) / 4 for pair, other in paulis.items()}
        return tuple((part, *pair) for pair, part in parts.items() if abs(part) > _NEGLIGIBLE)

    return (image((1, 0)), image((2, 0)), image((3, 0))), (image((0, 1)), image((0, 2)), image((0, 3)))


def _matrix(name: str, angles: tuple[float, ...]) -> np.ndarray | None:
    gate = _library().get(name)
    try:
        return None if gate is None else np.asarray(Operator(gate.base_class(*angles)).data)
    except (QiskitError, TypeError):
        return None


@lru_cache(maxsize=1)
def _library() -> Mapping[str, Gate]:
    return {name: gate for name, gate in get_standard_gate_name_mapping().items() if isinstance(gate, Gate)}
