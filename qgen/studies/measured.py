"""What one run of a study came to, read from its folder."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen.studies.plan import Task
from qgen.studies.training import is_finished
from qgen.training import metrics

#: Points of a curve that has a row of metrics every few steps.
_POINTS = 40
_ACCURACY = "discriminator_accuracy"


@dataclass(frozen=True)
class Metric:
    """A number that says how good samples are.

    Attributes:
        key: its name in quality.jsonl.
        name: for people.
        lower_is_better: whether less is more.
        share: whether it lies in [0, 1] and is written in percent.
        meaning: one line.
    """

    key: str
    name: str
    lower_is_better: bool
    share: bool
    meaning: str


METRICS = (
    Metric("frechet", "Fréchet distance", True, False, "between the features of samples and real images, as Gaussians"),
    Metric(
        "kernel", "kernel distance", True, False, "between the same features, unbiased; about 0 where nothing differs"
    ),
    Metric("coverage", "coverage", False, True, "real images that have a sample near"),
    Metric("confident", "recognised", False, True, "samples that the judge takes for some class by more than 90 %"),
    Metric("entropy", "evenness", False, True, "entropy of the classes of those, of the largest that there could be"),
    Metric(
        "sliced_wasserstein", "sliced Wasserstein", True, False, "1-Wasserstein distance, mean of random directions"
    ),
    Metric("correlation", "error of correlations", True, False, "largest difference of a correlation coefficient"),
)


@dataclass(frozen=True)
class Measured:
    """A finished run.

    Attributes:
        task: what it was to be.
        data: its provenance: name, number of images, digest.
        quality: the rows of quality.jsonl, in order; the last is of the last step.
        accuracy: (training images seen, how often the discriminator is right), in order; empty without one.
        seconds: that its steps took, without drawing samples and saving; None where they were not noted.
        grid: the picture of its last samples.
    """

    task: Task
    data: Mapping[str, Any]
    quality: tuple[metrics.Row, ...]
    accuracy: tuple[tuple[int, float], ...]
    seconds: float | None
    grid: Path

    def value(self, key: str) -> float | None:
        """A number of quality.jsonl at the end; None where it is missing or not finite."""
        return finite(self.quality[-1].get(key)) if self.quality else None

    def curve(self, key: str) -> list[tuple[int, float]]:
        """(training images seen, that number), in order."""
        each = self.task.contender.images_a_step
        known = ((each * row["step"], finite(row.get(key))) for row in self.quality)
        return [(images, value) for images, value in known if value is not None]

    @property
    def collapse(self) -> str | None:
        """What shows that its generator has collapsed, at the end."""
        return self.quality[-1].get("collapse") if self.quality else None


def measured(study: Path, task: Task) -> Measured | None:
    """What a run came to; None while it is not finished."""
    if not is_finished(study, task):
        return None
    run, last = task.run(study), task.contender.steps
    quality = tuple(row for row in metrics.read(run.quality) if row["step"] <= last)
    if quality and quality[-1]["step"] != last:
        quality = ()
    rows = metrics.read(run.metrics)
    data = run.provenance().get("data", {})
    return Measured(task, data, quality, _accuracy(rows), _seconds(rows), run.grid(last))


def finite(value: object) -> float | None:
    """The number, if it is one that JSON can hold."""
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return float(value) if known else None  # type: ignore[arg-type]


def _accuracy(rows: Sequence[metrics.Row]) -> tuple[tuple[int, float], ...]:
    """Means over about `_POINTS` equal parts of the run, each at its last row."""
    known = [(row["images"], value) for row in rows if (value := finite(row.get(_ACCURACY))) is not None]
    part = math.ceil(len(known) / _POINTS) or 1
    parts = (known[start : start + part] for start in range(0, len(known), part))
    return tuple((each[-1][0], sum(value for _, value in each) / len(each)) for each in parts)


def _seconds(rows: Sequence[metrics.Row]) -> float | None:
    """From the rates, which leave out all that is not training; a run that was killed and went on has them too."""
    seconds, before = 0.0, 0
    for row in rows:
        rate = finite(row.get("images_per_second"))
        if not rate:
            return None
        seconds += (row["images"] - before) / rate
        before = row["images"]
    return seconds if rows else None
