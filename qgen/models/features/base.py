"""Feature extractors: their interface, and trained networks that are frozen but for their last stages."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any, Self

import torch
from torch import nn
from torch.nn import functional

from qgen.errors import ConfigError, suggestion
from qgen.models.features.settings import ExtractorSettings

Shape = tuple[int, int, int]
POOLED = 4  # pixels of the maps of an earlier stage, at most


class FeatureExtractor(nn.Module, ABC):
    """A network from images to features, as a discriminator scores them.

    Attributes:
        features: numbers that describe an image.
        stages: the names of its stages, first to last.
    """

    features: int
    stages: tuple[str, ...]

    @abstractmethod
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Transform images (B, C, H, W) in [-1, 1] to features (B, F)."""


class Preprocess(nn.Module):
    """Preprocessing: the size, channels and statistics of images that a network was trained with.

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
            "rows": _resize_matrix(height, size[0]),
            "columns": _resize_matrix(width, size[1]).T,
            "factor": 0.5 / spread,
            "shift": (0.5 - middle) / spread,
        }.items():
            self.register_buffer(key, value, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return images (B, C, H, W) in [-1, 1] as the network takes them."""
        shown = (self.rows @ images @ self.columns) * self.factor + self.shift
        return shown.contiguous(memory_format=torch.channels_last)  # convolutions are half as fast again with it


def _resize_matrix(before: int, after: int) -> torch.Tensor:
    """Return the matrix (after, before) that resizes a line of pixels."""
    lines = torch.eye(before).view(1, 1, before, before)
    return functional.interpolate(lines, (after, before), mode="bilinear", antialias=True)[0, 0]


class Pretrained(FeatureExtractor):
    """A trained network whose weights stay as they are, but for those of its last stages.

    All its modules stay in evaluation mode, unfrozen ones too: normalisations keep the statistics that they were
    trained with, so that the features of an image depend on no other image, as a gradient penalty asks (Gulrajani et
    al. 2017, arXiv:1704.00028, section 4). Gradients flow through to the images. A state dict holds unfrozen weights
    only, and one that is loaded changes no others.

    The last features alone leave a generator much freedom: what a classifier does not look at may look like anything.
    Maps of earlier stages, averaged down to 4x4, bind it (Sauer et al. 2021, "Projected GANs converge faster",
    arXiv:2111.01007).

    Args:
        network: from images (B, C, H, W), as `preprocess` hands them over, to features (B, F).
        stages: its parts, first to last; what is in none of them is always frozen.
        preprocess: prepares images.
        shape: (C, H, W) of the images.
        settings: how many of the last stages are trained (`thaw`), whose maps are features too (`taps`), and dropout.

    Raises:
        ConfigError: there are fewer stages, or none of that name.
    """

    def __init__(
        self,
        network: nn.Module,
        stages: Mapping[str, nn.Module],
        preprocess: Preprocess,
        shape: Shape,
        settings: ExtractorSettings,
    ) -> None:
        super().__init__()
        unfrozen = _num_unfrozen(settings, tuple(stages))
        self.stages, self.feature_layers = tuple(stages), settings.taps
        self.preprocess = preprocess
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch forgot it
        self.dropout = nn.Dropout(settings.dropout)
        self._captured: dict[str, torch.Tensor] = {}
        for name in self.feature_layers:
            stages[name].register_forward_hook(partial(self._capture, name))
        network.requires_grad_(False)
        for stage in self.stages[len(stages) - unfrozen :]:
            stages[stage].requires_grad_(True)
        learned = {name for name, weight in network.named_parameters() if weight.requires_grad}
        # By name, as whoever trains may set `requires_grad` aside for a while.
        self._frozen = tuple(f"network.{name}" for name in network.state_dict() if name not in learned)
        self.register_state_dict_post_hook(_remove_frozen)  # type: ignore[no-untyped-call]
        self.register_load_state_dict_pre_hook(_restore_frozen)  # type: ignore[no-untyped-call]
        self.train()
        with torch.no_grad():
            self.features = self(torch.zeros(1, *shape)).shape[1]

    def train(self, mode: bool = True) -> Self:
        """Switches dropout; the network stays in evaluation mode."""
        super().train(mode)
        self.network.eval()
        return self

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Transform images (B, C, H, W) in [-1, 1] to features (B, F)."""
        last = self.network(self.preprocess(images))
        maps = [_pooled(self._captured.pop(name)) for name in self.feature_layers]
        return self.dropout(torch.cat([last, *maps], dim=1))  # type: ignore[no-any-return]

    def _capture(self, name: str, _module: nn.Module, _inputs: Any, output: torch.Tensor) -> None:
        self._captured[name] = output

    @property
    def frozen(self) -> tuple[str, ...]:
        """Names of weights and statistics that no training changes and no state dict holds."""
        return self._frozen


def _num_unfrozen(settings: ExtractorSettings, stages: tuple[str, ...]) -> int:
    """Return how many stages are trained, once it is sure that they and the feature layers exist.

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


def _pooled(output: torch.Tensor) -> torch.Tensor:
    """Return a stage's output as a row of numbers an image; maps are averaged down to 4x4."""
    if output.dim() == 4:
        output = functional.adaptive_avg_pool2d(output, (min(POOLED, output.shape[2]), min(POOLED, output.shape[3])))
    return output.flatten(1)


def _remove_frozen(module: Pretrained, state: dict[str, Any], prefix: str, _metadata: Any) -> None:
    for name in module.frozen:
        del state[prefix + name]


def _restore_frozen(module: Pretrained, state: dict[str, Any], prefix: str, *_: Any) -> None:
    own = dict(module.named_parameters()) | dict(module.named_buffers())
    state.update({prefix + name: own[name].detach() for name in module.frozen})


def import_optional(module: str, extractor: str, remedy: str) -> Any:
    """Return a module of a package that qgen can do without.

    Raises:
        ConfigError: it is not installed; the message says what installs it.
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigError(f"extractor {extractor} needs {remedy}") from error
