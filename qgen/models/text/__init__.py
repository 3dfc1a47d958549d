"""Text: encoders that make tokens of prompts and captions, and the module that puts them into a denoiser."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.text.embedding import TextEmbedding as TextEmbedding
    from qgen.models.text.encoder import open_text_encoder as open_text_encoder
    from qgen.models.text.settings import TextForm as TextForm
    from qgen.models.text.settings import TextSettings as TextSettings
    from qgen.models.text.words import WordEncoder as WordEncoder
else:
    __getattr__, __dir__ = lazy_imports(__name__)
