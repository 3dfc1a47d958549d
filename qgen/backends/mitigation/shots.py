"""Readout error mitigation of shots: strings that were read, each as often as it would have been without the errors.

Source: Nation, Kang, Sundaresan and Gambetta, "Scalable mitigation of measurement errors on quantum computers", PRX
Quantum 2, 040326, 2021, arXiv:2108.12518 (M3). Of all 2^n strings only those count that were read: their assignment
matrix, its columns normalised, times quasi-probabilities is how often each was read. Where all 2^n were read, this
inverts the tensor product of all qubits' confusion matrices, and given these, means over the quasi-probabilities are
unbiased. Where not, they are biased by what was never read, and the more so the rarer a string is read twice.

Quasi-probabilities are of no single shot, and may be negative. So the nearest probabilities are taken (Smolin, Gambetta
and Smith, 2012, arXiv:1106.5458), which is a bias again where some are negative, and each string is kept as often as
these say, to the next whole number at random: given the probabilities, every mean over the shots is unbiased.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse.linalg import LinearOperator, gmres

from qgen.backends.drawing import Bits
from qgen.backends.mitigation.readout import RESAMPLING, invertible
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.randomness import Streams

MOST_DENSE = 1024  # strings of a matrix that is held and solved directly
BLOCK = 1 << 22  # numbers of a matrix that is not held, at a time: 32 MiB
SMALLEST = 1e-300  # in place of a probability of 0, whose logarithm is none
TOLERANCE = 1e-8  # of the iterative solution, relative to what was read
#: Steps of the iteration between restarts, and restarts. With errors of 0.2 of every qubit it took at most 110 steps in
#: all (11 to 20 bits, up to 4,096 strings); what 500 do not invert are errors at which all would be noise.
STEPS, RESTARTS = 20, 25
#: Share of the shots that are read wrongly which has to be moved, where hardly a string is read twice.
LEAST_MOVED = 0.05


class Readings(NamedTuple):
    """What was read.

    Attributes:
        strings: (K, n), different ones.
        shares: (K,), how often each was read, of all shots.
    """

    strings: Bits
    shares: Doubles

    @classmethod
    def of(cls, bits: Bits) -> Readings:
        """Return those of shots (shots, n)."""
        strings, counts = np.unique(bits, axis=0, return_counts=True)
        return cls(strings, counts / len(bits))


def mitigate_shots(bits: Bits, errors: Doubles, rng: np.random.Generator) -> Bits:
    """Return as many shots (shots, n) as were read, of the same strings, in random order.

    Args:
        bits: what was read, (shots, n).
        errors: of reading a prepared 0 and 1, (n, 2); counted as `invertible` says.
        rng: source of randomness.

    Raises:
        BackendError: nearly all strings are different, and far apart: nothing can be corrected.
    """
    readings = Readings.of(bits)
    confusion = Confusion(readings.strings, invertible(errors))
    wanted = nearest_probabilities(confusion.invert(readings.shares))
    moved = float(np.abs(wanted - readings.shares).sum()) / 2
    rare = 2 * len(readings.strings) > len(bits) > 1 and len(readings.strings) < 2 ** bits.shape[1]
    if rare and moved < LEAST_MOVED * float(readings.shares @ confusion.wrong):
        raise BackendError(
            f"mitigation `readout` compares the strings that were read: {len(bits):,} shots of {bits.shape[1]} bits "
            f"read {len(readings.strings):,}, too far from one another for it to change anything. Draw more shots, of "
            "fewer bits, or leave it out"
        )
    return np.ascontiguousarray(rng.permutation(readings.strings[_systematic(wanted, len(bits), rng)]))


def mitigate_rows(bits: Bits, errors: Doubles, streams: Streams) -> Bits:
    """Return what `mitigate_shots` does of each row (N, shots, n), whose errors are (N, n, 2)."""
    rows = zip(bits, errors, streams.generators(RESAMPLING), strict=True)
    return np.array([mitigate_shots(*row) for row in rows])


class Confusion:
    """The assignment matrix [read, prepared] among some strings, its columns normalised.

    Args:
        strings: (K, n), different ones.
        errors: of reading a prepared 0 and 1, (n, 2).

    Attributes:
        diagonal: (K,), of the matrix.
        wrong: (K,), how often each is read as any other string, also of those that are left out.
    """

    def __init__(self, strings: Bits, errors: Doubles) -> None:
        self._strings = strings.astype(np.float64)
        a, b = errors[:, 0], errors[:, 1]
        # log p[prepared, read] of a bit: a polynomial in both.
        stay0, flip0, flip1, stay1 = (np.log(np.maximum(chance, SMALLEST)) for chance in (1 - a, a, b, 1 - b))
        self._read = stay0.sum() + self._strings @ (flip0 - stay0)
        self._prepared = self._strings @ (flip1 - stay0)
        self._both = stay1 - flip0 - flip1 + stay0
        rows = max(1, BLOCK // len(strings))
        self._blocks = [slice(first, first + rows) for first in range(0, len(strings), rows)]
        right = np.exp(self._read + self._prepared + self._strings**2 @ self._both)
        self._sums = np.sum([self._rows(block).sum(axis=0) for block in self._blocks], axis=0)
        self.diagonal, self.wrong = right / self._sums, 1 - right

    def invert(self, shares: Doubles) -> Doubles:
        """Return the quasi-probabilities (K,) that are read as these shares (K,); both sum to 1.

        Raises:
            BackendError: the iteration found none.
        """
        if len(shares) <= MOST_DENSE:
            found: Doubles = np.linalg.solve(self._rows(slice(None)) / self._sums, shares)
            return found
        return self._iterate(shares)

    def _iterate(self, shares: Doubles) -> Doubles:
        """Solve by GMRES without holding the matrix, preconditioned by its diagonal."""
        size = len(shares), len(shares)
        operator, inverse = LinearOperator(size, self._times), LinearOperator(size, lambda of: of / self.diagonal)
        found, failed = gmres(operator, shares, x0=shares, rtol=TOLERANCE, restart=STEPS, maxiter=RESTARTS, M=inverse)
        if failed:
            raise BackendError(
                f"the errors of reading {len(shares):,} strings could not be inverted in {STEPS * RESTARTS} steps. "
                "Take other qubits (--layout), weaker noise, or leave `readout` out of the mitigation"
            )
        return np.asarray(found, dtype=np.float64)

    def _times(self, values: Doubles) -> Doubles:
        normalised = np.ravel(values) / self._sums
        product: Doubles = np.concatenate([self._rows(block) @ normalised for block in self._blocks])
        return product

    def _rows(self, block: slice) -> Doubles:
        """Return rows of the matrix, not normalised."""
        both = self._strings[block] * self._both @ self._strings.T
        rows: Doubles = np.exp(self._read[block, None] + self._prepared + both)
        return rows


def nearest_probabilities(quasi: Doubles) -> Doubles:
    """Return the probabilities (K,) that are nearest, by the sum of squares, to numbers (K,) whose sum is 1."""
    falling = np.sort(quasi)[::-1]
    over = (np.cumsum(falling) - 1) / np.arange(1, len(quasi) + 1)  # taken from each, where so many are left
    left = int(np.flatnonzero(falling > over)[-1])
    nearest: Doubles = np.maximum(quasi - over[left], 0)
    return nearest


def _systematic(probabilities: Doubles, count: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return indices (count,) by systematic sampling: each as often as its probability says, rounded up or down."""
    marks = (rng.random() + np.arange(count)) / count
    places = np.searchsorted(np.cumsum(probabilities), marks * probabilities.sum(), side="right")
    indices: npt.NDArray[np.int64] = np.minimum(places, len(probabilities) - 1)
    return indices
