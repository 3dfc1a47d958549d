"""What every extractor is, and the freezing of those that were trained before."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from qgen.circuits.arguments import suggestion
from qgen.errors import ConfigError
from qgen.models.extractors.settings import ExtractorSettings

Shape = tuple[int, int, int]
TAPPED = 4  # pixels of a tapped map, at most


class Extractor(nn.Module, ABC):
    """From images to features.

    Attributes:
        features: numbers that describe an image.
        stages: the names of its stages, first to last.
    """

    features: int
    stages: tuple[str, ...]

    @abstractmethod
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images (B, C, H, W) in [-1, 1] to features (B, F)."""


class Entrance(nn.Module):
    """Brings images to the size, the channels and the statistics that a network was trained with.

    Sizes change bilinearly, antialiased where they shrink; as a product of matrices, whose gradient is the same each
    time on a GPU too.

    Args:
        shape: (C, H, W) of the images; grey ones are repeated to as many channels as there are means.
        size: (H, W) that the network wants.
        mean: of its training images in [0, 1], a number a channel.
        std: their standard deviation.
        name: of the extractor, for the error.

    Raises:
        ConfigError: the network cannot look at images with so many channels.
    """

    rows: torch.Tensor
    columns: torch.Tensor
    factor: torch.Tensor
    shift: torch.Tensor

    def __init__(
        self, shape: Shape, size: tuple[int, int], mean: Sequence[float], std: Sequence[float], name: str
    ) -> None:
        super().__init__()
        channels, height, width = shape
        if channels not in {1, len(mean)}:
            allowed = "grey images only" if len(mean) == 1 else f"images with 1 or {len(mean)} channels"
            raise ConfigError(f"extractor {name} takes {allowed}, not with {channels}: choose another extractor")
        middle, spread = (torch.tensor(values).view(-1, 1, 1) for values in (mean, std))
        for key, value in {
            "rows": _resizing(height, size[0]),
            "columns": _resizing(width, size[1]).T,
            "factor": 0.5 / spread,
            "shift": (0.5 - middle) / spread,
        }.items():
            self.register_buffer(key, value, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images (B, C, H, W) in [-1, 1] to what the network wants."""
        shown = (self.rows @ images @ self.columns) * self.factor + self.shift
        return shown.contiguous(memory_format=torch.channels_last)  # convolutions are half as fast again with it


def _resizing(before: int, after: int) -> torch.Tensor:
    """The matrix (after, before) that resizes a line of pixels."""
    lines = torch.eye(before).view(1, 1, before, before)
    return functional.interpolate(lines, (after, before), mode="bilinear", antialias=True)[0, 0]


class Pretrained(Extractor):
    """A trained network whose weights stay as they are, but for those of its last stages.

    All its modules stay in evaluation mode, thawed ones too: normalisations keep the statistics that they were trained
    with, so that the features of an image depend on no other image, as a gradient penalty asks (Gulrajani et al. 2017,
    arXiv:1704.00028, section 4). Gradients flow through to the images. A state dict holds thawed weights only, and one
    that is loaded changes no others.

    The last features alone leave a generator much freedom: what a classifier does not look at may look like anything.
    Maps of earlier stages, averaged down to 4x4, bind it (Sauer et al. 2021, "Projected GANs converge faster",
    arXiv:2111.01007).

    Args:
        network: from images (B, C, H, W), as `entrance` hands them over, to features (B, F).
        stages: its parts, first to last; what is in none of them is always frozen.
        entrance: prepares images.
        shape: (C, H, W) of the images.
        settings: how many of the last stages are trained, which stages are tapped, and dropout.

    Raises:
        ConfigError: there are fewer stages, or none of that name.
    """

    def __init__(
        self,
        network: nn.Module,
        stages: Mapping[str, nn.Module],
        entrance: Entrance,
        shape: Shape,
        settings: ExtractorSettings,
    ) -> None:
        super().__init__()
        thaw = _check_stages(settings, tuple(stages))
        self.stages, self.taps = tuple(stages), settings.taps
        self.entrance = entrance
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch forgot it
        self.dropout = nn.Dropout(settings.dropout)
        self._tapped: dict[str, torch.Tensor] = {}
        for tap in self.taps:
            stages[tap].register_forward_hook(partial(self._keep, tap))
        network.requires_grad_(False)
        for stage in self.stages[len(stages) - thaw :]:
            stages[stage].requires_grad_(True)
        learned = {name for name, weight in network.named_parameters() if weight.requires_grad}
        # By name, as whoever trains may set `requires_grad` aside for a while.
        self._fixed = tuple(f"network.{name}" for name in network.state_dict() if name not in learned)
        self.register_state_dict_post_hook(_leave_out)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_fill_in)  # type: ignore[no-untyped-call]
        self.train()
        with torch.no_grad():
            self.features = self(torch.zeros(1, *shape)).shape[1]

    def train(self, mode: bool = True) -> Self:
        """Switches dropout; the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images (B, C, H, W) in [-1, 1] to features (B, F)."""
        last = self.network(self.entrance(images))
        maps = [_reduced(self._tapped.pop(tap)) for tap in self.taps]
        return self.dropout(torch.cat([last, *maps], dim=1))  # type: ignore[no-any-return]

    def _keep(self, tap: str, _module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        self._tapped[tap] = output

    @property
    def fixed(self) -> tuple[str, ...]:
        """The names of weights and statistics that no training changes and no state dict holds."""
        return self._fixed


def _check_stages(settings: ExtractorSettings, stages: tuple[str, ...]) -> int:
    """How many stages are thawed, once it is sure that they and the tapped ones exist.

    Raises:
        ConfigError: they do not.
    """
    known, thaw = f"extractor {settings.name} has {len(stages)} stages ({', '.join(stages)})", settings.thaw or 0
    if thaw > len(stages):
        raise ConfigError(f"`thaw` is {thaw}, but {known}: give {len(stages)} at most")
    unknown = [tap for tap in settings.taps if tap not in stages]
    if unknown:
        raise ConfigError(f"`taps` names {unknown[0]}, but {known}.{suggestion(unknown[0], stages)}")
    return thaw


def _reduced(output: torch.Tensor) -> torch.Tensor:
    """What a stage gives, as a row of numbers an image: maps are averaged down to 4x4."""
    if output.dim() == 4:
        output = functional.adaptive_avg_pool2d(output, (min(TAPPED, output.shape[2]), min(TAPPED, output.shape[3])))
    return output.flatten(1)


def _leave_out(module: Pretrained, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in module.fixed:
        del state[prefix + name]


def _fill_in(module: Pretrained, state: dict[str, Any], prefix: str, *_: Any) -> None:
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    state.update({prefix + name: own[name].detach() for name in module.fixed})


def required(module: str, extractor: str, remedy: str) -> Any:
    """A module of a package that qgen can do without.

    Raises:
        ConfigError: it is not installed; the message says what installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"extractor {extractor} needs {remedy}") from error
