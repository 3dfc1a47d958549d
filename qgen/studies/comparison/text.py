"""Text of a comparison: numbers, labels and conclusions for people."""

from __future__ import annotations

from collections.abc import Iterator

from qgen.studies.comparison.analysis import ArmResult, Comparison, Difference
from qgen.studies.formatting import equals, format_difference, thousands
from qgen.studies.results import Metric
from qgen.studies.statistics import ENOUGH


def fraction_label(fraction: float) -> str:
    """Return a label of a part of the images."""
    return "all images" if fraction == 1 else f"{100 * fraction:.3g}\u202f% of the images"


def images_label(result: ArmResult) -> str:
    """Return a label of the images that an arm was trained on, with their number."""
    label = fraction_label(result.fraction)
    return label if result.images is None else f"{label} ({thousands(result.images)})"


def budget(comparison: Comparison) -> str:
    """Return the training images and steps of each run."""
    steps = {arm.name: arm.steps for arm in comparison.study.arms}
    if len(set(steps.values())) == 1:
        in_steps = f"{thousands(next(iter(steps.values())))} steps"
    else:
        in_steps = "; ".join(f"{name}: {thousands(count)} steps" for name, count in steps.items())
    return f"{thousands(comparison.study.images)} training images seen ({in_steps})"


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
        f"adjusted p {equals(difference.adjusted)}"
    )


def method(comparison: Comparison) -> str:
    """Explain the intervals and verdicts."""
    count = sum(difference.verdict is not None for difference in comparison.differences)
    seeds = len(comparison.study.seeds)
    intervals = (
        f"Means over {seeds} seeds; ± and bands are 95 % intervals of the mean by Student's t; of fewer than "
        f"{ENOUGH} seeds charts show each one as a dot."
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
        f"At each point {thousands(count)} samples, of the average of the weights where there is one, are compared "
        "with real images: those of the split that nothing was trained on, where the set has one. Beside them stand "
        "as many real images in place of the samples, as a perfect generator would make them."
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
        f"{fraction_label(fraction)}: {thousands(about['images'])}, SHA-256 {about['sha256'][:12]}…"
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
