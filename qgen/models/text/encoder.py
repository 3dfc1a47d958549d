"""Opens the text encoder that settings name."""

from __future__ import annotations

from typing import Protocol

from qgen.captions import CaptionFacts
from qgen.conditioning import TextEncoder
from qgen.errors import ConfigError
from qgen.models.text.settings import WORDS, TextForm, TextSettings
from qgen.models.text.words import WordEncoder


class FormedEncoder(TextEncoder, Protocol):
    """A text encoder that says what its tokens are like."""

    @property
    def form(self) -> TextForm:
        """The form of its tokens."""
        ...


def open_text_encoder(settings: TextSettings, facts: CaptionFacts) -> FormedEncoder:
    """Return the encoder.

    Args:
        settings: which one, and how many tokens of a text it takes.
        facts: of the captions that its model is trained with.

    Raises:
        ConfigError: it is not on this machine, or an extra is missing.
    """
    if settings.encoder != WORDS:
        from qgen.models.text.pretrained import PretrainedEncoder

        return PretrainedEncoder(settings.encoder, settings.tokens)
    if not facts.words:
        raise ConfigError(
            "`model.text.encoder=words` has a vector for each word of the captions, and the images that have them are "
            "not here: see `qgen data`"
        )
    return WordEncoder(facts.words, settings.tokens)
