"""Tables of a comparison, as rows of text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from qgen.studies.comparison import text
from qgen.studies.comparison.analysis import ArmResult, Comparison, Difference
from qgen.studies.study import Row


def results_head(comparison: Comparison) -> Row:
    """Return the head of `results`."""
    return ("model", "parameters", "in circuits", *map(text.heading, comparison.metrics), "training, s")


def results(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row of means for each arm on a part of the images."""
    for arm in comparison.study.arms:
        result = comparison.result(arm.name, fraction)
        means = (text.format_mean(result.estimates.get(metric.key), metric.share) for metric in comparison.metrics)
        counts = (f"{count:,}" for count in (arm.parameters, arm.quantum_parameters))
        yield arm.name, *counts, *means, text.UNKNOWN if result.seconds is None else f"{result.seconds.mean:,.0f}"


def differences_head(comparison: Comparison) -> Row:
    """Return the head of `differences`."""
    return ("model", "measure", f"difference from {comparison.study.baseline}", "p", "adjusted p", "verdict")


def differences(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row for each difference on a part of the images."""
    metrics = {metric.key: metric for metric in comparison.metrics}
    for difference in comparison.differences:
        if difference.fraction == fraction:
            metric = metrics[difference.metric]
            mean = text.format_difference(difference.estimate, metric.share)
            p_values = (text.format_p_value(p) for p in (difference.p_value, difference.adjusted))
            yield difference.name, text.heading(metric), mean, *p_values, difference.verdict or text.UNKNOWN


def verdicts_head(comparison: Comparison) -> Row:
    """Return the head of `verdicts`."""
    return ("model", *map(text.heading, comparison.metrics))


def verdicts(comparison: Comparison, fraction: float) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each arm with (difference, verdict) by metric, on a part of the images."""
    own = [difference for difference in comparison.differences if difference.fraction == fraction]
    for name in dict.fromkeys(difference.name for difference in own):
        by_metric = {difference.metric: difference for difference in own if difference.name == name}
        yield name, [_verdict(by_metric.get(metric.key), metric.share) for metric in comparison.metrics]


def _verdict(difference: Difference | None, share: bool) -> tuple[str, str]:
    if difference is None:
        return "", text.UNKNOWN
    return text.format_mean(difference.estimate, share, signed=True), difference.verdict or ""


def values_head(comparison: Comparison) -> Row:
    """Return the head of `values`."""
    return ("model", "seeds", *map(text.heading, comparison.metrics))


def values(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row for each arm on a part of the images, with the values of all seeds."""
    seeds = ", ".join(map(str, comparison.study.seeds))
    for arm in comparison.study.arms:
        yield arm.name, seeds, *_values(comparison, comparison.result(arm.name, fraction))


def _values(comparison: Comparison, result: ArmResult) -> Iterator[str]:
    for metric in comparison.metrics:
        mean = result.estimates.get(metric.key)
        yield text.UNKNOWN if mean is None else text.format_values(mean, metric.share)


def markdown(comparison: Comparison) -> str:
    """Return the whole comparison, without pictures, as Markdown."""
    names = ", ".join(arm.name for arm in comparison.study.arms)
    parts = [f"# {names}", text.answer(comparison), _list(text.verdict_lines(comparison))]
    parts += [f"Each run: {text.budget(comparison)}. {text.method(comparison)}", _list(text.warnings(comparison))]
    for fraction in comparison.study.fractions:
        result = comparison.result(comparison.study.baseline, fraction)
        parts += [
            f"## On {text.images_label(result)}",
            _table(results_head(comparison), results(comparison, fraction), 1),
        ]
        if comparison.differences:
            parts.append(_table(differences_head(comparison), differences(comparison, fraction), 2))
        parts += ["The value of every seed:", _table(values_head(comparison), values(comparison, fraction), 1)]
    parts.append(_list(f"{metric.name}: {metric.meaning}" for metric in comparison.metrics))
    return "\n\n".join(part for part in parts if part) + "\n"


def _list(lines: Iterable[str]) -> str:
    return "\n".join(f"- {line}" for line in lines)


def _table(head: Row, rows: Iterable[Sequence[str]], text_columns: int) -> str:
    """Return a table whose first columns are text, aligned left."""
    rule = [":--" if column < text_columns else "--:" for column in range(len(head))]
    cells = ([cell.replace("|", "\\|") for cell in row] for row in (head, rule, *rows))
    return "\n".join(f"| {' | '.join(row)} |" for row in cells)
