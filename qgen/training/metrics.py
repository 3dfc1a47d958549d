"""Metrics of a training run: rows of `metrics.jsonl`, one JSON object a line, every few steps."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen import storage
from qgen.runs.rows import read_rows as read
from qgen.training.optimization import StepResult

Row = dict[str, Any]


@dataclass
class Stopwatch:
    """Seconds that a block took, once it is over."""

    seconds: float = 0.0


class MetricWindow:
    """Means over the steps since the last row, and rates over the time since then.

    Args:
        batch: images of a step.
        circuits: circuits evaluated forward for one image of a step.
    """

    def __init__(self, batch: int, circuits: float) -> None:
        self._batch, self._circuits = batch, circuits
        self._sums: dict[str, float] = {}
        self._steps = self._timed = 0
        self._since = time.perf_counter()

    def add(self, results: Mapping[str, StepResult]) -> None:
        """Add the results of one step, by player."""
        self._steps += 1
        self._timed += 1
        for player, result in results.items():
            prefix = f"{player}_" if len(results) > 1 else ""
            for name, value in result.scalars().items():
                self._sums[prefix + name] = self._sums.get(prefix + name, 0.0) + value

    def row(self, step: int, learning_rate: float) -> Row:
        """Return the row after step `step`, and clear the window."""
        now = time.perf_counter()
        rate = self._timed * self._batch / max(now - self._since, 1e-9)
        means = {name: total / self._steps for name, total in self._sums.items()}
        self._sums, self._steps, self._timed, self._since = {}, 0, 0, now
        return (
            {"step": step, "images": self.images(step)}
            | means
            | {"learning_rate": learning_rate, "images_per_second": round(rate, 1)}
            | {"circuits_per_second": round(rate * self._circuits, 1)}
        )

    def images(self, step: int) -> int:
        """Return the training images of the first `step` steps."""
        return step * self._batch

    @contextmanager
    def paused(self) -> Iterator[Stopwatch]:
        """Exclude the time of this block from the rates; yields a stopwatch of the block."""
        watch, started = Stopwatch(), time.perf_counter()
        try:
            yield watch
        finally:
            watch.seconds = time.perf_counter() - started
            self._since += watch.seconds

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps of a window that is not full."""
        return {"sums": self._sums, "steps": self._steps}

    def load(self, state: Mapping[str, Any]) -> None:
        """Load a state; time counts from now."""
        self._sums, self._steps, self._timed = dict(state["sums"]), state["steps"], 0
        self._since = time.perf_counter()


def append(path: Path, row: Row) -> None:
    """Add a row to the file.

    Raises:
        OSError: it cannot be written.
    """
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def cut(path: Path, step: int) -> None:
    """Remove the rows after step `step`, where a run resumes; a missing file stays missing."""
    if not path.exists():
        return
    kept = [json.dumps(row) + "\n" for row in read(path) if row["step"] <= step]
    storage.write_text(path, "".join(kept))
