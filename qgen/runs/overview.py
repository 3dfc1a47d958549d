"""Runs side by side: what each is and how good it became, their differences, and their curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from qgen.errors import ConfigError, QgenError
from qgen.runs.config import RunConfig
from qgen.runs.config_files import changed_keys, read_config
from qgen.runs.folder import HOME, Run
from qgen.runs.rows import EvaluationValues, last_evaluation, numbers, read_rows
from qgen.runs.shipped import preset_names

#: What is better where it is larger, of the values that a run notes of itself.
_HIGHER = ("accuracy", "per_second", "coverage", "density", "confident", "precision", "recall", "entropy")
#: What of metrics.jsonl says how good a model became.
_TELLING = ("loss", "accuracy")


@dataclass(frozen=True)
class RunOverview:
    """A run at a glance.

    Attributes:
        run: its folder.
        config: its settings; None: they cannot be read.
        problem: why they cannot; None: they can.
        metrics: the numbers in the last row of metrics.jsonl.
        quality: the numbers in the last row of quality.jsonl.
        evaluation: its newest evaluation; None: there is none.
    """

    run: Run
    config: RunConfig | None
    problem: str | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    quality: Mapping[str, float] = field(default_factory=dict)
    evaluation: EvaluationValues | None = None

    @classmethod
    def of(cls, run: Run) -> RunOverview:
        """Read a run."""
        try:
            config, problem = run.config(), None
        except QgenError as error:
            config, problem = None, str(error)
        metrics, quality = _last_numbers(run.metrics), _last_numbers(run.quality)
        return cls(run, config, problem, metrics, quality, last_evaluation(run.home))

    @property
    def kind(self) -> str | None:
        """The kind of its model."""
        return None if self.config is None else str(self.config.model.kind)

    @property
    def preset(self) -> tuple[str, list[str]] | None:
        """The preset that its settings differ least from, and the settings that differ; None: none is of its kind.

        A run does not note what it was made from.
        """
        if self.config is None:
            return None
        plain = self.config.plain()
        found = (
            (name, list(changed_keys(preset, plain)))
            for name, preset in _presets().items()
            if preset["model"].get("kind") == plain["model"].get("kind")
        )
        return min(found, key=lambda pair: len(pair[1]), default=None)

    @property
    def telling(self) -> dict[str, float]:
        """Losses and accuracies of the last row of metrics."""
        return {name: value for name, value in self.metrics.items() if name.endswith(_TELLING)}

    def values(self) -> dict[str, float]:
        """Return all its numbers by name; where a name has several, an evaluation's, then that of the last samples."""
        evaluated = {} if self.evaluation is None else self.evaluation.values()
        return {**self.metrics, **self.quality, **evaluated, "steps": self.run.steps_taken}

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        saved, preset, found = self.run.last_saved, self.preset, self.evaluation
        return {
            "run": self.run.address,
            "kind": self.kind,
            "preset": None if preset is None else {"nearest": preset[0], "changed": preset[1]},
            "steps": self.run.steps_taken,
            "export": self.run.is_export,
            "saved": None if saved is None else saved.isoformat(timespec="seconds"),
            "metrics": dict(self.metrics),
            "quality": dict(self.quality),
            "evaluation": None
            if found is None
            else {
                "file": str(found.file),
                "step": found.step,
                "images": found.count,
                "backend": found.backend,
                "features": found.features,
                "metrics": {name: dict(each) for name, each in found.metrics.items()},
            },
            "problem": self.problem,
        }


def list_runs(folder: Path = HOME) -> list[RunOverview]:
    """Return the runs in a folder, those last trained first."""
    runs = [Run(file.parent) for file in folder.glob("*/config.yaml")]
    return [RunOverview.of(run) for run in sorted(runs, key=_age)]


def _age(run: Run) -> tuple[float, str]:
    saved = run.last_saved
    return (0.0 if saved is None else -saved.timestamp()), run.name


def sort_runs(runs: Sequence[RunOverview], name: str) -> list[RunOverview]:
    """Return runs by a value, the best first, and those without it last.

    Raises:
        ConfigError: no run has such a value.
    """
    values = [run.values() for run in runs]
    known = sorted({each for found in values for each in found})
    if name not in known:
        raise ConfigError(f"no run has a value `{name}` to sort by; there are {', '.join(known) or 'no runs'}")
    sign = -1 if _is_better_higher(runs, name) else 1
    pairs = zip(runs, values, strict=True)
    return [run for run, _ in sorted(pairs, key=lambda pair: (name not in pair[1], sign * pair[1].get(name, 0.0)))]


def _is_better_higher(runs: Sequence[RunOverview], name: str) -> bool:
    for run in runs:
        if run.evaluation is not None and name in run.evaluation.metrics:
            return run.evaluation.metrics[name].get("better") == "higher"
    return name == "steps" or name.endswith(_HIGHER)


class Difference(NamedTuple):
    """A setting of two runs that differs; None where one has none."""

    key: str
    first: Any
    second: Any


def differing_settings(first: RunOverview, second: RunOverview) -> list[Difference]:
    """Return the settings in which two runs differ.

    Raises:
        ConfigError: the settings of one cannot be read.
    """
    one, other = (_settings(each).plain() for each in (first, second))
    return [Difference(key, _at(one, key), _at(other, key)) for key in changed_keys(one, other)]


def comparability(first: RunOverview, second: RunOverview) -> str | None:
    """Return a line on why the evaluations of two runs do not compare; None: they do, or one is missing."""
    one, other = first.evaluation, second.evaluation
    if one is None or other is None:
        return None
    names = ("features", "count", "reference", "backend")
    differ = [name for name in names if getattr(one, name) != getattr(other, name)]
    words = {"count": "number of samples", "reference": "real images"}
    listed = " and ".join(words.get(name, name) for name in differ)
    return f"the evaluations differ in {listed}: their values do not compare" if differ else None


def curves(run: Run) -> dict[str, list[tuple[int, float]]]:
    """Return (step, value) by the name of the metric, of metrics.jsonl and then quality.jsonl."""
    found: dict[str, list[tuple[int, float]]] = {}
    for path in (run.metrics, run.quality):
        for row in read_rows(path):
            for name, value in numbers(row).items():
                found.setdefault(name, []).append((int(row["step"]), value))
    return found


def chosen_curves(names: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the names of curves to draw: those that are wanted, else losses, accuracies and distances.

    Raises:
        ConfigError: there is none of a name, or none at all.
    """
    unknown = [name for name in names if name not in known]
    if unknown or not known:
        there = ", ".join(sorted(known)) or "none: no row of metrics was written"
        what = f"`{unknown[0]}`" if unknown else "curves"
        raise ConfigError(f"the runs have no {what}; of curves there are {there}")
    telling = [name for name in known if name.endswith((*_TELLING, "frechet", "coverage", "wasserstein"))]
    return list(names) or telling or list(known)


def _settings(overview: RunOverview) -> RunConfig:
    if overview.config is None:
        raise ConfigError(str(overview.problem))
    return overview.config


@cache
def _presets() -> dict[str, dict[str, Any]]:
    return {name: read_config(name).plain() for name in preset_names()}


def _last_numbers(path: Path) -> dict[str, float]:
    rows = read_rows(path)
    return numbers(rows[-1]) if rows else {}


def _at(plain: Any, key: str) -> Any:
    for part in key.split("."):
        plain = plain.get(part) if isinstance(plain, Mapping) else None
    return plain
