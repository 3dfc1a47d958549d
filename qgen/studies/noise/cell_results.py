"""Results of finished cells, and their values over the seeds of a study."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from qgen.errors import RunError
from qgen.studies.noise.cells import Generation, NoiseCell
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.plan import NoiseStudy
from qgen.studies.noise.tasks import cell_file
from qgen.studies.results import METRICS, Metric, finite, of_real
from qgen.user_files import MAX_GENERATED_BYTES, read_text

PIXELS = Metric(
    "rms_pixel_change", "change of pixels", True, False, "root mean square, from the ideal images of the same seeds"
)
EXPECTATIONS = Metric(
    "expectation_error",
    "error of expectation values",
    True,
    False,
    "root mean square over the layers, at inputs that they had in ideal sampling",
)
#: What is measured against the ideal cell.
CHANGES = (EXPECTATIONS, PIXELS)
Values = list[float | None]


@dataclass(frozen=True)
class CellResult:
    """The result of a finished cell.

    Attributes:
        cell: which.
        facts: the content of its JSON file.
        picture: its first images.
    """

    cell: NoiseCell
    facts: Mapping[str, Any]
    picture: Path

    def value(self, key: str) -> float | None:
        """Return a metric of its images, or a change from the ideal cell; None if it is missing or not finite."""
        if key == PIXELS.key:
            return finite(self.facts.get(key))
        if key == EXPECTATIONS.key:
            squares = [layer["rms"] ** 2 for layer in self.layers]
            return math.sqrt(float(np.mean(squares))) if squares else None
        return finite(self.facts["quality"].get(key))

    @property
    def layers(self) -> Sequence[Mapping[str, Any]]:
        """Errors of expectation values by layer; see `error_facts`."""
        return self.facts["layers"]  # type: ignore[no-any-return]

    @property
    def collapse(self) -> str | None:
        """The sign that the images show a collapse."""
        sign: str | None = self.facts["quality"].get("collapse")
        return sign


@dataclass(frozen=True)
class Cells:
    """The finished cells of a study.

    Attributes:
        study: as it was planned.
        results: by name of the cell.
        missing: names of the cells that are not finished.
    """

    study: NoiseStudy
    results: Mapping[str, CellResult]
    missing: tuple[str, ...]

    @cached_property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of images that any cell has."""
        found = self.results.values()
        return tuple(metric for metric in METRICS if any(cell.value(metric.key) is not None for cell in found))

    def main(self, source: str) -> Metric:
        """Return the metric that stands for the quality of a source: the first that it has."""
        own = [cell for cell in self.results.values() if cell.cell.generation.source.name == source]
        found = (metric for metric in METRICS if any(cell.value(metric.key) is not None for cell in own))
        return next(found, METRICS[0])

    def result(self, source: str, condition: Condition, seed: int, at: Condition | None = None) -> CellResult | None:
        """Return the result of a cell; None if it is not finished or not part of the study."""
        chosen = next(each for each in self.study.sources if each.name == source)
        return self.results.get(NoiseCell(Generation(chosen, seed, at), condition).name)

    def real(self, source: str, key: str) -> float | None:
        """Return a metric of as many real images in place of a source's; None if it is missing."""
        own = (cell for cell in self.results.values() if cell.cell.generation.source.name == source)
        return next(known([of_real(cell.facts["quality"], key) for cell in own]), None)

    def values(self, source: str, condition: Condition, key: str, at: Condition | None = None) -> Values:
        """Return a value for each seed of the study."""
        found = (self.result(source, condition, seed, at) for seed in self.study.seeds)
        return [None if cell is None else cell.value(key) for cell in found]


def read_cells(folder: Path, study: NoiseStudy) -> Cells:
    """Read the finished cells of a study.

    Raises:
        RunError: a file is damaged, or cells of a source were compared with different images.
    """
    found, missing = dict[str, CellResult](), list[str]()
    for cell in study.cells():
        file = cell_file(folder, cell.name, "json")
        if file.exists():
            found[cell.name] = CellResult(cell, _read(file), cell_file(folder, cell.name, "png"))
        else:
            missing.append(cell.name)
    for source in study.sources:
        own = [result for result in found.values() if result.cell.generation.source.name == source.name]
        _check_same_images(own)
    return Cells(study, found, tuple(missing))


def mean_values(rows: Iterable[Values]) -> Values:
    """Return the mean over rows for each seed; None where one of them is missing."""
    return [_mean(column) for column in zip(*rows, strict=True)]


def differences(first: Values, second: Values) -> Values:
    """Return `first - second` for each seed; None where one of them is missing."""
    return [None if a is None or b is None else a - b for a, b in zip(first, second, strict=True)]


def known(values: Values) -> Iterator[float]:
    """Yield the values that are not missing."""
    return (value for value in values if value is not None)


def _mean(column: Sequence[float | None]) -> float | None:
    numbers = [value for value in column if value is not None]
    return float(np.mean(numbers)) if len(numbers) == len(column) else None


def _read(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(file, MAX_GENERATED_BYTES))
        if isinstance(content, dict) and isinstance(content["quality"], dict) and isinstance(content["layers"], list):
            return content
    except (OSError, ValueError, KeyError, RecursionError) as error:
        raise RunError(f"{file} is damaged: remove it, and run the study again") from error
    raise RunError(f"{file} is damaged: remove it, and run the study again")


def _check_same_images(results: Sequence[CellResult]) -> None:
    for result in results[1:]:
        if result.facts.get("data") != results[0].facts.get("data"):
            raise RunError(
                f"{results[0].cell.name} and {result.cell.name} were compared with different images: remove the files "
                "of the one that is wrong in `cells`, and run the study again"
            )
