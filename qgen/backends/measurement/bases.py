"""Pauli strings, and the bases in which they are measured together."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.parameters import Doubles

#: Gates that turn an axis onto Z, the first one first.
ONTO_Z = {"X": ("h",), "Y": ("sdg", "h")}


class Basis(NamedTuple):
    """One setting of a measurement: axes[q] in "IXYZ" is what qubit q is measured along; with "I" it is not read."""

    axes: str

    @property
    def read(self) -> list[int]:
        """The qubits that are read, ascending."""
        return [qubit for qubit, axis in enumerate(self.axes) if axis != "I"]


class Pauli(NamedTuple):
    """A Pauli string; bit q of x and of z says whether qubit q has an X and a Z, both for a Y."""

    x: int
    z: int

    @property
    def support(self) -> int:
        """The qubits with something else than I, as bits."""
        return self.x | self.z

    def qubit_wise_commutes(self, other: Pauli) -> bool:
        """Whether each qubit has the same axis in both, or none in one of them."""
        differs = (self.x ^ other.x) | (self.z ^ other.z)
        return not differs & self.support & other.support

    def contains(self, other: Pauli) -> bool:
        """Whether the other string is read where this one is the measurement basis."""
        return self.qubit_wise_commutes(other) and not other.support & ~self.support

    def union(self, other: Pauli) -> Pauli:
        """Return the axes of two strings that commute qubit by qubit."""
        return Pauli(self.x | other.x, self.z | other.z)

    def basis(self, qubits: int) -> Basis:
        """The same as text, which names the qubits from 0 on."""
        return Basis("".join("IXZY"[(self.x >> q & 1) + 2 * (self.z >> q & 1)] for q in range(qubits)))


def measurement_bases(observables: Sequence[SparsePauliOp]) -> tuple[Basis, ...]:
    """Return bases in which every Pauli string of the observables is read, shared by those that commute qubit by qubit.

    Greedy, the strings on most qubits first: each goes to the first basis that it commutes with, qubit by qubit.
    Strings of I and Z alone make one basis; identities make none.
    """
    qubits = count_qubits(observables)
    return tuple(pauli.basis(qubits) for pauli in group(pauli_strings(observables)))


def count_qubits(observables: Sequence[SparsePauliOp]) -> int:
    """The number of qubits that all observables are on; 0 without any."""
    return max((int(operator.num_qubits) for operator in observables), default=0)


def pauli_strings(observables: Sequence[SparsePauliOp]) -> dict[Pauli, Doubles]:
    """Return all different Pauli strings, with their coefficients (O,) in the observables."""
    strings: dict[Pauli, Doubles] = {}
    for index, operator in enumerate(observables):
        for x, z, coefficient in zip(operator.paulis.x, operator.paulis.z, operator.coeffs, strict=True):
            row = strings.setdefault(Pauli(_integer(x), _integer(z)), np.zeros(len(observables)))
            row[index] += coefficient.real
    return strings


def group(strings: Iterable[Pauli]) -> list[Pauli]:
    """Group strings into the bases of `measurement_bases`, as Pauli strings."""
    bases: list[Pauli] = []
    for pauli in sorted(strings, key=lambda pauli: (-pauli.support.bit_count(), pauli)):
        if not pauli.support:
            continue
        commuting = next((k for k, basis in enumerate(bases) if basis.qubit_wise_commutes(pauli)), None)
        if commuting is None:
            bases.append(pauli)
        else:
            bases[commuting] = bases[commuting].union(pauli)
    return bases


def _integer(bits: npt.NDArray[Any]) -> int:
    return sum(1 << int(q) for q in np.flatnonzero(bits))
