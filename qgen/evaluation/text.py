"""Evaluations in words: the rows of their tables, and what has to be known to read them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from qgen.evaluation.compare import differences, share_seeds
from qgen.evaluation.measure import Measure
from qgen.evaluation.results import Difference, Evaluation, Measurement
from qgen.number_text import fixed

HEADINGS = ("samples", "95 % interval", "real", "95 % interval")
INTERVALS = (
    "Intervals are of images drawn anew from these, samples and real ones, at this number of images: they don't know "
    "how another training of the same model would end. Of precision and density the samples are drawn, of recall and "
    "coverage the real images."
)
NEAREST = (
    "By the root mean square difference of pixels. A sample that is its training image with noise was memorised; one "
    "that shows the same thing otherwise was not."
)
#: Prompts that notes name, at most.
_PROMPTS = 4
_HAVE = {
    "class_asked": "the class that was asked for",
    "all_asked": "all that was asked for",
    "caption_asked": "the caption that was asked for",
}
#: Decimals at most: what is zero with all of them is shown as 0.
_MAX_DECIMALS = 6


def rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Yield a row for each measure: its name, value and interval of the samples and of real images."""
    for result in evaluation.results.values():
        measure = result.measure
        cells = [cell for each in (result.samples, result.real) for cell in _cells(measure, each)]
        yield (label(evaluation, measure), *cells)


def compared_rows(evaluations: Sequence[Evaluation]) -> Iterator[tuple[str, ...]]:
    """Yield a row for each measure: its name, the value of the first, and the differences of the others."""
    first, *others = evaluations
    found = [differences(first, other) for other in others]
    for name, result in first.results.items():
        cells = (difference(result.measure, each[name]) if name in each else "\u2013" for each in found)
        yield (label(first, result.measure), number(result.samples.value, result.measure), *cells)


def answer(evaluation: Evaluation, named: bool = False) -> str:
    """Return the Frechet distance and the copies, each beside those of real images, in one sentence."""
    distance, copies = evaluation.results["fid"], evaluation.results["copies"]
    shown = _with_ends(distance.measure, distance.samples)
    name = f"{evaluation.name}: " if named else ""
    asked = [evaluation.results[key] for key in _HAVE if key in evaluation.results]
    right = " and ".join(f"{_with_ends(each.measure, each.samples)} have {_HAVE[each.measure.name]}" for each in asked)
    return (
        f"{name}{label(evaluation, distance.measure)} {shown}, where real "
        f"images have {number(distance.real.value, distance.measure)}; "
        f"{number(copies.samples.value, copies.measure)} of the samples are as near to a training image as 1 % of real "
        "images are." + (f" {right}." if right else "")
    )


def label(evaluation: Evaluation, measure: Measure) -> str:
    """Return the name of a measure; FID and KID are named so where features are Inception's."""
    if evaluation.space.name == "inception":
        names = {"fid": "FID", "fid_infinite": "FID, N → ∞", "kid": "KID"}
        return names.get(measure.name, measure.label)
    return "score of classes" if measure.name == "inception_score" else measure.label


def facts(evaluation: Evaluation) -> list[str]:
    """Return where the samples came from, in a few words each."""
    known = evaluation.facts
    parts = [f"{len(evaluation.images):,} samples"]
    if "step" in known:
        parts += [f"after {known['step']:,} steps", f"circuits on {known['backend']['name']}", f"seed {known['seed']}"]
    return [*parts, f"features: {evaluation.space.name}", f"protocol: {evaluation.protocol.name}"]


def notes(evaluation: Evaluation) -> list[str]:
    """Return what has to be known to read the table, a sentence each."""
    control = evaluation.results["fid"].real.count
    lines = [
        f"{len(evaluation.images):,} samples against {evaluation.reference.description}.",
        f"Features: {evaluation.space.description}.",
        f"Real: {control:,} other real images in place of the samples, as a perfect generator would make.",
    ]
    if prompts := evaluation.facts.get("prompts"):
        shown = ", ".join(f'"{prompt}"' for prompt in list(dict.fromkeys(prompts))[:_PROMPTS])
        lines.append(
            f"{len(set(prompts)):,} different prompts: {shown}{', ...' if len(set(prompts)) > _PROMPTS else ''}."
        )
    if evaluation.protocol.name != "default":
        lines.append(f"Protocol: {evaluation.protocol.about}.")
    wanted = evaluation.protocol.real_count
    if wanted is not None and evaluation.real_count < wanted:
        lines.append(f"Not the protocol's number of real images: {evaluation.real_count:,} in place of {wanted:,}.")
    if evaluation.space.name != "inception":
        lines.append("Distances of other features, or of other numbers of images, are other numbers: no published FID.")
    infinite = evaluation.results.get("fid_infinite")
    if infinite is not None and infinite.samples.details["extrapolated_below_features"]:
        lines.append("N → ∞ is not to be trusted: half of the images are no more than there are features.")
    return lines


def biases(evaluation: Evaluation) -> Iterator[str]:
    """Yield what values depend on beside the distributions, a sentence for the measures that share it."""
    found: dict[str, list[str]] = {}
    for result in evaluation.results.values():
        found.setdefault(result.measure.bias, []).append(label(evaluation, result.measure))
    for bias, labels in found.items():
        yield sentence(f"{', '.join(labels)}: {bias}")


def pairing(evaluations: Sequence[Evaluation]) -> str:
    """Return whether differences are paired, and what they are no evidence of."""
    first, *others = evaluations
    paired = all(share_seeds(first, other) for other in others)
    how = "Paired: sample k of all has the same seed." if paired else "Not paired by samples; real images are the same."
    return f"{how} These are differences of these weights: for claims on models, compare trainings with several seeds."


def difference(measure: Measure, found: Difference) -> str:
    """Format a difference with its interval."""
    shown = number(found.value, measure)
    signed = found.value > 0 and shown.strip("0. %")
    return f"{'+' if signed else ''}{shown} ({ends(*found.interval, measure)})"


def sentence(words: str) -> str:
    """Return words as a sentence."""
    return f"{words[0].upper()}{words[1:]}."


def number(value: float, measure: Measure) -> str:
    """Format a value with three digits, shares in percent."""
    if measure.share:
        return f"{fixed(100 * value, 1)} %"
    if value == 0:
        return "0"
    if not math.isfinite(value):
        return fixed(value, 0)
    shown = _fixed(value, 2 - math.floor(math.log10(abs(value))))
    return "0" if _is_zero(shown) else shown


def ends(low: float, high: float, measure: Measure) -> str:
    """Format an interval: its ends with as many decimals as show its width by two digits."""
    if measure.share:
        return f"{fixed(100 * low, 1)} to {fixed(100 * high, 1)} %"
    decimals = 1 - math.floor(math.log10(high - low)) if 0 < high - low < math.inf else 2
    texts = [_fixed(end, decimals) for end in (low, high)]
    return "0 to 0" if all(map(_is_zero, texts)) else " to ".join(texts)


def _fixed(value: float, decimals: int) -> str:
    return fixed(value, min(_MAX_DECIMALS, max(0, decimals)))


def _is_zero(text: str) -> bool:
    return not text.strip("0.")


def _with_ends(measure: Measure, measurement: Measurement) -> str:
    return "{} ({})".format(*_cells(measure, measurement))


def _cells(measure: Measure, measurement: Measurement) -> tuple[str, str]:
    return number(measurement.value, measure), ends(*measurement.interval, measure)
