"""Objectives of an autoencoder and of the discriminator that tells its reconstructions from images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, cast

import torch
from torch import Tensor, nn

from qgen.adversarial.losses import LOSSES
from qgen.adversarial.objectives import frozen
from qgen.adversarial.settings import ReconstructionSettings
from qgen.nn.processes import process_mean

LARGEST_WEIGHT = 1e4  # of the adversarial loss, as in the code of Rombach et al. 2021, arXiv:2112.10752


class CodeDistribution(Protocol):
    """Distributions of codes, given images."""

    def sample(self, noise: Tensor) -> Tensor:
        """Return codes (B, ...) for standard normal numbers of their shape."""
        ...

    def kl(self) -> Tensor:
        """Return the divergences (B,) from the standard normal distribution, in nats."""
        ...


class EncoderDecoder(Protocol):
    """A variational autoencoder."""

    @property
    def code_shape(self) -> tuple[int, ...]:
        """Shape of a code."""
        ...

    @property
    def last_weight(self) -> Tensor:
        """The weight of the decoder's last layer."""
        ...

    def encode(self, images: Tensor) -> CodeDistribution:
        """Return the distributions of the codes of images (B, C, H, W)."""
        ...

    def decode(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W) of codes."""
        ...

    def metrics(self) -> dict[str, Tensor]:
        """Return scalars of the last call, for metrics.jsonl."""
        ...


class CodeDraws(NamedTuple):
    """The random part of a loss: standard normal numbers (B, *code)."""

    noise: Tensor

    def part(self, rows: slice) -> CodeDraws:
        """Return the draws of some of the images."""
        return CodeDraws(self.noise[rows])

    def to(self, device: torch.device | str) -> CodeDraws:
        """Return the same draws on another device."""
        return CodeDraws(self.noise.to(device))


class ReconstructionPlayers(nn.Module):
    """What both objectives share: the networks, the settings, and the reconstructions of the step.

    Args:
        network: has `autoencoder`, `discriminator` (or None), the counter `updates`, and `observe`, which is told the
            distributions of codes in each step.
        settings: weights of the losses.
    """

    def __init__(self, network: nn.Module, settings: ReconstructionSettings) -> None:
        super().__init__()
        self.network, self.settings = network, settings
        self.reconstructions: Tensor | None = None

    @property
    def autoencoder(self) -> EncoderDecoder:
        """The autoencoder."""
        return cast(EncoderDecoder, self.network.autoencoder)

    @property
    def discriminator(self) -> nn.Module:
        """The discriminator."""
        return cast(nn.Module, self.network.discriminator)

    @property
    def adversarial(self) -> bool:
        """Whether the discriminator has a part in this step: after the first ones; always in evaluation mode."""
        if cast("nn.Module | None", self.network.discriminator) is None:
            return False
        return not self.training or int(cast(Tensor, self.network.updates)) >= self.settings.gan_start

    def draw(self, count: int, generator: torch.Generator) -> CodeDraws:
        """Return draws for `count` images, on the CPU, that depend on the generator alone."""
        return CodeDraws(torch.randn(count, *self.autoencoder.code_shape, generator=generator))

    def reconstruct(self, images: Tensor, draws: CodeDraws) -> tuple[Tensor, CodeDistribution]:
        """Return the reconstructions (B, C, H, W) of images by drawn codes, and the distributions of these."""
        posterior = self.autoencoder.encode(images)
        if self.training and torch.is_grad_enabled():
            self.network.observe(posterior)  # type: ignore[operator]
        return self.autoencoder.decode(posterior.sample(draws.noise.to(images.device))), posterior

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return the discriminator's features (B, F) and scores (B,) of images (B, C, H, W)."""
        features: Tensor = cast(nn.Module, self.discriminator.extractor)(images)
        return _wide(features), _wide(cast(nn.Module, self.discriminator.score)(features).squeeze(1))


class _Objective(nn.Module):
    def __init__(self, shared: ReconstructionPlayers) -> None:
        super().__init__()
        self.shared = shared
        self._metrics: dict[str, Tensor] = {}

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> CodeDraws:
        """Return draws for `count` images, on the CPU, that depend on the generator alone."""
        return self.shared.draw(count, generator)

    def metrics(self) -> dict[str, Tensor]:
        """Return further scalars of the last call."""
        return self._metrics


