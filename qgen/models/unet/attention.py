"""The attentions of the U-Net: linear ones at its levels, a full one at its vertex."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from qgen.models.unet.settings import Variant
from qgen.nn.recomputation import Recomputed

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
        """Transform (B, N, C) to (B, N, C), in the type of the weight, also under autocast."""
        return functional.layer_norm(pixels.to(self.weight.dtype), self.weight.shape, self.weight, eps=EPSILON)


class Attention(Recomputed, ABC):
    """The common part of both attentions: maps (B, C, H, W) to normalised pixels, and the result added to the maps.

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
        """Transform maps (B, C, H, W) to maps of the same shape."""
        rows = maps.permute(0, 2, 3, 1)
        change = self.attend(self.norm(rows.flatten(1, 2)))
        maps = rows + change.view(rows.shape)
        return maps.permute(0, 3, 1, 2)

    @abstractmethod
    def attend(self, pixels: torch.Tensor) -> torch.Tensor:
        """Transform normalised pixels (B, N, C) to what is added to them, (B, N, C)."""


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
        queries, keys = (functional.normalize(vectors, dim=self.norm_axis) for vectors in (queries, keys))
        read = functional.scaled_dot_product_attention(queries, keys, values, scale=SHARPNESS)
        return self.out(read.transpose(1, 2).flatten(2))  # type: ignore[no-any-return]


CACHE_BYTES = 2**20  # of keys or queries that a core works on at a time; two such tensors fit in its own cache
DEVICE_BYTES = 2**28  # the same on an accelerator, which is faster the more it gets at a time


def linear_attention(
    pixels: torch.Tensor, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor, outputs: torch.Tensor
) -> torch.Tensor:
    """Linear attention among the pixels of each image, from x to the projected output.

    The sum over heads of W_out (W_v x^T k / N) q / sqrt(D), with k (N, D) the softmax over pixels of x W_k^T and q
    (D, N) that over features of W_q x^T. Source: Shen et al. (2021), "Efficient Attention: Attention with Linear
    Complexities", arXiv:1812.01243, with the factors of De Falco et al. (2024), arXiv:2402.16147.

    Args:
        pixels: x, (B, N, C).
        queries: W_q, (H, D, C) for H heads of D features.
        keys: W_k, likewise.
        values: W_v, likewise.
        outputs: W_out, (C, H, D).

    Returns:
        (B, N, C), of the type of `pixels`.
    """
    heads, features, channels = queries.shape
    batch, count, _ = pixels.shape
    joined = torch.einsum("hdc,ohd->hco", values, outputs) / (count * features**0.5)
    pooled: torch.Tensor = _Pool.apply(pixels, keys.flatten(0, 1))  # type: ignore[no-untyped-call]
    table = (pooled.view(batch, heads, features, channels) @ joined).flatten(1, 2)
    return _Read.apply(pixels, queries, table)  # type: ignore[no-any-return, no-untyped-call]


class _Pool(torch.autograd.Function):
    """p = k x, (B, J, C), with k = softmax over pixels of W x^T, (J, N). Of k the logarithms of its sums are kept.

    Backward, from dp: dk = dp x^T, and for the logits g = k (dk - sum over pixels of k dk), a sum that is that over
    channels of p dp.
    """

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        batch, _, channels = pixels.shape
        pooled, logs = pixels.new_empty(batch, len(weight), channels), pixels.new_empty(batch, len(weight), 1)
        for part, x, w, k in _portions(pixels, weight):
            torch.bmm(w, x.mT, out=k)
            highest = k.amax(2, keepdim=True)
            sums = k.sub_(highest).exp_().sum(2, keepdim=True)
            torch.bmm(k, x, out=pooled[part]).div_(sums)
            torch.add(highest, sums.log_(), out=logs[part])
        ctx.save_for_backward(pixels, weight, pooled, logs)
        return pooled

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        pixels, weight, pooled, logs = ctx.saved_tensors
        overlap = (upstream * pooled).sum(2, keepdim=True)
        d_pixels, d_weight = torch.empty_like(pixels), torch.empty_like(pooled)
        for part, x, w, k, g in _portions(pixels, weight, buffers=2):
            torch.bmm(w, x.mT, out=k).sub_(logs[part]).exp_()
            torch.bmm(upstream[part], x.mT, out=g).sub_(overlap[part]).mul_(k)
            torch.bmm(k.mT, upstream[part], out=d_pixels[part]).baddbmm_(g.mT, w)
            torch.bmm(g, x, out=d_weight[part])
        return d_pixels, d_weight.sum(0)


class _Read(torch.autograd.Function):
    """y = q^T t, (B, N, C), with q = softmax over each head's features of W x^T, (H, D, N), and a table t, (B, J, C).

    Backward, from dy: dq = t dy^T, and for the logits g = q dq - q (sum over features of q dq).
    """

    @staticmethod
    def forward(ctx: Any, pixels: torch.Tensor, weight: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
        heads = len(weight)
        read = torch.empty_like(pixels)
        logs = pixels.new_empty(len(pixels), heads, 1, pixels.shape[1])
        for part, x, w, flat in _portions(pixels, weight.flatten(0, 1)):
            q = torch.bmm(w, x.mT, out=flat).unflatten(1, (heads, -1))
            highest = q.amax(2, keepdim=True)
            sums = q.sub_(highest).exp_().sum(2, keepdim=True)
            q.div_(sums)
            torch.bmm(flat.mT, table[part], out=read[part])
            torch.add(highest, sums.log_(), out=logs[part])
        ctx.save_for_backward(pixels, weight, table, logs)
        return read

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        pixels, weight, table, logs = ctx.saved_tensors
        heads = len(weight)
        d_pixels, d_weight, d_table = torch.empty_like(pixels), torch.empty_like(table), torch.empty_like(table)
        for part, x, w, flat, g in _portions(pixels, weight.flatten(0, 1), buffers=2):
            q, slopes = flat.unflatten(1, (heads, -1)), g.unflatten(1, (heads, -1))
            torch.bmm(w, x.mT, out=flat)
            q.sub_(logs[part]).exp_()
            torch.bmm(flat, upstream[part], out=d_table[part])
            torch.bmm(table[part], upstream[part].mT, out=g)
            slopes.mul_(q)
            slopes.addcmul_(q, slopes.sum(2, keepdim=True), value=-1)
            torch.bmm(g.mT, w, out=d_pixels[part])
            torch.bmm(g, x, out=d_weight[part])
        return d_pixels, d_weight.sum(0).view(weight.shape), d_table


def _portions(pixels: torch.Tensor, weight: torch.Tensor, buffers: int = 1) -> Iterator[tuple[Any, ...]]:
    """A few images at a time: their slice, pixels (b, N, C), weight (b, J, C), and reused work spaces (b, J, N)."""
    batch, count, _ = pixels.shape
    within = CACHE_BYTES * torch.get_num_threads() if pixels.device.type == "cpu" else DEVICE_BYTES
    step = max(1, min(batch, within // (count * len(weight) * pixels.element_size())))
    work = [pixels.new_empty(step, len(weight), count) for _ in range(buffers)]
    for start in range(0, batch, step):
        x = pixels[start : start + step]
        yield slice(start, start + step), x, weight.expand(len(x), -1, -1), *(space[: len(x)] for space in work)
