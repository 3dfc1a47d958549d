"""Feature spaces fitted to the real images themselves: a small classifier, or principal components."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
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
from qgen.metrics.features import Features, FeatureSpace
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
from qgen.progress import ProgressCallback
from qgen.tensor_files import TensorFile

#: Images that are held as numbers at a time: a tenth of a large set does not fit into memory.
_ROWS = 16 * CHUNK
_FILE = TensorFile("judge", 1, "It is learned anew.")


class FittedFeatureSpace(FeatureSpace):
    """The features of a small network that was fitted to real images; `open_fitted_space` makes one.

    Features of the images that it was fitted to have mean 0 and, on average, variance 1.

    Attributes:
        accuracy: fraction of held-out real images that it classifies correctly, in [0, 1]; None without labels, and
            if no image was held out.
    """

    def __init__(
        self,
        network: Classifier | Components,
        shape: tuple[int, int, int],
        description: str,
        accuracy: float | None = None,
        class_names: tuple[str, ...] | None = None,
    ) -> None:
        name = "classifier" if isinstance(network, Classifier) else "components"
        super().__init__(name, description, shape, class_names)
        self.accuracy = accuracy
        self._network = network.eval().requires_grad_(False)

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Return the tensors and plain values from which it can be made again."""
        values = {"accuracy": self.accuracy} if isinstance(self._network, Classifier) else {}
        return self._network.state_dict(), values

    def _extract(self, pixels: Tensor, progress: ProgressCallback | None) -> Features:
        parts: list[Tensor] = []
        for chunk in pixels.split(CHUNK):
            parts.append(self._network(chunk))
            if progress is not None:
                progress(sum(map(len, parts)), len(pixels))
        features = torch.cat(parts)
        if not isinstance(self._network, Classifier):
            return Features(features.double().numpy(), None)
        logits = self._network.head(features).double()
        return Features(features.double().numpy(), logits.softmax(dim=1).numpy(), logits.numpy())


def open_fitted_space(images: ImageSet, cache: bool | Path = True) -> FittedFeatureSpace:
    """Return a feature space for these images, from the cache in the user's folder or fitted now.

    With labels it is a small classifier, fitted to at most 10,000 of the images: seconds for digits of 8x8 pixels,
    under a minute for larger sets. It also learns a class of images that are none: noise, plain grey, scrambled and
    overlaid images. Without labels it is the leading principal components of the pixels.

    The fit is deterministic; values of two machines may differ by rounding.

    Args:
        images: the real images, all of them.
        cache: read the network from the user's folder, and write it there; a path: from and to that file.

    Raises:
        DataError: there are fewer than two images.
    """
    if len(images) < 2:
        raise DataError(f"Features are learned from at least two images; {images.name} has {len(images)}.")
    path = cache if isinstance(cache, Path) else cache_path(images.sha256) if cache else None
    return _components(images, path) if images.labels is None else _classifier(images, images.labels, path)


def save_fitted_space(space: FittedFeatureSpace, path: Path) -> None:
    """Write the network to a file, from which `open_fitted_space(images, cache=path)` makes the same space anywhere.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    _FILE.write(path, *space.state())


def _classifier(images: ImageSet, labels: Tensor, path: Path | None) -> FittedFeatureSpace:
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
    return FittedFeatureSpace(network, images.shape, name, accuracy, names)


def _components(images: ImageSet, path: Path | None) -> FittedFeatureSpace:
    fitted = min(MAX_IMAGES, len(images))
    if (cached := read_cache(path)) is None:
        network = fit_components(images, fixed_permutation(len(images))[:MAX_IMAGES])
        _write_cache(path, network.state_dict(), {})
    else:
        network = Components(**cached[0])
    count = len(network.get_buffer("directions"))
    name = f"the {count} leading principal components of the pixels of {fitted:,} images of {images.name}"
    return FittedFeatureSpace(network, images.shape, name)


def _accuracy(network: Classifier, images: ImageSet, targets: Tensor, held_out: NDArray[np.int64]) -> float | None:
    """Return the accuracy on held-out images, with no class among the answers; None if there are none."""
    if not len(held_out):
        return None
    space, right = FittedFeatureSpace(network, images.shape, ""), 0
    for indices in torch.from_numpy(held_out).split(_ROWS):
        probabilities = space.extract(images.scaled(indices)).probabilities
        assert probabilities is not None  # it is a classifier
        right += int((probabilities.argmax(axis=1) == targets[indices].numpy()).sum())
    return right / len(held_out)


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
