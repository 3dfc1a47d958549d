"""From readings in several bases to the values of observables, and how far these are off."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.measurement.bases import Pauli, count_qubits, group, pauli_strings
from qgen.backends.measurement.outcomes import Bits, Outcomes, chunks
from qgen.backends.measurement.wide import bit_means
from qgen.backends.parameters import Doubles


class Measurement:
    """How observables are estimated from readings in several bases.

    A string that several bases read is averaged over all of them.

    Args:
        observables: O sums of Pauli strings with real coefficients on the same n qubits, any number of them.

    Attributes:
        bases: B bases to measure in, as by `measurement_bases`; none where all strings are identities.
    """

    def __init__(self, observables: Sequence[SparsePauliOp]) -> None:
        self._qubits = count_qubits(observables)
        strings = pauli_strings(observables)
        self._constant = strings.pop(Pauli(0, 0), np.zeros(len(observables)))
        bases = group(strings)
        self.bases = tuple(pauli.basis(self._qubits) for pauli in bases)
        read = {pauli: row / sum(basis.contains(pauli) for basis in bases) for pauli, row in strings.items()}
        self._shares = [_share({pauli: row for pauli, row in read.items() if basis.contains(pauli)}) for basis in bases]

    def from_outcomes(self, outcomes: Sequence[Outcomes | Bits], weights: Doubles | None = None) -> Doubles:
        """Estimate values (N, O) from outcomes (N, shots), one array for each basis; bit q is the reading of qubit q.

        Of more than 62 qubits they are bits (N, shots, n).

        Without bases the one row (1, O) of constants, which broadcasts; likewise in the other two methods.

        Args:
            outcomes: see above.
            weights: what a reading of 0 and of 1 counts, (N, n, 2), for each qubit; None: 1 and -1.
        """
        values = self._constant[None]
        for readings, share in zip(outcomes, self._shares, strict=True):
            if readings.ndim == 3:
                means = bit_means(readings.astype(np.uint8, copy=False), share.strings, weights)
            elif weights is None:
                means = _parities(readings.astype(np.int64, copy=False), share.masks, self._qubits)
            else:
                means = _weighted(readings.astype(np.int64, copy=False), share.masks, weights)
            values = values + _combined(means, share.coefficients)
        return values

    def from_probabilities(self, probabilities: Sequence[Doubles]) -> Doubles:
        """What `from_outcomes` tends to, (N, O), from the probabilities (N, 2^n) of the outcomes, basis by basis."""
        values = self._constant[None]
        for of_basis, share in zip(probabilities, self._shares, strict=True):
            products = walsh_hadamard_rows(of_basis, self._qubits)[:, share.masks]
            values = values + _combined(products, share.coefficients)
        return values

    def variances(self, probabilities: Sequence[Doubles], shots: int) -> Doubles:
        """The variances (N, O) of `from_outcomes` with so many shots in each basis; their roots are standard errors.

        Exact: strings of one observable that share a basis share its shots, and their covariance counts.
        """
        values = np.zeros((1, len(self._constant)))
        for of_basis, contributions in zip(probabilities, self._contributions, strict=True):
            spread = of_basis @ contributions**2 - (of_basis @ contributions) ** 2
            values = values + np.maximum(spread, 0) / shots
        return values

    @cached_property
    def _contributions(self) -> list[Doubles]:
        """For each basis what each outcome counts for in each observable, (2^n, O)."""
        return [_contributions(share, self._qubits) for share in self._shares]


class _Share(NamedTuple):
    """What one basis contributes.

    strings: S of them, each the qubits whose parity is read, as bits; coefficients: (S, O).
    """

    strings: tuple[int, ...]
    coefficients: Doubles

    @property
    def masks(self) -> Outcomes:
        """The strings as an array (S,), where integers hold them."""
        return np.array(self.strings, dtype=np.int64)


def _share(strings: dict[Pauli, Doubles]) -> _Share:
    return _Share(tuple(pauli.support for pauli in strings), np.array(list(strings.values())))


def _parities(outcomes: Outcomes, masks: Outcomes, qubits: int) -> Doubles:
    """Means (N, S) over the shots of +1 where an even number of the masked bits is 1, and -1 where an odd one is."""
    shots, size = outcomes.shape[1], 1 << qubits
    odd = np.empty((len(outcomes), len(masks)))
    for rows in chunks(len(outcomes), shots):
        part = outcomes[rows]
        odd[rows] = _odd_by_outcome(part, masks, size) if size <= shots else _odd_by_mask(part, masks)
    values: Doubles = 1 - 2 * (odd / shots)
    return values


def _odd_by_mask(outcomes: Outcomes, masks: Outcomes) -> Doubles:
    """How many shots (N, S) have an odd number of 1 among the masked bits."""
    odd = np.empty((len(outcomes), len(masks)))
    for k, mask in enumerate(masks):
        odd[:, k] = (np.bitwise_count(outcomes & mask) & 1).sum(axis=1)
    return odd


def _odd_by_outcome(outcomes: Outcomes, masks: Outcomes, size: int) -> Doubles:
    """The same by counting each of the outcomes below `size` first, where there are few."""
    odd = np.bitwise_count(np.arange(size)[:, None] & masks) & 1
    totals: Doubles = _counts(outcomes, size) @ odd.astype(np.float64)  # whole numbers: exact in any order
    return totals


def _counts(outcomes: Outcomes, size: int) -> Doubles:
    """How often each row (N, shots) has each of the outcomes below `size`, (N, size)."""
    places = outcomes + size * np.arange(len(outcomes))[:, None]
    return np.bincount(places.ravel(), minlength=size * len(outcomes)).reshape(-1, size).astype(np.float64)


def _weighted(outcomes: Outcomes, masks: Outcomes, weights: Doubles) -> Doubles:
    """Means (N, S) over the shots of the product of what the masked bits count, by their weights (N, n, 2)."""
    shots, qubits = outcomes.shape[1], weights.shape[1]
    means = np.empty((len(outcomes), len(masks)))
    for rows in chunks(len(outcomes), shots):
        part, own = outcomes[rows], weights[rows]
        if 1 << qubits <= shots:
            means[rows] = walsh_hadamard_rows(_counts(part, 1 << qubits), qubits, own)[:, masks] / shots
            continue
        for k, mask in enumerate(masks.tolist()):
            product = np.ones(part.shape)
            for qubit in range(mask.bit_length()):
                if mask >> qubit & 1:
                    product *= np.take_along_axis(own[:, qubit], part >> qubit & 1, axis=1)
            means[rows, k] = product.mean(axis=1)
    return means


def _combined(parities: Doubles, coefficients: Doubles) -> Doubles:
    """(N, S) and (S, O) -> (N, O). A product of matrices would round a row by how many are beside it."""
    values = np.zeros((len(parities), coefficients.shape[1]))
    for parity, row in zip(parities.T, coefficients, strict=True):
        nonzero = np.flatnonzero(row)
        values[:, nonzero] += parity[:, None] * row[nonzero]
    return values


def _contributions(share: _Share, qubits: int) -> Doubles:
    """(2^n, O): at outcome i the sum over strings of coefficient * (-1)^(mask . i), by a Walsh-Hadamard transform."""
    sums = np.zeros((share.coefficients.shape[1], 1 << qubits))
    sums[:, share.masks] = share.coefficients.T
    return walsh_hadamard_rows(sums, qubits).T


def walsh_hadamard_rows(rows: Doubles, qubits: int, weights: Doubles | None = None) -> Doubles:
    """(N, 2^n) -> (N, 2^n): entry s is the sum over i of (-1)^(bits that s and i share) * row[i].

    With weights (N, n, 2), bit q of i that s has, too, counts weights[:, q, bit] instead of 1 and -1.
    """
    for qubit in range(qubits):
        pairs = rows.reshape(len(rows), -1, 2, 1 << qubit)
        zero, one = pairs[:, :, 0], pairs[:, :, 1]
        if weights is None:
            shared = zero - one
        else:
            shared = weights[:, qubit, 0, None, None] * zero + weights[:, qubit, 1, None, None] * one
        rows = np.stack([zero + one, shared], axis=2).reshape(len(rows), -1)
    return rows
