"""Self-attention and the blocks made of it: one that is plain, and one that conditions modulate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.transformer.attention import CrossAttention
from qgen.models.transformer.feed_forward import FeedForward
from qgen.models.transformer.quantum_feed_forward import QuantumFeedForward
from qgen.nn.recomputation import Recomputed

NORM_EPSILON = 1e-6


class SelfAttention(nn.Module):
    """Attention of the tokens of an image to one another (Vaswani et al. 2017, arXiv:1706.03762, section 3.2).

    Args:
        width: D, the features of a token.
        heads: how many; they divide D.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (B, N, D) to (B, N, D)."""
        queries, keys, values = self.qkv(tokens).unflatten(2, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        read = functional.scaled_dot_product_attention(queries, keys, values)
        return self.out(read.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


class TransformerBlock(Recomputed):
    """Attention and a feed-forward network over the pixels of a map, added to it through a layer that begins at zero.

    Args:
        width: C, the channels.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width)
        self.out = nn.Linear(width, width)

    def zero_outputs(self) -> None:
        """Let the block begin as the identity."""
        zero(self.out)

    def forward(self, maps: Tensor) -> Tensor:
        """Transform maps (B, C, H, W) to maps of the same shape."""
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = tokens + self.attention(self.norm_0(tokens))
        tokens = tokens + self.feed_forward(self.norm_1(tokens))
        change: Tensor = self.out(tokens)
        return maps + change.transpose(1, 2).reshape(maps.shape)


class DiTBlock(Recomputed):
    """A block with adaLN-zero: conditions scale and shift what goes into each part, and scale what comes out.

    Source: Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", arXiv:2212.09748, section 3.2. Attention
    to a context comes after self-attention, and begins by adding nothing, as in PixArt (Chen et al. 2023,
    arXiv:2310.00426, section 2.3).

    Args:
        width: D, of tokens and of the embedded condition.
        heads: of the attention.
        settings: of the circuit beside the feed-forward network; None: there is none.
        circuits: where the circuit runs; None: there is none.
        context_width: W, of a context; None: there is none, and no cross-attention.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        settings: BranchSettings | None = None,
        circuits: CircuitContext | None = None,
        context_width: int | None = None,
    ) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.attention = SelfAttention(width, heads)
        if context_width is not None:
            self.cross_attention = CrossAttention(width, heads, context_width=context_width)
        self.feed_forward = (
            FeedForward(width)
            if circuits is None
            else QuantumFeedForward(width, settings or BranchSettings(), circuits)
        )
        self.modulation = nn.Linear(width, 6 * width)

    def zero_outputs(self) -> None:
        """Let the block begin as the identity, whatever the condition."""
        zero(self.modulation)
        if hasattr(self, "cross_attention"):
            zero(self.cross_attention.last)

    def forward(
        self, tokens: Tensor, condition: Tensor, context: Tensor | None = None, context_mask: Tensor | None = None
    ) -> Tensor:
        """Transform tokens (B, N, D) with a condition (B, D), and a context (B, T, W) with its mask (B, T)."""
        chunks = self.modulation(functional.silu(condition)).unsqueeze(1).chunk(6, dim=2)
        shift_0, scale_0, gate_0, shift_1, scale_1, gate_1 = chunks
        tokens = tokens + gate_0 * self.attention(modulate(self.norm(tokens), shift_0, scale_0))
        if context is not None:
            tokens = tokens + self.cross_attention(self.norm(tokens), context, context_mask)
        seen = modulate(self.norm(tokens), shift_1, scale_1)
        if isinstance(self.feed_forward, QuantumFeedForward):
            return self.feed_forward.add(seen, tokens, gate_1)
        return tokens + gate_1 * self.feed_forward(seen)  # type: ignore[no-any-return]


def modulate(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return tokens * (1 + scale) + shift."""
    return torch.addcmul(shift, tokens, 1 + scale)


def zero(layer: nn.Linear | nn.Conv2d) -> None:
    """Set the weights and the biases of a layer to 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
