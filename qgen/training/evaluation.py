"""Quality of samples while a run trains, measured against real images: a collapse is not found at the end.

`qgen evaluate` compares by the same features, with intervals and against images that nothing was trained on.
"""

from __future__ import annotations

from typing import Any

import torch

from qgen.data import ImageSet
from qgen.metrics import FeatureSpace, compute_quality, divergences, find_collapse, open_fitted_space


class SampleEvaluator:
    """Compares samples with real images; samples of distributions, which have one pixel, by histograms.

    Args:
        real: the real images.
        space: whose features are compared; None: those that are fitted to the real images.
    """

    def __init__(self, real: ImageSet, space: FeatureSpace | None = None) -> None:
        self._real = real
        self._space = space or open_fitted_space(real) if real.shape[1:] != (1, 1) else None

    @property
    def name(self) -> str:
        """Name of the comparison, for people."""
        return "histograms" if self._space is None else self._space.description

    def evaluate(self, images: torch.Tensor) -> dict[str, Any]:
        """Return what quality.jsonl says of images (N, C, H, W) in [-1, 1]."""
        if self._space is None:
            real = self._real.scaled(torch.arange(len(self._real)))
            return divergences(real.flatten(1).numpy(), images.flatten(1).numpy()).plain() | {"collapse": None}
        quality = compute_quality(self._space, self._real, images)
        return quality.plain() | {"collapse": find_collapse(quality)}


def quality_line(row: dict[str, Any]) -> str:
    """Return a row of quality.jsonl as one line for people."""
    names = {"frechet": "Frechet distance", "coverage": "coverage", "confident": "recognised"}
    parts = [f"{word} {row[name]:.3g}" for name, word in names.items() if row.get(name) is not None]
    if row.get("classes"):
        parts.append(f"{sum(count > 0 for count in row['classes'].values())} of {len(row['classes'])} classes")
    if "sliced_wasserstein" in row:
        parts.append(f"sliced Wasserstein distance {row['sliced_wasserstein']:.3g}")
    text = f"samples at step {row['step']:,}: {', '.join(parts)}"
    return f"{text}. {row['collapse'][0].upper()}{row['collapse'][1:]}." if row["collapse"] else text
