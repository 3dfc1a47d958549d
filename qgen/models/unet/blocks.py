"""Blocks of the U-Net: convolutions, norms, residual blocks, changes of size, embeddings."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from qgen.conditioning import Conditioning, Labels
from qgen.errors import InputError
from qgen.nn.recomputation import Recomputed

NORM_EPSILON = 1e-6  # Flax' default


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
        """Transform maps (B, C, H, W) and a modulation (B, 2C), scale then shift, to (B, C, H, W)."""
        weight, bias = self.weight.expand(len(maps), -1), self.bias.expand(len(maps), -1)
        if modulation is not None:
            scale, shift = modulation.to(weight.dtype).chunk(2, dim=1)
            weight, bias = weight * (1 + scale), torch.addcmul(shift, bias, 1 + scale)
        rows = maps.permute(0, 2, 3, 1).flatten(2).to(weight.dtype)
        output: torch.Tensor = _NormSiLU.apply(rows, weight, bias, self.groups)  # type: ignore[no-untyped-call]
        maps = output.unflatten(2, (maps.shape[3], -1))
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
        sharpness = torch.rsqrt(square + NORM_EPSILON)
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
        gradient = torch.ops.aten.silu_backward(upstream, work)
        d_bias = _channel_sums(gradient, shape)
        d_weight = sharpness * (_channel_sums(torch.mul(gradient, rows, out=work), shape) - mean * d_bias)
        level, tilt = (weight * torch.stack([d_bias, d_weight])).sum(3, keepdim=True) * sharpness / count
        curve = -tilt * sharpness
        constant = -level - mean * curve
        gradient.mul_(slopes).addcmul_(rows, _as_row(curve.expand(shape), rows))
        return gradient.add_(_as_row(constant.expand(shape), rows)), d_weight.flatten(1), d_bias.flatten(1), None


def _channel_sums(rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
    """The sums (B, G, C/G) of each channel over all pixels of rows (B, H, W*C)."""
    channels: torch.Tensor = rows.sum(1).unflatten(1, (-1, *shape[1:]))
    return channels.sum(1)


def _as_row(values: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """One number a channel, (B, G, C/G), repeated along rows (B, H, W*C): (B, 1, W*C)."""
    flat = values.flatten(1).unsqueeze(1)
    return flat.expand(-1, rows.shape[2] // flat.shape[2], -1).flatten(1).unsqueeze(1)


STANDARD_EPSILON = 1e-5
LONGEST_PERIOD = 1e4  # of the embedding of time, in turns of 2 pi


class StandardConv(nn.Conv2d):
    """A 3x3 convolution whose filters are brought to mean 0 and variance 1 before use.

    Source: Qiao et al. (2019), "Micro-Batch Training with Batch-Channel Normalization and Weight Standardization",
    arXiv:1903.10520, equations 1 to 3.

    Args:
        inputs: channels in.
        outputs: channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs, 3, padding=1)

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """Transform maps (B, inputs, H, W) to (B, outputs, H, W)."""
        filters = self.weight.flatten(1)
        standard = functional.layer_norm(filters, filters.shape[1:], eps=STANDARD_EPSILON)
        return functional.conv2d(input, standard.view_as(self.weight), self.bias, padding=1)


