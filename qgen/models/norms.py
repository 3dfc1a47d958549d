"""Group normalisation, scale and shift, and SiLU as one step: they move far more memory than they compute."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

EPSILON = 1e-6  # Flax' default


class NormSiLU(nn.Module):
    """silu(group_norm(x) * (1 + scale) + shift), with a scale and a shift for each image and channel.

    The values are those of `torch.nn.GroupNorm` and what follows it; feature maps in torch's channels-last format are
    the fastest. It computes in the type of its weights, also under autocast. Source of the modulation: Dhariwal and
    Nichol (2021), "Diffusion Models Beat GANs on Image Synthesis", arXiv:2105.05233, section 3.

    Args:
        groups: the groups that the channels are normalised in.
        channels: C.
    """

    def __init__(self, groups: int, channels: int) -> None:
        super().__init__()
        self.groups = groups
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, maps: torch.Tensor, modulation: torch.Tensor | None = None) -> torch.Tensor:
        """From maps (B, C, H, W) and a modulation (B, 2C), scale then shift, to (B, C, H, W)."""
        weight, bias = self.weight.expand(len(maps), -1), self.bias.expand(len(maps), -1)
        if modulation is not None:
            scale, shift = modulation.to(weight.dtype).chunk(2, dim=1)
            weight, bias = weight * (1 + scale), torch.addcmul(shift, bias, 1 + scale)
        rows = maps.permute(0, 2, 3, 1).flatten(2).to(weight.dtype)
        made: torch.Tensor = _NormSiLU.apply(rows, weight, bias, self.groups)  # type: ignore[no-untyped-call]
        maps = made.unflatten(2, (maps.shape[3], -1))
        return maps.permute(0, 3, 1, 2)


class _NormSiLU(torch.autograd.Function):
    """y = silu(z) with z = slope * x + offset; only x is kept, and z is computed anew for the gradient.

    Maps are rows (B, H, W*C), along which the processor's vectors are full even with few channels. With d = dL/dz and
    means over the M numbers of a group, dL/dx = slope * d + curve * (x - mean) - mean(weight * d) / sigma, where
    curve = -mean(weight * d * (x - mean)) / sigma^3.
    """

    @staticmethod
    def forward(ctx: Any, rows: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor, groups: int) -> torch.Tensor:
        weight = weight.unflatten(1, (groups, -1))
        shape, count = weight.shape, rows.shape[1:].numel() // groups
        mean = _channel_sums(rows, shape).sum(2, keepdim=True) / count
        work = rows - _as_row(mean.expand(shape), rows)
        square = _channel_sums(work.mul_(work), shape).sum(2, keepdim=True) / count
        sharpness = torch.rsqrt(square + EPSILON)
        slope = weight * sharpness
        offset = bias.view(shape) - mean * slope
        torch.addcmul(_as_row(offset, rows), rows, _as_row(slope, rows), out=work)
        ctx.save_for_backward(rows, mean, sharpness, slope, offset, weight)
        return functional.silu(work, inplace=True)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        rows, mean, sharpness, slope, offset, weight = ctx.saved_tensors
        shape, count = weight.shape, rows.shape[1:].numel() // weight.shape[1]
        slopes = _as_row(slope, rows)
        work = torch.addcmul(_as_row(offset, rows), rows, slopes)
        found = torch.ops.aten.silu_backward(upstream, work)
        d_bias = _channel_sums(found, shape)
        d_weight = sharpness * (_channel_sums(torch.mul(found, rows, out=work), shape) - mean * d_bias)
        level, tilt = (weight * torch.stack([d_bias, d_weight])).sum(3, keepdim=True) * sharpness / count
        curve = -tilt * sharpness
        constant = -level - mean * curve
        found.mul_(slopes).addcmul_(rows, _as_row(curve.expand(shape), rows))
        return found.add_(_as_row(constant.expand(shape), rows)), d_weight.flatten(1), d_bias.flatten(1), None


def _channel_sums(rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The sums (B, G, C/G) of each channel over all pixels of rows (B, H, W*C)."""
    channels: torch.Tensor = rows.sum(1).unflatten(1, (-1, *shape[1:]))
    return channels.sum(1)


def _as_row(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """One number a channel, (B, G, C/G), repeated along rows (B, H, W*C): (B, 1, W*C)."""
    flat = values.flatten(1).unsqueeze(1)
    return flat.expand(-1, rows.shape[2] // flat.shape[2], -1).flatten(1).unsqueeze(1)
