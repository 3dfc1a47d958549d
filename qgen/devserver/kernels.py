"""Kernels that apply gates to batches of states: matrices on the legs of state vectors or density matrices.

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
    """Return the matrices (B, 2^n, 2^n) of a gate with these angles (B, A); (1, 2^n, 2^n) where A is 0."""
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
    """Return unitaries (B, 2^n, 2^n) as matrices (B, 4^n, 4^n) on the legs of density matrices."""
    size = matrices.shape[-1]
    joined = np.einsum("bij,bkl->bikjl", matrices.conj(), matrices).reshape(len(matrices), size**2, size**2)
    return by_legs(joined)


def by_legs(superoperator: Complexes) -> Complexes:
    """Reorder Qiskit's superoperators (..., 4^n, 4^n), which stack columns, by legs."""
    qubits = (superoperator.shape[-1].bit_length() - 1) // 2
    index = np.arange(4**qubits)
    stacked = np.zeros_like(index)  # bits i of all qubits, then bits j of all qubits
    for qubit in range(qubits):
        stacked |= (index >> 2 * qubit & 1) << qubit
        stacked |= (index >> 2 * qubit + 1 & 1) << qubits + qubit
    reordered: Complexes = superoperator[..., stacked[:, None], stacked]
    return reordered


def kron(high: Complexes, low: Complexes) -> Complexes:
    """Return the Kronecker products of two batches of matrices: (B or 1, L, L) each -> (B or 1, L^2, L^2)."""
    joined = np.einsum("bij,bkl->bikjl", *np.broadcast_arrays(high, low))
    size = high.shape[-1] * low.shape[-1]
    return np.asarray(joined.reshape(len(joined), size, size))


def swap_legs(matrices: Complexes) -> Complexes:
    """Return matrices (B, L^2, L^2) on two legs for the legs in the other order."""
    leg = int(np.sqrt(matrices.shape[-1]))
    return matrices.reshape(-1, leg, leg, leg, leg).transpose(0, 2, 1, 4, 3).reshape(matrices.shape)


class StateBatch:
    """A batch of states of k qubits, initially 0, in single precision, which is enough to sample bits.

    Args:
        rows: number of states.
        qubits: k.
        leg: 2 for state vectors, 4 for density matrices.
    """

    def __init__(self, rows: int, qubits: int, leg: int) -> None:
        self._leg = leg
        self._order = list(range(qubits))[::-1]  # the qubit of each axis behind the first
        self._data = np.zeros((rows, leg**qubits), dtype=np.complex64)
        self._data[:, 0] = 1

    def apply(self, matrices: Complexes, qubits: Sequence[int]) -> None:
        """Apply matrices (B or 1, L^n, L^n) to these qubits, the first being their lowest leg."""
        rows, leg = len(self._data), self._leg
        front = [self._order.index(qubit) for qubit in reversed(qubits)]
        axes = front + [axis for axis in range(len(self._order)) if axis not in front]
        moved = self._data.reshape(rows, *[leg] * len(axes)).transpose(0, *(1 + axis for axis in axes))
        self._data = np.matmul(matrices.astype(np.complex64), moved.reshape(rows, leg ** len(qubits), -1)).reshape(
            rows, -1
        )
        self._order = [self._order[axis] for axis in axes]

    def probabilities(self, qubits: Sequence[int]) -> Doubles:
        """Return the outcome probabilities (B, 2^m) of these m qubits, the first being the lowest bit."""
        rows, count, leg = len(self._data), len(self._order), self._leg
        if leg == 2:
            diagonal = np.abs(self._data) ** 2
        else:
            corners = np.ix_(range(rows), *[(0, 3)] * count)
            diagonal = np.real(self._data.reshape(rows, *[leg] * count)[corners])
        diagonal = diagonal.reshape(rows, *[2] * count)
        kept = [1 + self._order.index(qubit) for qubit in reversed(qubits)]
        summed = [axis for axis in range(1, count + 1) if axis not in kept]
        marginal: Doubles = diagonal.transpose(0, *kept, *summed).reshape(rows, 1 << len(qubits), -1).sum(axis=-1)
        return marginal


def _diagonal(phases: Doubles) -> Complexes:
    size, rows = phases.shape
    matrices = np.zeros((rows, size, size), dtype=np.complex128)
    matrices[:, range(size), range(size)] = np.exp(1j * phases.T)
    return matrices
