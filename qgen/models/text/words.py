"""Words by number: the encoder of models that learn a vector for each word of their captions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property

import torch

from qgen.captions import words_of
from qgen.conditioning import Texts
from qgen.errors import InputError, short_repr
from qgen.models.text.settings import TextForm

_SHOWN = 12


@dataclass(frozen=True)
class WordEncoder:
    """Splits texts into words, each known by its number.

    Attributes:
        words: W known words, sorted.
        tokens: T, words of a text at most.
    """

    words: tuple[str, ...]
    tokens: int

    @property
    def form(self) -> TextForm:
        """The form of its tokens."""
        return TextForm(self.tokens, words=len(self.words))

    def encode(self, texts: Sequence[str], *, prompts: bool) -> Texts:
        """Return texts whose tokens (B, T), int64, are numbers in 0..W-1; a text without words is the null condition.

        Args:
            texts: to be encoded.
            prompts: whether unknown words and too many words are refused, rather than left out and cut off.

        Raises:
            InputError: a prompt has such words; the message names the nearest known ones.
        """
        tokens = torch.zeros(len(texts), self.tokens, dtype=torch.int64)
        mask = torch.zeros(len(texts), self.tokens, dtype=torch.bool)
        for row, text in enumerate(texts):
            words = words_of(text)
            if prompts:
                self._check(text, words)
            numbers = [self._numbers[word] for word in words if word in self._numbers][: self.tokens]
            tokens[row, : len(numbers)] = torch.tensor(numbers, dtype=torch.int64)
            mask[row, : len(numbers)] = True
        return Texts(tokens, mask, None, ~mask.any(1))

    def table(self, texts: Sequence[str]) -> Texts:
        """Return all captions of a set; there is nothing to keep."""
        return self.encode(texts, prompts=False)

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {word: number for number, word in enumerate(self.words)}

    def _check(self, text: str, words: Sequence[str]) -> None:
        unknown = [word for word in dict.fromkeys(words) if word not in self._numbers]
        if unknown:
            raise InputError(f"the prompt {short_repr(text)} has {self._advice(unknown)}")
        if len(words) > self.tokens:
            raise InputError(
                f"the prompt {short_repr(text)} has {len(words)} words, and this model takes {self.tokens} "
                "(`model.text.tokens`): shorten it"
            )

    def _advice(self, unknown: Sequence[str]) -> str:
        near = {word: get_close_matches(word, self.words, n=1, cutoff=0.5) for word in unknown}
        named = ", ".join(f"`{word}`" + (f" (nearest: `{near[word][0]}`)" if near[word] else "") for word in unknown)
        some = ", ".join(self.words[:_SHOWN]) + (", ..." if len(self.words) > _SHOWN else "")
        which = "a word" if len(unknown) == 1 else "words"
        return f"{which} that no caption of its training has: {named}; it knows {len(self.words):,} words: {some}"
