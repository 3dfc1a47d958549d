"""Effects: what mitigation, shots and training under noise change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from qgen.noise.model import KINDS
from qgen.studies.noise.cell_results import EXPECTATIONS, Cells, Values, differences
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import Difference, judged, make_difference
from qgen.studies.noise.ranking import LOSS, mean_measure
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate, estimate

Row = TypeVar("Row", "Mitigated", "Sampled", "Aware")


@dataclass(frozen=True)
class Mitigated:
    """What a mitigation changes at one scale and number of shots, as the mean over devices.

    Attributes:
        source: whose images; None: the mean of all sources.
        mitigation: its name.
        shots: of each circuit, of all runs that the mitigation takes together; None: exact values.
        scale: of the noise.
        measure: `expectation_error` or `quality_lost`.
        without: the measure without mitigation.
        mitigated: with it.
        recovered: the part of it that is gone: 1 - with / without, by seed; None where that is not above 0.
        change: with - without, paired by seed.
    """

    source: str | None
    mitigation: str
    shots: int | None
    scale: float
    measure: str
    without: Estimate | None
    mitigated: Estimate | None
    recovered: Estimate | None
    change: Difference


@dataclass(frozen=True)
class Sampled:
    """What a number of shots changes.

    Attributes:
        source: whose images.
        condition: under which; its shots are those that are compared with exact values.
        metric: of the images, or a change.
        estimate: mean over the seeds.
        exact: that of exact values.
        change: from exact values under the same condition, paired by seed.
    """

    source: str
    condition: Condition
    metric: Metric
    estimate: Estimate | None
    exact: Estimate | None
    change: Difference


@dataclass(frozen=True)
class Aware:
    """What training under noise changes.

    Attributes:
        source: what was trained.
        trained_at: the noise of its training.
        judged_at: the condition in which it is compared with the one that was trained as the source says.
        metric: of the images.
        usual: of the latter.
        aware: of the former.
        change: aware - usual, paired by seed.
    """

    source: str
    trained_at: Condition
    judged_at: Condition
    metric: Metric
    usual: Estimate | None
    aware: Estimate | None
    change: Difference


def mitigated(cells: Cells) -> tuple[Mitigated, ...]:
    """Return what every mitigation changes; all changes of one measure are a family of tests."""
    sources = [source.name for source in cells.study.sources]
    each = (None, *sources) if len(sources) > 1 else (sources[0],)
    found = list[Mitigated]()
    for source in each:
        own = sources if source is None else [source]
        for measure in (EXPECTATIONS.key, LOSS):
            found += _mitigated(cells, source, own, measure)
    return _judged(found, lambda row: row.measure, lambda row: True)


def _mitigated(cells: Cells, source: str | None, sources: Sequence[str], measure: str) -> Iterator[Mitigated]:
    kinds = KINDS if KINDS in cells.study.kinds else cells.study.kinds[0]
    chosen = [each for each in cells.study.conditions if each.mitigation is not None and each.kinds == kinds]
    for mitigation, shots, scale in dict.fromkeys((each.mitigation, each.shots, each.scale) for each in chosen):
        of = [each for each in chosen if (each.mitigation, each.shots, each.scale) == (mitigation, shots, scale)]
        after = mean_measure(cells, sources, of, measure)
        before = mean_measure(cells, sources, [replace(each, mitigation=None) for each in of], measure)
        recovered = [
            None if a is None or b is None or b <= 0 else 1 - a / b for a, b in zip(after, before, strict=True)
        ]
        change = make_difference(differences(after, before))
        estimates = estimate(before), estimate(after), _whole(recovered)
        yield Mitigated(source, str(mitigation), shots, scale, measure, *estimates, change)


def sampled(cells: Cells) -> tuple[Sampled, ...]:
    """Return what numbers of shots change where the study has exact values, too; families are those of one metric."""
    if None not in cells.study.shots:
        return ()
    found = []
    for source in cells.study.sources:
        for condition in cells.study.conditions:
            if condition.shots is None:
                continue
            exact = replace(condition, shots=None) if condition.scale else Condition()
            for metric in (*cells.metrics, EXPECTATIONS):
                values, usual = (cells.values(source.name, each, metric.key) for each in (condition, exact))
                change = make_difference(differences(values, usual))
                if any(value is not None for value in values):
                    means = estimate(values), estimate(usual)
                    found.append(Sampled(source.name, condition, metric, *means, change))
    return _judged(found, lambda row: row.metric.key, lambda row: row.metric.lower_is_better)


def aware(cells: Cells) -> tuple[Aware, ...]:
    """Return what training under noise changes; all changes of one metric are a family of tests."""
    if not cells.study.train:
        return ()
    found = list[Aware]()
    for source in cells.study.sources:
        for at in cells.study.training_conditions:
            for judged_at in cells.study.conditions:
                if judged_at.ideal or judged_at.backend == at.backend:
                    found += _aware(cells, source.name, at, judged_at)
    return _judged(found, lambda row: row.metric.key, lambda row: row.metric.lower_is_better)


def _aware(cells: Cells, source: str, at: Condition, judged_at: Condition) -> Iterator[Aware]:
    for metric in cells.metrics:
        usual = cells.values(source, judged_at, metric.key)
        trained = cells.values(source, judged_at, metric.key, at)
        change = make_difference(differences(trained, usual))
        if change.estimate is not None:
            yield Aware(source, at, judged_at, metric, estimate(usual), estimate(trained), change)


def _judged(rows: Sequence[Row], family: Callable[[Row], str], lower: Callable[[Row], bool]) -> tuple[Row, ...]:
    """Return the rows with verdicts; those of one family are corrected together."""
    found = dict[int, Row]()
    for name in dict.fromkeys(map(family, rows)):
        places = [k for k, row in enumerate(rows) if family(row) == name]
        own = judged([rows[k].change for k in places], [lower(rows[k]) for k in places])
        found |= {k: replace(rows[k], change=change) for k, change in zip(places, own, strict=True)}
    return tuple(found[k] for k in range(len(rows)))


def _whole(values: Values) -> Estimate | None:
    """Return the mean over seeds, if none of them is missing."""
    return None if None in values else estimate(values)
