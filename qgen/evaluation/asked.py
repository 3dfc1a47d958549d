"""What samples were asked to be, by label or prompt, and whether they are: their class, and measured attributes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.conditioning import ConditionSource, TextConditioning
from qgen.data import ImageSet
from qgen.data.attributes import ATTRIBUTES
from qgen.evaluation.asked_captions import CAPTION, CHANCE, COLOUR, coloured, retrieved
from qgen.evaluation.measure import Cloud, Compared, Compute, Found, Measure
from qgen.evaluation.protocol import Protocol
from qgen.metrics.bootstrap import Resampling
from qgen.metrics.features import Features, FeatureSpace

Numbers = NDArray[np.int64]
#: In `Requested`: nothing is asked for. The third of an attribute that captions have no word for.
_NONE, _MIDDLE = -1, 1
_CLASS, _ALL = "class", "all"


@dataclass(frozen=True)
class Requested:
    """What was asked of each of N images.

    Attributes:
        labels: (N,), int64: its class, a number in the data set; -1: none in particular.
        thirds: (N, A), int64: the third of each attribute of the data's scheme, 0 or 2; -1: none in particular.
        captions: N prompts in words of their own, where the data's captions follow no scheme; None: there are none.
    """

    labels: Numbers
    thirds: Numbers
    captions: tuple[str, ...] | None = None

    @classmethod
    def of_samples(cls, source: ConditionSource | None, count: int, data: ImageSet) -> Requested | None:
        """Return what `count` samples are asked for; None: nothing that can be checked.

        Args:
            source: what the model is conditioned on.
            count: N.
            data: real images, whose scheme says what prompts mean.
        """
        if source is None:
            return None
        if not isinstance(source, TextConditioning):
            return cls(source.examples(count).classes.numpy(), np.empty((count, 0), np.int64))
        scheme, asked = data.scheme, source.asked(count)
        if scheme is None:
            return None if data.captions is None else cls._in_words(asked)
        read = {prompt: scheme.read(prompt) for prompt in dict.fromkeys(asked)}
        labels = [_NONE if (label := read[prompt].label) is None else label for prompt in asked]
        thirds = [[read[prompt].thirds.get(name, _NONE) for name in scheme.names] for prompt in asked]
        return cls(np.array(labels, np.int64), np.array(thirds, np.int64).reshape(count, len(scheme.names)))

    @classmethod
    def of_images(cls, data: ImageSet, index: Numbers) -> Requested | None:
        """Return what the full captions of real images ask for; None: they have no classes, and no captions."""
        own = None
        if data.captions is not None and data.scheme is None:
            own = tuple(data.captions[image][0] for image in index.tolist())
        if data.labels is None:
            return None if own is None else cls._in_words(own)
        places = torch.from_numpy(index)
        labels = data.labels[places].numpy()
        if data.scheme is None or not data.scheme.names:
            return cls(labels, np.empty((len(index), 0), np.int64), own)
        thirds = data.scheme.thirds(_bytes(data.scaled(places)), labels)
        return cls(labels, np.where(thirds == _MIDDLE, _NONE, thirds))

    @classmethod
    def _in_words(cls, captions: Sequence[str]) -> Requested:
        nothing = np.full(len(captions), _NONE, np.int64)
        return cls(nothing, np.empty((len(captions), 0), np.int64), tuple(captions))


def fulfilled(
    requested: Requested,
    images: Tensor,
    features: Features,
    space: FeatureSpace,
    data: ImageSet,
    further: Sequence[ImageSet] = (),
) -> Mapping[str, Cloud]:
    """Return whether images are as they were asked to be: for each thing 1 or 0, NaN where it was not asked for.

    The class is the one that the classifier of the feature space finds most probable. Attributes are measured on the
    images, and compared with real ones of the class that was asked for; where none was, of the one that is found.

    Args:
        requested: of N images.
        images: (N, C, H, W), in [-1, 1].
        features: of these images.
        space: which features.
        data: real images, by whose classes and scheme it was asked.
        further: sets of more real images, among which those of captions are looked for.
    """
    found = _classes(features, space, data)
    kept: dict[str, Cloud] = {}
    if requested.captions is not None:
        kept |= retrieved(requested.captions, images, list({each.sha256: each for each in (data, *further)}.values()))
        kept[COLOUR] = coloured(requested.captions, images)
    if found is not None:
        kept[_CLASS] = _right(found, requested.labels)
    scheme = data.scheme
    if scheme is not None and requested.thirds.shape[1]:
        classes = requested.labels if found is None else np.where(requested.labels == _NONE, found, requested.labels)
        thirds = scheme.thirds(_bytes(images), np.maximum(classes, 0))
        unknown = classes[:, None] == _NONE
        right = _right(thirds, np.where(unknown, _NONE, requested.thirds))
        kept |= {name: right[:, column] for column, name in enumerate(scheme.names)}
        if found is not None:
            every = np.stack(list(kept.values()))
            nothing = np.isnan(every).all(0)
            kept[_ALL] = np.where(nothing, np.nan, (np.nan_to_num(every, nan=1.0) == 1).all(0))
    return kept


def _classes(features: Features, space: FeatureSpace, data: ImageSet) -> Numbers | None:
    """Return the most probable class of each image, a number in the data set; None: the features know no classes."""
    if features.probabilities is None or space.class_names is None or data.labels is None:
        return None
    present = data.labels.unique().tolist()
    number = {str(k) if data.class_names is None else data.class_names[k]: k for k in present}
    if set(space.class_names) != set(number):
        return None
    found: Numbers = np.array([number[name] for name in space.class_names])[features.probabilities[:, :-1].argmax(1)]
    return found


def _right(found: Numbers, asked: Numbers) -> Cloud:
    return np.where(asked == _NONE, np.nan, found == asked)


def _bytes(images: Tensor) -> NDArray[np.uint8]:
    """Return images as their files have them."""
    return (images.clamp(-1, 1) * 127.5 + 127.5).round().to(torch.uint8).cpu().numpy()


def _share(name: str) -> Compute:
    """Return how the share of images that are as asked is computed, of those of which it was asked."""

    def compute(compared: Compared, _: Protocol, resampling: Resampling) -> Found | None:
        values = compared.fulfilled.get(name)
        if values is None or np.isnan(values).all():
            return None
        asked = ~np.isnan(values)
        count = int(asked.sum())
        value = float(values[asked].mean())
        drawn = resampling.indices("samples", len(values))
        counts = asked[drawn].sum(1)
        sums = np.nan_to_num(values)[drawn].sum(1)
        resampled = np.where(counts > 0, sums / np.maximum(counts, 1), value)
        chance = compared.fulfilled.get(CHANCE) if name == CAPTION else None
        details = {} if chance is None else {"chance": float(np.nanmean(chance))}
        return Found(value, resampled, details, shares_of=count, count=count)

    return compute


def _measures() -> Iterator[Measure]:
    yield Measure(
        "class_asked",
        "class asked for",
        _share(_CLASS),
        "higher",
        "samples whose most probable class, by the classifier, is the one that label or prompt asks for",
        "not biased by the number of images; real ones show how often the classifier is right",
        share=True,
    )
    for name, attribute in ATTRIBUTES.items():
        yield Measure(
            f"{name}_asked",
            f"{name} asked for",
            _share(name),
            "higher",
            f"samples as {attribute.low} or {attribute.high} as the prompt asks, of those of which it does: measured, "
            "against the lowest and highest thirds of real images of their class",
            "not biased by the number of images; a third by chance, and all real ones, by which words are defined",
            share=True,
        )
    yield Measure(
        "caption_asked",
        "caption asked for",
        _share(CAPTION),
        "higher",
        "samples whose nearest real image, by pixels and among all of them, has the caption that was asked for (R@1)",
        "smaller for more real images; JSON has the chance of an image that is drawn; real ones are their own nearest",
        share=True,
        pixels=True,
    )
    yield Measure(
        "colour_asked",
        "colour asked for",
        _share(COLOUR),
        "higher",
        "samples of which most has the colour that the caption names, of those of which it does; white ground apart",
        "not biased by the number of images; real ones show how often the measure is right",
        share=True,
        pixels=True,
    )
    yield Measure(
        "all_asked",
        "all that is asked for",
        _share(_ALL),
        "higher",
        "samples that have the class and every attribute of their prompt",
        "not biased by the number of images; the more a prompt asks for, the smaller",
        share=True,
    )


ASKED_MEASURES = tuple(_measures())
