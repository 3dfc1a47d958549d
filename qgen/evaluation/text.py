"""Evaluations in words: the rows of their table, and what has to be known to read it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from qgen.evaluation.evaluate import Evaluation, Measurement
from qgen.evaluation.measures import Measure

HEADINGS = ("samples", "95 % interval", "real images", "95 % interval")


def rows(evaluation: Evaluation) -> Iterator[tuple[str, ...]]:
    """Yield a row for each measure: its name, value and interval of the samples and of real images."""
    for result in evaluation.results.values():
        measure = result.measure
        cells = [cell for each in (result.samples, result.real) for cell in _cells(measure, each)]
        yield (label(evaluation, measure), *cells)


def label(evaluation: Evaluation, measure: Measure) -> str:
    """Return the name of a measure; FID and KID are named so where features are Inception's."""
    if evaluation.space.name == "inception":
        names = {"fid": "FID", "fid_infinite": "FID, N → ∞", "kid": "KID"}
        return names.get(measure.name, measure.label)
    return "score of classes" if measure.name == "inception_score" else measure.label


def notes(evaluation: Evaluation) -> list[str]:
    """Return what has to be known to read the table, a line each."""
    control = evaluation.results["fid"].real.count
    lines = [
        f"{len(evaluation.images):,} samples against {evaluation.reference.description}",
        f"features: {evaluation.space.description}",
        f"real images: {control:,} others in place of the samples, as a perfect generator would make",
    ]
    if evaluation.space.name != "inception":
        lines.append("distances of other features, and of other numbers of images, are other numbers: no published FID")
    infinite = evaluation.results.get("fid_infinite")
    if infinite is not None and infinite.samples.details["extrapolated_below_features"]:
        lines.append("there are too few images for N → ∞: halves of them are fewer than features")
    return lines


def number(value: float, measure: Measure) -> str:
    """Format a value with three digits, shares in percent."""
    if measure.share:
        return f"{100 * value:.1f} %"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:,.{min(digits, 5)}f}".replace("-", "\u2212")


def ends(low: float, high: float, measure: Measure) -> str:
    """Format an interval."""
    if measure.share:
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    return f"{number(low, measure)} to {number(high, measure)}"


def _cells(measure: Measure, measurement: Measurement) -> tuple[str, str]:
    return number(measurement.value, measure), ends(*measurement.interval, measure)
