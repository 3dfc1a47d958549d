"""Settings of a text encoder, and the form of the tokens that it makes."""

from __future__ import annotations

from typing import Literal, NamedTuple

from pydantic import Field

from qgen.settings import Settings


class TextForm(NamedTuple):
    """The form of encoded texts.

    Attributes:
        tokens: T, at most.
        words: different words that tokens are numbers of; None: tokens are vectors.
        features: E, of a token's vector; None: tokens are numbers.
    """

    tokens: int
    words: int | None = None
    features: int | None = None


class TextSettings(Settings):
    """What reads prompts and captions."""

    encoder: Literal["words"] = "words"
    """`words`: a vector for each word of the captions, trained along; it knows no others"""
    tokens: int = Field(12, ge=1, le=512)
    """words of a text, at most; of longer captions the rest is cut off"""
