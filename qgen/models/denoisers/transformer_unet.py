"""A U-Net of any number of levels with spatial transformers, whose feed-forward networks can hold circuits."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Conditioning
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.denoisers.conditions import Condition, Conditions, check_states
from qgen.models.denoisers.residual import NORM_GROUPS, PUBLISHED_NORM_GROUPS, AddedConditionBlock, FiLMBlock
from qgen.models.denoisers.settings import DenoiserSettings
from qgen.models.quantum_branch import QuantumBranch, branch_metrics
from qgen.models.text import TextForm
from qgen.models.transformer import Attention, SpatialTransformer
from qgen.models.transformer.blocks import zero
from qgen.models.unet.blocks import NormSiLU

TIME_FACTOR = 4


class Stage(nn.Module):
    """Residual blocks, each followed by a transformer where the stage has them, and a convolution to the next size.

    Named as in diffusers' `CrossAttnDownBlock2D` and `CrossAttnUpBlock2D`.

    Attributes:
        resnets: the residual blocks.
        attentions: as many transformers, or none.
        resize: to half the size, or after the maps were enlarged; None: the size stays.
    """

    def __init__(self, resnets: list[nn.Module], attentions: list[nn.Module], resize: nn.Conv2d | None) -> None:
        super().__init__()
        self.resnets, self.attentions = nn.ModuleList(resnets), nn.ModuleList(attentions)
        self.resize = resize

    def block(self, number: int, maps: Tensor, condition: Condition) -> Tensor:
        """Apply a residual block and its transformer to maps (B, C, H, W)."""
        maps = self.resnets[number](maps, condition.vector)
        if len(self.attentions) > 0:
            maps = self.attentions[number](maps, condition.context, condition.mask)
        return maps


class TransformerUNet(nn.Module):
    """A denoiser of maps after Rombach et al. 2021 (arXiv:2112.10752), with Q-FFN in its transformers.

    On the way down a level has `depth` residual blocks, on the way up one more, each beside the maps that it comes from
    on the way down. In the middle is a transformer between two residual blocks. Named as in diffusers'
    `UNet2DConditionModel`.

    Args:
        settings: its width, levels, depth and circuits.
        code_shape: (C, H, W) of a code.
        context: where circuits run.
        num_classes: classes that it is conditioned on; None: none.
        texts: the form of texts that it is conditioned on; None: none.
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
        channels, *size = code_shape
        width, depth = settings.width_of("transformer-unet"), settings.depth_of("transformer-unet")
        widths = [width * mult for mult in settings.mults]
        self.conditions = Conditions(width, TIME_FACTOR * width, num_classes, texts)
        make, levels = (
            _Parts(settings, TIME_FACTOR * width, self.conditions.context_width, context),
            settings.transformer_levels,
        )
        self.tokens: dict[str, int] = {}  # of each transformer, by the name of its branch
        self.conv_in = nn.Conv2d(channels, width, 3, padding=1)
        current, skips, sizes, down = width, [width], [tuple(size)], []
        for level, out in enumerate(widths):
            last = level == len(widths) - 1
            resnets = [make.residual(current if k == 0 else out, out) for k in range(depth)]
            attentions = [make.transformer(out, "down", level, k) for k in range(depth) if level in levels]
            self._note(f"down_blocks.{level}.attentions", len(attentions), sizes[-1])
            down.append(Stage(resnets, attentions, None if last else nn.Conv2d(out, out, 3, stride=2, padding=1)))
            skips += [out] * (depth + (not last))
            current = out
            if not last:
                sizes.append(tuple(-(-side // 2) for side in sizes[-1]))
        self.down_blocks = nn.ModuleList(down)
        self.mid_block = Stage(
            [make.residual(current, current) for _ in range(2)], [make.transformer(current, "middle", 0, 0)], None
        )
        self._note("mid_block.attentions", 1, sizes[-1])
        up: list[nn.Module] = []
        for level, out in reversed(list(enumerate(widths))):
            resnets = []
            for _ in range(depth + 1):
                resnets.append(make.residual(current + skips.pop(), out))
                current = out
            attentions = [make.transformer(out, "up", level, k) for k in range(depth + 1) if level in levels]
            self._note(f"up_blocks.{len(up)}.attentions", len(attentions), sizes[level])
            up.append(Stage(resnets, attentions, nn.Conv2d(out, out, 3, padding=1) if level else None))
        self.up_blocks = nn.ModuleList(up)
        self.sizes = sizes
        self.conv_norm_out = NormSiLU(make.norm_groups, current)
        self.conv_out = nn.Conv2d(current, channels, 3, padding=1)
        self.published = settings.variant == "published"

    def _note(self, name: str, count: int, size: tuple[int, ...]) -> None:
        names = [f"{name}.{number}.transformer_blocks.0.ff.branch" for number in range(count)]
        self.tokens |= dict.fromkeys(names, size[0] * size[1])

    def zero_outputs(self) -> None:
        """Let it begin by predicting zero; the published one does not."""
        if not self.published:
            zero(self.conv_out)

    def forward(self, states: Tensor, times: Tensor, conditioning: Conditioning | None = None) -> Tensor:
        """Return the prediction (B, C, H, W) for noisy codes (B, C, H, W) at times (B,), in steps.

        Raises:
            InputError: codes of another shape, or times or conditions that do not fit them.
        """
        check_states(states, times, self.code_shape)
        condition = self.conditions(times, conditioning)
        maps = self.conv_in(states.contiguous(memory_format=torch.channels_last))
        skips = [maps]
        for stage in self.down_blocks:
            assert isinstance(stage, Stage)
            for number in range(len(stage.resnets)):
                maps = stage.block(number, maps, condition)
                skips.append(maps)
            if stage.resize is not None:
                maps = stage.resize(maps)
                skips.append(maps)
        middle = self.mid_block
        maps = middle.resnets[0](maps, condition.vector)
        maps = middle.attentions[0](maps, condition.context, condition.mask)
        maps = middle.resnets[1](maps, condition.vector)
        for stage, size in zip(self.up_blocks, [*self.sizes[-2::-1], None], strict=True):
            assert isinstance(stage, Stage)
            for number in range(len(stage.resnets)):
                maps = stage.block(number, torch.cat([maps, skips.pop()], dim=1), condition)
            if stage.resize is not None:
                maps = stage.resize(functional.interpolate(maps, size=size, mode="nearest-exact"))
        return self.conv_out(self.conv_norm_out(maps))  # type: ignore[no-any-return]

    def metrics(self) -> dict[str, Tensor]:
        """Return what its branches say of the last call, for metrics.jsonl; nothing without one."""
        return branch_metrics(self)

    @property
    def circuits_of(self) -> dict[str, int]:
        """Circuits that one code takes in one call, by the branch that has them, or its classical twin."""
        branches = {name: self._branch(name) for name in self.tokens}
        return {
            name: self.tokens[name] * branch.circuits
            for name, branch in branches.items()
            if branch.settings.kind != "none"
        }

    @property
    def circuits_per_call(self) -> int:
        """Circuits that one code takes in one call."""
        return sum(self.circuits_of.values())

    @property
    def circuits_per_training_call(self) -> int:
        """Circuits that one code takes in one call of training, forward."""
        return sum(tokens * self._branch(name).settings.circuits_in_training for name, tokens in self.tokens.items())

    def _branch(self, name: str) -> QuantumBranch:
        branch = self.get_submodule(name)
        assert isinstance(branch, QuantumBranch)
        return branch


class _Parts:
    """Makes the blocks of a U-Net."""

    def __init__(
        self, settings: DenoiserSettings, condition: int, context_width: int | None, context: CircuitContext
    ) -> None:
        self._settings, self._condition, self._context = settings, condition, context
        self._sizes = Attention(settings.heads, settings.head_width, context_width)
        self._published = settings.variant == "published"
        self.norm_groups = PUBLISHED_NORM_GROUPS if self._published else NORM_GROUPS

    def residual(self, inputs: int, outputs: int) -> nn.Module:
        kind = AddedConditionBlock if self._published else FiLMBlock
        return kind(inputs, outputs, self._condition)

    def transformer(self, width: int, way: str, level: int, number: int) -> nn.Module:
        hybrid = way == "middle" or self._settings.quantum.blocks == "all"
        quantum = self._settings.quantum if hybrid else BranchSettings()
        groups = None if self._published else NORM_GROUPS
        context = self._context.at(way) if way == "middle" else self._context.at(way, level, number)
        return SpatialTransformer(width, self._sizes, quantum, context, groups)
