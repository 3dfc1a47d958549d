"""Results: what is measured of samples, what differs from it, and the controls of hybrids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from qgen.evaluation.measure import Measure
from qgen.evaluation.protocol import Protocol
from qgen.generators import Trial
from qgen.metrics.bootstrap import Interval
from qgen.metrics.features import FeatureSpace
from qgen.metrics.reference import Reference

Verdict = Literal["better", "worse", "not resolved"]
#: What stands in the place of the circuits' outputs: their means, or those of other images.
ControlName: TypeAlias = Literal["mean", "shuffled"]
NAMES: tuple[ControlName, ...] = ("mean", "shuffled")


@dataclass(frozen=True)
class Measurement:
    """A value of a measure, with its 95 % interval.

    Attributes:
        value: of all images.
        interval: its ends.
        count: number of images that it is of.
        resampled: of resampled images, (B,): differences of two measurements of equally many images are paired.
        details: further plain values.
    """

    value: float
    interval: Interval
    count: int
    resampled: NDArray[np.float64]
    details: Mapping[str, Any] = field(default_factory=dict)

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"value": self.value, "low": self.interval.low, "high": self.interval.high, "count": self.count}


@dataclass(frozen=True)
class Result:
    """A measure of samples, and of real images in their place.

    Attributes:
        measure: what was measured.
        samples: of the samples.
        real: of as many real images as there are, at most as many as samples: what a perfect generator would reach.
    """

    measure: Measure
    samples: Measurement
    real: Measurement


@dataclass(frozen=True)
class Evaluation:
    """What is known of a set of samples.

    Attributes:
        images: the samples, (N, C, H, W), in [-1, 1].
        name: what they are called.
        facts: plain values that say where they came from.
        space: the features that they were compared by.
        reference: the real images that they were compared with.
        real_count: number of reference images.
        protocol: how.
        results: by the name of the measure, in the order of MEASURES.
        nearest: index of the nearest training image of each sample, (N,), and its distance, (N,).
        collapse: the sign that the generator has collapsed; None without one.
        controls: what becomes of them without what the circuits say; None where there are no circuits, or none ran.
    """

    images: Tensor
    name: str
    facts: Mapping[str, Any]
    space: FeatureSpace
    reference: Reference
    real_count: int
    protocol: Protocol
    results: Mapping[str, Result]
    nearest: tuple[NDArray[np.float64], NDArray[np.int64]]
    collapse: str | None
    controls: Controls | None = None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "name": self.name,
            "samples": dict(self.facts) | {"images": len(self.images)},
            "protocol": {"name": self.protocol.name, "about": self.protocol.about},
            "features": {
                "name": self.space.name,
                "description": self.space.description,
                "image": list(self.space.shape),
            },
            "reference": {
                "description": self.reference.description,
                "images": self.real_count,
                "sha256": self.reference.of.sha256,
            },
            "metrics": {name: self._plain(result) for name, result in self.results.items()},
            "collapse": self.collapse,
            **({} if self.controls is None else {"controls": self.controls.plain()}),
        }

    def _plain(self, result: Result) -> dict[str, Any]:
        measure = result.measure
        return {
            **result.samples.plain(),
            "features": "pixels" if measure.pixels else self.space.name,
            "reference_count": self.real_count,
            "label": measure.label,
            "better": measure.better,
            "bias": measure.bias,
            **result.samples.details,
            "real": result.real.plain(),
        }


@dataclass(frozen=True)
class Difference:
    """How much a value differs from that of the first evaluation.

    Attributes:
        value: the difference.
        interval: its 95 % interval, for itself alone.
        paired: whether sample k of both had the same seed.
        verdict: what the interval supports; None for a measure without a better direction.
    """

    value: float
    interval: Interval
    paired: bool
    verdict: Verdict | None

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        low, high = self.interval
        return {"value": self.value, "low": low, "high": high, "paired": self.paired, "verdict": self.verdict}


@dataclass(frozen=True)
class Control:
    """A control beside the samples.

    Attributes:
        name: which.
        evaluation: of its images.
        differences: of its values from those of the samples, paired by seed.
        reordered: whether its images are those of the samples in another order, as of a generator that is only
            circuits: then it says nothing.
    """

    name: ControlName
    evaluation: Evaluation
    differences: Mapping[str, Difference]
    reordered: bool

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        known = self.evaluation.plain()
        return {
            "circuits": self.evaluation.facts["control_circuits"],
            "same_images_in_another_order": self.reordered,
            "metrics": known["metrics"],
            "differences": {name: each.plain() for name, each in self.differences.items()},
            "collapse": known["collapse"],
        }


@dataclass(frozen=True)
class TrialResult:
    """What circuits that don't sample do, as they are and in each control.

    Attributes:
        trial: what was tried.
        count: images.
        value: the mean over images, with the circuits as they are.
        interval: its 95 % interval.
        differences: of each control from that, paired by image.
    """

    trial: Trial
    count: int
    value: float
    interval: Interval
    differences: Mapping[ControlName, Difference]

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        low, high = self.interval
        return {
            "label": self.trial.label,
            "unit": self.trial.unit,
            "better": "higher",
            "images": self.count,
            "value": self.value,
            "low": low,
            "high": high,
            "differences": {name: each.plain() for name, each in self.differences.items()},
        }


@dataclass(frozen=True)
class Controls:
    """The controls of a hybrid.

    Attributes:
        samples: of its samples; none where sampling runs no circuits.
        trials: of what other circuits do.
        summary: what they say, a sentence each, and what they don't.
    """

    samples: tuple[Control, ...]
    trials: tuple[TrialResult, ...]
    summary: tuple[str, ...]

    def plain(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {
            "samples": {each.name: each.plain() for each in self.samples},
            "trials": {each.trial.name: each.plain() for each in self.trials},
            "summary": list(self.summary),
        }
