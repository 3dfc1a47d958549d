"""The attentions of the U-Net: linear ones at its levels, a full one at its vertex."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from qgen.models.linear_attention import linear_attention
from qgen.models.settings import Variant

EPSILON = 1e-5
SHARPNESS = 10.0  # the factor on the cosines of queries and keys


class ChannelNorm(nn.Module):
    """Normalises the channels of each pixel, (B, N, C), and scales them; there is no shift.

    Args:
        channels: C.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """From (B, N, C) to (B, N, C), in the type of the weight, also under autocast."""
        return functional.layer_norm(pixels.to(self.weight.dtype), self.weight.shape, self.weight, eps=EPSILON)


class Attention(nn.Module):
    """What both attentions share: maps (B, C, H, W) to pixels, normalised, and the result added to the maps.

    Args:
        channels: C.
        heads: how many heads.
        features: the features of a head.
    """

    def __init__(self, channels: int, heads: int, features: int) -> None:
        super().__init__()
        self.heads, self.features = heads, features
        self.norm = ChannelNorm(channels)
        self.qkv = nn.Linear(channels, 3 * heads * features, bias=False)
        self.out = nn.Linear(heads * features, channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """From maps (B, C, H, W) to maps of the same shape."""
        rows = maps.permute(0, 2, 3, 1)
        change = self.attend(self.norm(rows.flatten(1, 2)))
        maps = rows + change.view(rows.shape)
        return maps.permute(0, 3, 1, 2)

    def attend(self, pixels: torch.Tensor) -> torch.Tensor:
        """From normalised pixels (B, N, C) to what is added to them, (B, N, C)."""
        raise NotImplementedError


class LinearAttention(Attention):
    """Attention whose cost grows with the pixels, not with their square; see `linear_attention`. Then a second norm."""

    def __init__(self, channels: int, heads: int, features: int) -> None:
        super().__init__(channels, heads, features)
        self.out_norm = ChannelNorm(channels)

    def attend(self, pixels: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.qkv.weight.view(3, self.heads, self.features, -1)
        outputs = self.out.weight.view(-1, self.heads, self.features)
        with torch.autocast(pixels.device.type, enabled=False):  # its sums over pixels want their digits
            read = linear_attention(pixels, queries, keys, values, outputs)
            return self.out_norm(read + self.out.bias)  # type: ignore[no-any-return]


class FullAttention(Attention):
    """Cosine attention among all pixels: softmax(10 cos(q, k)) v.

    Source: Henry et al. (2020), "Query-Key Normalization for Transformers", arXiv:2010.04245, with the factor of De
    Falco et al. (2024), arXiv:2402.16147, whose published code normalises over the pixels, not over the features.

    Args:
        channels: C.
        heads: how many heads.
        features: the features of a head.
        variant: `paper`: normalised over the features; `published`: over the pixels.
    """

    def __init__(self, channels: int, heads: int, features: int, variant: Variant) -> None:
        super().__init__(channels, heads, features)
        self.norm_axis = -1 if variant == "paper" else -2

    def attend(self, pixels: torch.Tensor) -> torch.Tensor:
        split = self.qkv(pixels).unflatten(2, (3, self.heads, self.features))
        queries, keys, values = split.permute(2, 0, 3, 1, 4)  # each (B, heads, N, features)
        queries, keys = (functional.normalize(each, dim=self.norm_axis) for each in (queries, keys))
        read = functional.scaled_dot_product_attention(queries, keys, values, scale=SHARPNESS)
        return self.out(read.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]
