"""The tables of a comparison, as rows of text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qgen.studies import words
from qgen.studies.comparison import Comparison, Difference, Group

Row = tuple[str, ...]


def results_head(found: Comparison) -> Row:
    """Of `results`."""
    return ("model", "parameters", "in circuits", *map(words.heading, found.metrics), "training, s")


def results(found: Comparison, fraction: float) -> Iterator[Row]:
    """A row for each model on that part of the images."""
    for each in found.plan.contenders:
        group = found.group(each.name, fraction)
        values = (words.with_reach(group.estimates.get(one.key), one.share) for one in found.metrics)
        counts = (f"{number:,}" for number in (each.parameters, each.quantum_parameters))
        yield each.name, *counts, *values, words.UNKNOWN if group.seconds is None else f"{group.seconds.mean:,.0f}"


def differences_head(found: Comparison) -> Row:
    """Of `differences`."""
    return ("model", "measure", f"difference from {found.plan.baseline}", "p", "adjusted p", "verdict")


def differences(found: Comparison, fraction: float) -> Iterator[Row]:
    """A row for each model and metric on that part of the images."""
    metrics = {each.key: each for each in found.metrics}
    for one in found.differences:
        if one.fraction == fraction:
            metric = metrics[one.metric]
            chances = (words.chance_in_words(chance) for chance in (one.chance, one.adjusted))
            ends = words.with_ends(one.estimate, metric.share)
            yield one.name, words.heading(metric), ends, *chances, one.verdict or words.UNKNOWN


def verdicts_head(found: Comparison) -> Row:
    """Of `verdicts`."""
    return ("model", *map(words.heading, found.metrics))


def verdicts(found: Comparison, fraction: float) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Each model with its differences on that part of the images, and their verdicts, by metric."""
    known = {(one.name, one.metric): one for one in found.differences if one.fraction == fraction}
    for name in dict.fromkeys(name for name, _ in known):
        cells = [(known.get((name, each.key)), each.share) for each in found.metrics]
        yield name, [("", words.UNKNOWN) if one is None else _brief(one, share) for one, share in cells]


def _brief(one: Difference, share: bool) -> tuple[str, str]:
    return words.with_reach(one.estimate, share, signed=True), one.verdict or ""


def values_head(found: Comparison) -> Row:
    """Of `values`."""
    return ("model", "seeds", *map(words.heading, found.metrics))


def values(found: Comparison, fraction: float) -> Iterator[Row]:
    """A row for each model on that part of the images, with the value of every seed."""
    seeds = ", ".join(map(str, found.plan.seeds))
    for each in found.plan.contenders:
        yield each.name, seeds, *_single(found, found.group(each.name, fraction))


def _single(found: Comparison, group: Group) -> Iterator[str]:
    for metric in found.metrics:
        known = group.estimates.get(metric.key)
        yield words.UNKNOWN if known is None else words.single_values(known, metric.share)


def markdown(found: Comparison) -> str:
    """The whole comparison but for its pictures."""
    names = ", ".join(each.name for each in found.plan.contenders)
    parts = [f"# {names}", words.answer(found), _list(words.verdict_lines(found))]
    parts += [f"Each run: {words.budget(found)}. {words.method(found)}", _list(words.warnings(found))]
    for fraction in found.plan.fractions:
        group = found.group(found.plan.baseline, fraction)
        parts += [f"## On {words.learned_from(group)}", _table(results_head(found), results(found, fraction), 1)]
        if found.differences:
            parts.append(_table(differences_head(found), differences(found, fraction), 2))
        parts += ["The value of every seed:", _table(values_head(found), values(found, fraction), 1)]
    parts.append(_list(f"{each.name}: {each.meaning}" for each in found.metrics))
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Row, rows: Iterable[Sequence[str]], texts: int) -> str:
    """A table whose first `texts` columns begin at the left."""
    rule = [":--" if place < texts else "--:" for place in range(len(head))]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
