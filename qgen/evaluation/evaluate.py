"""Evaluate images: every measure of the samples, and beside it the same measure of real images."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits
from torch import Tensor

from qgen.errors import DataError
from qgen.evaluation.asked import Requested, fulfilled
from qgen.evaluation.measure import Compared, Found, Measure
from qgen.evaluation.measures import MEASURES
from qgen.evaluation.protocol import Protocol
from qgen.metrics.bootstrap import Interval, Resampling, interval, wilson
from qgen.metrics.features import Features, FeatureSpace
from qgen.metrics.neighbours import nearest
from qgen.metrics.quality import compare_features, find_collapse
from qgen.metrics.reference import Reference
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    from qgen.evaluation.controls import Controls

#: Sets that are drawn for an interval.
RESAMPLES = 200
#: Numbers in a set's features up to which one thread measures: more would wait for one another at every small matrix,
#: where other programs take a core up to fifty times as long as they compute.
SMALL = 2**18


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


class Evaluator:
    """Evaluates sets of samples that are compared with the same real images, which are looked at once.

    Args:
        space: whose features are compared.
        reference: the real images.
        protocol: how they are compared.
        resamples: sets that are drawn for each interval, at least 2.
    """

    def __init__(
        self, space: FeatureSpace, reference: Reference, protocol: Protocol, resamples: int = RESAMPLES
    ) -> None:
        self.space, self.reference, self.protocol = space, reference, protocol
        self._resampling = Resampling(resamples)
        self._in_place: dict[int, dict[str, Measurement]] = {}

    def __call__(
        self,
        images: Tensor,
        name: str,
        facts: Mapping[str, Any],
        progress: ProgressCallback | None = None,
        requested: Requested | None = None,
    ) -> Evaluation:
        """Evaluate samples.

        Args:
            images: (N, C, H, W), floating point, in [-1, 1]; N at least 2.
            name: what they are called.
            facts: plain values that say where they came from.
            progress: called with the images whose features are extracted, then with the measures that are done.
            requested: what was asked of each of them, see `Requested.of_samples`; None: nothing.

        Raises:
            DataError: there are fewer than two samples, they have another shape, or a value is not finite.
        """
        if len(images) < 2:
            raise DataError(f"an evaluation takes at least two images, not {len(images)}")
        space, reference = self.space, self.reference
        samples, real = space.extract(images, progress), self._real
        found = nearest(images.clamp(-1, 1), reference.train)
        kept = {} if requested is None else self._fulfilled(requested, images, samples)
        own = self._measured(Compared(samples, real, found[0], reference.usual_nearest(), kept), progress)
        control = self._of_real_images(len(images), progress)
        results = {
            measure.name: Result(measure, own[measure.name], control[measure.name])
            for measure in MEASURES
            if measure.name in own and measure.name in control
        }
        collapse = None if samples.raw else find_collapse(compare_features(space.class_names, real, samples))
        return Evaluation(images, name, facts, space, reference, len(real), self.protocol, results, found, collapse)

    @cached_property
    def _real(self) -> Features:
        return self.space.extract(self.reference.real_images(self.protocol.real_count))

    def _of_real_images(self, count: int, progress: ProgressCallback | None) -> dict[str, Measurement]:
        """Return what is measured of real images in place of so many samples."""
        if count not in self._in_place:
            reference = self.reference
            images, usual = reference.control_images(count), reference.usual_nearest()
            control = self.space.extract(images)
            requested = Requested.of_images(reference.controls, reference.control[:count])
            kept = {} if requested is None else self._fulfilled(requested, images, control)
            self._in_place[count] = self._measured(Compared(control, self._real, usual, usual, kept), progress)
        return self._in_place[count]

    def _fulfilled(self, requested: Requested, images: Tensor, features: Features) -> Mapping[str, Any]:
        known = self.reference
        return fulfilled(requested, images, features, self.space, known.whole, (known.of, known.controls))

    def _measured(self, compared: Compared, progress: ProgressCallback | None) -> dict[str, Measurement]:
        found = {}
        small = max(compared.samples.features.size, compared.reference.features.size) <= SMALL
        with threadpool_limits(1) if small else nullcontext():
            for done, measure in enumerate(MEASURES):
                if progress is not None:
                    progress(done, len(MEASURES))
                measured = _measured(measure, compared, self.protocol, self._resampling)
                if measured is not None:
                    found[measure.name] = measured
        return found


def _measured(measure: Measure, compared: Compared, protocol: Protocol, resampling: Resampling) -> Measurement | None:
    found: Found | None = measure.compute(compared, protocol, resampling)
    if found is None:
        return None
    if measure.share and found.shares_of is not None:
        ends = wilson(found.value, found.shares_of)
    else:
        ends = interval(found.value, found.resampled, measure.least, 1.0 if measure.share else None)
    count = len(compared.nearest) if measure.pixels else len(compared.samples)
    count = count if found.count is None else found.count
    return Measurement(found.value, ends, count, found.resampled, found.details)
