"""Quality of samples while a run trains, and in studies: a collapse is not found at the end.

`qgen evaluate` compares with the same images by the same features, and has intervals and more metrics.
"""

from __future__ import annotations

from functools import cache, cached_property
from typing import Any

import torch

from qgen.errors import DataError
from qgen.metrics import (
    Features,
    FeatureSpace,
    Quality,
    compare_features,
    divergences,
    find_collapse,
    open_fitted_space,
)
from qgen.metrics.reference import Reference

#: Metrics of a row that are also computed of real images in place of samples.
OF_REAL = ("frechet", "kernel", "coverage", "density", "precision", "recall", "confident", "entropy")


class SampleEvaluator:
    """Compares samples with real images; samples of distributions, which have one pixel, by histograms.

    Args:
        reference: the real images.
        space: whose features are compared; None: those that are fitted to the real images.
    """

    def __init__(self, reference: Reference, space: FeatureSpace | None = None) -> None:
        self.reference = reference
        is_distribution = reference.whole.shape[1:] == (1, 1)
        self._space = None if is_distribution else space or open_fitted_space(reference.whole)
        self._real = cache(self._compare_real)

    @property
    def name(self) -> str:
        """Name of the comparison, for people."""
        return "histograms" if self._space is None else self._space.description

    def evaluate(self, images: torch.Tensor) -> dict[str, Any]:
        """Return what quality.jsonl says of images (N, C, H, W) in [-1, 1]: metrics, `collapse`, and `real`.

        `real` has the metrics of as many real images in place of the samples, as far as there are as many: what a
        perfect generator would reach.
        """
        if self._space is None:
            return self._divergences(images) | {"collapse": None, "real": self._real(len(images))}
        quality = self._compare(images)
        return quality.plain() | {"collapse": find_collapse(quality), "real": self._real(len(images))}

    def _compare_real(self, count: int) -> dict[str, Any]:
        images = self.reference.control_images(count)
        if self._space is None:
            return self._divergences(images)
        quality = self._compare(images).plain()
        return {name: quality[name] for name in OF_REAL if quality[name] is not None}

    def _compare(self, images: torch.Tensor) -> Quality:
        assert self._space is not None
        if len(images) < 2:
            raise DataError(f"At least two images are compared; given: {len(images)}.")
        return compare_features(self._space.class_names, self._features, self._space.extract(images))

    @cached_property
    def _features(self) -> Features:
        assert self._space is not None
        return self._space.extract(self.reference.real_images())

    def _divergences(self, images: torch.Tensor) -> dict[str, Any]:
        real = self.reference.real_images()
        return divergences(real.flatten(1).numpy(), images.flatten(1).numpy()).plain()


def quality_line(row: dict[str, Any]) -> str:
    """Return a row of quality.jsonl as one line for people."""
    names = {"frechet": "Frechet distance", "coverage": "coverage", "confident": "recognised"}
    parts = [f"{word} {row[name]:.3g}" for name, word in names.items() if row.get(name) is not None]
    if parts and row.get("real"):
        parts[0] += f" (real images: {row['real']['frechet']:.3g})"
    if row.get("classes"):
        parts.append(f"{sum(count > 0 for count in row['classes'].values())} of {len(row['classes'])} classes")
    if "sliced_wasserstein" in row:
        parts.append(f"sliced Wasserstein distance {row['sliced_wasserstein']:.3g}")
    text = f"samples at step {row['step']:,}: {', '.join(parts)}"
    return f"{text}. {row['collapse'][0].upper()}{row['collapse'][1:]}." if row["collapse"] else text
