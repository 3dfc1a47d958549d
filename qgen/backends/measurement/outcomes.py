"""Outcomes of measurements as integers, or as bits where these are too many: sampled, and permuted to qubits."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from qgen.backends.parameters import Doubles
from qgen.errors import BackendError

Outcomes = npt.NDArray[np.int64]
#: What qubits read, one number each: 0 or 1.
Bits: TypeAlias = npt.NDArray[np.uint8]
#: An outcome of so many qubits is an int64, in which each has a bit; of more, it is bits.
MOST_IN_INTEGER = 62

CHUNK = 1 << 20  # numbers that a step over rows holds at a time
ROUNDING = 1e-3  # by which probabilities, computed in single precision perhaps, may miss a sum of one


def sample_bitstrings(probabilities: Doubles, shots: int, rngs: Iterable[np.random.Generator]) -> Outcomes:
    """Sample outcomes (N, shots) from the probabilities (N, M) of each row, by inverting their running sums.

    Negative probabilities count as zero and every row is scaled to a sum of one: both undo rounding.

    Args:
        probabilities: see above.
        shots: how many.
        rngs: at least N, one for each row; none is drawn from once the next one was asked for.

    Raises:
        BackendError: a row does not sum to one by more than rounding, or holds NaN.
    """
    drawn, sources = np.empty((len(probabilities), shots), dtype=np.int64), iter(rngs)
    for rows in chunks(len(probabilities), max(shots, probabilities.shape[1])):
        sums = np.cumsum(np.maximum(probabilities[rows], 0), axis=1)
        totals = sums[:, -1:]
        _check_totals(totals)
        # Strictly below the total, so that an outcome of probability zero is never the one found.
        levels = np.empty((len(sums), shots))
        for numbers, rng in zip(levels, sources, strict=False):
            rng.random(out=numbers)
        levels *= totals
        np.minimum(levels, np.nextafter(totals, 0), out=levels)
        for row, (edges, wanted) in enumerate(zip(sums, levels, strict=True), start=rows.start):
            drawn[row] = edges.searchsorted(wanted, side="right")
    return drawn


def permute_bits(outcomes: Outcomes, wires: Sequence[int]) -> Outcomes:
    """Return outcomes (...) of qubits from those of wires: bit q is the reading of wire wires[q]; 0 for wire -1."""
    permuted = np.zeros_like(outcomes)
    for qubit, wire in enumerate(wires):
        if wire >= 0:
            permuted |= (outcomes >> wire & 1) << qubit
    return permuted


def read_by_qubits(outcomes: Outcomes, wires: Sequence[int]) -> Outcomes | Bits:
    """Return what `permute_bits` does; of more qubits than an integer has room for, bits (..., n)."""
    if len(wires) <= MOST_IN_INTEGER:
        return permute_bits(outcomes, wires)
    bits = np.zeros((*outcomes.shape, len(wires)), dtype=np.uint8)
    for qubit, wire in enumerate(wires):
        if wire >= 0:
            bits[..., qubit] = outcomes >> wire & 1
    return bits


def permute_columns(bits: Bits, wires: Sequence[int]) -> Bits:
    """Return bits (..., n) of qubits from those (..., k) of wires: see `permute_bits`."""
    permuted = np.zeros((*bits.shape[:-1], len(wires)), dtype=np.uint8)
    read = [qubit for qubit, wire in enumerate(wires) if wire >= 0]
    permuted[..., read] = bits[..., [wires[qubit] for qubit in read]]
    return permuted


def as_outcomes(bits: Bits) -> Outcomes | Bits:
    """Return bits (..., n) as integers (...), bit q being column q; as they are where they are too many for one."""
    qubits = bits.shape[-1]
    if qubits > MOST_IN_INTEGER:
        return bits
    outcomes = np.zeros(bits.shape[:-1], dtype=np.int64)
    for qubit in range(qubits):
        outcomes |= bits[..., qubit].astype(np.int64) << qubit
    return outcomes


def permute_probabilities(probabilities: Doubles, wires: Sequence[int]) -> Doubles:
    """Return probabilities (N, 2^n) of the outcomes of n qubits from those (N, 2^k) of k wires; see `permute_bits`."""
    places = permute_bits(np.arange(probabilities.shape[1]), wires)
    order = np.argsort(places, kind="stable")
    found, starts = np.unique(places[order], return_index=True)
    permuted = np.zeros((len(probabilities), 1 << len(wires)))
    permuted[:, found] = np.add.reduceat(probabilities[:, order], starts, axis=1)
    return permuted


def chunks(rows: int, width: int) -> Iterator[slice]:
    """Slices of rows of this width that hold about `CHUNK` numbers each."""
    step = max(1, CHUNK // max(1, width))
    return (slice(start, start + step) for start in range(0, rows, step))


def _check_totals(totals: Doubles) -> None:
    wrong = ~(np.abs(totals - 1) <= ROUNDING)  # so that NaN is wrong, too
    if wrong.any():
        raise BackendError(
            f"the probabilities of a circuit's outcomes sum to {totals[wrong][0]:.6g}, not to 1: "
            "the simulation, or the noise that it was given, is not a physical one"
        )
