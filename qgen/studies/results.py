"""RunResult: the metrics of one finished run of a study, read from its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen.runs.rows import read_rows
from qgen.studies.statistics import ANYTHING
from qgen.studies.tasks import Cell, TrainTask, cell_run
from qgen.training import metrics

#: Largest number of points of a curve with a row of metrics every few steps.
_POINTS = 40
_ACCURACY = "discriminator_accuracy"


@dataclass(frozen=True)
class Metric:
    """A metric of samples.

    Attributes:
        key: its key in quality.jsonl.
        name: its name for people.
        lower_is_better: the direction of improvement.
        share: whether it lies in [0, 1] and is shown in percent.
        meaning: one line.
    """

    key: str
    name: str
    lower_is_better: bool
    share: bool
    meaning: str

    @property
    def within(self) -> tuple[float, float]:
        """What a mean of it can be."""
        return (0.0, 1.0) if self.share else ANYTHING


METRICS = (
    Metric("frechet", "Fréchet distance", True, False, "between the features of samples and real images, as Gaussians"),
    Metric(
        "kernel", "kernel distance", True, False, "between the same features, unbiased; about 0 where nothing differs"
    ),
    Metric("coverage", "coverage", False, True, "real images that have a sample near"),
    Metric("confident", "recognised", False, True, "samples that a classifier assigns to a class by more than 90 %"),
    Metric("entropy", "evenness", False, True, "entropy of the classes of those, of the largest that there could be"),
    Metric(
        "sliced_wasserstein", "sliced Wasserstein", True, False, "1-Wasserstein distance, mean of random directions"
    ),
    Metric("correlation", "error of correlations", True, False, "largest difference of a correlation coefficient"),
)


@dataclass(frozen=True)
class RunResult:
    """The result of a finished run.

    Attributes:
        name: the name of its cell.
        images_per_step: training images per step.
        data: its images: name, number, SHA-256.
        quality: the rows of quality.jsonl, in order; the last is of the last step.
        accuracy: (training images seen, accuracy of the discriminator), in order; empty without one.
        seconds: time of its training steps, without sampling and saving; None if it was not recorded.
        grid: the picture of its last samples.
    """

    name: str
    images_per_step: int
    data: Mapping[str, Any]
    quality: tuple[metrics.Row, ...]
    accuracy: tuple[tuple[int, float], ...]
    seconds: float | None
    grid: Path

    def value(self, key: str) -> float | None:
        """Return a metric at the end; None if it is missing or not finite."""
        return finite(self.quality[-1].get(key)) if self.quality else None

    def real(self, key: str) -> float | None:
        """Return the metric of as many real images in place of the samples; None if it is missing."""
        return of_real(self.quality[-1], key) if self.quality else None

    def curve(self, key: str) -> list[tuple[int, float]]:
        """Return (training images seen, metric), in order."""
        points = ((self.images_per_step * row["step"], finite(row.get(key))) for row in self.quality)
        return [(images, value) for images, value in points if value is not None]

    @property
    def collapse(self) -> str | None:
        """The sign that the generator has collapsed, at the end."""
        return self.quality[-1].get("collapse") if self.quality else None


def read_result(folder: Path, cell: Cell, images_per_step: int) -> RunResult | None:
    """Read the result of a cell's run; None if the run is not finished."""
    task = TrainTask(cell)
    if not task.is_done(folder):
        return None
    run, last = cell_run(folder, cell), task.size
    quality = tuple(row for row in read_rows(run.quality) if row["step"] <= last)
    if quality and quality[-1]["step"] != last:
        quality = ()
    rows = read_rows(run.metrics)
    data = run.provenance().get("data", {})
    return RunResult(
        cell.name, images_per_step, data, quality, _accuracy(rows), _training_seconds(rows), run.grid(last)
    )


def of_real(quality: Mapping[str, Any], key: str) -> float | None:
    """Return what a row of quality.jsonl says of real images in place of samples; None in rows of earlier versions."""
    return finite((quality.get("real") or {}).get(key))


def finite(value: object) -> float | None:
    """Return the number if it is one, and finite."""
    is_finite = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if is_finite else None  # type: ignore[arg-type]


def _accuracy(rows: Sequence[metrics.Row]) -> tuple[tuple[int, float], ...]:
    """Average over about `_POINTS` equal parts of the run, each placed at its last row."""
    known = [(row["images"], value) for row in rows if (value := finite(row.get(_ACCURACY))) is not None]
    length = math.ceil(len(known) / _POINTS) or 1
    parts = (known[start : start + length] for start in range(0, len(known), length))
    return tuple((part[-1][0], sum(value for _, value in part) / len(part)) for part in parts)


def _training_seconds(rows: Sequence[metrics.Row]) -> float | None:
    """Sum the time of steps from the rates, which exclude all other work and are complete in resumed runs too."""
    seconds, previous = 0.0, 0
    for row in rows:
        rate = finite(row.get("images_per_second"))
        if not rate:
            return None
        seconds += (row["images"] - previous) / rate
        previous = row["images"]
    return seconds if rows else None
