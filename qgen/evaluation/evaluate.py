"""Evaluate images: every measure of the samples, and beside it the same measure of real images."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import cached_property
from typing import Any

from threadpoolctl import threadpool_limits
from torch import Tensor

from qgen.errors import DataError
from qgen.evaluation.asked import Requested, fulfilled
from qgen.evaluation.measure import Compared, Found, Measure
from qgen.evaluation.measures import MEASURES
from qgen.evaluation.protocol import Protocol
from qgen.evaluation.results import Evaluation, Measurement, Result
from qgen.metrics.bootstrap import RESAMPLES, Resampling, interval, wilson
from qgen.metrics.features import Features, FeatureSpace
from qgen.metrics.neighbours import nearest
from qgen.metrics.quality import compare_features, find_collapse
from qgen.metrics.reference import Reference
from qgen.progress import ProgressCallback

#: Numbers in a set's features up to which one thread measures: more would wait for one another at every small matrix,
#: where other programs take a core up to fifty times as long as they compute.
SMALL = 2**18


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
