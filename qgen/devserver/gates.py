"""What gates do to states, for all bindings at once: matrices on the legs of state vectors or density matrices.

A state vector has a leg of 2 for each qubit. A density matrix has a leg of 4: entry (i, j) of a qubit at i + 2j. So a
qubit that is measured as 0 or 1 is at 0 or 3 of its leg.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Instruction
from qiskit.quantum_info import Operator

from qgen.backends.parameters import Doubles

Complexes = npt.NDArray[np.complex128]


def unitaries(operation: Instruction, angles: Doubles) -> Complexes:
    """The matrices (B, 2^n, 2^n) of a gate with these angles (B, A); (1, 2^n, 2^n) where the gate has its numbers."""
    if not angles.shape[1]:
        return np.asarray(Operator(operation).data)[None]
    half = angles[:, 0] / 2
    if operation.name == "rz":
        return _diagonal(np.stack([-half, half]))
    if operation.name == "rzz":
        return _diagonal(np.stack([-half, half, half, -half]))
    if operation.name == "rx":
        cos, sin = np.cos(half), -1j * np.sin(half)
        return np.stack([np.stack([cos, sin], -1), np.stack([sin, cos], -1)], -2)
    kind = type(operation)
    return np.array([kind(*row).to_matrix() for row in angles])


def superoperators(matrices: Complexes) -> Complexes:
    """From unitaries (B, 2^n, 2^n) to matrices (B, 4^n, 4^n) on the legs of density matrices."""
    size = matrices.shape[-1]
    joined = np.einsum("bij,bkl->bikjl", matrices.conj(), matrices).reshape(len(matrices), size**2, size**2)
    return on_legs(joined)


def on_legs(superoperator: Complexes) -> Complexes:
    """From Qiskit's order of superoperators (..., 4^n, 4^n), which stacks columns, to an order by legs."""
    qubits = (superoperator.shape[-1].bit_length() - 1) // 2
    index = np.arange(4**qubits)
    stacked = np.zeros_like(index)  # bits i of all qubits, then bits j of all qubits
    for qubit in range(qubits):
        stacked |= (index >> 2 * qubit & 1) << qubit
        stacked |= (index >> 2 * qubit + 1 & 1) << qubits + qubit
    found: Complexes = superoperator[..., stacked[:, None], stacked]
    return found


def pair(high: Complexes, low: Complexes) -> Complexes:
    """The matrices of two gates side by side: (B or 1, L, L) each -> (B or 1, L^2, L^2)."""
    joined = np.einsum("bij,bkl->bikjl", *np.broadcast_arrays(high, low))
    size = high.shape[-1] * low.shape[-1]
    return np.asarray(joined.reshape(len(joined), size, size))


def exchanged(matrices: Complexes) -> Complexes:
    """Matrices (B, L^2, L^2) on two legs, for the legs the other way round."""
    leg = int(np.sqrt(matrices.shape[-1]))
    return matrices.reshape(-1, leg, leg, leg, leg).transpose(0, 2, 1, 4, 3).reshape(matrices.shape)


class State:
    """States of k qubits, one a row, all starting from 0, in single precision: bits are drawn from them, no more.

    Args:
        rows: how many.
        qubits: k.
        leg: 2 for state vectors, 4 for density matrices.
    """

    def __init__(self, rows: int, qubits: int, leg: int) -> None:
        self._leg = leg
        self._order = list(range(qubits))[::-1]  # the qubit of each axis behind the first
        self._data = np.zeros((rows, leg**qubits), dtype=np.complex64)
        self._data[:, 0] = 1

    def apply(self, matrices: Complexes, qubits: Sequence[int]) -> None:
        """Act on these qubits, the first being the lowest leg of the matrices (B or 1, L^n, L^n)."""
        rows, leg = len(self._data), self._leg
        front = [self._order.index(qubit) for qubit in reversed(qubits)]
        axes = front + [axis for axis in range(len(self._order)) if axis not in front]
        moved = self._data.reshape(rows, *[leg] * len(axes)).transpose(0, *(1 + axis for axis in axes))
        self._data = np.matmul(matrices.astype(np.complex64), moved.reshape(rows, leg ** len(qubits), -1)).reshape(
            rows, -1
        )
        self._order = [self._order[axis] for axis in axes]

    def probabilities(self, qubits: Sequence[int]) -> Doubles:
        """(B, 2^m) of what these m qubits are measured as, the first being the lowest bit."""
        rows, count, leg = len(self._data), len(self._order), self._leg
        if leg == 2:
            chances = np.abs(self._data) ** 2
        else:
            corners = np.ix_(range(rows), *[(0, 3)] * count)
            chances = np.real(self._data.reshape(rows, *[leg] * count)[corners])
        chances = chances.reshape(rows, *[2] * count)
        kept = [1 + self._order.index(qubit) for qubit in reversed(qubits)]
        lost = [axis for axis in range(1, count + 1) if axis not in kept]
        found: Doubles = chances.transpose(0, *kept, *lost).reshape(rows, 1 << len(qubits), -1).sum(axis=-1)
        return found


def _diagonal(phases: Doubles) -> Complexes:
    size, rows = phases.shape
    found = np.zeros((rows, size, size), dtype=np.complex128)
    found[:, range(size), range(size)] = np.exp(1j * phases.T)
    return found
