"""Rows that a run leaves: `metrics.jsonl` and `quality.jsonl`, and the values of its evaluations."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qgen.user_files import MAX_GENERATED_BYTES, read_text

#: Folder of a run in which `qgen evaluate` leaves its pages and values.
EVALUATIONS = "evaluation"


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read all rows of a file with a JSON object a line; damaged ones are left out, a missing file has none."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "step" in row:
            rows.append(row)
    return rows


def numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Return what a row says of the model: finite numbers, without its place and what counts images."""

    def tells(name: str, value: object) -> bool:
        number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
        return number and name not in ("step", "images", "seen")

    return {name: value for name, value in row.items() if tells(name, value)}


@dataclass(frozen=True)
class EvaluationValues:
    """Values that `qgen evaluate` found of a run.

    Attributes:
        file: the JSON file that they are from.
        step: training steps of the samples.
        count: number of samples.
        backend: where their circuits ran.
        features: what images were compared by.
        reference: the real images, in one line.
        metrics: by name, the plain values of each: `value`, `low`, `high`, `label`, `better`, `real` and more.
    """

    file: Path
    step: int
    count: int
    backend: str
    features: str
    reference: str
    metrics: Mapping[str, Mapping[str, Any]]

    def values(self) -> dict[str, float]:
        """Return the values alone, by name."""
        return {name: found["value"] for name, found in self.metrics.items()}


def last_evaluation(folder: Path, step: int | None = None) -> EvaluationValues | None:
    """Return the newest evaluation in the folder of a run.

    Args:
        folder: of the run.
        step: of the samples; None: any.
    """
    found = (each for each in _evaluations(folder) if step is None or each.step == step)
    return max(found, key=lambda each: (each.file.stat().st_mtime, each.file.name), default=None)


def _evaluations(folder: Path) -> Iterator[EvaluationValues]:
    for file in folder.joinpath(EVALUATIONS).glob("*.json"):
        try:
            plain = json.loads(read_text(file, MAX_GENERATED_BYTES))
            samples = plain["samples"]
            yield EvaluationValues(
                file,
                samples["step"],
                samples["images"],
                samples["backend"]["name"],
                plain["features"]["name"],
                plain["reference"]["description"],
                {name: each for name, each in plain["metrics"].items() if isinstance(each["value"], int | float)},
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            continue  # of a folder of images, or damaged
