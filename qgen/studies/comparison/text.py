"""Text of a comparison: numbers, labels and conclusions for people."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qgen.studies.comparison.analysis import ArmResult, Comparison, Difference
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate

#: Stands for a missing value.
UNKNOWN = "\u2013"
_MINUS = "\u2212"
_MAX_DECIMALS = 6


def format_mean(mean: Estimate | None, share: bool = False, signed: bool = False) -> str:
    """Format a mean and the half-width of its interval, as in "12.3 ± 4.5"; shares in percent."""
    if mean is None:
        return UNKNOWN
    decimals = _decimals(mean, share)
    text = _number(mean.mean, share, decimals, signed)
    return text if mean.high is None else f"{text} ± {_number(mean.high - mean.mean, share, decimals)}"


def format_difference(mean: Estimate, share: bool = False) -> str:
    """Format a difference and its interval, as in "+1.20 [-0.30, +2.70]"; shares in percentage points."""
    decimals = _decimals(mean, share)
    text = _number(mean.mean, share, decimals, signed=True)
    if mean.low is None or mean.high is None:
        return text
    ends = (_number(end, share, decimals, signed=True) for end in (mean.low, mean.high))
    return f"{text} [{', '.join(ends)}]"


def format_values(mean: Estimate, share: bool = False) -> str:
    """Format the value of each seed."""
    decimals = _decimals(mean, share)
    return ", ".join(UNKNOWN if value is None else _number(value, share, decimals) for value in mean.values)


def heading(metric: Metric) -> str:
    """Return the name of a metric, its unit and the direction of improvement."""
    return f"{metric.name}{', %' * metric.share}\u00a0{'↓' if metric.lower_is_better else '↑'}"


def format_p_value(p_value: float | None) -> str:
    """Format a p-value."""
    if p_value is None:
        return UNKNOWN
    return "< 0.0001" if p_value < 1e-4 else f"{p_value:.{3 if p_value < 0.1 else 2}g}"


def fraction_label(fraction: float) -> str:
    """Return a label of a part of the images."""
    return "all images" if fraction == 1 else f"{100 * fraction:.3g}\u202f% of the images"


def images_label(result: ArmResult) -> str:
    """Return a label of the images that an arm was trained on, with their number."""
    label = fraction_label(result.fraction)
    return label if result.images is None else f"{label} ({_thousands(result.images)})"


def budget(comparison: Comparison) -> str:
    """Return the training images and steps of each run."""
    steps = {arm.name: arm.steps for arm in comparison.study.arms}
    if len(set(steps.values())) == 1:
        in_steps = f"{_thousands(next(iter(steps.values())))} steps"
    else:
        in_steps = "; ".join(f"{name}: {_thousands(count)} steps" for name, count in steps.items())
    return f"{_thousands(comparison.study.images)} training images seen ({in_steps})"


def answer(comparison: Comparison) -> str:
    """Return the conclusion of the study in a sentence or two."""
    tested = [difference for difference in comparison.differences if difference.verdict is not None]
    baseline = comparison.study.baseline
    if len(comparison.study.arms) == 1:
        return f"{baseline} alone was trained: there is nothing to compare it with."
    if not tested:
        return f"Nothing can be said of differences from {baseline}: that takes two or more seeds which both finished."
    resolved = [difference for difference in tested if difference.verdict != "not resolved"]
    if not resolved:
        which = f"None of the {len(tested)} differences" if len(tested) > 1 else "No difference"
        return f"{which} from {baseline} is resolved by these seeds. That does not show that the models are equal."
    better = sum(difference.verdict == "better" for difference in resolved)
    counts = f"{better} for the better, {len(resolved) - better} for the worse"
    rest = len(tested) - len(resolved)
    others = f" The other {rest} are not, which does not show that they are zero." if rest else ""
    return f"{len(resolved)} of {len(tested)} differences from {baseline} are resolved: {counts}.{others}"


def verdict_lines(comparison: Comparison) -> Iterator[str]:
    """Yield a line for each resolved difference."""
    metrics = {metric.key: metric for metric in comparison.metrics}
    for difference in comparison.differences:
        if difference.verdict in ("better", "worse"):
            yield _verdict_line(difference, metrics[difference.metric], comparison.study.baseline)


def _verdict_line(difference: Difference, metric: Metric, baseline: str) -> str:
    unit = " points" if metric.share else ""
    return (
        f"{difference.name} is {difference.verdict} than {baseline} in {metric.name}, "
        f"on {fraction_label(difference.fraction)}: {format_difference(difference.estimate, metric.share)}{unit}, "
        f"adjusted p {_equals(difference.adjusted)}"
    )


def method(comparison: Comparison) -> str:
    """Explain the intervals and verdicts."""
    count = sum(difference.verdict is not None for difference in comparison.differences)
    seeds = len(comparison.study.seeds)
    intervals = (
        f"Means over {seeds} seeds; ± and bands are 95 % intervals of the mean by Student's t."
        if seeds > 1
        else "One seed a model: there are no intervals, and nothing is said of differences."
    )
    if not count:
        return intervals
    return (
        f"{intervals} Differences are taken in pairs of runs with the same seed, which decides the first weights and "
        "the order of the images. Intervals of differences are each for itself; a verdict stands only where the "
        f"p-value of the paired t-test stays below 0.05 after Holm's correction for all {count} differences of this "
        "study."
    )


def evaluation(comparison: Comparison) -> str:
    """Explain what samples are compared with."""
    count = comparison.study.arms[0].settings.training.judged
    text = (
        f"At each point {_thousands(count)} samples, of the average of the weights where there is one, are compared "
        "with the real images: all that there are, however few a run learned from."
    )
    rates = [
        rate for result in comparison.results for run in result.runs.values() if (rate := run.value("real_confident"))
    ]
    if not rates:
        return text
    return (
        f"{text} The classifier is a small network that learned the classes of the real images, and assigns "
        f"{100 * rates[0]:.1f} % of them to a class by more than 90 %. Distances are of its features: they are "
        "not to be compared with values of other classifiers, data or numbers of samples."
    )


def data(comparison: Comparison) -> str:
    """Identify the training images."""
    known = {result.fraction: run.data for result in comparison.results for run in result.runs.values() if run.data}
    sets = (
        f"{fraction_label(fraction)}: {_thousands(about['images'])}, SHA-256 {about['sha256'][:12]}…"
        for fraction, about in known.items()
    )
    name = comparison.study.arms[0].settings.data.name
    return f"Images of {name}. {'; '.join(sets)}"


def warnings(comparison: Comparison) -> Iterator[str]:
    """Yield warnings about single runs: unfinished ones, and collapsed generators."""
    if comparison.missing:
        runs = f"{len(comparison.missing)} of {len(list(comparison.study.cells()))} runs are not finished"
        yield f"{runs}, and nothing of them is in here: {', '.join(comparison.missing)}."
    for name, sign in comparison.collapses:
        yield f"{name}: {sign}."


def _equals(p_value: float | None) -> str:
    text = format_p_value(p_value)
    return text if text.startswith("<") else f"= {text}"


def _number(value: float, share: bool, decimals: int, signed: bool = False) -> str:
    text = f"{100 * value if share else value:{'+' if signed else ''}.{decimals}f}"
    return text.replace("-", _MINUS)


def _decimals(mean: Estimate, share: bool) -> int:
    """Return the decimals that show the larger of a mean and its half-width with three digits."""
    half_width = 0.0 if mean.high is None else mean.high - mean.mean
    size = max(abs(mean.mean), half_width) * (100 if share else 1)
    if not size:
        return 1
    return min(_MAX_DECIMALS, max(0, 2 - math.floor(math.log10(size))))


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
