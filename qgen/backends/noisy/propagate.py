"""Method `propagate`: observables as sparse sums of Pauli strings, which all samples with the same weights share.

Where inputs move only what acts on single wires before their first two-wire gate, a sample is a product state, and one
run of the observables backwards through the circuit serves the whole batch. Strings with small coefficients are
dropped, which leaves a bias, common to all samples; how small, follows from the tolerance. See NOISE.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from threading import Lock

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.pauli_blocks import build_ptms
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.prefix import bloch_vectors, pull_back_prefix
from qgen.backends.noisy.program import NoisyProgram
from qgen.backends.noisy.propagation_batch import (
    PropagatedBatch,
    Row,
    parts_of,
    pull_back_all,
    run_jobs,
    samples_of_rows,
)
from qgen.backends.noisy.propagation_runs import MOST_STRINGS, Memory, Runs
from qgen.backends.noisy.scouts import scouts_matrices
from qgen.backends.noisy.steps import DELAY
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]

STEP = 3.0  # from one threshold to the next
COARSEST = 9.0  # the first threshold is the tolerance divided by it
REFERENCES = 64  # samples at which the error is estimated
MOST_ROWS = 8  # rows of weights at a time; those of the last time are kept
MOST_IDLE = 8  # memories of runs that wait for the next one


class Propagation:
    """Values and gradients of a noisy circuit by Pauli propagation: deterministic, with a given rms error.

    The error is that of values, in units of the observables: the root of its mean square over observables and inputs,
    whose angles are drawn uniformly. Single values are off by up to five times as much. It is estimated, not bounded:
    of 22,000 random weights three in a thousand exceeded the tolerance (NOISE.md). A threshold is small enough where
    values change by at most the tolerance from one three times as large, and changed by at most twice the tolerance
    before. That is decided for each row of weights by itself, whatever was evaluated before: results depend on the
    point alone. The gradient is that of the values, for the strings that were kept; scouts see to it that those which
    only a derivative needs are among them.

    Args:
        program: whose blocks no input moves.
        tolerance: the rms error of values, above 0.
        threshold: drop strings below it, in place of a tolerance; 0: only those that are zero.
        dtype: float32 or float64, of coefficients.
        most_strings: at a time.

    Raises:
        BackendError: an input moves a block, or there are too many wires.
    """

    def __init__(
        self,
        program: NoisyProgram,
        tolerance: float = 0.01,
        threshold: float | None = None,
        dtype: npt.DTypeLike = np.float32,
        most_strings: int = MOST_STRINGS,
    ) -> None:
        if not program.shared:
            raise BackendError(
                "method `propagate` takes circuits whose inputs move only gates before the first two-qubit gate of "
                "their qubit: take method `paths`, or `exact`"
            )
        self.program, self.tolerance, self.threshold = program, tolerance, threshold
        self._runs = Runs(program, np.dtype(dtype), most_strings)
        self._lock, self._kept, self._idle = Lock(), dict[bytes, Row](), list[Memory]()
        self._records = False  # from the first gradient on, runs keep what it needs
        of_prefix = program.prefix.ops.column
        own = program.own_columns[of_prefix[of_prefix >= 0]]
        self._moves_prefix = bool(own.any()), bool((~own).any())  # inputs, weights
        self._drawn = _reference_angles(program)

    @property
    def method(self) -> str:
        if self.threshold is not None:
            return f"propagation, threshold {self.threshold:g}"
        return f"propagation, tolerance {self.tolerance:g}"

    def values(self, point: Point) -> Doubles:
        """Return the values (N, O).

        Raises:
            TooManyStringsError: the tolerance cannot be kept.
        """
        out = np.empty((len(point.angles), self.program.observables))
        with self._lock:
            for _, samples, part in parts_of(point, MOST_ROWS):
                out[samples] = self._batch(part, self._rows(part, self._records)).values()
        return out

    def gradients(self, point: Point, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        """Return the gradient of sum(upstream * values) for the angles.

        Args:
            point: the angles.
            upstream: (N, O).
            inputs: whether columns that depend on the inputs are wanted.
            weights: whether the others are.

        Returns:
            (R, C), of the columns in blocks, summed over the samples of each row of weights; and (N, C), of the columns
            in the prefix. The gradient is the sum of both.

        Raises:
            TooManyStringsError: the tolerance cannot be kept.
        """
        d_rows, d_samples = np.zeros((len(point.first), self.program.columns)), np.zeros(point.angles.shape)
        with self._lock:
            self._records = True
            for rows, samples, part in parts_of(point, MOST_ROWS):
                d_rows[rows], d_samples[samples] = self._gradients(part, upstream[samples], inputs, weights)
        return d_rows, d_samples

    def _gradients(self, point: Point, upstream: Doubles, inputs: bool, weights: bool) -> tuple[Doubles, Doubles]:
        program = self.program
        d_rows, d_samples = np.zeros((len(point.first), program.columns)), np.zeros(point.angles.shape)
        rows = self._rows(point, weights)
        batch = self._batch(point, rows)
        if weights:
            used = [(row, d_angles) for row, d_angles in zip(rows, d_rows, strict=True) if row]
            for (row, d_angles), moments in zip(used, batch.moments(upstream), strict=True):
                pull_back_all(program.blocks, row.angles, moments, d_angles)
        if (inputs and self._moves_prefix[0]) or (weights and self._moves_prefix[1]):
            pull_back_prefix(program.prefix, point.angles, batch.vector_gradients(upstream), d_samples)
        return d_rows, d_samples

    def _batch(self, point: Point, rows: Sequence[Row | None]) -> PropagatedBatch:
        vectors = bloch_vectors(self.program.prefix, point.angles)
        pairs = zip(rows, samples_of_rows(point), strict=True)
        return PropagatedBatch(self._runs, vectors, ((row, samples) for row, samples in pairs if row))

    def _rows(self, point: Point, record: bool) -> list[Row | None]:
        """Return each row of weights, propagated; None for rows without samples."""
        count = len(point.angles)
        keys = [point.angles[k, ~self.program.own_columns].tobytes() if k < count else None for k in point.first]
        wanted = set(keys)
        kept = {key: row for key, row in self._kept.items() if key in wanted and (row.recorded or not record)}
        for key, row in self._kept.items():
            if key not in kept:
                self._idle += row.memories
        self._kept, self._idle = kept, self._idle[:MOST_IDLE]
        missing = {key: k for key, k in zip(keys, point.first, strict=True) if key is not None and key not in kept}
        found = self._search([self._row(point.angles[k], record) for k in missing.values()])
        self._kept = kept | dict(zip(missing, found, strict=True))
        return [None if key is None else self._kept[key] for key in keys]

    def _row(self, angles: Doubles, record: bool) -> Row:
        count = len(self.program.blocks.wires)
        matrices = np.empty((count, 16, 16))
        build_ptms(self.program.blocks, angles, np.arange(count), matrices)
        memories = [self._idle.pop() if self._idle else self._runs.memory() for _ in self._runs.groups]
        scouting = scouts_matrices(self.program.blocks, angles)
        flat = [one.reshape(-1).astype(self._runs.dtype) for one in (matrices, scouting)]
        return Row(angles, flat[0], flat[1], memories, record, 0.0)

    def _search(self, rows: list[Row]) -> list[Row]:
        """Propagate rows through the blocks, each with the threshold that the tolerance takes."""
        if self.threshold is not None:
            self._propagate(rows, self.threshold)
            return rows
        threshold = self.tolerance / COARSEST
        searches = [_Search(row, self._references(row)) for row in rows]
        while searches:
            self._propagate([search.row for search in searches], threshold)
            searches = [search for search in searches if not search.is_over(self.tolerance)]
            threshold /= STEP
        return rows

    def _references(self, row: Row) -> PropagatedBatch:
        angles = np.where(self.program.own_columns, self._drawn, row.angles)
        vectors = bloch_vectors(self.program.prefix, angles)
        return PropagatedBatch(self._runs, vectors, [(row, slice(None))])

    def _propagate(self, rows: Sequence[Row], threshold: float) -> None:
        cost = sum(self._runs.cost(one.most) for row in rows for one in row.sums.values()) * STEP
        for row in rows:
            row.threshold, row.sums = threshold, {}
        run_jobs([partial(self._run, row, k) for row in rows for k in range(len(self._runs.groups))], cost)

    def _run(self, row: Row, group: int) -> None:
        observables, memory = self._runs.groups[group], row.memories[group]
        row.sums[group] = self._runs.run(observables, row.matrices, row.scouting, row.threshold, memory, row.recorded)


@dataclass
class _Search:
    """The search for the threshold of a row of weights.

    Attributes:
        row: propagated with ever smaller thresholds.
        references: samples of its own.
        values: theirs, with the last threshold.
        change: the root of the mean square of their last change.
    """

    row: Row
    references: PropagatedBatch
    values: Doubles | None = None
    change: float = np.inf

    def is_over(self, tolerance: float) -> bool:
        """Whether values have changed little since the threshold before, and changed little there already."""
        before, last = self.values, self.change
        self.values = self.references.values()
        if before is None:
            return False
        self.change = float(np.sqrt(np.square(self.values - before).mean()))
        return self.change <= tolerance and last <= 2 * tolerance


def _reference_angles(program: NoisyProgram) -> Doubles:
    """Return angles (samples, C) for columns that depend on the inputs: uniform, and delays of no length."""
    samples = REFERENCES if program.own_columns.any() else 1
    angles = np.random.default_rng(0).uniform(-np.pi, np.pi, (samples, program.columns))
    ops = program.prefix.ops
    angles[:, ops.column[(ops.kind == DELAY) & (ops.column >= 0)]] = 0
    return angles
