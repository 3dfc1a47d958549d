"""Residual blocks of U-Nets over codes, which take the condition of an image."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from qgen.models.transformer.blocks import zero
from qgen.models.unet.blocks import NormSiLU
from qgen.nn.recomputation import Recomputed

NORM_GROUPS = 8
PUBLISHED_NORM_GROUPS = 32


class FiLMBlock(Recomputed):
    """A residual block: norm, SiLU, convolution; norm scaled and shifted by the condition, SiLU, convolution.

    Source: Dhariwal & Nichol 2021, arXiv:2105.05233, section 3, whose blocks take the condition so; to scale and shift
    by a condition is FiLM (Perez et al. 2018, arXiv:1709.07871).

    Args:
        inputs: channels in.
        outputs: channels out; where they differ, the input is added through a 1x1 convolution.
        condition_width: the width of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition_width: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = NormSiLU(NORM_GROUPS, inputs), NormSiLU(NORM_GROUPS, outputs)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.condition = nn.Linear(condition_width, 2 * outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def zero_outputs(self) -> None:
        """Let the block begin as its shortcut."""
        zero(self.conv_1)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Transform maps (B, inputs, H, W) with a condition (B, D) to (B, outputs, H, W)."""
        mixed = self.conv_0(self.norm_0(maps))
        mixed = self.conv_1(self.norm_1(mixed, self.condition(functional.silu(condition))))
        return mixed + self.shortcut(maps)  # type: ignore[no-any-return]


class AddedConditionBlock(Recomputed):
    """A residual block to whose maps a linear function of the condition is added, between its convolutions.

    Source: the code utai-utai/quantum-diffusion-model-anime (2026): 32 groups, no activation of the condition, and no
    convolution that begins at zero.

    Args:
        inputs: channels in, a multiple of 32; also `outputs`.
        outputs: channels out.
        condition_width: the width of the condition.
    """

    def __init__(self, inputs: int, outputs: int, condition_width: int) -> None:
        super().__init__()
        self.norm_0 = NormSiLU(PUBLISHED_NORM_GROUPS, inputs)
        self.norm_1 = NormSiLU(PUBLISHED_NORM_GROUPS, outputs)
        self.conv_0 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.conv_1 = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.condition = nn.Linear(condition_width, outputs)
        self.shortcut = nn.Identity() if inputs == outputs else nn.Conv2d(inputs, outputs, 1)

    def forward(self, maps: Tensor, condition: Tensor) -> Tensor:
        """Transform maps (B, inputs, H, W) with a condition (B, D) to (B, outputs, H, W)."""
        mixed = self.conv_0(self.norm_0(maps)) + self.condition(condition)[..., None, None]
        return self.conv_1(self.norm_1(mixed)) + self.shortcut(maps)  # type: ignore[no-any-return]
