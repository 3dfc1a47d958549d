"""Settings of a text encoder, and the form of the tokens that it makes."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from pydantic import Field, field_validator

from qgen.errors import short_repr
from qgen.settings import Settings

WORDS, MINILM, T5 = "words", "minilm", "t5:"
PREFIXES = (T5, "transformers:")


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

    encoder: str = WORDS
    """`words`: a vector for each word of the captions, trained along; it knows no others. `minilm`: all-MiniLM-L6-v2
    (extra `text`). `t5:FOLDER`, `transformers:FOLDER`: an encoder that transformers saved there; nothing is
    downloaded"""
    tokens: int = Field(12, ge=1, le=512)
    """words of a text, or tokens of an encoder, at most; of longer captions the rest is cut off"""

    @field_validator("encoder")
    @classmethod
    def _known(cls, name: str) -> str:
        if name in (WORDS, MINILM) or (name.startswith(PREFIXES) and name.partition(":")[2]):
            return name
        raise ValueError(
            f"{short_repr(name)} is no text encoder: `words`, `minilm`, `t5:FOLDER`, `transformers:FOLDER`"
        )


def absolute_encoder(name: str) -> str:
    """Return the name of an encoder with its folder, if it has one, by an absolute path."""
    if not name.startswith(PREFIXES):
        return name
    kind, _, folder = name.partition(":")
    return f"{kind}:{Path(os.path.expanduser(folder)).resolve()}"
