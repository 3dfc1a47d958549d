"""Measure: what a metric of samples is, what it is given and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qgen.evaluation.protocol import Protocol
from qgen.metrics.bootstrap import Resampling
from qgen.metrics.features import Features

Cloud = NDArray[np.float64]


@dataclass(frozen=True)
class Compared:
    """Two sets of images that are compared.

    Attributes:
        samples: features of the images that are evaluated.
        reference: features of real images.
        nearest: distance of each evaluated image to its nearest training image, (N,).
        usual_nearest: the same of real images that nothing was trained on, (M,).
        fulfilled: for each thing that may have been asked for, by name, whether each image is so, (N,): 1 or 0; NaN
            where it was not asked for. See `Requested`.
        distances: Frechet distances of resampled images by their number, once they are computed: two metrics take them.
    """

    samples: Features
    reference: Features
    nearest: Cloud
    usual_nearest: Cloud
    fulfilled: Mapping[str, Cloud] = field(default_factory=dict)
    distances: dict[int, Cloud] = field(default_factory=dict, init=False, repr=False, compare=False)


@dataclass(frozen=True)
class Found:
    """A value, and how it varies.

    Attributes:
        value: of all images.
        resampled: of resampled images, (B,).
        details: plain values that belong to it.
        shares_of: the images that it is a share of, whose interval is known without resampling; None: it is none.
        count: images that it is of; None: all.
    """

    value: float
    resampled: Cloud
    details: Mapping[str, Any] = field(default_factory=dict)
    shares_of: int | None = None
    count: int | None = None


Compute = Callable[[Compared, Protocol, Resampling], Found | None]


@dataclass(frozen=True)
class Measure:
    """A metric of samples: a row of `MEASURES` in `measures.py`.

    Attributes:
        name: its key in JSON.
        label: its name for people.
        compute: computes it; None where the features don't allow it.
        better: the direction of improvement; None: neither.
        share: whether it lies in [0, 1] and is shown in percent.
        least: the smallest value that there can be; None: there is none.
        about: one line on what it is, and its source.
        bias: one line on what its value depends on beside the distributions.
        pixels: whether it is of pixels, whatever the feature space.
    """

    name: str
    label: str
    compute: Compute
    better: str | None
    about: str
    bias: str
    share: bool = False
    least: float | None = 0.0
    pixels: bool = False
