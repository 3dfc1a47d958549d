"""From the states that Aer returns to expectation values of sums of Pauli strings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from qgen.backends.parameters import Doubles
from qgen.backends.statevector.pauli_string import PauliString


class StatevectorObservables:
    """Expectation values from the states that a circuit saves at its end.

    Where every string is made of I and Z, probabilities are enough; otherwise amplitudes are saved.

    Args:
        strings: the Pauli strings of all observables.
        wires: n, the number of wires.
        observables: O, the number of observables.
    """

    def __init__(self, strings: Sequence[PauliString], wires: int, observables: int) -> None:
        self.diagonal = all(string.x == 0 for string in strings)
        self._wires, self._observables = wires, observables
        alike: dict[tuple[int, bool], list[PauliString]] = defaultdict(list)
        for string in strings:
            alike[string.x, string.imaginary].append(string)
        self._groups = [_group(x, imaginary, members, wires, observables) for (x, imaginary), members in alike.items()]

    @property
    def sample_bytes(self) -> int:
        """Bytes of one saved state."""
        return (8 if self.diagonal else 16) << self._wires

    def save(self, circuit: Any, label: str) -> None:
        """Append the instruction that saves the state under this label."""
        if self.diagonal:
            circuit.save_probabilities(label=label)
        else:
            circuit.save_statevector(label=label)

    def values(self, saved: Sequence[Any]) -> Doubles:
        """Return expectation values (N, O) of N saved states, in the forms that Aer gives them."""
        states = np.array([np.asarray(state) for state in saved]).reshape(len(saved), 1 << self._wires)
        values = np.zeros((len(states), self._observables))
        for group in self._groups:
            values += group.means(states if self.diagonal else group.products(states)) @ group.coefficients
        return values


class Probabilities:
    """Saves the probabilities of all outcomes; bit q of an outcome is what the q-th of these wires reads.

    Args:
        wires: at least one.
    """

    def __init__(self, wires: Sequence[int]) -> None:
        self._wires = list(wires)

    @property
    def sample_bytes(self) -> int:
        """Bytes of the probabilities of one sample."""
        return 8 << len(self._wires)

    def save(self, circuit: Any, label: str) -> None:
        """Append the instruction that saves them under this label."""
        circuit.save_probabilities(self._wires, label=label)

    def values(self, saved: Sequence[Any]) -> Doubles:
        """Return the probabilities (N, 2^n) of N samples, in the forms that Aer gives them."""
        return np.array([np.asarray(state) for state in saved]).reshape(len(saved), 1 << len(self._wires))


#: What a circuit saves at its end, and what that becomes.
Readout: TypeAlias = StatevectorObservables | Probabilities


class _Group(NamedTuple):
    """Strings with the same flips x, and all with an even or all with an odd number of Y.

    high, low: the signs (-1)^(z.i) of each string for the upper and the lower bits of i, (2^bits, strings);
    coefficients: (strings, O).
    """

    x: int
    imaginary: bool
    high: Doubles
    low: Doubles
    coefficients: Doubles

    def products(self, states: npt.NDArray[np.complex128]) -> Doubles:
        """The part that counts of conj(psi[i ^ x]) psi[i], (N, 2^n)."""
        partners = states[:, np.arange(states.shape[1]) ^ self.x] if self.x else states
        real, imag = states.real, states.imag
        if self.imaginary:
            return partners.real * imag - partners.imag * real
        return partners.real * real + partners.imag * imag

    def means(self, weights: Doubles) -> Doubles:
        """Sums (N, strings) of weights (N, 2^n) with each string's signs."""
        inner = weights.reshape(len(weights), len(self.high), len(self.low)) @ self.low
        return np.asarray((inner * self.high).sum(axis=1))


def _group(x: int, imaginary: bool, strings: Sequence[PauliString], wires: int, observables: int) -> _Group:
    bits = wires // 2
    z = np.array([string.z for string in strings])
    coefficients = np.zeros((len(strings), observables))
    coefficients[range(len(strings)), [string.observable for string in strings]] = [
        string.signed_coefficient for string in strings
    ]
    return _Group(x, imaginary, _signs(z >> bits, wires - bits), _signs(z & ((1 << bits) - 1), bits), coefficients)


def _signs(z: npt.NDArray[np.int64], bits: int) -> Doubles:
    odd = np.bitwise_count(np.arange(1 << bits)[:, None] & z) & 1
    return np.where(odd, -1.0, 1.0)
