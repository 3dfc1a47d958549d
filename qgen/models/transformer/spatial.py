"""SpatialTransformer: a transformer over the pixels of a map, with attention to a context and Q-FFN."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.transformer.attention import CrossAttention
from qgen.models.transformer.blocks import zero
from qgen.models.transformer.quantum_feed_forward import QuantumFeedForward
from qgen.nn.recomputation import Recomputed


class Attention(NamedTuple):
    """The sizes of a block's attentions.

    Attributes:
        heads: how many.
        head_width: features of a head; None: the width of a token by the number of heads.
        context_width: W, of a context; None: there is none, and no cross-attention.
    """

    heads: int
    head_width: int | None = None
    context_width: int | None = None


class BasicTransformerBlock(nn.Module):
    """Self-attention, cross-attention to a context, and a feed-forward network, each added to a normalised stream.

    Source: Rombach et al. 2021, arXiv:2112.10752, appendix E.2.1; named as in diffusers' `BasicTransformerBlock`.

    Args:
        width: D.
        sizes: of the attentions.
        settings: of the circuit beside the feed-forward network.
        context: where the circuit runs.
    """

    def __init__(self, width: int, sizes: Attention, settings: BranchSettings, context: CircuitContext) -> None:
        super().__init__()
        self.norm1, self.norm3 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attn1 = CrossAttention(width, sizes.heads, sizes.head_width)
        if sizes.context_width is not None:
            self.norm2 = nn.LayerNorm(width)
            self.attn2 = CrossAttention(width, *sizes)
        self.ff = QuantumFeedForward(width, settings, context)

    def forward(self, tokens: Tensor, context: Tensor | None = None, context_mask: Tensor | None = None) -> Tensor:
        """Transform tokens (B, N, D), with a context (B, T, W) and its mask (B, T) of a block that has one."""
        tokens = tokens + self.attn1(self.norm1(tokens))
        if context is not None:
            tokens = tokens + self.attn2(self.norm2(tokens), context, context_mask)
        return self.ff.add(self.norm3(tokens), tokens)


class SpatialTransformer(Recomputed):
    """A block over the pixels of a map as tokens, added to the map: map + out(block(in(norm(map)))).

    Source: Rombach et al. 2021, arXiv:2112.10752; named as in diffusers' `Transformer2DModel`.

    Args:
        channels: C of the map, which are the features of a token.
        sizes: of the attentions.
        settings: of the circuit beside the feed-forward network.
        context: where the circuit runs.
        norm_groups: of the group norm; None: there is none, and the block does not begin as the identity (as in the
            code utai-utai/quantum-diffusion-model-anime).
    """

    def __init__(
        self,
        channels: int,
        sizes: Attention,
        settings: BranchSettings,
        context: CircuitContext,
        norm_groups: int | None,
    ) -> None:
        super().__init__()
        self.norm = nn.Identity() if norm_groups is None else nn.GroupNorm(norm_groups, channels, eps=1e-6)
        self.proj_in = nn.Conv2d(channels, channels, 1)
        self.transformer_blocks = nn.ModuleList([BasicTransformerBlock(channels, sizes, settings, context)])
        self.proj_out = nn.Conv2d(channels, channels, 1)
        self.begins_as_identity = norm_groups is not None

    def zero_outputs(self) -> None:
        """Let it begin as the identity."""
        if self.begins_as_identity:
            zero(self.proj_out)

    def forward(self, maps: Tensor, context: Tensor | None = None, context_mask: Tensor | None = None) -> Tensor:
        """Transform maps (B, C, H, W) to maps of the same shape, with a context (B, T, W) and its mask (B, T)."""
        inner = self.proj_in(self.norm(maps))
        tokens = inner.flatten(2).transpose(1, 2)
        for block in self.transformer_blocks:
            tokens = block(tokens, context, context_mask)
        return maps + self.proj_out(tokens.transpose(1, 2).reshape(inner.shape))  # type: ignore[no-any-return]
