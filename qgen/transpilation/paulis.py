"""Pauli operators with their signs, many at a time, as Clifford gates change them.

A Pauli of one qubit is a number, as in `kernels.frames`: a bit for X and one for Z.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Pauli

X, Z, Y = 1, 2, 3
OF_AXIS = {"X": X, "Z": Z, "Y": Y}


class Paulis:
    """Pauli operators: i^power X^x Z^z, for each the power of i, and for each of its qubits whether there is an X, a Z.

    Attributes:
        x, z: (N, K), of whether.
        power: (N,), modulo 4.
    """

    def __init__(self, count: int, qubits: int) -> None:
        self.x, self.z = np.zeros((count, qubits), bool), np.zeros((count, qubits), bool)
        self.power = np.zeros(count, np.int64)

    def copy(self) -> Paulis:
        """Return operators that may be changed."""
        other = Paulis(0, 0)
        other.x, other.z, other.power = self.x.copy(), self.z.copy(), self.power.copy()
        return other

    def set(self, k: int, qubit: int, pauli: int) -> None:
        """Make the identity at place k a Pauli of one qubit: 1, 2 or 3 for X, Z and Y."""
        self._multiply(qubit, pauli, np.arange(len(self.power)) == k)

    def conjugate(self, first: int, p: int, second: int, q: int) -> None:
        """Conjugate by the gate that a Pauli of one qubit controls one of another with, which is its own inverse."""
        with_p, with_q = self._anticommuting(first, p), self._anticommuting(second, q)
        self._multiply(second, q, with_p)
        self._multiply(first, p, with_q)
        self.power += 2 * (with_p & with_q)

    def pull_back(self, name: str, qubit: int) -> None:
        """Replace operators P by U^-1 P U, with a one-qubit Clifford gate U by its name."""
        x, z = self.x[:, qubit].copy(), self.z[:, qubit].copy()
        self.x[:, qubit] = self.z[:, qubit] = False
        for (pauli, negative), where in zip(pulled_back(name), (x, z), strict=True):
            self._multiply(qubit, pauli, where)
            self.power += 2 * negative * where

    def place(self, k: int) -> Place | None:
        """Return where an operator is; None if it is on several qubits."""
        support = np.flatnonzero(self.x[k] | self.z[k])
        if len(support) != 1:
            return None
        qubit = int(support[0])
        x, z = int(self.x[k, qubit]), int(self.z[k, qubit])
        return Place(qubit, x + 2 * z, (int(self.power[k]) - x * z) % 4 == 2)

    def commutes(self, k: int, others: npt.NDArray[np.intp]) -> bool:
        """Whether one of the operators commutes with all of some others."""
        both = (self.x[others] & self.z[k]) ^ (self.z[others] & self.x[k])
        return not np.logical_xor.reduce(both, axis=1).any()

    def _anticommuting(self, qubit: int, pauli: int) -> npt.NDArray[np.bool_]:
        zero = np.zeros(len(self.power), bool)
        return (self.z[:, qubit] if pauli & 1 else zero) ^ (self.x[:, qubit] if pauli & 2 else zero)

    def _multiply(self, qubit: int, pauli: int, where: npt.NDArray[np.bool_]) -> None:
        """Multiply some operators from the right by a Pauli of one qubit."""
        if pauli & 1:
            self.power += 2 * (self.z[:, qubit] & where)
            self.x[:, qubit] ^= where
        if pauli & 2:
            self.z[:, qubit] ^= where
        if pauli == Y:
            self.power += where


class Place(NamedTuple):
    """A Pauli operator of one qubit.

    Attributes:
        qubit: its number.
        pauli: 1, 2 or 3 for X, Z and Y.
        negative: whether it has a sign.
    """

    qubit: int
    pauli: int
    negative: bool


@cache
def pulled_back(name: str) -> tuple[tuple[int, bool], tuple[int, bool]]:
    """Return what U^-1 X U and U^-1 Z U are, and whether with a sign."""
    gate = get_standard_gate_name_mapping()[name]
    labels = (Pauli(axis).evolve(gate, frame="h").to_label() for axis in "XZ")
    x, z = ((OF_AXIS[label[-1]], label.startswith("-")) for label in labels)
    return x, z
