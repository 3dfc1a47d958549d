"""Conditioning: what generated images depend on beside noise, as one typed value from the data to the sampler."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, Self, TypeAlias, final

from qgen.captions import CaptionFacts, Captions
from qgen.errors import InputError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


class Conditioning(Protocol):
    """The conditions of a batch, one an image. No conditioning at all is None."""

    def __len__(self) -> int:
        """Return the number of images."""
        ...

    def part(self, rows: slice) -> Self:
        """Return the conditions of some of the images."""
        ...

    def to(self, device: torch.device | str) -> Self:
        """Return the same conditions on another device."""
        ...

    def repeated(self, times: int) -> Self:
        """Return each image's condition so many times in succession."""
        ...

    def dropped(self, mask: Tensor) -> Self:
        """Return the conditions with the null condition where mask (B,), bool, is true.

        A model that learns both the conditional and the unconditional distribution samples by classifier-free
        guidance (Ho & Salimans 2022, arXiv:2207.12598).
        """
        ...

    def interleaved(self, others: Self) -> Self:
        """Return these conditions and as many others in turn: the first of these, the first of the others, ..."""
        ...


@final
class Labels:
    """Class labels of a batch of images; the value never changes.

    Not a frozen dataclass: Lightning's mixed precision takes dataclasses among a module's arguments apart.

    Attributes:
        classes: (B,), int64, in 0..num_classes; num_classes itself is the null label: no class is asked for.
        num_classes: number of classes of the data set.
    """

    __slots__ = ("classes", "num_classes")

    def __init__(self, classes: Tensor, num_classes: int) -> None:
        self.classes, self.num_classes = classes, num_classes

    @classmethod
    def of(cls, labels: Sequence[int], num_classes: int) -> Labels:
        """Return labels (B,) on the CPU.

        Args:
            labels: one an image, each in 0..num_classes - 1.
            num_classes: number of classes of the data set.

        Raises:
            InputError: there is no such class.
        """
        import torch

        wrong = [label for label in labels if not 0 <= label < num_classes]
        if wrong:
            raise InputError(f"there is no class {wrong[0]}: labels lie in 0 to {num_classes - 1}")
        return cls(torch.tensor(list(labels), dtype=torch.int64), num_classes)

    def __len__(self) -> int:
        return len(self.classes)

    def part(self, rows: slice) -> Labels:
        """Return the labels of some of the images."""
        return Labels(self.classes[rows], self.num_classes)

    def to(self, device: torch.device | str) -> Labels:
        """Return the same labels on another device."""
        return Labels(self.classes.to(device), self.num_classes)

    def repeated(self, times: int) -> Labels:
        """Return each image's label so many times in succession."""
        return Labels(self.classes.repeat_interleave(times), self.num_classes)

    def dropped(self, mask: Tensor) -> Labels:
        """Return the labels with the null label where mask (B,), bool, is true."""
        return Labels(self.classes.masked_fill(mask, self.num_classes), self.num_classes)

    def interleaved(self, others: Labels) -> Labels:
        """Return these labels and as many others in turn."""
        return Labels(_interleaved(self.classes, others.classes), self.num_classes)


@final
class Texts:
    """Texts of a batch of images, as tokens; the value never changes. Not a dataclass, for the reason of `Labels`.

    Attributes:
        tokens: what an encoder made of the texts, (B, T, E), float32; or the numbers of their words, (B, T), int64,
            from 0, for a model that learns a vector for each word.
        mask: (B, T), bool: true where there is a token, false where a shorter text is filled up.
        pooled: (B, E), float32: what the encoder made of each text as a whole; None beside numbers of words.
        null: (B,), bool: true where no text is asked for; a model puts its learnt null token there.
    """

    __slots__ = ("mask", "null", "pooled", "tokens")

    def __init__(self, tokens: Tensor, mask: Tensor, pooled: Tensor | None, null: Tensor) -> None:
        self.tokens, self.mask, self.pooled, self.null = tokens, mask, pooled, null

    def __len__(self) -> int:
        return len(self.tokens)

    def part(self, rows: slice) -> Texts:
        """Return some of the texts."""
        return self._each(lambda values: values[rows])

    def chosen(self, index: Tensor) -> Texts:
        """Return the texts at these places (B,), int64."""
        return self._each(lambda values: values[index])

    def to(self, device: torch.device | str) -> Texts:
        """Return the same texts on another device."""
        return self._each(lambda values: values.to(device))

    def repeated(self, times: int) -> Texts:
        """Return each image's text so many times in succession."""
        return self._each(lambda values: values.repeat_interleave(times, dim=0))

    def dropped(self, mask: Tensor) -> Texts:
        """Return the texts with the null condition where mask (B,), bool, is true."""
        return Texts(self.tokens, self.mask, self.pooled, self.null | mask)

    def interleaved(self, others: Texts) -> Texts:
        """Return these texts and as many others in turn."""
        pooled = None
        if self.pooled is not None and others.pooled is not None:
            pooled = _interleaved(self.pooled, others.pooled)
        tokens, mask = _interleaved(self.tokens, others.tokens), _interleaved(self.mask, others.mask)
        return Texts(tokens, mask, pooled, _interleaved(self.null, others.null))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Texts:
        pooled = None if self.pooled is None else change(self.pooled)
        return Texts(change(self.tokens), change(self.mask), pooled, change(self.null))


