"""Transformers: attention, blocks that conditions modulate, and the circuit beside a feed-forward network."""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.models.transformer.attention import CrossAttention as CrossAttention
    from qgen.models.transformer.blocks import DiTBlock as DiTBlock
    from qgen.models.transformer.blocks import SelfAttention as SelfAttention
    from qgen.models.transformer.blocks import TransformerBlock as TransformerBlock
    from qgen.models.transformer.blocks import modulate as modulate
    from qgen.models.transformer.feed_forward import FeedForward as FeedForward
    from qgen.models.transformer.positions import sincos_positions as sincos_positions
    from qgen.models.transformer.quantum_feed_forward import QuantumFeedForward as QuantumFeedForward
    from qgen.models.transformer.spatial import Attention as Attention
    from qgen.models.transformer.spatial import BasicTransformerBlock as BasicTransformerBlock
    from qgen.models.transformer.spatial import SpatialTransformer as SpatialTransformer
else:
    __getattr__, __dir__ = lazy_imports(__name__)
