"""A U-Net of two levels over a code that is a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Conditioning
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.conditions import Conditions, check_states
from qgen.models.denoisers.middle import Middle
from qgen.models.denoisers.settings import NORM_GROUPS, DenoiserSettings
from qgen.models.transformer import TransformerBlock
from qgen.models.transformer.blocks import zero
from qgen.models.unet.blocks import NormSiLU

TIME_FACTOR = 4


class FiLMBlock(nn.Module):
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


class LatentUNet(nn.Module):
    """A denoiser of maps: a level at their size and one at half of it, with attention and a circuit at the lower one.

    Args:
        settings: its width, depth and circuit.
        code_shape: (C, H, W) of a code.
        context: where circuits run.
        num_classes: classes that it is conditioned on; None: none.
    """

    def __init__(
        self,
        settings: DenoiserSettings,
        code_shape: tuple[int, int, int],
        context: CircuitContext,
        num_classes: int | None,
    ) -> None:
        super().__init__()
        self.code_shape = code_shape
        channels, height, width = code_shape
        upper, depth = settings.width_of("unet"), settings.depth_of("unet")
        lower, condition = 2 * upper, TIME_FACTOR * upper
        tokens = -(-height // 2) * -(-width // 2)
        self.conditions = Conditions(upper, condition, num_classes)
        self.init = nn.Conv2d(channels, upper, 3, padding=1)
        self.down_blocks = nn.ModuleList(FiLMBlock(upper, upper, condition) for _ in range(depth))
        self.down = nn.Conv2d(upper, lower, 3, stride=2, padding=1)
        self.lower_down = FiLMBlock(lower, lower, condition)
        self.attention_down = TransformerBlock(lower, settings.heads)
        self.middle = FiLMBlock(lower, lower, condition)
        self.quantum = Middle(lower, tokens, settings.quantum, settings.circuits, context.at("middle"))
        self.lower_up = FiLMBlock(2 * lower, lower, condition)
        self.attention_up = TransformerBlock(lower, settings.heads)
        self.up = nn.Conv2d(lower, upper, 3, padding=1)
        self.up_blocks = nn.ModuleList(FiLMBlock(2 * upper, upper, condition) for _ in range(depth))
        self.norm = NormSiLU(NORM_GROUPS, upper)
        self.out = nn.Conv2d(upper, channels, 3, padding=1)

    def zero_outputs(self) -> None:
        """Let it begin by predicting zero."""
        zero(self.out)

    def forward(self, states: Tensor, times: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Return the prediction (B, C, H, W) for noisy codes (B, C, H, W) at times (B,), in steps.

        Raises:
            InputError: codes of another shape, or times or conditions that do not fit them.
        """
        check_states(states, times, self.code_shape)
        condition = self.conditions(times, conditioning)
        maps, skips = self.init(states.contiguous(memory_format=torch.channels_last)), []
        for block in self.down_blocks:
            maps = block(maps, condition)
            skips.append(maps)
        skip = self.attention_down(self.lower_down(self.down(maps), condition))
        maps = self.middle(skip, condition)
        tokens = self.quantum(maps.flatten(2).transpose(1, 2))
        maps = tokens.transpose(1, 2).reshape(maps.shape)
        maps = self.attention_up(self.lower_up(torch.cat([maps, skip], dim=1), condition))
        maps = self.up(functional.interpolate(maps, size=self.code_shape[1:], mode="nearest-exact"))
        for block in self.up_blocks:
            maps = block(torch.cat([maps, skips.pop()], dim=1), condition)
        return self.out(self.norm(maps))  # type: ignore[no-any-return]

    @property
    def circuits_per_call(self) -> int:
        """Circuits that one code takes in one call."""
        return self.quantum.circuits_per_call
