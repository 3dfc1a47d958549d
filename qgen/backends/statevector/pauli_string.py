"""Pauli strings on the wires of a program: what is measured at the end."""

from __future__ import annotations

from dataclasses import dataclass

from qiskit.quantum_info import SparsePauliOp


@dataclass(frozen=True)
class PauliString:
    """coefficient * i^(number of Y) X^x Z^z, bits counted by wire; a summand of observable number `observable`."""

    observable: int
    coefficient: float
    x: int
    z: int

    @property
    def wires(self) -> int:
        """The wires that it acts on, as bits."""
        return self.x | self.z

    @property
    def imaginary(self) -> bool:
        """Whether the phase i^(number of Y) is imaginary: then the sum's imaginary part counts."""
        return bool((self.x & self.z).bit_count() & 1)

    @property
    def signed_coefficient(self) -> float:
        """The coefficient times the sign that i^(number of Y) leaves on the part that counts."""
        return self.coefficient * (1, -1, -1, 1)[(self.x & self.z).bit_count() % 4]


def pauli_strings(index: int, observable: SparsePauliOp, place: list[int]) -> list[PauliString]:
    """The strings of observable number `index`, with each qubit on the wire `place[qubit]`."""
    strings = []
    for pauli, coefficient in zip(observable.paulis, observable.coeffs, strict=True):
        x = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.x[qubit])
        z = sum(1 << place[qubit] for qubit in range(len(place)) if pauli.z[qubit])
        strings.append(PauliString(index, float(coefficient.real), x, z))
    return strings
