"""What the levels of the U-Net are built of: standardised convolutions, residual blocks, changes of size, time."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import torch
from torch import nn
from torch.nn import functional

from qgen.conditioning import Conditioning, Labels
from qgen.errors import InputError
from qgen.models.norms import NormSiLU

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
        """From maps (B, inputs, H, W) to (B, outputs, H, W)."""
        filters = self.weight.flatten(1)
        standard = functional.layer_norm(filters, filters.shape[1:], eps=STANDARD_EPSILON)
        return functional.conv2d(input, standard.view_as(self.weight), self.bias, padding=1)


class Stages(nn.Module, ABC):
    """The two places of a residual block where feature maps are mixed: convolutions, or circuits beside them."""

    @abstractmethod
    def first(self, maps: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """From maps (B, inputs, H, W) to (B, outputs, H, W), and whatever `second` wants to know of this step."""

    @abstractmethod
    def second(self, maps: torch.Tensor, kept: torch.Tensor | None) -> torch.Tensor:
        """From maps (B, outputs, H, W), and what `first` kept, to (B, outputs, H, W)."""

    def circuits_per_image(self, size: int) -> int:
        """Circuits that both stages run for one image with maps of this side."""
        return 0


class ConvStages(Stages):
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


class ResBlock(nn.Module):
    """A stage, a norm modulated by time, SiLU; a stage, a norm, SiLU; added to what came in.

    Args:
        inputs: channels in.
        outputs: channels out; where they differ, what came in is added through a 1x1 convolution.
        time_width: the width of the embedding of time.
        norm_groups: groups of the group normalisations.
        stages: what mixes the maps; None: convolutions.
    """

    def __init__(
        self, inputs: int, outputs: int, time_width: int, norm_groups: int, stages: Stages | None = None
    ) -> None:
        super().__init__()
        self.stages = stages or ConvStages(inputs, outputs)
        self.time = nn.Linear(time_width, 2 * outputs)
        self.norm_0 = NormSiLU(norm_groups, outputs)
        self.norm_1 = NormSiLU(norm_groups, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """From maps (B, inputs, H, W) and time (B, time_width) to (B, outputs, H, W)."""
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
        """From maps (B, inputs, H, W) to (B, outputs, size, size)."""
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
        """From the labels of B images to (B, width); None: the null label for each of the times (B,).

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
        """From times (B,), in steps, to (B, width)."""
        dtype = self.out.weight.dtype
        exact = torch.promote_types(dtype, torch.float32)  # in bfloat16 the times 999 and 1000 would be the same
        steps = torch.arange(self.pairs, dtype=exact, device=times.device)
        rates = torch.exp(steps * (-math.log(LONGEST_PERIOD) / (self.pairs - 1)))
        angles = times.to(exact).unsqueeze(1) * rates
        waves = torch.cat([angles.sin(), angles.cos()], dim=1).to(dtype)
        return self.out(functional.gelu(self.hidden(waves), approximate="tanh"))  # type: ignore[no-any-return]
