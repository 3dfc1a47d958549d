"""Objectives of the two players of a GAN."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qgen.adversarial.losses import LOSSES, gradient_penalty
from qgen.adversarial.settings import AdversarialSettings


class AdversarialDraws(NamedTuple):
    """The random part of a loss.

    Attributes:
        latents: (B, L).
        mix: (B,) in [0, 1): where between real and generated images a gradient penalty looks.
    """

    latents: Tensor
    mix: Tensor

    def part(self, rows: slice) -> AdversarialDraws:
        """Return the draws of some of the images."""
        return AdversarialDraws(self.latents[rows], self.mix[rows])

    def to(self, device: torch.device | str) -> AdversarialDraws:
        """Return the same draws on another device."""
        return AdversarialDraws(self.latents.to(device), self.mix.to(device))


class _Objective(nn.Module):
    """What both objectives have: the two networks, the loss, and what they draw."""

    def __init__(self, generator: nn.Module, discriminator: nn.Module, settings: AdversarialSettings) -> None:
        super().__init__()
        self.generator, self.discriminator, self.settings = generator, discriminator, settings
        self.losses = LOSSES[settings.loss]
        self._metrics: dict[str, Tensor] = {}

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> AdversarialDraws:
        """Return draws for `count` images, on the CPU, that depend on the generator alone."""
        latents: Tensor = self.generator.draw(count, generator)  # type: ignore[operator]
        return AdversarialDraws(latents, torch.rand(count, generator=generator))

    def metrics(self) -> dict[str, Tensor]:
        """Return further scalars of the last call."""
        return self._metrics


class DiscriminatorObjective(_Objective):
    """The discriminator tells real images from generated ones.

    Args:
        generator: latent numbers (B, L) -> images (B, C, H, W) in [-1, 1], with `draw(count, generator)` for the
            former; it is not changed.
        discriminator: images (B, C, H, W) -> scores (B,).
        settings: loss and penalty.
    """

    def forward(self, images: Tensor, draws: AdversarialDraws, conditioning: None = None) -> Tensor:
        """Return the loss of as many generated images as there are real ones, with the penalty where there is one.

        The metrics are the mean scores of both, and the share of all images whose score has the right sign.
        """
        with torch.no_grad():
            generated: Tensor = self.generator(draws.latents.to(images.device))
        scores: Tensor = self.discriminator(torch.cat([images, generated.to(images.dtype)]))
        real, fake = scores.chunk(2)
        self._metrics = {
            "real_score": real.detach().mean(),
            "fake_score": fake.detach().mean(),
            "accuracy": torch.cat([real > 0, fake < 0]).float().mean(),
        }
        loss = self.losses.discriminator(real, fake)
        if self.settings.loss == "wasserstein" and self.settings.penalty:
            with torch.enable_grad():
                penalty = gradient_penalty(self.discriminator, images, generated, draws.mix.to(images.device))
            loss = loss + self.settings.penalty * penalty
        return loss


class GeneratorObjective(_Objective):
    """The generator makes images that the discriminator scores highly.

    Args:
        generator: see `DiscriminatorObjective`.
        discriminator: images (B, C, H, W) -> scores (B,); it is not changed.
        settings: loss and penalty.
    """

    def forward(self, images: Tensor, draws: AdversarialDraws, conditioning: None = None) -> Tensor:
        """Return the loss of as many generated images as there are in the batch, which does not count otherwise."""
        generated: Tensor = self.generator(draws.latents.to(images.device))
        with frozen(self.discriminator):
            return self.losses.generator(self.discriminator(generated))


@contextmanager
def frozen(module: nn.Module) -> Iterator[None]:
    """Within this block nothing that is recorded reaches the module's parameters, and its buffers stay as they are."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    training = module.training
    for parameter in learned:
        parameter.requires_grad_(False)
    module.eval()
    try:
        yield
    finally:
        module.train(training)
        for parameter in learned:
            parameter.requires_grad_(True)
