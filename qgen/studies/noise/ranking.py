"""Rankings: which sources and devices are more robust, which kind of error hurts most, and what is not resolved."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise
from typing import Literal

from qgen.noise.model import KINDS
from qgen.studies.noise.cell_results import EXPECTATIONS, PIXELS, Cells, Values, differences, mean_values
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import Difference, judged, losses, make_difference
from qgen.studies.statistics import Estimate, estimate

#: What is ranked.
Question = Literal["sources", "devices", "kinds"]
#: By what: the loss of quality, or a change from the ideal cell.
LOSS = "quality_lost"
MEASURES = (LOSS, PIXELS.key, EXPECTATIONS.key)


@dataclass(frozen=True)
class Pair:
    """Two items of a ranking, the one that stands first before the other.

    Attributes:
        first: name of the item with the smaller mean.
        second: name of the other.
        difference: of their measures, first - second, paired by seed; the verdict is "better" where the first is.
    """

    first: str
    second: str
    difference: Difference


@dataclass(frozen=True)
class Ranking:
    """Items by a measure of which less is better.

    Attributes:
        question: what is ranked.
        measure: one of MEASURES, as the mean over all other axes at scales above 0.
        source: whose; None: the mean of all sources, or the sources themselves.
        items: name and mean over the seeds, best first.
        pairs: of each two of them.
    """

    question: Question
    measure: str
    source: str | None
    items: tuple[tuple[str, Estimate], ...]
    pairs: tuple[Pair, ...]

    def resolved_below(self, name: str) -> tuple[str, ...]:
        """Return the items that are worse than this one, as far as that is resolved."""
        return tuple(pair.second for pair in self.pairs if pair.first == name and pair.difference.verdict == "better")

    @property
    def complete(self) -> bool:
        """Whether the order of all neighbours is resolved, and with it the whole order."""
        names = [name for name, _ in self.items]
        return all(second in self.resolved_below(first) for first, second in pairwise(names))


def base_conditions(cells: Cells) -> tuple[Condition, ...]:
    """Return the noisy conditions by which sources and devices are ranked: all kinds of errors, no mitigation.

    Values are exact where the study has that, else of its largest number of shots.
    """
    study = cells.study
    kinds = KINDS if KINDS in study.kinds else study.kinds[0]
    shots = base_shots(cells)
    return tuple(
        condition
        for condition in study.conditions
        if condition.scale > 0 and (condition.kinds, condition.shots, condition.mitigation) == (kinds, shots, None)
    )


def base_shots(cells: Cells) -> int | None:
    """Return the shots by which sources, devices and kinds are compared."""
    shots = cells.study.shots
    return None if None in shots else max(number for number in shots if number is not None)


def rankings(cells: Cells) -> tuple[Ranking, ...]:
    """Return all rankings of two or more items. All their pairs in one measure are a family of tests."""
    sources = [source.name for source in cells.study.sources]
    each = (None, *sources) if len(sources) > 1 else (None,)
    found = [_rank(cells, "sources", measure, None, _by_source(cells, measure)) for measure in (LOSS, PIXELS.key)]
    for measure in MEASURES:
        for source in each:
            own = sources if source is None else [source]
            found.append(_rank(cells, "devices", measure, source, _by_device(cells, own, measure)))
            found.append(_rank(cells, "kinds", measure, source, _by_kind(cells, own, measure)))
    return tuple(_with_verdicts([ranking for ranking in found if len(ranking.items) > 1]))


def measure_values(cells: Cells, source: str, condition: Condition, measure: str) -> Values:
    """Return a measure of a cell by seed: a loss of quality in the source's main metric, or a change."""
    if measure != LOSS:
        return cells.values(source, condition, measure)
    metric = cells.main(source)
    values, ideal = (cells.values(source, each, metric.key) for each in (condition, Condition()))
    return losses(values, ideal, metric.lower_is_better)


def mean_measure(cells: Cells, sources: Sequence[str], of: Sequence[Condition], measure: str) -> Values:
    """Return the mean of a measure over sources and conditions, by seed."""
    rows = [measure_values(cells, source, condition, measure) for source in sources for condition in of]
    return mean_values(rows) if rows else [None] * len(cells.study.seeds)


def _by_source(cells: Cells, measure: str) -> dict[str, Values]:
    chosen = base_conditions(cells)
    return {source.name: mean_measure(cells, [source.name], chosen, measure) for source in cells.study.sources}


def _by_device(cells: Cells, sources: Sequence[str], measure: str) -> dict[str, Values]:
    chosen = _grouped(base_conditions(cells), lambda condition: condition.device)
    return {name: mean_measure(cells, sources, own, measure) for name, own in chosen.items()}


def _by_kind(cells: Cells, sources: Sequence[str], measure: str) -> dict[str, Values]:
    shots = base_shots(cells)
    alone = [
        condition
        for condition in cells.study.conditions
        if condition.scale > 0
        and len(condition.kinds) == 1
        and (condition.shots, condition.mitigation) == (shots, None)
    ]
    chosen = _grouped(alone, lambda condition: condition.kinds[0])
    return {name: mean_measure(cells, sources, own, measure) for name, own in chosen.items()}


def _grouped(conditions: Sequence[Condition], key: Callable[[Condition], str]) -> dict[str, list[Condition]]:
    found: dict[str, list[Condition]] = {}
    for condition in conditions:
        found.setdefault(key(condition), []).append(condition)
    return found


def _rank(cells: Cells, question: Question, measure: str, source: str | None, values: Mapping[str, Values]) -> Ranking:
    means = {name: mean for name, own in values.items() if (mean := estimate(own)) is not None}
    names = sorted(means, key=lambda name: means[name].mean)
    pairs = tuple(
        Pair(first, second, make_difference(differences(values[first], values[second])))
        for first, second in combinations(names, 2)
    )
    return Ranking(question, measure, source, tuple((name, means[name]) for name in names), pairs)


def _with_verdicts(found: Sequence[Ranking]) -> Iterator[Ranking]:
    said: dict[tuple[int, int], Difference] = {}
    for measure in dict.fromkeys(ranking.measure for ranking in found):
        places = [
            (k, n) for k, ranking in enumerate(found) if ranking.measure == measure for n in range(len(ranking.pairs))
        ]
        family = [found[k].pairs[n].difference for k, n in places]
        said |= dict(zip(places, judged(family, [True] * len(family)), strict=True))
    for k, ranking in enumerate(found):
        pairs = tuple(replace(pair, difference=said[k, n]) for n, pair in enumerate(ranking.pairs))
        yield replace(ranking, pairs=pairs)
