"""Texts in a denoiser: tokens for cross-attention, a vector beside time, and a learnt null token."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qgen.conditioning import Conditioning, Texts
from qgen.errors import InputError
from qgen.models.text.settings import TextForm


class EmbeddedTexts(NamedTuple):
    """Texts as a denoiser reads them.

    Attributes:
        tokens: (B, T, W).
        mask: (B, T), bool: true where a token is one; at least one of each text.
        pooled: (B, W), of the text as a whole.
    """

    tokens: Tensor
    mask: Tensor
    pooled: Tensor


class TextEmbedding(nn.Module):
    """Tokens of any encoder in the width of a denoiser.

    Words have a learnt vector each, to which that of their place is added, as no encoder has read them in order; they
    are pooled by their mean. Vectors of an encoder are projected, tokens and pooled ones apart. The null condition is
    one learnt token, alone, and a learnt pooled vector, as the null label is one of the classes: Ho & Salimans 2022,
    arXiv:2207.12598.

    Args:
        form: of the texts.
        width: W.
    """

    def __init__(self, form: TextForm, width: int) -> None:
        super().__init__()
        self.form, self.width = form, width
        self.project: nn.Module
        if form.words is not None:
            self.project = nn.Embedding(form.words, width)
            self.places = nn.Embedding(form.tokens, width)
            self.pool = nn.Linear(width, width)
        elif form.features is not None:
            self.project = nn.Linear(form.features, width)
            self.pool = nn.Linear(form.features, width)
        else:
            raise InputError("texts are numbers of words or vectors: give the number of either")
        self.null = nn.Embedding(2, width)  # the token, and the pooled vector

    def forward(self, conditioning: Conditioning | None, times: Tensor) -> EmbeddedTexts:
        """Embed the texts of B images; None: the null condition for each of the times (B,).

        Raises:
            InputError: what is given is no texts, or of another encoder, or not one for each time.
        """
        count, null = len(times), self.null.weight
        if conditioning is None:
            tokens = null[0].expand(count, 1, self.width)
            return EmbeddedTexts(tokens, tokens.new_ones(count, 1, dtype=torch.bool), null[1].expand(count, self.width))
        texts = self._checked(conditioning, count)
        tokens, pooled = self._embedded(texts)
        absent = texts.null.unsqueeze(1)  # (B, 1)
        first = torch.zeros_like(texts.mask)
        first[:, 0] = True
        return EmbeddedTexts(
            torch.where(absent.unsqueeze(2), null[0], tokens),
            torch.where(absent, first, texts.mask),
            torch.where(absent, null[1], pooled),
        )

    def _embedded(self, texts: Texts) -> tuple[Tensor, Tensor]:
        """Return tokens (B, T, W) and pooled vectors (B, W) of texts, whatever stands where there is none."""
        if texts.pooled is not None:
            tokens, pooled = self.project(texts.tokens.to(self.pool.weight.dtype)), self.pool(texts.pooled)
            return tokens, pooled
        words = self.project(texts.tokens)
        share = texts.mask.unsqueeze(2).to(words.dtype)
        # The sum of n independent vectors over sqrt(n): one word or many, pooled ones are of one size.
        mean = (words * share).sum(1) / share.sum(1).clamp(min=1).sqrt()
        places = self.places.weight[: texts.tokens.shape[1]]
        return (words + places) / math.sqrt(2), self.pool(mean)

    def _checked(self, conditioning: Conditioning, count: int) -> Texts:
        if not isinstance(conditioning, Texts):
            raise InputError(f"this model takes texts as its conditioning, not {type(conditioning).__name__}")
        tokens, form = conditioning.tokens, self.form
        fits = tokens.ndim == 2 if form.words is not None else tokens.ndim == 3 and tokens.shape[2] == form.features
        if not fits or tokens.shape[1] > form.tokens:
            wanted = (form.tokens,) if form.words is not None else (form.tokens, form.features)
            raise InputError(f"this model takes tokens {('B', *wanted)}, not {tuple(tokens.shape)}: another encoder's")
        if len(conditioning) != count:
            raise InputError(f"{count} images need as many texts, not {len(conditioning)}")
        return conditioning
