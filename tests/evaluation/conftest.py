"""A data set of two kinds of images, and a reference of it: small, so that everything takes a moment."""

import numpy as np
import pytest
import torch

from qgen.data import ImageSet
from qgen.evaluation import Reference
from qgen.metrics import FeatureSpace
from qgen.metrics.features import Features


class PixelSpace(FeatureSpace):
    """The pixels themselves, and the brightest of the first rows as the logits of classes."""

    def __init__(self, shape: tuple[int, int, int], classes: int = 3) -> None:
        super().__init__("pixels", "the pixels themselves", shape, tuple(f"row {k}" for k in range(classes)))
        self._classes = classes

    def _extract(self, pixels: torch.Tensor, progress: object) -> Features:
        logits = 20 * pixels.double().mean(dim=(1, 3))[:, : self._classes + 1]
        return Features(pixels.flatten(1).double().numpy(), logits.softmax(dim=1).numpy(), logits.numpy())


@pytest.fixture(scope="session")
def pixel_space(digits_reference: Reference) -> PixelSpace:
    return PixelSpace(digits_reference.whole.shape)


@pytest.fixture
def noise_set(rng: np.random.Generator) -> ImageSet:
    pixels = torch.from_numpy(rng.integers(256, size=(60, 1, 6, 6), dtype=np.uint8))
    return ImageSet.of("noise", pixels, None, None, "drawn")
