"""The phase of one Clifford circuit over another that is the same but for it, as a sum over paths.

An amplitude of a Clifford circuit is a sum over bits, one for each Hadamard gate, of i to a quadratic form of them
(Dehaene and De Moor, 2003, quant-ph/0304125). One bit after the other is summed over.
"""

from __future__ import annotations

import math

from qiskit import QuantumCircuit

#: Gates in H, S and CZ: a letter, then its qubits, by place; exact, with their phases.
_WORDS = {
    "id": (), "h": ("h0",), "s": ("s0",), "sdg": ("s0",) * 3, "z": ("s0", "s0"), "x": ("h0", "s0", "s0", "h0"),
    "y": ("s0", "s0", "s0", "h0", "s0", "s0", "h0", "s0"), "sx": ("h0", "s0", "h0"),
    "sxdg": ("h0", "s0", "s0", "s0", "h0"), "cz": ("c",), "cx": ("h1", "c", "h1"),
    "cy": ("s1", "s1", "s1", "h1", "c", "h1", "s1"),
    "swap": ("h1", "c", "h1", "h0", "c", "h0", "h1", "c", "h1"),
}  # fmt: skip


class _Paths:
    """A sum over bits of exp(i pi / 4 phase), 2^(halves / 2), and i to a quadratic form.

    Attributes:
        linear: for each bit its factor, modulo 4.
        pairs: for each bit those that it is multiplied with, as bits of a number; each product counts twice.
        forms: for each qubit the bits whose parity it is, as bits of a number, and whether one is added.
    """

    def __init__(self, qubits: int) -> None:
        self.phase, self.halves = 0, 0
        self.linear: dict[int, int] = {}
        self.pairs: dict[int, int] = {}
        self.forms = [(0, 0)] * qubits
        self._next = 0

    def s(self, qubit: int) -> None:
        """i to the qubit's value."""
        mask, one = self.forms[qubit]
        self.phase += 2 * one
        self._add_parity(mask, -1 if one else 1)

    def cz(self, qubit: int, other: int) -> None:
        """-1 to the product of two qubits' values."""
        (mask, one), (others, another) = self.forms[qubit], self.forms[other]
        self.phase += 4 * (one & another)
        self._add_product(mask, others)
        for bits, factor in ((others, one), (mask, another)):
            for k in _bits(bits) if factor else ():
                self.linear[k] += 2

    def h(self, qubit: int) -> None:
        """A new bit, which becomes the qubit's value."""
        new = self._new_bit()
        old, self.forms[qubit] = self.forms[qubit], (1 << new, 0)
        self.halves -= 1
        self._add_product(1 << new, old[0])
        self.linear[new] += 2 * old[1]

    def amplitude_of_zero(self) -> complex:
        """Return the amplitude of all qubits in |0>."""
        for mask, one in self.forms:
            new = self._new_bit()
            self.halves -= 2
            self._add_product(1 << new, mask)
            self.linear[new] += 2 * one
        for bit in range(self._next):
            if bit in self.linear and not self._sum_over(bit):
                return 0j
        angle = math.pi / 4 * (self.phase % 8)
        return 2 ** (self.halves / 2) * complex(math.cos(angle), math.sin(angle))

    def _new_bit(self) -> int:
        self._next += 1
        self.linear[self._next - 1] = self.pairs[self._next - 1] = 0
        return self._next - 1

    def _add_parity(self, mask: int, factor: int) -> None:
        """Multiply by i to a factor times the parity of some bits: their sum, less two for each pair, modulo 4."""
        for k in _bits(mask):
            self.linear[k] += factor
            if factor % 2:
                self.pairs[k] ^= mask & ~(1 << k)

    def _add_product(self, mask: int, others: int) -> None:
        """Multiply by -1 to the product of two sums of bits."""
        for k in _bits(mask & others):
            self.linear[k] += 2
        for k in _bits(mask):
            self.pairs[k] ^= others & ~(1 << k)
        for k in _bits(others):
            self.pairs[k] ^= mask & ~(1 << k)

    def _remove(self, bit: int) -> tuple[int, int]:
        factor, mask = self.linear.pop(bit) % 4, self.pairs.pop(bit)
        for k in _bits(mask):
            self.pairs[k] ^= 1 << bit
        return factor, mask

    def _sum_over(self, bit: int) -> bool:
        """Sum over a bit; False if the sum is 0."""
        factor, mask = self._remove(bit)
        if factor % 2:
            self.halves += 1
            self.phase += 1 if factor == 1 else -1
            self._add_parity(mask, -1 if factor == 1 else 1)
            return True
        self.halves += 2
        if not mask:
            return factor == 0
        # Of the others, whose parity has to be that of half the factor, one follows from the rest.
        last = min(_bits(mask))
        of_last, its_pairs = self._remove(last)
        rest, one = mask & ~(1 << last), factor // 2
        self.phase += 2 * of_last * one
        self._add_parity(rest, -of_last if one else of_last)
        self._add_product(rest, its_pairs)
        for k in _bits(its_pairs) if one else ():
            self.linear[k] += 2
        return True


def _bits(mask: int) -> list[int]:
    found = []
    while mask:
        low = mask & -mask
        found.append(low.bit_length() - 1)
        mask ^= low
    return found


def phase_between(circuit: QuantumCircuit, other: QuantumCircuit) -> float:
    """Return the phase of the second circuit over the first, a multiple of pi / 4.

    Args:
        circuit: in Clifford gates: one-qubit gates, CX, CY, CZ and SWAP. Its own global phase is left out.
        other: likewise, on as many qubits.

    Raises:
        ValueError: they differ by more than a phase on |0...0>.
    """
    paths = _Paths(circuit.num_qubits)
    for step in [*other.data, *circuit.inverse().data]:
        qubits = [circuit.find_bit(qubit).index for qubit in step.qubits]
        for letter in _WORDS[step.operation.name]:
            if letter == "c":
                paths.cz(*qubits)
            else:
                getattr(paths, letter[0])(qubits[int(letter[1])])
    amplitude = paths.amplitude_of_zero()
    if abs(abs(amplitude) - 1) > 1e-9:
        raise ValueError("the two circuits differ")
    return math.atan2(amplitude.imag, amplitude.real)
