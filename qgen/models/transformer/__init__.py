"""Transformers: attention, and blocks that conditions modulate."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.transformer.blocks import DiTBlock as DiTBlock
    from qgen.models.transformer.blocks import SelfAttention as SelfAttention
    from qgen.models.transformer.blocks import TransformerBlock as TransformerBlock
    from qgen.models.transformer.blocks import modulate as modulate
    from qgen.models.transformer.positions import sincos_positions as sincos_positions
else:
    __getattr__, __dir__ = lazy_imports(__name__)
