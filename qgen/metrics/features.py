"""Features of images, and FeatureSpace: the network whose features a distance of images is a distance of."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.data import ImageSet
from qgen.data.subset import fixed_permutation
from qgen.errors import DataError
from qgen.progress import ProgressCallback

#: An image is of a class if that class has more than this probability.
CONFIDENT = 0.9
#: Largest number of real images that `FeatureSpace.reference` looks at.
MAX_REFERENCE = 10_000


@dataclass(frozen=True)
class Features:
    """Features and class probabilities of images.

    Attributes:
        features: (N, F), float64.
        probabilities: (N, K + 1), float64, rows sum to 1; the last column is that of no class. None where the classes
            are not those of the images.
        logits: (N, L), float64, whose softmax the Inception Score is of; None without a classifier.
        raw: whether they are the samples themselves, of a distribution in F dimensions.
        clip: whether they are CLIP's embeddings of unit length, which CMMD is of.
    """

    features: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None
    logits: NDArray[np.float64] | None = None
    raw: bool = False
    clip: bool = False

    def __len__(self) -> int:
        return len(self.features)

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """Class of each image with a probability above `CONFIDENT`, in [0, K); None without labels."""
        if self.probabilities is None:
            return None
        probabilities = self.probabilities[:, :-1]
        classes: NDArray[np.int64] = probabilities[probabilities.max(axis=1) > CONFIDENT].argmax(axis=1)
        return classes


class FeatureSpace(ABC):
    """A network that maps images to features, in which sets of images are compared.

    Attributes:
        name: short, as `inception`: values of other spaces are other numbers.
        description: one line for people: what the network is, and what it learned from.
        shape: shape of an image, (C, H, W).
        class_names: names of the K classes that `Features.probabilities` has; None: it has none.
    """

    def __init__(
        self, name: str, description: str, shape: tuple[int, int, int], class_names: tuple[str, ...] | None = None
    ) -> None:
        self.name, self.description, self.shape, self.class_names = name, description, shape, class_names
        self._references: dict[str, Features] = {}

    @torch.no_grad()
    def extract(self, images: Tensor, progress: ProgressCallback | None = None) -> Features:
        """Extract the features of images, each independently of the others.

        Args:
            images: (N, C, H, W), floating point, in [-1, 1]; values outside are clipped, as in saved images.
            progress: called with the images that are done, and all images.

        Raises:
            DataError: there are no images, they have another shape or type, or a value is not finite.
        """
        return self._extract(self._checked(images), progress)

    def reference(self, real: ImageSet) -> Features:
        """Return the features of a fixed subset of real images, in random order; computed once for each set.

        Raises:
            DataError: the images have another shape than those of this space.
        """
        if real.sha256 not in self._references:
            subset = torch.from_numpy(fixed_permutation(len(real))[:MAX_REFERENCE])
            self._references[real.sha256] = self.extract(real.scaled(subset))
        return self._references[real.sha256]

    @abstractmethod
    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        """Extract the features of images (N, C, H, W), float32 in [-1, 1], N at least 1, without gradients."""

    def _checked(self, images: Tensor) -> Tensor:
        if images.shape[1:] != self.shape or not len(images) or not images.is_floating_point():
            raise DataError(
                f"Features are extracted from images (N, {', '.join(map(str, self.shape))}) of floating-point numbers "
                f"in [-1, 1], N at least 1; given: {tuple(images.shape)}, {images.dtype}."
            )
        pixels = images.detach().to("cpu", torch.float32)
        if broken := int((~pixels.isfinite()).flatten(1).any(dim=1).sum()):
            raise DataError(f"{broken:,} of {len(pixels):,} images have values that are not finite, so no features.")
        return pixels.clamp(-1, 1)
