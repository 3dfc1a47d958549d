"""Measured attributes: words of captions that can be checked on any image, those that a model makes too."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qgen.captions import words_of

AttributeName: TypeAlias = Literal["slant", "thickness", "brightness", "width"]
Values: TypeAlias = NDArray[np.float64]
_TINY = 1e-9
_CHUNK = 4096
#: Decimals of measured values.
_DIGITS = 9
#: How often the full caption of an image stands beside its class alone.
_FULL, _CLASS = 3, 1


def _moments(images: Values) -> tuple[Values, Values, Values]:
    """Return the second central moments xx, xy and yy of images (N, H, W), in pixels squared; x right, y down."""
    _, height, width = images.shape
    mass = images.sum((1, 2)) + _TINY
    x, y = np.arange(width, dtype=np.float64), np.arange(height, dtype=np.float64)
    by_x, by_y = images.sum(1), images.sum(2)
    mean_x, mean_y = by_x @ x / mass, by_y @ y / mass
    xx = by_x @ x**2 / mass - mean_x**2
    yy = by_y @ y**2 / mass - mean_y**2
    xy = np.einsum("nyx,y,x->n", images, y, x, optimize=True) / mass - mean_x * mean_y
    return xx, xy, yy


def slant(images: Values) -> Values:
    """Return how far the top leans to the right, in pixels to the side for each pixel of height; negative: to the left.

    The shear that uncorrelates x and y, as in Morpho-MNIST (Castro et al. 2019, arXiv:1809.10780).
    """
    _, xy, yy = _moments(images)
    return -xy / (yy + _TINY)


def thickness(images: Values) -> Values:
    """Return twice the mass over the total variation, as a share of the side: the width of a long stroke.

    It does not depend on how bright the stroke is.
    """
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    right, down = padded[:, :-1, 1:] - padded[:, :-1, :-1], padded[:, 1:, :-1] - padded[:, :-1, :-1]
    variation = np.sqrt(right**2 + down**2).sum((1, 2))
    return np.asarray(2 * images.sum((1, 2)) / (variation + _TINY) / images.shape[2])


def brightness(images: Values) -> Values:
    """Return the mean brightness, in [0, 1], of all light: what is black has no part in it."""
    return np.asarray((images**2).sum((1, 2)) / (images.sum((1, 2)) + _TINY))


def width(images: Values) -> Values:
    """Return the width of a bar whose light spreads as far to the sides, as a share of the side."""
    xx, _, _ = _moments(images)
    return np.asarray(np.sqrt(np.maximum(12 * xx, 0)) / images.shape[2])


@dataclass(frozen=True)
class Attribute:
    """Something that can be measured on an image, with words for little and for much of it.

    Attributes:
        measure: images (N, H, W), in [0, 1], bright on black -> values (N,).
        low: the words of images in the lowest third of their class.
        high: those in the highest third.
        after: whether the words come after the class, rather than before it.
    """

    measure: Callable[[Values], Values]
    low: str
    high: str
    after: bool = False


#: In the order in which captions have their words.
ATTRIBUTES: Mapping[AttributeName, Attribute] = MappingProxyType(
    {
        "brightness": Attribute(brightness, "dark", "bright"),
        "width": Attribute(width, "narrow", "wide"),
        "thickness": Attribute(thickness, "thin", "thick"),
        "slant": Attribute(slant, "leaning left", "leaning right", after=True),
    }
)


def measure_attributes(images: NDArray[np.uint8], names: Sequence[AttributeName]) -> Values:
    """Return the attributes of these names of images (N, C, H, W), uint8, as (N, len(names)); colours as their mean."""
    values = np.empty((len(images), len(names)))
    for first in range(0, len(images), _CHUNK):
        rows = slice(first, first + _CHUNK)
        grey = images[rows].mean(1, dtype=np.float64) / 255
        for column, name in enumerate(names):
            values[rows, column] = ATTRIBUTES[name].measure(grey)
    # Sums of a batch depend on its size in their last digits, and a real image can lie just where its class is cut.
    return values.round(_DIGITS)


@dataclass(frozen=True)
class Asked:
    """What a prompt asks for.

    Attributes:
        label: the class; None: none.
        thirds: for each attribute that has a word in it, whether the lowest (0) or the highest (2) third is asked for.
    """

    label: int | None
    thirds: Mapping[AttributeName, int]


@dataclass(frozen=True, eq=False)
class AttributeScheme:
    """Captions of images by class and attributes, and the reverse: whether an image is as a prompt asks for.

    An attribute is named where an image lies in the lowest or the highest third of its class in the training set.

    Attributes:
        class_names: name of label k at index k.
        names: of the attributes.
        cuts: (K, A, 2), float64: the quantiles 1/3 and 2/3 of each class and attribute.
    """

    class_names: tuple[str, ...]
    names: tuple[AttributeName, ...]
    cuts: Values

    @classmethod
    def of(
        cls,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64],
        class_names: tuple[str, ...],
        names: Sequence[AttributeName],
    ) -> AttributeScheme:
        """Return the scheme of training images (N, C, H, W) with labels (N,); classes without images are never cut."""
        ordered = tuple(name for name in ATTRIBUTES if name in names)
        values = measure_attributes(images, ordered)
        cuts = np.tile([-np.inf, np.inf], (len(class_names), len(ordered), 1))
        for label in np.unique(labels).tolist():
            cuts[label] = np.quantile(values[labels == label], [1 / 3, 2 / 3], axis=0).T
        return cls(class_names, ordered, cuts)

    def thirds(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the third, 0 to 2, of each attribute of images (N, C, H, W) within the classes (N,), as (N, A)."""
        values, cuts = measure_attributes(images, self.names), self.cuts[labels]
        return (values >= cuts[..., 0]).astype(np.int64) + (values > cuts[..., 1])

    def caption(self, label: int, thirds: Sequence[int]) -> str:
        """Return the caption of an image of this class, with attributes in these thirds; the middle has no word."""
        before: list[str] = []
        after: list[str] = []
        for name, third in zip(self.names, thirds, strict=True):
            attribute = ATTRIBUTES[name]
            if third != 1:
                words = attribute.low if third == 0 else attribute.high
                (after if attribute.after else before).append(words)
        return " ".join([*before, caption_name(self.class_names[label]), *after])

    def captions(self, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> list[tuple[str, ...]]:
        """Return the captions of images (N, C, H, W) with labels (N,): with attributes, and now and then without."""
        plain = [caption_name(name) for name in self.class_names]
        thirds = self.thirds(images, labels)
        known: dict[tuple[int, ...], tuple[str, ...]] = {}
        made = []
        for label, row in zip(labels.tolist(), thirds.tolist(), strict=True):
            key = label, *row
            if key not in known:
                full = self.caption(label, row)
                known[key] = (plain[label],) if full == plain[label] else (full,) * _FULL + (plain[label],) * _CLASS
            made.append(known[key])
        return made

    def read(self, prompt: str) -> Asked:
        """Return what a prompt asks for, in whatever order its words are."""
        words = set(words_of(prompt))
        thirds = {}
        for name in self.names:
            for third, text in ((0, ATTRIBUTES[name].low), (2, ATTRIBUTES[name].high)):
                if words >= set(words_of(text)):
                    thirds[name] = third
        called = [set(words_of(caption_name(name))) for name in self.class_names]
        named = [label for label, name in enumerate(called) if words >= name]
        return Asked(max(named, key=lambda label: len(called[label]), default=None), thirds)

    @property
    def words(self) -> tuple[str, ...]:
        """All words that captions can have, sorted."""
        return scheme_words(self.class_names, self.names)

    def plain(self) -> dict[str, Any]:
        """Return the scheme in plain values."""
        return {"classes": list(self.class_names), "attributes": list(self.names), "cuts": self.cuts.tolist()}


def caption_name(class_name: str) -> str:
    """Return the name of a class as captions have it: its words in lower case, of "T-shirt/top" the first."""
    return " ".join(words_of(class_name.partition("/")[0]) or words_of(class_name)) or class_name


def scheme_words(class_names: Sequence[str], names: Sequence[AttributeName]) -> tuple[str, ...]:
    """Return all words of captions of these classes and attributes, sorted."""
    texts = [caption_name(name) for name in class_names]
    for name in names:
        texts += [ATTRIBUTES[name].low, ATTRIBUTES[name].high]
    return tuple(sorted({word for text in texts for word in words_of(text)}))
