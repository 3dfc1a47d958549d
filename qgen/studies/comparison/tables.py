"""Tables of a comparison, as rows of text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator

from qgen.studies.comparison import text
from qgen.studies.comparison.analysis import ArmResult, Comparison, Difference
from qgen.studies.formatting import (
    UNKNOWN,
    format_difference,
    format_mean,
    format_p_value,
    format_values,
    heading,
    markdown_list,
    markdown_table,
)
from qgen.studies.statistics import estimate
from qgen.studies.study import REAL, Row


def results_head(comparison: Comparison) -> Row:
    """Return the head of `results`."""
    return ("model", "parameters", "in circuits", *map(heading, comparison.metrics), "training, s")


def results(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row of means for each arm on a part of the images, and one of real images in place of samples."""
    for arm in comparison.study.arms:
        result = comparison.result(arm.name, fraction)
        means = (format_mean(result.estimates.get(metric.key), metric.share) for metric in comparison.metrics)
        counts = (f"{count:,}" for count in (arm.parameters, arm.quantum_parameters))
        yield arm.name, *counts, *means, UNKNOWN if result.seconds is None else f"{result.seconds.mean:,.0f}"
    real = [(comparison.real(metric.key, fraction), metric.share) for metric in comparison.metrics]
    if any(value is not None for value, _ in real):
        means = (format_mean(estimate([value]), share) for value, share in real)
        yield REAL, "", "", *means, ""


def differences_head(comparison: Comparison) -> Row:
    """Return the head of `differences`."""
    return ("model", "measure", f"difference from {comparison.study.baseline}", "p", "adjusted p", "verdict")


def differences(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row for each difference on a part of the images."""
    metrics = {metric.key: metric for metric in comparison.metrics}
    for difference in comparison.differences:
        if difference.fraction == fraction:
            metric = metrics[difference.metric]
            mean = format_difference(difference.estimate, metric.share)
            p_values = (format_p_value(p) for p in (difference.p_value, difference.adjusted))
            yield difference.name, heading(metric), mean, *p_values, difference.verdict or UNKNOWN


def verdicts_head(comparison: Comparison) -> Row:
    """Return the head of `verdicts`."""
    return ("model", *map(heading, comparison.metrics))


def verdicts(comparison: Comparison, fraction: float) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Yield each arm with (difference, verdict) by metric, on a part of the images."""
    own = [difference for difference in comparison.differences if difference.fraction == fraction]
    for name in dict.fromkeys(difference.name for difference in own):
        by_metric = {difference.metric: difference for difference in own if difference.name == name}
        yield name, [_verdict(by_metric.get(metric.key), metric.share) for metric in comparison.metrics]


def _verdict(difference: Difference | None, share: bool) -> tuple[str, str]:
    if difference is None:
        return "", UNKNOWN
    return format_mean(difference.estimate, share, signed=True), difference.verdict or ""


def values_head(comparison: Comparison) -> Row:
    """Return the head of `values`."""
    return ("model", "seeds", *map(heading, comparison.metrics))


def values(comparison: Comparison, fraction: float) -> Iterator[Row]:
    """Yield a row for each arm on a part of the images, with the values of all seeds."""
    seeds = ", ".join(map(str, comparison.study.seeds))
    for arm in comparison.study.arms:
        yield arm.name, seeds, *_values(comparison, comparison.result(arm.name, fraction))


def _values(comparison: Comparison, result: ArmResult) -> Iterator[str]:
    for metric in comparison.metrics:
        mean = result.estimates.get(metric.key)
        yield UNKNOWN if mean is None else format_values(mean, metric.share)


def markdown(comparison: Comparison) -> str:
    """Return the whole comparison, without pictures, as Markdown."""
    names = ", ".join(arm.name for arm in comparison.study.arms)
    parts = [f"# {names}", text.answer(comparison), markdown_list(text.verdict_lines(comparison))]
    parts += [
        f"Each run: {text.budget(comparison)}. {text.method(comparison)}",
        markdown_list(text.warnings(comparison)),
    ]
    for fraction in comparison.study.fractions:
        result = comparison.result(comparison.study.baseline, fraction)
        parts += [
            f"## On {text.images_label(result)}",
            markdown_table(results_head(comparison), results(comparison, fraction), 1),
        ]
        if comparison.differences:
            parts.append(markdown_table(differences_head(comparison), differences(comparison, fraction), 2))
        parts += ["The value of every seed:", markdown_table(values_head(comparison), values(comparison, fraction), 1)]
    parts.append(markdown_list(f"{metric.name}: {metric.meaning}" for metric in comparison.metrics))
    return "\n\n".join(part for part in parts if part) + "\n"
