"""Means of Pauli strings from bits, for any number of qubits: no integer has room for more than 62 of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qgen.backends.measurement.outcomes import Bits, chunks
from qgen.backends.parameters import Doubles


def bit_means(bits: Bits, strings: Sequence[int], weights: Doubles | None = None) -> Doubles:
    """Return means (N, S) over the shots of the product of what the bits of each string count.

    Args:
        bits: (N, shots, n), the readings of n qubits.
        strings: S of them; bit q says whether qubit q is part of the product.
        weights: what a reading of 0 and of 1 counts, (N, n, 2), for each qubit; None: 1 and -1.
    """
    means = np.empty((len(bits), len(strings)))
    for rows in chunks(len(bits), bits.shape[1]):
        for k, string in enumerate(strings):
            qubits = [qubit for qubit in range(bits.shape[2]) if string >> qubit & 1]
            means[rows, k] = _products(bits[rows], qubits, None if weights is None else weights[rows]).mean(axis=1)
    return means


def _products(bits: Bits, qubits: Sequence[int], weights: Doubles | None) -> Doubles:
    """What each shot (N, shots) counts."""
    if weights is None:
        odd = np.zeros(bits.shape[:2], dtype=np.uint8)
        for qubit in qubits:
            odd ^= bits[..., qubit]
        return 1.0 - 2.0 * odd.astype(np.float64)
    product = np.ones(bits.shape[:2])
    for qubit in qubits:
        product *= np.take_along_axis(weights[:, qubit], bits[..., qubit].astype(np.intp), axis=1)
    return product
