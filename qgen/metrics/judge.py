"""What images are compared by: how they look to a small network that has only ever learned from real ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.data import ImageSet
from qgen.data.choice import fixed_shuffle
from qgen.errors import DataError
from qgen.metrics import keeping
from qgen.metrics.learning import MOST, RECIPE, learn_classes, learn_components, split
from qgen.metrics.networks import Classifier, Components

#: An image is of a class where that has more than this chance.
CONFIDENT = 0.9
_CHUNK = 256  # images at a time


@dataclass(frozen=True)
class Sight:
    """How images look to a judge.

    Attributes:
        features: (N, F), float64; those of the real images have mean 0 and, on average, variance 1.
        chances: (N, K + 1), float64, each row adds up to 1, the last is that of no class; None without classes.
    """

    features: NDArray[np.float64]
    chances: NDArray[np.float64] | None

    @property
    def classes(self) -> NDArray[np.int64] | None:
        """The class of each image that has one with more than `CONFIDENT`, in [0, K); None without classes."""
        if self.chances is None:
            return None
        chances = self.chances[:, :-1]
        classes: NDArray[np.int64] = chances[chances.max(axis=1) > CONFIDENT].argmax(axis=1)
        return classes


class Judge:
    """Looks at images; `open_judge` makes one.

    Attributes:
        name: a line for people: what judges, and how often it is right.
        accuracy: how often it is right about real images that it has not learned from, in [0, 1]; None without
            classes, and where there were no images to hold out.
        class_names: of the K classes that the real images have; None without labels.
        shape: of an image, (C, H, W).
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
        self._references: dict[str, Sight] = {}

    @torch.no_grad()
    def look(self, images: Tensor) -> Sight:
        """How images look to the judge, each by itself.

        Args:
            images: (N, C, H, W), in [-1, 1]; what lies outside is clipped, as it is where images are saved.

        Raises:
            DataError: there is none, they have another shape, or a value is not finite.
        """
        pixels = self._checked(images)
        features = torch.cat([self._network(chunk) for chunk in pixels.split(_CHUNK)])
        chances = None
        if isinstance(self._network, Classifier):
            chances = self._network.head(features).double().softmax(dim=1).numpy()
        return Sight(features.double().numpy(), chances)

    def features(self, images: Tensor) -> NDArray[np.float64]:
        """Features (N, F) of images (N, C, H, W) in [-1, 1]; see `look`."""
        return self.look(images).features

    def chances(self, images: Tensor) -> NDArray[np.float64] | None:
        """Chances (N, K + 1) of the classes and, last, of none; None without classes. See `look`."""
        return self.look(images).chances

    def reference(self, real: ImageSet) -> Sight:
        """How a fixed choice of real images looks, in a random order: computed once for each set.

        Raises:
            DataError: the images have another shape than those that the judge learned from.
        """
        if real.sha256 not in self._references:
            chosen = torch.from_numpy(fixed_shuffle(len(real))[:MOST])
            self._references[real.sha256] = self.look(real.scaled(chosen))
        return self._references[real.sha256]

    def _checked(self, images: Tensor) -> Tensor:
        if images.shape[1:] != self.shape or not len(images) or not images.is_floating_point():
            raise DataError(
                f"The judge looks at images (N, {', '.join(map(str, self.shape))}) of floating-point numbers in "
                f"[-1, 1], N at least 1; given: {tuple(images.shape)}, {images.dtype}."
            )
        pixels = images.detach().to("cpu", torch.float32)
        if broken := int((~pixels.isfinite()).flatten(1).any(dim=1).sum()):
            raise DataError(f"{broken:,} of {len(pixels):,} images hold values that are not finite: none is judged.")
        return pixels.clamp(-1, 1)


def open_judge(images: ImageSet, keep: bool = True) -> Judge:
    """A judge that knows these images.

    With labels it is a small classifier, trained here on at most 10,000 of the images, which takes seconds for digits
    of 8x8 pixels and under a minute for larger sets. It also learns what is of no class: noise, plain grey, scrambled
    and overlaid images. Without labels it is the leading principal components of the pixels.

    Whatever the images and wherever it is opened, it learns in the same way; the values of two machines may differ by
    their rounding.

    Args:
        images: the real images: all that there are to learn from.
        keep: whether what was learned is kept in the user's folder, and taken from there.

    Raises:
        DataError: there are fewer than two images.
    """
    if len(images) < 2:
        raise DataError(f"A judge learns from at least two images; {images.name} has {len(images)}.")
    return _components(images, keep) if images.labels is None else _classifier(images, images.labels, keep)


def _classifier(images: ImageSet, labels: Tensor, keep: bool) -> Judge:
    present, targets = labels.unique(return_inverse=True)
    names = tuple(str(k) if images.class_names is None else images.class_names[k] for k in present.tolist())
    places, path = split(images), keeping.kept_at(images.sha256, RECIPE) if keep else None
    accuracy: float | None
    if (kept := keeping.read(path)) is None:
        network = learn_classes(images, targets, len(names), places.learned)
        accuracy = _accuracy(network, images, targets, places.held_out)
        keeping.write(path, network.state_dict(), {"accuracy": accuracy})
    else:
        network, accuracy = Classifier(images.shape, len(names)), kept[1]["accuracy"]
        network.load_state_dict(kept[0])
    name = f"a small network that learned from {len(places.learned):,} images of {images.name}"
    if accuracy is not None:
        name += f" and is right about {100 * accuracy:.1f} % of {len(places.held_out):,} others"
    return Judge(network, images.shape, name, accuracy, names)


def _components(images: ImageSet, keep: bool) -> Judge:
    path, learned = keeping.kept_at(images.sha256, RECIPE) if keep else None, min(MOST, len(images))
    if (kept := keeping.read(path)) is None:
        network = learn_components(images, fixed_shuffle(len(images))[:MOST])
        keeping.write(path, network.state_dict(), {})
    else:
        network = Components(**kept[0])
    count = len(network.get_buffer("directions"))
    name = f"the {count} leading principal components of the pixels of {learned:,} images of {images.name}"
    return Judge(network, images.shape, name)


def _accuracy(network: Classifier, images: ImageSet, targets: Tensor, held_out: NDArray[np.int64]) -> float | None:
    """How often the likeliest of the classes, and of none, is right; None where nothing is held out."""
    if not len(held_out):
        return None
    places = torch.from_numpy(held_out)
    chances = Judge(network, images.shape, "").chances(images.scaled(places))
    assert chances is not None  # it is a classifier
    return float((chances.argmax(axis=1) == targets[places].numpy()).mean())
