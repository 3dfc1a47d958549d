"""Self-attention and the blocks made of it: one that is plain, and one that conditions modulate."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

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


class FeedForward(nn.Module):
    """Two linear layers and a GELU between them, four times as wide.

    Args:
        width: D.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, 4 * width)
        self.out = nn.Linear(4 * width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        """Transform tokens (..., D) to (..., D)."""
        return self.out(functional.gelu(self.hidden(tokens), approximate="tanh"))  # type: ignore[no-any-return]


class TransformerBlock(nn.Module):
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


class DiTBlock(nn.Module):
    """A block with adaLN-zero: conditions scale and shift what goes into each part, and scale what comes out.

    Source: Peebles & Xie 2023, "Scalable Diffusion Models with Transformers", arXiv:2212.09748, section 3.2.

    Args:
        width: D, of tokens and of the embedded condition.
        heads: of the attention.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width, eps=NORM_EPSILON, elementwise_affine=False)
        self.attention = SelfAttention(width, heads)
        self.feed_forward = FeedForward(width)
        self.modulation = nn.Linear(width, 6 * width)

    def zero_outputs(self) -> None:
        """Let the block begin as the identity, whatever the condition."""
        zero(self.modulation)

    def forward(self, tokens: Tensor, condition: Tensor) -> Tensor:
        """Transform tokens (B, N, D) with a condition (B, D) to (B, N, D)."""
        chunks = self.modulation(functional.silu(condition)).unsqueeze(1).chunk(6, dim=2)
        shift_0, scale_0, gate_0, shift_1, scale_1, gate_1 = chunks
        tokens = tokens + gate_0 * self.attention(modulate(self.norm(tokens), shift_0, scale_0))
        return tokens + gate_1 * self.feed_forward(modulate(self.norm(tokens), shift_1, scale_1))  # type: ignore[no-any-return]


def modulate(tokens: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return tokens * (1 + scale) + shift."""
    return torch.addcmul(shift, tokens, 1 + scale)


def zero(layer: nn.Linear | nn.Conv2d) -> None:
    """Set the weights and the biases of a layer to 0."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
