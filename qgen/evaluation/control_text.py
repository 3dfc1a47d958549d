"""Controls in words: what their intervals support, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qgen.evaluation import text
from qgen.evaluation.results import Control, ControlName, Controls, Difference, Evaluation, TrialResult
from qgen.number_text import fixed

HEADINGS = {"mean": "mean outputs", "shuffled": "shuffled outputs"}
_DONE = {
    "mean": "With the mean of the circuits' outputs in their place",
    "shuffled": "With the circuits' outputs of other images",
}
ABOUT = (
    "Controls: the same seeds with the outputs of all circuits replaced by their mean, an observable and circuit at a "
    "time, and with each image given the outputs of another one."
)
#: Of a distance: a smaller change is told with its share.
HARDLY = 0.05
LIMITS = (
    "That results depend on circuits is no advantage over a classical network: for that, train one in their place (or "
    "none), with several seeds, and --compare."
)


def rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Yield a row for each measure: its name, the value of the samples, and the difference of each control."""
    controls = evaluation.controls
    for name, result in evaluation.results.items():
        found = [each.differences.get(name) for each in (controls.samples if controls else ())]
        cells = ("\u2013" if each is None else text.difference(result.measure, each) for each in found)
        shown = text.number(result.samples.value, result.measure)
        yield (text.label(evaluation, result.measure), shown, *cells)


def headings(controls: Controls) -> tuple[str, ...]:
    """Return the headings of the columns of differences."""
    return tuple(HEADINGS[each.name] for each in controls.samples)


def summarised(samples: tuple[Control, ...], trials: tuple[TrialResult, ...]) -> Controls:
    """Return the controls of a hybrid with what they say in words."""
    return Controls(samples, trials, tuple(_sentences(samples, trials)))


def _sentences(samples: Sequence[Control], trials: Sequence[TrialResult]) -> list[str]:
    said = [_of_samples(each) for each in samples]
    if samples and not any(each.name == "shuffled" for each in samples):
        said.append("Outputs were not shuffled: that would have run as many circuits again, on a device.")
    said += [_of_trial(each, name) for each in trials for name in each.differences]
    return [*said, LIMITS] if any(_resolved(samples, trials)) else said


def _resolved(samples: Sequence[Control], trials: Sequence[TrialResult]) -> Iterator[bool]:
    """Yield whether each difference that is told of has an interval without 0."""
    found = [each.differences["fid"] for each in samples if not each.reordered]
    found += [difference for each in trials for difference in each.differences.values()]
    for difference in found:
        low, high = difference.interval
        yield low > 0 or high < 0


def _of_samples(control: Control) -> str:
    if control.reordered:
        return (
            f"{_DONE[control.name]} the images are the same in another order: each is made of the circuits' outputs "
            "alone, so this control says nothing."
        )
    found, measure = control.differences["fid"], control.evaluation.results["fid"].measure
    name = text.label(control.evaluation, measure)
    shown = f"{_DONE[control.name]} the {name} changes by {text.difference(measure, found)}"
    count = len(control.evaluation.images)
    if found.verdict == "worse":
        of = "how the circuits' outputs vary" if control.name == "mean" else "what the circuits say of each image"
        return f"{shown}: samples are worse without it, so they depend on {of}{_hardly(control)}."
    if found.verdict == "better":
        return f"{shown}: samples are better without it; the circuits' outputs do harm here{_hardly(control)}."
    return f"{shown}: the interval has 0 in it, so {count:,} images don't show that the circuits make them any better."


def _hardly(control: Control) -> str:
    """Return what makes clear that a difference is resolved and small all the same; else nothing."""
    found = control.differences["fid"]
    as_they_are = control.evaluation.results["fid"].samples.value - found.value
    largest = max(abs(end) for end in found.interval)
    if largest >= HARDLY * as_they_are:
        return ""
    return f", if hardly: the distance changes by at most {100 * largest / as_they_are:.2g} % of its value"


def _of_trial(result: TrialResult, name: ControlName) -> str:
    found = result.differences[name]
    own = f"{_shown(result, result.value)} ({_ends(result, result.interval.low, result.interval.high)})"
    start = f"{text.sentence(result.trial.label)[:-1]}: {own}. {_DONE[name]} it changes by {_changed(result, found)}"
    if found.verdict == "worse":
        return f"{start}: it depends on the circuits."
    if found.verdict == "better":
        return f"{start}: it is better without what the circuits say."
    return f"{start}: the interval has 0 in it, so {result.count:,} images don't show that the circuits help."


def _changed(result: TrialResult, found: Difference) -> str:
    shown = _shown(result, found.value, signed=True)
    return f"{shown} ({_ends(result, found.interval.low, found.interval.high)})"


def _ends(result: TrialResult, low: float, high: float) -> str:
    return f"{_number(result, low)} to {_shown(result, high)}"


def _shown(result: TrialResult, value: float, signed: bool = False) -> str:
    return f"{_number(result, value, signed)} {result.trial.unit}"


def _number(result: TrialResult, value: float, signed: bool = False) -> str:
    percent = result.trial.unit == "%"
    return fixed(100 * value, 1, signed) if percent else fixed(value, 2, signed)
