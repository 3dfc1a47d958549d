"""What a study came to: for each model means with intervals and curves, and what may be said of the differences."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qgen.errors import RunError
from qgen.studies.measured import METRICS, Measured, Metric, measured
from qgen.studies.plan import Plan, read_plan
from qgen.studies.statistics import Estimate, Verdict, chance, estimate, holm, verdict


@dataclass(frozen=True)
class Point:
    """A place on a curve.

    Attributes:
        images: training images seen.
        estimate: the mean over the seeds there.
    """

    images: int
    estimate: Estimate


@dataclass(frozen=True)
class Group:
    """A model on a part of the images, over all seeds.

    Attributes:
        name: of the model.
        fraction: of the images, in (0, 1].
        images: how many there are to learn from; None while no run is finished.
        runs: its finished runs, by seed.
        estimates: metric -> its mean at the end of training; values are in the order of the plan's seeds.
        seconds: of training, by one thread.
        curves: metric -> how it went; `discriminator_accuracy` is among them where there is a discriminator.
    """

    name: str
    fraction: float
    images: int | None
    runs: Mapping[int, Measured]
    estimates: Mapping[str, Estimate]
    seconds: Estimate | None
    curves: Mapping[str, tuple[Point, ...]]


@dataclass(frozen=True)
class Difference:
    """A model against the baseline, in pairs of runs of the same seed.

    Attributes:
        name: of the model.
        fraction: of the images.
        metric: which one.
        estimate: the mean of (model - baseline), with the interval of this difference alone.
        chance: its p-value by a paired t-test; None where there is none.
        adjusted: the same after `holm` over all differences of the study.
        verdict: what may be said by it; None with fewer than two pairs.
    """

    name: str
    fraction: float
    metric: str
    estimate: Estimate
    chance: float | None
    adjusted: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Comparison:
    """All that a study found.

    Attributes:
        plan: what was to be trained.
        metrics: those that its runs have.
        groups: each model on each part of the images, in the order of the plan.
        differences: of all but the baseline.
        missing: the names of runs that are not finished: nothing of them is in here.
    """

    plan: Plan
    metrics: tuple[Metric, ...]
    groups: tuple[Group, ...]
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]

    def group(self, name: str, fraction: float) -> Group:
        """That of a model on a part of the images."""
        return next(one for one in self.groups if (one.name, one.fraction) == (name, fraction))

    @property
    def collapses(self) -> tuple[tuple[str, str], ...]:
        """The runs whose generators have collapsed, and what shows it."""
        runs = (run for group in self.groups for run in group.runs.values())
        return tuple((run.task.name, run.collapse) for run in runs if run.collapse)

    def to_dict(self) -> dict[str, Any]:
        """Plain values for JSON, all of them finite."""
        models = {
            each.name: {
                "parameters": each.parameters,
                "quantum_parameters": each.quantum_parameters,
                "steps": each.steps,
                "images_a_step": each.images_a_step,
            }
            for each in self.plan.contenders
        }
        return {
            "images_seen": self.plan.images,
            "seeds": list(self.plan.seeds),
            "fractions": list(self.plan.fractions),
            "baseline": self.plan.baseline,
            "models": models,
            "metrics": {each.key: asdict(each) for each in self.metrics},
            "results": [_plain(group) for group in self.groups],
            "differences": [asdict(one) for one in self.differences],
            "collapses": dict(self.collapses),
            "missing": list(self.missing),
        }


def compare(study: Path) -> Comparison:
    """What the finished runs of a study came to; nothing is trained.

    Raises:
        RunError: the folder is not a study, or its runs learned from different images.
    """
    plan = read_plan(study)
    found = {task.name: measured(study, task) for task in plan.tasks()}
    finished = [run for run in found.values() if run is not None]
    _refuse_different_images(finished)
    metrics = tuple(each for each in METRICS if any(run.value(each.key) is not None for run in finished))
    groups = tuple(_group(plan, metrics, *which, finished) for which in _pairs(plan))
    missing = tuple(name for name, run in found.items() if run is None)
    return Comparison(plan, metrics, groups, tuple(_differences(plan, metrics, groups)), missing)


def _pairs(plan: Plan) -> Iterator[tuple[str, float]]:
    for fraction in plan.fractions:
        for contender in plan.contenders:
            yield contender.name, fraction


def _refuse_different_images(runs: Iterable[Measured]) -> None:
    known: dict[float, Measured] = {}
    for run in runs:
        first = known.setdefault(run.task.fraction, run)
        if first.data.get("sha256") != run.data.get("sha256"):
            raise RunError(
                f"{first.task.name} and {run.task.name} learned from different images: remove the folder of the one "
                "that is wrong, and run the study again"
            )


def _group(plan: Plan, metrics: Sequence[Metric], name: str, fraction: float, runs: Sequence[Measured]) -> Group:
    own = {run.task.seed: run for run in runs if (run.task.contender.name, run.task.fraction) == (name, fraction)}
    ends = {each.key: [own[seed].value(each.key) if seed in own else None for seed in plan.seeds] for each in metrics}
    estimates = {key: known for key, values in ends.items() if (known := estimate(values)) is not None}
    curves = {each.key: _curve([run.curve(each.key) for run in own.values()]) for each in metrics}
    curves["discriminator_accuracy"] = _curve([run.accuracy for run in own.values()])
    return Group(
        name=name,
        fraction=fraction,
        images=next((run.data.get("images") for run in own.values()), None),
        runs=own,
        estimates=estimates,
        seconds=estimate([own[seed].seconds if seed in own else None for seed in plan.seeds]),
        curves={key: points for key, points in curves.items() if points},
    )


def _curve(runs: Sequence[Sequence[tuple[int, float]]]) -> tuple[Point, ...]:
    """Means over runs where all of them have a value."""
    tables = [dict(rows) for rows in runs]
    places = sorted(set.intersection(*(set(table) for table in tables))) if tables else []
    points = ((images, estimate([table[images] for table in tables])) for images in places)
    return tuple(Point(images, found) for images, found in points if found is not None)


def _differences(plan: Plan, metrics: Sequence[Metric], groups: Sequence[Group]) -> Iterator[Difference]:
    found = list(_paired(plan, metrics, groups))
    tested = [place for place, (*_, known) in enumerate(found) if known.low is not None]
    chances = {place: chance([value for value in found[place][-1].values if value is not None]) for place in tested}
    # One that cannot be tested counts among the others all the same.
    family = dict(zip(tested, holm([1.0 if (p := chances[place]) is None else p for place in tested]), strict=True))
    for place, (group, metric, known) in enumerate(found):
        p = chances.get(place)
        adjusted = None if p is None else family[place]
        said = verdict(known, adjusted, metric.lower_is_better)
        yield Difference(group.name, group.fraction, metric.key, known, p, adjusted, said)


def _paired(plan: Plan, metrics: Sequence[Metric], groups: Sequence[Group]) -> Iterator[tuple[Group, Metric, Estimate]]:
    baselines = {group.fraction: group for group in groups if group.name == plan.baseline}
    for group in groups:
        base = baselines[group.fraction]
        for metric in metrics if group is not base else ():
            pairs = [(_end(group, seed, metric), _end(base, seed, metric)) for seed in plan.seeds]
            known = estimate([None if a is None or b is None else a - b for a, b in pairs])
            if known is not None:
                yield group, metric, known


def _end(group: Group, seed: int, metric: Metric) -> float | None:
    return group.runs[seed].value(metric.key) if seed in group.runs else None


def _plain(group: Group) -> dict[str, Any]:
    return {
        "model": group.name,
        "fraction": group.fraction,
        "images": group.images,
        "runs": {str(seed): run.task.name for seed, run in group.runs.items()},
        "estimates": {key: asdict(one) for key, one in group.estimates.items()},
        "seconds": group.seconds and asdict(group.seconds),
        "curves": {key: [asdict(point) for point in points] for key, points in group.curves.items()},
    }