class ConvPair(nn.Module, ABC):
    """The two convolutions of a residual block, classical or hybrid."""

    @abstractmethod
    def first(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Transform maps (B, inputs, H, W) to (B, outputs, H, W), and what `second` needs of this step."""

    @abstractmethod
    def second(self, maps: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        """Transform maps (B, outputs, H, W), and what `first` kept, to (B, outputs, H, W)."""

    def circuits_per_image(self, size: int) -> int:
        """Return the number of circuits that both run for one image with maps of this side."""
        return 0


class StandardConvPair(ConvPair):
    """Two standardised convolutions.

    Args:
        inputs: channels in.
        outputs: channels out.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv_0 = StandardConv(inputs, outputs)
        self.conv_1 = StandardConv(outputs, outputs)

    def first(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        return self.conv_0(maps), None

    def second(self, maps: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        return self.conv_1(maps)  # type: ignore[no-any-return]


class ResBlock(Recomputed):
    """A residual block: convolution, norm modulated by time, SiLU; convolution, norm, SiLU; added to the input.

    Args:
        inputs: channels in.
        outputs: channels out; where they differ, the input is added through a 1x1 convolution.
        time_width: the width of the embedding of time.
        norm_groups: groups of the group normalisations.
        convs: the two convolutions; None: standardised ones.
    """

    def __init__(
        self, inputs: int, outputs: int, time_width: int, norm_groups: int, convs: ConvPair | None = None
    ) -> None:
        super().__init__()
        self.stages = convs or StandardConvPair(inputs, outputs)
        self.time = nn.Linear(time_width, 2 * outputs)
        self.norm_0 = NormSiLU(norm_groups, outputs)
        self.norm_1 = NormSiLU(norm_groups, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Transform maps (B, inputs, H, W) and time (B, time_width) to (B, outputs, H, W)."""
        mixed, kept = self.stages.first(maps)
        mixed = self.norm_0(mixed, self.time(functional.silu(time)))
        mixed = self.norm_1(self.stages.second(mixed, kept))
        return mixed.add_(self.shortcut(maps))  # type: ignore[no-any-return]


class Upsample(nn.Module):
    """Each pixel becomes several, then a 3x3 convolution.

    Args:
        inputs: channels in.
        outputs: channels out.
        size: the side of the maps that come out.
    """

    def __init__(self, inputs: int, outputs: int, size: int) -> None:
        super().__init__()
        self.size = size
        self.conv = nn.Conv2d(inputs, outputs, 3, padding=1)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        """Transform maps (B, inputs, H, W) to (B, outputs, size, size)."""
        if maps.shape[-1] != self.size:
            # `nearest` rounds the other way where the side is no multiple (2 to 7): not what the published code does.
            maps = functional.interpolate(maps, size=(self.size, self.size), mode="nearest-exact")
        return self.conv(maps)  # type: ignore[no-any-return]


class LabelEmbedding(nn.Module):
    """A learnt vector for each class and for the null label, which stands for no class; added to that of the time.

    Source: Dhariwal and Nichol (2021), "Diffusion Models Beat GANs on Image Synthesis", arXiv:2105.05233, whose U-Nets
    add both; for the null label Ho and Salimans (2022), arXiv:2207.12598.

    Args:
        num_classes: number of classes.
        width: the width of the embedding.
    """

    def __init__(self, num_classes: int, width: int) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.table = nn.Embedding(num_classes + 1, width)

    def forward(self, conditioning: Conditioning | None, times: torch.Tensor) -> torch.Tensor:
        """Embed the labels of B images as (B, width); None: the null label for each of the times (B,).

        Raises:
            InputError: what is given is no labels, or of another number of classes, or not one for each time.
        """
        if conditioning is None:
            return self.table(torch.full_like(times, self.num_classes, dtype=torch.int64))  # type: ignore[no-any-return]
        if not isinstance(conditioning, Labels) or conditioning.num_classes != self.num_classes:
            raise InputError(f"this model takes the labels of {self.num_classes} classes as its conditioning")
        if len(conditioning) != len(times):
            raise InputError(f"{len(times)} images need as many labels, not {len(conditioning)}")
        return self.table(conditioning.classes)  # type: ignore[no-any-return]


class TimeEmbedding(nn.Module):
    """Sines and cosines of the diffusion time, then two linear layers.

    Source: Ho et al. (2020), "Denoising Diffusion Probabilistic Models", arXiv:2006.11239, appendix B, after Vaswani
    et al. (2017), arXiv:1706.03762, section 3.5.

    Args:
        waves: the number of sines and cosines together; an odd one leaves one out.
        width: the width of the embedding.
    """

    def __init__(self, waves: int, width: int) -> None:
        super().__init__()
        self.pairs = waves // 2
        self.hidden = nn.Linear(2 * self.pairs, width)
        self.out = nn.Linear(width, width)

    def forward(self, times: torch.Tensor) -> torch.Tensor:
        """Transform times (B,), in steps, to (B, width)."""
        dtype = self.out.weight.dtype
        exact = torch.promote_types(dtype, torch.float32)  # in bfloat16 the times 999 and 1000 would be the same
        steps = torch.arange(self.pairs, dtype=exact, device=times.device)
        rates = torch.exp(steps * (-math.log(LONGEST_PERIOD) / (self.pairs - 1)))
        angles = times.to(exact).unsqueeze(1) * rates
        waves = torch.cat([angles.sin(), angles.cos()], dim=1).to(dtype)
        return self.out(functional.gelu(self.hidden(waves), approximate="tanh"))  # type: ignore[no-any-return]
