"""Captions: the texts of a set of images, their words, and which of an image's texts a training step reads."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from torch import Tensor

_WORD = re.compile(r"[^\W_]+(?:['\u2019-][^\W_]+)*")
#: Captions that `CaptionFacts` keeps as examples, at most.
EXAMPLES = 64


def words_of(text: str) -> list[str]:
    """Return the words of a text in lower case, in order: runs of letters and digits, with hyphens and apostrophes."""
    return _WORD.findall(text.lower())


@dataclass(frozen=True)
class CaptionFacts:
    """What a model has to know of the captions that it is trained with, in plain values.

    Attributes:
        words: all words of all captions, sorted.
        examples: some of the captions, for pictures that nobody gave a prompt for.
    """

    words: tuple[str, ...]
    examples: tuple[str, ...]

    def plain(self) -> dict[str, list[str]]:
        """Return the facts as JSON has them."""
        return {"words": list(self.words), "examples": list(self.examples)}

    @classmethod
    def read(cls, plain: dict[str, list[str]]) -> Self:
        """Return the facts that `plain` wrote."""
        return cls(tuple(plain["words"]), tuple(plain["examples"]))


@dataclass(frozen=True, eq=False)
class Captions:
    """The captions of N images, one or several each.

    Attributes:
        texts: the different captions, in the order of their first use.
        of_image: for each image, the numbers of its captions in `texts`; at least one.
        vocabulary: all words that captions may have, sorted; None: those that they have.
    """

    texts: tuple[str, ...]
    of_image: tuple[tuple[int, ...], ...]
    vocabulary: tuple[str, ...] | None = None

    @classmethod
    def of(cls, captions: Iterable[Sequence[str]], vocabulary: tuple[str, ...] | None = None) -> Self:
        """Return the captions of images, of which each has one or several."""
        numbers: dict[str, int] = {}
        of_image = tuple(tuple(numbers.setdefault(caption, len(numbers)) for caption in own) for own in captions)
        return cls(tuple(numbers), of_image, vocabulary)

    def __len__(self) -> int:
        return len(self.of_image)

    def __getitem__(self, image: int) -> tuple[str, ...]:
        """Return the captions of an image."""
        return tuple(self.texts[number] for number in self.of_image[image])

    def select(self, images: Iterable[int]) -> Captions:
        """Return the captions of some of the images; the words of all of them stay known."""
        return Captions.of((self[image] for image in images), self.words)

    def draw(self, index: Tensor) -> Tensor:
        """Return the numbers (B,), int64, of a caption of each of the images (B,).

        Of an image with several captions, one is drawn from torch's global generator, which training seeds at each
        step; where each has one caption nothing is drawn.
        """
        import torch

        first, count, numbers = self._tables
        place = first[index]
        if len(numbers) > len(first):
            place = place + (torch.rand(len(index)) * count[index]).long().clamp(max=count[index] - 1)
        return numbers[place]

    @cached_property
    def _tables(self) -> tuple[Tensor, Tensor, Tensor]:
        import torch

        count = [len(own) for own in self.of_image]
        first = [0, *accumulate(count)][:-1]
        numbers = list(chain.from_iterable(self.of_image))
        return torch.tensor(first), torch.tensor(count), torch.tensor(numbers)

    @cached_property
    def words(self) -> tuple[str, ...]:
        """All words, sorted."""
        return self.vocabulary or tuple(sorted({word for text in self.texts for word in words_of(text)}))

    @cached_property
    def facts(self) -> CaptionFacts:
        """The words of all captions, and some captions: the first ones of images at equal distances."""
        step = max(1, len(self) // (4 * EXAMPLES))
        shown = dict.fromkeys(self[image][0] for image in range(0, len(self), step))
        return CaptionFacts(self.words, tuple(shown)[:EXAMPLES])

    def digest(self) -> str:
        """Return a hexadecimal digest of all captions, image by image."""
        digest = hashlib.sha256()
        for image in range(len(self)):
            digest.update("\0".join(self[image]).encode("utf-8", "surrogatepass") + b"\1")
        return digest.hexdigest()
