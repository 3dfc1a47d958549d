"""Diffusion models: a denoising U-Net, classical or hybrid, trained on noised images and sampled from noise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from qgen.diffusion import SamplingSettings
from qgen.generators.denoising import DenoisingGenerator, denoising_objective, label_conditioning
from qgen.generators.protocols import BuildContext, Export, Player, learned
from qgen.models import UNetSettings

if TYPE_CHECKING:
    from torch import nn

    from qgen.data import DataSettings
    from qgen.models import UNet
    from qgen.models.description import ModelDescription


@dataclass(frozen=True)
class DiffusionGenerator(DenoisingGenerator):
    """A denoising U-Net and the diffusion of images that it reverses.

    Attributes:
        network: predicts what the objective says.
    """

    Settings: ClassVar = UNetSettings
    parts: ClassVar = ("encoder", "vertex", "decoder")
    # De Falco et al., arXiv:2402.16147, section 3.3, train a new vertex between them.
    default_parts: ClassVar = ("encoder", "decoder")
    distributed: ClassVar = True

    network: UNet

    @classmethod
    def build(cls, settings: UNetSettings, context: BuildContext) -> DiffusionGenerator:
        """Return the generator with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve
                them.
        """
        from qgen.models import build_unet

        channels, size, _ = context.shape
        classes = context.num_classes
        network = build_unet(settings, channels, size, context.backend, context.gradient, context.seed, classes)
        labels = label_conditioning(settings.conditioning, context)
        objective = denoising_objective(network, context, labels)
        return cls(network, context.group(SamplingSettings), objective, context.shape, context.backend, labels)

    @staticmethod
    def has_unused_parameters(settings: UNetSettings) -> bool:
        """Whether some weights get no gradient, as in the published variant."""
        return settings.variant == "published"

    @property
    def denoiser(self) -> UNet:
        return self.network

    @property
    def circuits_per_call(self) -> int:
        return self.network.circuits_per_call

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return dict(self.network.named_parameters())

    def players(self) -> tuple[Player, ...]:
        return (Player("denoiser", self.objective, learned(self.network)),)

    @property
    def circuits_per_training_image(self) -> float:
        return self.network.circuits_per_call

    def describe(self) -> ModelDescription:
        from qgen.models.unet.describe import describe_unet

        return describe_unet(self.network)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        return None
