"""GANs: a generator that makes an image in one pass, and the discriminator that it is trained against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from qgen.adversarial import AdversarialSettings
from qgen.errors import ConfigError
from qgen.generators.protocols import BuildContext, Export, Groups, Player, Shape, Trial, learned
from qgen.models import GANSettings
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning
    from qgen.data import DataSettings
    from qgen.models import GAN
    from qgen.models.description import ModelDescription

#: Images that one pass makes, at most.
BATCH = 256


@dataclass(frozen=True)
class AdversarialGenerator:
    """A generator of images and its discriminator.

    Attributes:
        network: both players.
        settings: losses, and how often the discriminator moves.
        shape: (C, H, W) of an image.
        backend: where its circuits run.
    """

    Settings: ClassVar = GANSettings
    groups: ClassVar = {"adversarial": AdversarialSettings}
    parts: ClassVar = ("generator", "discriminator")

    network: GAN
    settings: AdversarialSettings
    shape: Shape
    backend: Backend
    conditioning: ClassVar[None] = None

    @classmethod
    def build(cls, settings: GANSettings, context: BuildContext) -> AdversarialGenerator:
        """Return the GAN with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve
                them.
        """
        from qgen.models import build_gan

        # What only training runs is not put on the backend where images are sampled.
        idle = context.purpose == "sampling"
        network = build_gan(settings, context.shape, context.backend, context.gradient, context.seed, idle=idle)
        made = cls(network, context.group(AdversarialSettings), context.shape, context.backend)
        if context.purpose == "training" and made.has_penalty:
            _check_second_derivatives(network.discriminator, context.backend)
        return made

    @staticmethod
    def batches_per_step(settings: GANSettings, groups: Groups) -> int:
        """Batches of real images in one step: the discriminator moves once on each."""
        return cast(AdversarialSettings, groups["adversarial"]).discriminator_steps

    @staticmethod
    def absolute_paths(settings: GANSettings) -> Mapping[str, Any]:
        """The name of the extractor, where it is the file of a classifier."""
        from qgen.data.sources import expand_home
        from qgen.models.features import shipped_classifiers

        extractor = settings.discriminator.extractor
        if extractor.family != "classifier" or extractor.member in shipped_classifiers():
            return {}
        file = expand_home(extractor.member)
        if not os.path.exists(file):
            return {}
        return {"discriminator": {"extractor": {"name": f"classifier:{file.resolve()}"}}}

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self.network.named_parameters() if name.startswith("generator.")}

    def players(self) -> tuple[Player, ...]:
        from qgen.adversarial import DiscriminatorObjective, GeneratorObjective

        networks = self.network.generator, self.network.discriminator, self.settings
        return (
            Player(
                "discriminator",
                DiscriminatorObjective(*networks),
                learned(self.network, "discriminator"),
                self.settings.discriminator_rate,
                self.settings.discriminator_steps,
            ),
            Player("generator", GeneratorObjective(*networks), learned(self.network, "generator")),
        )

    @property
    def circuits_per_training_image(self) -> float:
        # A discriminator's step makes an image and scores it and a real one; the generator's step is shared by all
        # batches of the discriminator.
        generates, scores, steps = *self._circuits, self.settings.discriminator_steps
        return generates + (2 + self.has_penalty) * scores + (generates + scores) / steps

    def describe(self) -> ModelDescription:
        from qgen.models.gan.describe import describe_gan

        return describe_gan(self.network)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export | None:
        return None

    def trials(self) -> tuple[Trial, ...]:
        """How often the discriminator scores a real image above a sample."""
        scores = self.network.discriminator

        def run(real: Tensor, samples: Tensor) -> Tensor:
            margin: Tensor = scores(real) - scores(samples)
            return (margin.sign() + 1) / 2

        label = "real images that the discriminator scores above a sample"
        return (Trial("discriminator", label, "%", scores, run),)

    @property
    def sampler(self) -> nn.Module:
        return self.network.generator

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        return {"label": "one-pass", "words": "one pass of the generator"}

    @property
    def num_calls(self) -> int:
        return 1 if self._circuits[0] else 0

    @property
    def circuits_per_image(self) -> int:
        return self._circuits[0]

    def dry_run(self, device: torch.device | str = "cpu") -> None:
        import torch

        self.network(torch.zeros(1, self.network.generator.latents, device=device))

    def sample(
        self,
        seeds: Sequence[int],
        conditioning: Conditioning | None = None,
        *,
        device: torch.device | str = "cpu",
        progress: ProgressCallback | None = None,
        preview: bool = False,
    ) -> Tensor:
        import torch

        from qgen.generators.sampling import sample_in_batches
        from qgen.interpolation import draw_each

        made = self.network.generator
        drawn = draw_each(seeds, lambda source: made.draw(1, source), made.between)
        latents = torch.cat([*drawn, torch.empty(0, made.latents)])
        # On hardware all images are one job.
        batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH
        return sample_in_batches(self.network, seeds, batch, lambda rows: made(latents[rows].to(device)), progress)

    @property
    def has_penalty(self) -> bool:
        """Whether training takes second derivatives of the discriminator."""
        return self.settings.loss == "wasserstein" and self.settings.penalty > 0

    @property
    def _circuits(self) -> tuple[int, int]:
        """Circuits for an image: to make it, and to score it."""
        return self.network.generator.circuits, self.network.discriminator.circuits


def _check_second_derivatives(discriminator: nn.Module, backend: Backend) -> None:
    """Refuse a gradient penalty, which is learned from by second derivatives, where circuits have none.

    Raises:
        ConfigError: the discriminator's circuits have none on this backend.
    """
    from qgen.nn import QuantumLayer

    layers = [inner for inner in discriminator.modules() if isinstance(inner, QuantumLayer)]
    if not all(layer.compiled.second_derivatives for layer in layers):
        raise ConfigError(
            "the gradient penalty of the `wasserstein` loss takes second derivatives of the discriminator's circuits, "
            f"and there are none on {backend.name} with this gradient: train on `statevector` (or `aer` without "
            "shots), choose another `adversarial.loss`, or a classical block for the discriminator"
        )
