"""GANs: a generator that makes an image in one pass, and the discriminator that it is trained against."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

from qgen.adversarial import AdversarialSettings
from qgen.errors import ConfigError
from qgen.generators.first_stage import build_codec, first_stage_paths
from qgen.generators.protocols import BuildContext, Export, Groups, Player, Shape, Trial, learned
from qgen.models import GANSettings
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning
    from qgen.data import DataSettings
    from qgen.models import GAN, LatentCodec
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
    stages: ClassVar[Mapping[str, str]] = {"first_stage": "autoencoder"}

    network: GAN
    settings: AdversarialSettings
    shape: Shape
    backend: Backend
    conditioning: ClassVar[None] = None

    @classmethod
    def build(cls, settings: GANSettings, context: BuildContext) -> AdversarialGenerator:
        """Return the GAN with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, the backend cannot serve them,
                or the first stage that they name is none, or for other images.
            RunError: the file of the first stage is damaged.
        """
        from qgen.models import build_gan
        from qgen.randomness import derive

        # What only training runs is not put on the backend where images are sampled.
        idle = context.purpose == "sampling"
        kind: type[AdversarialGenerator] = cls
        codec: LatentCodec | None = None
        shape = context.shape
        if settings.first_stage is not None or settings.autoencoder is not None:
            kind, stage = LatentAdversarialGenerator, (settings.first_stage, settings.autoencoder)
            seed = derive(context.seed, "first stage")
            codec = build_codec(*stage, context, seed, settings.code_reach, as_maps=True)
            shape = cast(Shape, codec.state_shape(shape))
        network = build_gan(settings, shape, context.backend, context.gradient, context.seed, idle=idle)
        network.codec = codec
        made = kind(network, context.group(AdversarialSettings), context.shape, context.backend)
        if context.purpose == "training" and made.has_penalty:
            _check_second_derivatives(network.discriminator, context.backend)
        return made

    @staticmethod
    def batches_per_step(settings: GANSettings, groups: Groups) -> int:
        """Batches of real images in one step: the discriminator moves once on each."""
        return cast(AdversarialSettings, groups["adversarial"]).discriminator_steps

    @staticmethod
    def absolute_paths(settings: GANSettings) -> Mapping[str, Any]:
        """The name of the extractor, where it is the file of a classifier; a pool; the first stage, and what it is."""
        from qgen.data.sources import expand_home
        from qgen.models.features import shipped_classifiers

        extractor, stage = settings.discriminator.extractor, dict(first_stage_paths(settings.first_stage))
        if (pool := getattr(settings.generator, "pool", None)) is not None:
            stage["generator"] = {"noise": f"pool:{expand_home(pool).resolve()}"}
        if extractor.family != "classifier" or extractor.member in shipped_classifiers():
            return stage
        file = expand_home(extractor.member)
        if not os.path.exists(file):
            return stage
        return {**stage, "discriminator": {"extractor": {"name": f"classifier:{file.resolve()}"}}}

    @staticmethod
    def identity(settings: GANSettings) -> Mapping[str, Any]:
        """All but the places of the first stage and of a pool, whose content checkpoints know."""
        plain = {name: value for name, value in settings.plain().items() if name != "first_stage"}
        if getattr(settings.generator, "pool", None) is not None:
            plain["generator"] = {**plain["generator"], "noise": "pool:"}
        return plain

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
            margin: Tensor = scores(self.discriminated(real)) - scores(self.discriminated(samples))
            return (margin.sign() + 1) / 2

        label = "real images that the discriminator scores above a sample"
        return (Trial("discriminator", label, "%", scores, run),)

    def check_count(self, count: int) -> None:
        """Refuse more images than a pool of latent numbers has codes; see `HasLimit`."""
        self.network.generator.check_count(count)

    def discriminated(self, images: Tensor) -> Tensor:
        """Return what the discriminator takes of images (B, C, H, W): the images."""
        return images

    @property
    def sampler(self) -> nn.Module:
        return self.network.generator

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        return {"label": "one-pass", "words": "one pass of the generator"}

    @property
    def num_calls(self) -> int:
        return 1 if self.circuits_per_image else 0

    @property
    def circuits_per_image(self) -> int:
        return self._circuits[0] + self.network.decoder_circuits

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

        def call(rows: slice) -> Tensor:
            images: Tensor = self.network(latents[rows].to(device))
            return images

        return sample_in_batches(self.network, seeds, batch, call, progress)

    @property
    def has_penalty(self) -> bool:
        """Whether training takes second derivatives of the discriminator."""
        return self.settings.loss == "wasserstein" and self.settings.penalty > 0

    @property
    def _circuits(self) -> tuple[int, int]:
        """Circuits for an image: to make it, and to score it."""
        return self.network.generator.circuits, self.network.discriminator.circuits


@dataclass(frozen=True)
class LatentAdversarialGenerator(AdversarialGenerator):
    """A generator of codes and its discriminator, in the codes of an autoencoder that was trained before.

    The autoencoder is frozen; its encoder runs on the exact engine, once for each image that is learned from, its
    decoder on the backend.

    Attributes:
        network: both players, and the `codec`; a checkpoint holds the autoencoder too.
    """

    @property
    def codec(self) -> LatentCodec:
        assert self.network.codec is not None
        return self.network.codec

    def players(self) -> tuple[Player, ...]:
        return tuple(replace(player, codes=True) for player in super().players())

    def discriminated(self, images: Tensor) -> Tensor:
        """Return what the discriminator takes of images (B, C, H, W): their codes (B, *code)."""
        return self.codec.encode(images)

    @property
    def sampler(self) -> nn.Module:
        return self.network


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
