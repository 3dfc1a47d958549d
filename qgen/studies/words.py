"""What a comparison says, in words and in numbers for people."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qgen.studies.comparison import Comparison, Difference, Group
from qgen.studies.measured import Metric
from qgen.studies.statistics import Estimate

#: In place of what is not known.
UNKNOWN = "\u2013"
_MINUS = "\u2212"
_MOST_DECIMALS = 6


def with_reach(known: Estimate | None, share: bool = False, signed: bool = False) -> str:
    """A mean and how far its interval reaches, as in "12.3 ± 4.5"; shares are in percent."""
    if known is None:
        return UNKNOWN
    decimals = _decimals(known, share)
    mean = _number(known.mean, share, decimals, signed)
    if known.high is None:
        return mean
    return f"{mean} ± {_number(known.high - known.mean, share, decimals)}"


def with_ends(known: Estimate, share: bool = False) -> str:
    """A difference and its interval, as in "+1.20 [-0.30, +2.70]"; shares are in percentage points."""
    decimals = _decimals(known, share)
    mean = _number(known.mean, share, decimals, signed=True)
    if known.low is None or known.high is None:
        return mean
    ends = (_number(end, share, decimals, signed=True) for end in (known.low, known.high))
    return f"{mean} [{', '.join(ends)}]"


def single_values(known: Estimate, share: bool = False) -> str:
    """The value of each seed."""
    decimals = _decimals(known, share)
    return ", ".join(UNKNOWN if one is None else _number(one, share, decimals) for one in known.values)


def heading(metric: Metric) -> str:
    """Its name, its unit, and in which direction it is better."""
    return f"{metric.name}{', %' * metric.share}\u00a0{'↓' if metric.lower_is_better else '↑'}"


def chance_in_words(chance: float | None) -> str:
    """A p-value."""
    if chance is None:
        return UNKNOWN
    return "< 0.0001" if chance < 1e-4 else f"{chance:.{3 if chance < 0.1 else 2}g}"


def part(fraction: float) -> str:
    """Of the images."""
    return "all images" if fraction == 1 else f"{100 * fraction:.3g}\u202f% of the images"


def learned_from(group: Group) -> str:
    """On how many images a model was trained."""
    return part(group.fraction) if group.images is None else f"{part(group.fraction)} ({_thousands(group.images)})"


def budget(found: Comparison) -> str:
    """What each run was given."""
    steps = {each.name: each.steps for each in found.plan.contenders}
    if len(set(steps.values())) == 1:
        in_steps = f"{_thousands(next(iter(steps.values())))} steps"
    else:
        in_steps = "; ".join(f"{name}: {_thousands(count)} steps" for name, count in steps.items())
    return f"{_thousands(found.plan.images)} training images seen ({in_steps})"


def answer(found: Comparison) -> str:
    """What the study says, and no more than that."""
    tested = [one for one in found.differences if one.verdict is not None]
    baseline = found.plan.baseline
    if len(found.plan.contenders) == 1:
        return f"{baseline} alone was trained: there is nothing to compare it with."
    if not tested:
        return f"Nothing can be said of differences from {baseline}: that takes two or more seeds which both finished."
    resolved = [one for one in tested if one.verdict != "not resolved"]
    if not resolved:
        which = f"None of the {len(tested)} differences" if len(tested) > 1 else "No difference"
        return f"{which} from {baseline} is resolved by these seeds. That does not show that the models are equal."
    better = sum(one.verdict == "better" for one in resolved)
    counts = f"{better} for the better, {len(resolved) - better} for the worse"
    rest = len(tested) - len(resolved)
    others = f" The other {rest} are not, which does not show that they are zero." if rest else ""
    return f"{len(resolved)} of {len(tested)} differences from {baseline} are resolved: {counts}.{others}"


def verdict_lines(found: Comparison) -> Iterator[str]:
    """A line for each difference that is resolved."""
    shares = {each.key: each for each in found.metrics}
    for one in found.differences:
        if one.verdict in ("better", "worse"):
            yield resolved_line(one, shares[one.metric], found.plan.baseline)


def resolved_line(one: Difference, metric: Metric, baseline: str) -> str:
    """One difference that is resolved."""
    unit = " points" if metric.share else ""
    return (
        f"{one.name} is {one.verdict} than {baseline} in {metric.name}, on {part(one.fraction)}: "
        f"{with_ends(one.estimate, metric.share)}{unit}, adjusted p {_equals(one.adjusted)}"
    )


def method(found: Comparison) -> str:
    """How intervals and verdicts come about."""
    count = sum(one.verdict is not None for one in found.differences)
    seeds = len(found.plan.seeds)
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


def judged(found: Comparison) -> str:
    """What samples were compared with."""
    count = found.plan.contenders[0].settings.training.judged
    text = (
        f"At each point {_thousands(count)} samples, of the average of the weights where there is one, are compared "
        "with the real images: all that there are, however few a run learned from."
    )
    rates = [rate for group in found.groups for run in group.runs.values() if (rate := run.value("real_confident"))]
    if not rates:
        return text
    return (
        f"{text} The judge is a small network that learned the classes of the real images, and takes "
        f"{100 * rates[0]:.1f} % of them for some class by more than 90 %. Distances are of its features: they are "
        "not to be compared with values of other judges, data or numbers of samples."
    )


def data(found: Comparison) -> str:
    """Which images."""
    known = {group.fraction: run.data for group in found.groups for run in group.runs.values() if run.data}
    sets = (
        f"{part(fraction)}: {_thousands(about['images'])}, SHA-256 {about['sha256'][:12]}…"
        for fraction, about in known.items()
    )
    name = found.plan.contenders[0].settings.data.name
    return f"Images of {name}. {'; '.join(sets)}"


def warnings(found: Comparison) -> Iterator[str]:
    """What a reader has to know of single runs."""
    if found.missing:
        runs = f"{len(found.missing)} of {len(list(found.plan.tasks()))} runs are not finished"
        yield f"{runs}, and nothing of them is in here: {', '.join(found.missing)}."
    for name, why in found.collapses:
        yield f"{name}: {why}."


def _equals(chance: float | None) -> str:
    text = chance_in_words(chance)
    return text if text.startswith("<") else f"= {text}"


def _number(value: float, share: bool, decimals: int, signed: bool = False) -> str:
    text = f"{100 * value if share else value:{'+' if signed else ''}.{decimals}f}"
    return text.replace("-", _MINUS)


def _decimals(known: Estimate, share: bool) -> int:
    """So many that the larger one of a mean and its interval has three digits."""
    reach = 0.0 if known.high is None else known.high - known.mean
    size = max(abs(known.mean), reach) * (100 if share else 1)
    if not size:
        return 1
    return min(_MOST_DECIMALS, max(0, 2 - math.floor(math.log10(size))))


def _thousands(number: int) -> str:
    return f"{number:,}".replace(",", "\u202f")
