"""Comparison: means with intervals and curves of each arm, and paired differences from the baseline with verdicts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qgen.errors import RunError
from qgen.studies.comparison.plan import ComparisonStudy
from qgen.studies.results import METRICS, Metric, RunResult, read_result
from qgen.studies.statistics import Estimate, Verdict, estimate, holm, paired_p_value, verdict


@dataclass(frozen=True)
class Point:
    """A point of a curve.

    Attributes:
        images: training images seen.
        estimate: mean over the seeds.
    """

    images: int
    estimate: Estimate


@dataclass(frozen=True)
class ArmResult:
    """The results of an arm on one part of the images, over all seeds.

    Attributes:
        name: name of the arm.
        fraction: part of the images, in (0, 1].
        images: number of these images; None while no run is finished.
        runs: finished runs by seed.
        estimates: mean at the end of training by metric; values are in the order of the study's seeds.
        seconds: training time on one thread.
        curves: points by metric; `discriminator_accuracy` is among them if there is a discriminator.
    """

    name: str
    fraction: float
    images: int | None
    runs: Mapping[int, RunResult]
    estimates: Mapping[str, Estimate]
    seconds: Estimate | None
    curves: Mapping[str, tuple[Point, ...]]

    def value(self, seed: int, key: str) -> float | None:
        """Return a metric of one run at the end of training; None if it is missing."""
        return self.runs[seed].value(key) if seed in self.runs else None


@dataclass(frozen=True)
class Difference:
    """The difference of an arm from the baseline, paired by seed.

    Attributes:
        name: name of the arm.
        fraction: part of the images.
        metric: key of the metric.
        estimate: mean of (arm - baseline), with its own interval.
        p_value: by a paired t-test; None if it is undefined.
        adjusted: the p-value after `holm` over all differences of the study.
        verdict: what the difference supports; None with fewer than two pairs.
    """

    name: str
    fraction: float
    metric: str
    estimate: Estimate
    p_value: float | None
    adjusted: float | None
    verdict: Verdict | None


@dataclass(frozen=True)
class Comparison:
    """The results of a comparison.

    Attributes:
        study: the comparison as it was planned.
        metrics: the metrics of its runs.
        results: the results of each arm on each part of the images, in the order of the study.
        differences: those of all arms but the baseline.
        missing: names of unfinished runs, which are left out.
    """

    study: ComparisonStudy
    metrics: tuple[Metric, ...]
    results: tuple[ArmResult, ...]
    differences: tuple[Difference, ...]
    missing: tuple[str, ...]

    def result(self, name: str, fraction: float) -> ArmResult:
        """Return the results of an arm on a part of the images."""
        return next(result for result in self.results if (result.name, result.fraction) == (name, fraction))

    def real(self, key: str, fraction: float) -> float | None:
        """Return a metric of as many real images in place of samples; None if it is missing."""
        runs = (run for result in self.results if result.fraction == fraction for run in result.runs.values())
        return next((value for run in runs if (value := run.real(key)) is not None), None)

    @property
    def collapses(self) -> tuple[tuple[str, str], ...]:
        """Names of runs whose generators have collapsed, with the signs."""
        runs = (run for result in self.results for run in result.runs.values())
        return tuple((run.name, run.collapse) for run in runs if run.collapse)

    def to_dict(self) -> dict[str, Any]:
        """Return plain, finite values for JSON."""
        models = {
            arm.name: {
                "parameters": arm.parameters,
                "quantum_parameters": arm.quantum_parameters,
                "steps": arm.steps,
                "images_a_step": arm.images_per_step,
            }
            for arm in self.study.arms
        }
        return {
            "images_seen": self.study.images,
            "seeds": list(self.study.seeds),
            "fractions": list(self.study.fractions),
            "baseline": self.study.baseline,
            "models": models,
            "metrics": {metric.key: asdict(metric) for metric in self.metrics},
            "results": [_result_to_dict(result) for result in self.results],
            "differences": [_difference_to_dict(difference) for difference in self.differences],
            "collapses": dict(self.collapses),
            "missing": list(self.missing),
        }


def compare(folder: Path, study: ComparisonStudy) -> Comparison:
    """Compare the finished runs in the folder of a study.

    Raises:
        RunError: the runs were trained on different images.
    """
    cells = {cell.name: cell for cell in study.cells()}
    runs = {name: read_result(folder, cell, cell.arm.images_per_step) for name, cell in cells.items()}
    finished = [(cells[name], run) for name, run in runs.items() if run is not None]
    for fraction in study.fractions:
        _check_same_images(run for cell, run in finished if cell.fraction == fraction)
    metrics = tuple(metric for metric in METRICS if any(run.value(metric.key) is not None for _, run in finished))
    results = []
    for fraction in study.fractions:
        for name in (arm.name for arm in study.arms):
            own = {cell.seed: run for cell, run in finished if (cell.arm.name, cell.fraction) == (name, fraction)}
            results.append(_arm_result(study, metrics, name, fraction, own))
    missing = tuple(name for name, run in runs.items() if run is None)
    return Comparison(study, metrics, tuple(results), tuple(_differences(study, metrics, results)), missing)


def _check_same_images(runs: Iterable[RunResult]) -> None:
    first: RunResult | None = None
    for run in runs:
        first = first or run
        if first.data.get("sha256") != run.data.get("sha256"):
            raise RunError(
                f"{first.name} and {run.name} learned from different images: remove the folder of the one "
                "that is wrong, and run the study again"
            )


def _arm_result(
    study: ComparisonStudy, metrics: Sequence[Metric], name: str, fraction: float, runs: Mapping[int, RunResult]
) -> ArmResult:
    final = {
        metric.key: [runs[seed].value(metric.key) if seed in runs else None for seed in study.seeds]
        for metric in metrics
    }
    curves = {metric.key: _curve([run.curve(metric.key) for run in runs.values()], metric.within) for metric in metrics}
    curves["discriminator_accuracy"] = _curve([run.accuracy for run in runs.values()], (0.0, 1.0))
    return ArmResult(
        name=name,
        fraction=fraction,
        images=next((run.data.get("images") for run in runs.values()), None),
        runs=runs,
        estimates={
            metric.key: mean for metric in metrics if (mean := estimate(final[metric.key], metric.within)) is not None
        },
        seconds=estimate([runs[seed].seconds if seed in runs else None for seed in study.seeds]),
        curves={key: points for key, points in curves.items() if points},
    )


def _curve(runs: Sequence[Sequence[tuple[int, float]]], within: tuple[float, float]) -> tuple[Point, ...]:
    """Average curves at the points that all runs have."""
    curves = [dict(points) for points in runs]
    shared = sorted(set.intersection(*(set(curve) for curve in curves))) if curves else []
    means = ((images, estimate([curve[images] for curve in curves], within)) for images in shared)
    return tuple(Point(images, mean) for images, mean in means if mean is not None)


def _differences(
    study: ComparisonStudy, metrics: Sequence[Metric], results: Sequence[ArmResult]
) -> Iterator[Difference]:
    pairs = list(_paired(study, metrics, results))
    tested = [index for index, (*_, mean) in enumerate(pairs) if mean.low is not None]
    p_values = {
        index: paired_p_value([value for value in pairs[index][-1].values if value is not None]) for index in tested
    }
    # A difference without a p-value still counts as one of the tests.
    corrected = holm([1.0 if (p := p_values[index]) is None else p for index in tested])
    family = dict(zip(tested, corrected, strict=True))
    for index, (result, metric, mean) in enumerate(pairs):
        p_value = p_values.get(index)
        adjusted = None if p_value is None else family[index]
        conclusion = verdict(mean, adjusted, metric.lower_is_better)
        yield Difference(result.name, result.fraction, metric.key, mean, p_value, adjusted, conclusion)


def _paired(
    study: ComparisonStudy, metrics: Sequence[Metric], results: Sequence[ArmResult]
) -> Iterator[tuple[ArmResult, Metric, Estimate]]:
    baselines = {result.fraction: result for result in results if result.name == study.baseline}
    for result in results:
        baseline = baselines[result.fraction]
        for metric in metrics if result is not baseline else ():
            pairs = [(result.value(seed, metric.key), baseline.value(seed, metric.key)) for seed in study.seeds]
            mean = estimate([None if a is None or b is None else a - b for a, b in pairs])
            if mean is not None:
                yield result, metric, mean


def _result_to_dict(result: ArmResult) -> dict[str, Any]:
    return {
        "model": result.name,
        "fraction": result.fraction,
        "images": result.images,
        "runs": {str(seed): run.name for seed, run in result.runs.items()},
        "estimates": {key: asdict(mean) for key, mean in result.estimates.items()},
        "seconds": result.seconds and asdict(result.seconds),
        "curves": {key: [asdict(point) for point in points] for key, points in result.curves.items()},
    }


def _difference_to_dict(difference: Difference) -> dict[str, Any]:
    plain = asdict(difference)
    plain["chance"] = plain.pop("p_value")
    return {key: plain[key] for key in ("name", "fraction", "metric", "estimate", "chance", "adjusted", "verdict")}
