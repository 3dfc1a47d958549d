"""Settings of a text encoder, and the form of the tokens that it makes."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import Field, field_validator

from qgen.errors import suggestion
from qgen.settings import Settings

#: Encoders without a folder, and those that are read from one, as `t5:FOLDER`.
NAMES, PREFIXES = ("words", "minilm"), ("t5", "transformers")


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

    encoder: str = "words"
    """`words`: a vector for each word of the captions, trained along; it knows no others. `minilm`: all-MiniLM-L6-v2,
    of the extra `text`. `t5:FOLDER` and `transformers:FOLDER`: an encoder that lies in a folder"""
    tokens: int = Field(12, ge=1, le=512)
    """tokens of a text, at most; of longer captions the rest is cut off"""

    @field_validator("encoder")
    @classmethod
    def _is_one(cls, name: str) -> str:
        prefix, colon, folder = name.partition(":")
        if name in NAMES or (prefix in PREFIXES and folder):
            return name
        if prefix in PREFIXES:
            raise ValueError(f"`{name}` lacks the folder of the model: {prefix}:FOLDER")
        hint = suggestion(prefix if colon else name, (*NAMES, *PREFIXES))
        raise ValueError(
            f"there is no text encoder `{name}`: {', '.join(NAMES)}, t5:FOLDER or transformers:FOLDER.{hint}"
        )
