"""FeatureExtractor: maps images to features and class probabilities, by a small network fitted to real images."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen import storage
from qgen.data import ImageSet
from qgen.data.subset import fixed_permutation
from qgen.errors import DataError, RunError
from qgen.metrics.networks import (
    CHUNK,
    MAX_IMAGES,
    VERSION,
    Classifier,
    Components,
    fit_classifier,
    fit_components,
    split,
)
from qgen.tensor_files import TensorFile

#: An image is of a class if that class has more than this probability.
CONFIDENT = 0.9
_FILE = TensorFile("judge", 1, "It is learned anew.")


@dataclass(frozen=True)
class Features:
    """Features and class probabilities of images.

    Attributes:
        features: (N, F), float64. Those of the real images have mean 0 and, on average, variance 1.
        probabilities: (N, K + 1), float64, rows sum to 1; the last column is that of no class. None without labels.
    """

    features: NDArray[np.float64]
    probabilities: NDArray[np.float64] | None

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """Class of each image with a probability above `CONFIDENT`, in [0, K); None without labels."""
        if self.probabilities is None:
            return None
        probabilities = self.probabilities[:, :-1]
        classes: NDArray[np.int64] = probabilities[probabilities.max(axis=1) > CONFIDENT].argmax(axis=1)
        return classes


class FeatureExtractor:
    """Extracts features of images; `open_feature_extractor` makes one.

    Attributes:
        name: a description for people: the kind of network, and its accuracy.
        accuracy: fraction of held-out real images that it classifies correctly, in [0, 1]; None without labels, and
            if no image was held out.
        class_names: names of the K classes among the real images; None without labels.
        shape: shape of an image, (C, H, W).
    """

    def __init__(
        self,
        network: Classifier | Components,
        shape: tuple[int, int, int],
        name: str,
        accuracy: float | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        self.name, self.accuracy, self.class_names, self.shape = name, accuracy, class_names, shape
        self._network = network.eval().requires_grad_(False)
        self._references: dict[str, Features] = {}

    @torch.no_grad()
    def extract(self, images: Tensor) -> Features:
        """Extract the features of images, each independently of the others.

        Args:
            images: (N, C, H, W), floating point, in [-1, 1]; values outside are clipped, as in saved images.

        Raises:
            DataError: there are no images, they have another shape or type, or a value is not finite.
        """
        pixels = self._checked(images)
        features = torch.cat([self._network(chunk) for chunk in pixels.split(CHUNK)])
        probabilities = None
        if isinstance(self._network, Classifier):
            probabilities = self._network.head(features).double().softmax(dim=1).numpy()
        return Features(features.double().numpy(), probabilities)

    def reference(self, real: ImageSet) -> Features:
        """Return the features of a fixed subset of real images, in random order; computed once for each set.

        Raises:
            DataError: the images have another shape than those that the network was fitted to.
        """
        if real.sha256 not in self._references:
            subset = torch.from_numpy(fixed_permutation(len(real))[:MAX_IMAGES])
            self._references[real.sha256] = self.extract(real.scaled(subset))
        return self._references[real.sha256]

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


def open_feature_extractor(images: ImageSet, cache: bool = True) -> FeatureExtractor:
    """Return a feature extractor for these images, from the cache in the user's folder or fitted now.

    With labels it is a small classifier, fitted to at most 10,000 of the images: seconds for digits of 8x8 pixels,
    under a minute for larger sets. It also learns a class of images that are none: noise, plain grey, scrambled and
    overlaid images. Without labels it is the leading principal components of the pixels.

    The fit is deterministic; values of two machines may differ by rounding.

    Args:
        images: the real images, all of them.
        cache: read the network from the user's folder, and write it there.

    Raises:
        DataError: there are fewer than two images.
    """
    if len(images) < 2:
        raise DataError(f"Features are learned from at least two images; {images.name} has {len(images)}.")
    path = cache_path(images.sha256) if cache else None
    return _components(images, path) if images.labels is None else _classifier(images, images.labels, path)


def _classifier(images: ImageSet, labels: Tensor, path: Path | None) -> FeatureExtractor:
    present, targets = labels.unique(return_inverse=True)
    names = tuple(str(k) if images.class_names is None else images.class_names[k] for k in present.tolist())
    indices = split(images)
    accuracy: float | None
    if (cached := read_cache(path)) is None:
        network = fit_classifier(images, targets, len(names), indices.fitted)
        accuracy = _accuracy(network, images, targets, indices.held_out)
        _write_cache(path, network.state_dict(), {"accuracy": accuracy})
    else:
        network, accuracy = Classifier(images.shape, len(names)), cached[1]["accuracy"]
        network.load_state_dict(cached[0])
    name = f"a small network that learned from {len(indices.fitted):,} images of {images.name}"
    if accuracy is not None:
        name += f" and is right about {100 * accuracy:.1f} % of {len(indices.held_out):,} others"
    return FeatureExtractor(network, images.shape, name, accuracy, names)


def _components(images: ImageSet, path: Path | None) -> FeatureExtractor:
    fitted = min(MAX_IMAGES, len(images))
    if (cached := read_cache(path)) is None:
        network = fit_components(images, fixed_permutation(len(images))[:MAX_IMAGES])
        _write_cache(path, network.state_dict(), {})
    else:
        network = Components(**cached[0])
    count = len(network.get_buffer("directions"))
    name = f"the {count} leading principal components of the pixels of {fitted:,} images of {images.name}"
    return FeatureExtractor(network, images.shape, name)


def _accuracy(network: Classifier, images: ImageSet, targets: Tensor, held_out: NDArray[np.int64]) -> float | None:
    """Return the accuracy on held-out images, with no class among the answers; None if there are none."""
    if not len(held_out):
        return None
    indices = torch.from_numpy(held_out)
    probabilities = FeatureExtractor(network, images.shape, "").extract(images.scaled(indices)).probabilities
    assert probabilities is not None  # it is a classifier
    return float((probabilities.argmax(axis=1) == targets[indices].numpy()).mean())


def cache_path(sha256: str) -> Path | None:
    """Return the path of the network fitted to images with this digest; None without a home folder."""
    folder = storage.user_folder(sys.platform, os.environ)
    return None if folder is None else folder / "judges" / f"{sha256}-{VERSION}.safetensors"


def read_cache(path: Path | None) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """Read the tensors and values of a cached network; None if the file is missing, damaged or another one."""
    if path is None:
        return None
    try:
        return _FILE.read(path)
    except RunError:
        return None


def _write_cache(path: Path | None, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write a network to the cache if that is possible; otherwise it is fitted again the next time."""
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _FILE.write(path, tensors, values)