def _interleaved(first: Tensor, second: Tensor) -> Tensor:
    import torch

    return torch.stack([first, second], dim=1).flatten(0, 1)


class Labelled(Protocol):
    """A set of images that may have labels."""

    @property
    def name(self) -> str:
        """Name of the set."""
        ...

    @property
    def labels(self) -> Tensor | None:
        """Labels (N,), int64."""
        ...


class Captioned(Protocol):
    """A set of images that may have captions."""

    @property
    def name(self) -> str:
        """Name of the set."""
        ...

    @property
    def captions(self) -> Captions | None:
        """Captions of its images."""
        ...


@dataclass(frozen=True)
class LabelConditioning:
    """What a class-conditional model is conditioned on: one of `num_classes` labels for each image.

    Attributes:
        num_classes: number of classes of the data set.
        labels: those that samples are asked for, in turn; None: all classes.
    """

    num_classes: int
    labels: tuple[int, ...] | None = None

    def of_images(self, images: Labelled, index: Tensor) -> Labels:
        """Return the labels (B,) of the images at these places (B,).

        Raises:
            InputError: the set has no labels.
        """
        if images.labels is None:
            raise InputError(f"{images.name} has no labels")
        return Labels(images.labels[index], self.num_classes)

    def examples(self, count: int) -> Labels:
        """Return labels of so many images: those that are asked for, in turn, or else the classes in turn.

        Raises:
            InputError: there is no such class.
        """
        labels = self.labels or range(self.num_classes)
        return Labels.of([labels[number % len(labels)] for number in range(count)], self.num_classes)

    @property
    def data_facts(self) -> dict[str, Any]:
        """What a model has to know of the data to be built again, in plain values."""
        return {"num_classes": self.num_classes}

    def negative(self, count: int) -> Labels | None:
        """Return what so many images are guided away from; None: the null label."""
        return None


class TextEncoder(Protocol):
    """Makes tokens of texts."""

    def encode(self, texts: Sequence[str], *, prompts: bool) -> Texts:
        """Return as many texts, on the CPU; an empty one is the null condition.

        Args:
            texts: to be encoded.
            prompts: whether somebody asks for images of them: then what the model cannot know of a text is refused,
                rather than cut off.

        Raises:
            InputError: a prompt has words that the model does not know, or too many.
        """
        ...

    def table(self, texts: Sequence[str]) -> Texts:
        """Return all captions of a set, encoded once and kept."""
        ...


@dataclass(frozen=True)
class TextConditioning:
    """What a text-conditional model is conditioned on: a text for each image.

    Attributes:
        encoder: makes tokens of texts.
        facts: of the captions that the model is trained with.
        prompts: those that samples are asked for, in turn; None: examples of captions.
        negative_prompt: what guided samples are led away from; None: from the null condition.
    """

    encoder: TextEncoder
    facts: CaptionFacts
    prompts: tuple[str, ...] | None = None
    negative_prompt: str | None = None

    def of_images(self, images: Captioned, index: Tensor) -> Texts:
        """Return the texts (B,) of the images at these places (B,); one of an image's several is drawn.

        Raises:
            InputError: the set has no captions.
        """
        if images.captions is None:
            raise InputError(f"{images.name} has no captions")
        return self._table(images.captions).chosen(images.captions.draw(index))

    def examples(self, count: int) -> Texts:
        """Return the texts of so many images: those that are asked for in turn, or else captions of the data.

        Raises:
            InputError: the model does not know a word, or takes fewer words.
        """
        asked = self.asked(count)
        different = list(dict.fromkeys(asked))
        return self.encoder.encode(different, prompts=self.prompts is not None).chosen(_places(different, asked))

    def with_examples(self, captions: tuple[str, ...]) -> TextConditioning:
        """Return the same conditioning with other examples of captions, which are read as those in training are."""
        return replace(self, facts=replace(self.facts, examples=captions))

    def asked(self, count: int) -> list[str]:
        """Return the prompts of so many images."""
        prompts = self.prompts or self.facts.examples
        return [prompts[number % len(prompts)] for number in range(count)]

    def negative(self, count: int) -> Texts | None:
        """Return what so many images are guided away from; None: the null condition.

        Raises:
            InputError: the model does not know a word, or takes fewer words.
        """
        if self.negative_prompt is None:
            return None
        return self.encoder.encode([self.negative_prompt], prompts=True).repeated(count)

    @property
    def data_facts(self) -> dict[str, Any]:
        """What a model has to know of the data to be built again, in plain values."""
        return {"captions": self.facts.plain()}

    def _table(self, captions: Captions) -> Texts:
        kept = self._kept.get("captions")
        if kept is None or kept[0] is not captions:
            kept = self._kept["captions"] = captions, self.encoder.table(captions.texts)
        return kept[1]

    @cached_property
    def _kept(self) -> dict[str, tuple[Captions, Texts]]:
        """The captions that were encoded last, and their tokens."""
        return {}


#: What a model's images depend on beside noise, as it makes conditions of data and of requests.
ConditionSource: TypeAlias = LabelConditioning | TextConditioning


def _places(different: Sequence[str], texts: Sequence[str]) -> Tensor:
    import torch

    number = {text: place for place, text in enumerate(different)}
    return torch.tensor([number[text] for text in texts], dtype=torch.int64)
