"""A U-Net of two levels over a code that is a map."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Conditioning
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.conditions import Conditions, check_states
from qgen.models.denoisers.middle import Middle
from qgen.models.denoisers.residual import NORM_GROUPS, FiLMBlock
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.text import TextForm
from qgen.models.transformer import TransformerBlock
from qgen.models.transformer.blocks import zero
from qgen.models.unet.blocks import NormSiLU

TIME_FACTOR = 4


class LatentUNet(nn.Module):
    """A denoiser of maps: a level at their size and one at half of it, with attention and a circuit at the lower one.

    Args:
        settings: its width, depth and circuit.
        code_shape: (C, H, W) of a code.
        context: where circuits run.
        num_classes: classes that it is conditioned on; None: none.
        texts: the form of texts that it is conditioned on, of which it reads the pooled vector alone; None: none.
    """

    def __init__(
        self,
        settings: DenoiserSettings,
        code_shape: tuple[int, int, int],
        context: CircuitContext,
        num_classes: int | None,
        texts: TextForm | None = None,
    ) -> None:
        super().__init__()
        self.code_shape = code_shape
        channels, height, width = code_shape
        upper, depth = settings.width_of("unet"), settings.depth_of("unet")
        lower, condition = 2 * upper, TIME_FACTOR * upper
        tokens = -(-height // 2) * -(-width // 2)
        self.conditions = Conditions(upper, condition, num_classes, texts)
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
        condition = self.conditions(times, conditioning).vector
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

    @property
    def circuits_per_training_call(self) -> int:
        """Circuits that one code takes in one call of training, forward."""
        return self.quantum.circuits_per_training_call

    def metrics(self) -> dict[str, Tensor]:
        """Return what its branch says of the last call, for metrics.jsonl; nothing without one."""
        return self.quantum.branch.metrics()