class ReconstructionObjective(_Objective):
    """An autoencoder brings its images back: in pixels, in the discriminator's features, and so that they look real.

    L1 + MSE (means over pixels) + w_f * MSE of the discriminator's features + d * hinge + beta * KL / (numbers of an
    image). The features are those of Larsen et al. 2015, arXiv:1512.09300, eq. 7. The weight d = w_g * |gradient of the
    reconstruction losses| / |gradient of the adversarial one|, both at the decoder's last layer: Esser et al. 2020,
    arXiv:2012.09841, eq. 7.
    """

    def forward(self, images: Tensor, draws: CodeDraws, conditioning: None = None) -> Tensor:
        """Return the loss.

        The metrics are the losses, the KL divergence in nats an image, the peak signal-to-noise ratio in dB, the weight
        d, and what the autoencoder says.
        """
        shared, settings = self.shared, self.shared.settings
        output, posterior = shared.reconstruct(images, draws)
        images, output = _wide(images), _wide(output)
        difference = output - images
        pixels = difference.abs().mean() + difference.square().mean()
        nats = posterior.kl().mean()
        loss, features, fool, weight = pixels, *(pixels.new_zeros(()) for _ in range(3))
        if shared.adversarial:
            with frozen(shared.discriminator):
                with torch.no_grad():
                    wanted, _ = shared.score(images)
                found, scores = shared.score(output)
            features = (found - wanted).square().mean()
            fool = LOSSES["hinge"].generator(scores)
            loss = loss + settings.feature_weight * features
            weight = settings.gan_weight * balance(loss, fool, shared.autoencoder.last_weight)
            loss = loss + weight * fool
        shared.reconstructions = output.detach()
        self._metrics = {
            "pixels": pixels.detach(),
            "kl": nats.detach(),
            "psnr": psnr(output.detach(), images).mean(),
            "features": features.detach(),
            "adversarial": fool.detach(),
            "adversarial_weight": weight,
            **shared.autoencoder.metrics(),
        }
        return loss + settings.kl_weight * nats / images[0].numel()


class ReconstructionDiscriminatorObjective(_Objective):
    """A discriminator tells images from their reconstructions, once it joins.

    It scores those that the autoencoder made in the same step, so that an image costs no further circuits.
    """

    def forward(self, images: Tensor, draws: CodeDraws, conditioning: None = None) -> Tensor:
        """Return the hinge loss; 0 before the discriminator joins.

        The metrics are the mean scores of both, and the share of all images whose score has the right sign.
        """
        shared = self.shared
        if shared.adversarial:
            made = shared.reconstructions
            if made is None or made.shape != images.shape:
                with torch.no_grad():
                    made, _ = shared.reconstruct(images, draws)
            _, scores = shared.score(torch.cat([_wide(images), _wide(made)]))
            real, fake = scores.chunk(2)
            loss = LOSSES["hinge"].discriminator(real, fake)
            right = torch.cat([real > 0, fake < 0]).float().mean()
            self._metrics = {"real_score": real.detach().mean(), "fake_score": fake.detach().mean(), "accuracy": right}
        else:  # no gradient, so that the optimiser leaves all weights as they are
            loss = 0 * torch.stack([weight.sum() for weight in shared.discriminator.parameters()]).sum()
            zero = loss.detach()
            self._metrics = {"real_score": zero, "fake_score": zero, "accuracy": zero}
        shared.reconstructions = None
        if self.training and torch.is_grad_enabled():
            cast(Tensor, shared.network.updates).add_(1)
        return loss


def _wide(values: Tensor) -> Tensor:
    """Return values in float32 at least: losses are no place for bfloat16, in which networks may compute."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def balance(loss: Tensor, other: Tensor, weight: Tensor) -> Tensor:
    """Return the size of the loss's gradient at a weight, divided by that of another loss: (), at most 1e4.

    They are those of the whole batch. Where no gradients are recorded there is nothing to balance, and it is 1.
    """
    if not torch.is_grad_enabled():
        return loss.new_ones(())
    gradients = (torch.autograd.grad(each, weight, retain_graph=True)[0] for each in (loss, other))
    one, two = (process_mean(gradient).norm() for gradient in gradients)
    ratio: Tensor = (one / (two + 1e-4)).clamp(max=LARGEST_WEIGHT)
    return ratio.detach().to(loss.dtype)


def psnr(reconstructions: Tensor, images: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratios (B,), in dB, of reconstructions, clipped to [-1, 1], of images."""
    errors = (reconstructions.clamp(-1, 1) - images).square().flatten(1).mean(1)
    return 10 * (4 / errors.clamp_min(1e-12)).log10()
