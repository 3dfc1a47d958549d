"""Autoencoders: images to codes and back, sharpened by a discriminator; other generators work in their codes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from qgen.adversarial import ReconstructionSettings
from qgen.generators.protocols import BuildContext, Export, Player, Shape, Trial, learned
from qgen.models import AutoencoderSettings
from qgen.progress import ProgressCallback

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from qgen.backends import Backend
    from qgen.conditioning import Conditioning
    from qgen.data import DataSettings, ImageSet
    from qgen.models import VAEGAN, Autoencoder
    from qgen.models.description import ModelDescription

#: Images that one pass makes, at most.
BATCH = 256
#: Images that reconstructions are judged by, at most, and those that are shown.
MEASURED, SHOWN = 2_000, 16
#: The picture of originals and reconstructions in the folder of a run, and what is known of these.
PICTURE, FIGURES = "reconstructions.png", "autoencoder.json"


@dataclass(frozen=True)
class AutoencoderGenerator:
    """A variational autoencoder and its discriminator. As a generator it decodes normal codes.

    They have the mean and the deviation of the codes of training images, a channel at a time.

    Attributes:
        network: both.
        settings: of the losses.
        shape: (C, H, W) of an image.
        backend: where its circuits run.
    """

    Settings: ClassVar = AutoencoderSettings
    groups: ClassVar = {"reconstruction": ReconstructionSettings}
    exports: ClassVar = (FIGURES,)  # written last

    network: VAEGAN
    settings: ReconstructionSettings
    shape: Shape
    backend: Backend
    conditioning: ClassVar[None] = None

    @classmethod
    def build(cls, settings: AutoencoderSettings, context: BuildContext) -> AutoencoderGenerator:
        """Return the autoencoder with its initial weights.

        Raises:
            ConfigError, BackendError, CircuitError: the settings contradict each other, or the backend cannot serve
                them.
        """
        from qgen.models import build_vae_gan

        # What only training runs is not put on the backend where images are sampled.
        idle = context.purpose == "sampling"
        network = build_vae_gan(settings, context.shape, context.backend, context.gradient, context.seed, idle)
        return cls(network, context.group(ReconstructionSettings), context.shape, context.backend)

    @property
    def averaged(self) -> dict[str, nn.Parameter]:
        return {name: weight for name, weight in self.network.named_parameters() if name.startswith("autoencoder.")}

    def players(self) -> tuple[Player, ...]:
        from qgen.adversarial import (
            ReconstructionDiscriminatorObjective,
            ReconstructionObjective,
            ReconstructionPlayers,
        )

        shared = ReconstructionPlayers(self.network, self.settings)
        autoencoder = Player("autoencoder", ReconstructionObjective(shared), learned(self.network, "autoencoder"))
        if self.network.discriminator is None:
            return (autoencoder,)
        objective, settings = ReconstructionDiscriminatorObjective(shared), self.settings
        discriminator = Player(
            "discriminator",
            objective,
            learned(self.network, "discriminator"),
            settings.discriminator_rate,
            starts_after=settings.gan_start,
            start_setting="reconstruction.gan_start",
        )
        return autoencoder, discriminator

    @property
    def circuits_per_training_image(self) -> float:
        return sum(self.network.autoencoder.circuits_in_training)

    def describe(self) -> ModelDescription:
        from qgen.models.autoencoder import describe_vae_gan

        return describe_vae_gan(self.network)

    def export(self, folder: Path, data: DataSettings, data_dir: Path | None) -> Export:
        """Write the autoencoder for `model.first_stage`, and how well it brings back images of the test set."""
        import torch

        from qgen.data import open_images, save_grid
        from qgen.models.autoencoder import AUTOENCODER_FILE, build_autoencoder, code_statistics, save_autoencoder
        from qgen.storage import write_text

        # On the exact engine: elsewhere a circuit an image may take long, or cost money.
        own = self.network.autoencoder
        exact = build_autoencoder(own.settings, self.shape).to(own.last_weight.device)
        exact.load_state_dict(own.state_dict())
        exact.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # see NormSiLU; torch forgot it
        trained_on = open_images(data, data_dir)
        file = folder / AUTOENCODER_FILE
        save_autoencoder(file, exact, code_statistics(exact, trained_on.images))
        held_out = _held_out(data, data_dir)
        images = held_out or trained_on
        found = reconstruct(exact, images)
        facts: dict[str, Any] = {"autoencoder": str(file), "data": images.name, "held_out": held_out is not None}
        facts |= found.figures
        save_grid(found.beside(images), folder / PICTURE, columns=SHOWN)
        seen = "that it was trained with" if held_out is None else "that it never saw"
        lines = (
            f"autoencoder: {file}",
            f"reconstructions of {found.figures['count']:,} images {seen}: PSNR {found.figures['psnr']:.2f} dB, "
            f"{found.figures['kl']:.1f} nats in a code; {folder / PICTURE}",
        )
        write_text(folder / FIGURES, json.dumps(facts, indent=2) + "\n")
        return Export(
            facts, (*lines, f"a diffusion in its codes: qgen train latent-unet --set model.first_stage={folder}")
        )

    def trials(self) -> tuple[Trial, ...]:
        """How well the autoencoder brings back real images."""
        from qgen.adversarial import psnr

        own = self.network.autoencoder
        label = "PSNR of reconstructions of real images"
        return (Trial("reconstruction", label, "dB", own, lambda real, _: psnr(own(real).float(), real)),)

    @property
    def codec(self) -> VAEGAN:
        return self.network

    @property
    def sampler(self) -> nn.Module:
        return self.network.autoencoder.decoder

    @property
    def sampling_info(self) -> Mapping[str, Any]:
        return {"label": "one-pass", "words": "one pass of the decoder"}

    @property
    def num_calls(self) -> int:
        return 1 if self.circuits_per_image else 0

    @property
    def circuits_per_image(self) -> int:
        return self.network.autoencoder.decoder.branch.circuits

    def dry_run(self, device: torch.device | str = "cpu") -> None:
        import torch

        self.network(torch.zeros(1, *self.network.autoencoder.code_shape, device=device))

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

        shape = self.network.autoencoder.code_shape
        drawn = draw_each(seeds, lambda source: torch.randn(1, *shape, generator=source))
        normal = torch.cat([*drawn, torch.empty(0, *shape)])
        # On hardware all images are one job.
        batch = max(1, len(seeds)) if self.backend.capabilities.remote else BATCH

        def decode(rows: slice) -> Tensor:
            return self.network.decode(normal[rows].to(device))

        return sample_in_batches(self.network, seeds, batch, decode, progress)


@dataclass(frozen=True)
class Reconstructions:
    """Reconstructions of some images, by the means of their codes.

    Attributes:
        shown: the first few, (n, C, H, W), float32 in [-1, 1].
        figures: `count`, the mean peak signal-to-noise ratio `psnr` in dB, and the mean `kl` of a code in nats.
    """

    shown: Tensor
    figures: dict[str, float]

    def beside(self, images: ImageSet) -> Tensor:
        """Return rows of originals, each followed by the row of their reconstructions."""
        import torch

        originals = images.scaled(torch.arange(len(self.shown)))
        pairs = zip(originals.split(SHOWN), self.shown.split(SHOWN), strict=True)
        return torch.cat([row for pair in pairs for row in pair])


def reconstruct(network: Autoencoder, images: ImageSet) -> Reconstructions:
    """Return reconstructions of the first images of a set."""
    import torch

    from qgen.adversarial import psnr
    from qgen.generators.sampling import eval_mode

    device, shown = network.last_weight.device, []
    ratios, nats, count = 0.0, 0.0, min(len(images), MEASURED)
    with eval_mode(network, ()):
        for part in torch.arange(count).split(BATCH):
            given = images.scaled(part).to(device)
            posterior = network.encode(given)
            made = network.decode(posterior.mean).float().clamp(-1, 1)
            ratios += float(psnr(made, given).double().sum())
            nats += float(posterior.kl().double().sum())
            shown.append(made[: max(0, 2 * SHOWN - int(part[0]))].cpu())
    return Reconstructions(torch.cat(shown), {"count": count, "psnr": ratios / count, "kl": nats / count})


def _held_out(data: DataSettings, data_dir: Path | None) -> ImageSet | None:
    """Return the test set, where there is one that it was not trained with."""
    from qgen.data import open_images
    from qgen.data.sets import KNOWN_SETS

    if data.name in KNOWN_SETS and data.split == "train":
        other = data.model_copy(update={"split": "test", "limit": None, "fraction": None})
        return open_images(other, data_dir)
    return None
