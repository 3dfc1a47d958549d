"""Objectives of a decoder that goes on learning beside a denoiser, and of the discriminator of what it decodes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from qgen.adversarial.losses import LOSSES
from qgen.adversarial.objectives import frozen
from qgen.adversarial.reconstruction import CodeDraws, balance, psnr

#: (noise (B, *code), conditioning) -> states (B, *code), without a gradient.
StateSampler = Callable[[Tensor, Any], Tensor]


class OpenCodec(Protocol):
    """Between images and states; its images may leave [-1, 1] a little."""

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape of one state, for images of shape (C, H, W)."""
        ...

    def encode(self, images: Tensor) -> Tensor:
        """Return the states (B, *code) of images (B, C, H, W)."""
        ...

    def decode_freely(self, states: Tensor) -> Tensor:
        """Return the images (B, C, H, W) of states (B, *code)."""
        ...


class JointPlayers(nn.Module):
    """What both objectives share: the networks, what samples, and the images of the step.

    Args:
        network: has `codec`, `discriminator` and the counter `updates`.
        sample: makes states of noise.
        last_weight: the weight of the decoder's last layer.
        start: steps before the decoder and its discriminator move.
        gan_weight: see `JointSettings`.
    """

    def __init__(
        self, network: nn.Module, sample: StateSampler, last_weight: Tensor, start: int, gan_weight: float
    ) -> None:
        super().__init__()
        self.network = network
        self.sample, self.last_weight, self.start, self.gan_weight = sample, [last_weight], start, gan_weight
        self.drawn: Tensor | None = None

    @property
    def codec(self) -> Any:
        """An `OpenCodec`."""
        return self.network.codec

    @property
    def discriminator(self) -> Any:
        """Images (B, C, H, W) -> scores (B,)."""
        return self.network.discriminator

    @property
    def active(self) -> bool:
        """Whether both have a part in this step: after the first ones; always in evaluation mode."""
        return not self.training or int(self.network.updates) >= self.start  # type: ignore[arg-type]

    def draw_images(self, draws: CodeDraws, conditioning: Any) -> Tensor:
        """Return images (B, C, H, W) of states that the denoiser makes; no gradient comes to it."""
        with torch.no_grad():
            states = self.sample(draws.noise, conditioning)
        images: Tensor = self.codec.decode_freely(states)
        return images.float()


class _Objective(nn.Module):
    def __init__(self, shared: JointPlayers) -> None:
        super().__init__()
        self.shared = shared
        self._metrics: dict[str, Tensor] = {}

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> CodeDraws:
        """Return draws for `count` images of `shape`, on the CPU, that depend on the generator alone."""
        return CodeDraws(torch.randn(count, *self.shared.codec.state_shape(shape), generator=generator))

    def metrics(self) -> dict[str, Tensor]:
        """Return further scalars of the last call."""
        return self._metrics


class DecoderObjective(_Objective):
    """A decoder keeps bringing images back, and makes images of the denoiser's codes that look real.

    L1 + MSE of reconstructions + d * hinge of decoded samples, with the weight d of Esser et al. 2020,
    arXiv:2012.09841, eq. 7. Neither loss has a gradient for what made the codes: training an encoder by the losses of a
    diffusion lets its codes collapse (Leng et al. 2025, arXiv:2504.10483).
    """

    def forward(self, images: Tensor, draws: CodeDraws, conditioning: Any = None) -> Tensor:
        """Return the loss; 0 before the decoder joins."""
        shared = self.shared
        if not shared.active:
            zero = images.new_zeros(())
            self._metrics = {"psnr": zero, "adversarial": zero, "adversarial_weight": zero}
            return 0 * shared.last_weight[0].sum()
        with torch.no_grad():
            states = shared.codec.encode(images)
        output = shared.codec.decode_freely(states).float()
        difference = output - images
        pixels = difference.abs().mean() + difference.square().mean()
        drawn = shared.draw_images(draws.to(images.device), conditioning)
        with frozen(shared.discriminator):
            fool = LOSSES["hinge"].generator(shared.discriminator(drawn).float())
        weight = shared.gan_weight * balance(pixels, fool, shared.last_weight[0])
        shared.drawn = drawn.detach()
        self._metrics = {
            "psnr": psnr(output.detach(), images).mean(),
            "adversarial": fool.detach(),
            "adversarial_weight": weight,
        }
        loss: Tensor = pixels + weight * fool
        return loss


class DecodedDiscriminatorObjective(_Objective):
    """A discriminator tells images from those that the decoder made of the denoiser's codes in the same step."""

    def forward(self, images: Tensor, draws: CodeDraws, conditioning: Any = None) -> Tensor:
        """Return the hinge loss; 0 before the decoder joins."""
        shared = self.shared
        if shared.active:
            drawn = shared.drawn
            if drawn is None or drawn.shape != images.shape:
                with torch.no_grad():
                    drawn = shared.draw_images(draws.to(images.device), conditioning)
            real, fake = shared.discriminator(torch.cat([images, drawn])).float().chunk(2)
            loss = LOSSES["hinge"].discriminator(real, fake)
            right = torch.cat([real > 0, fake < 0]).float().mean()
            self._metrics = {"real_score": real.detach().mean(), "fake_score": fake.detach().mean(), "accuracy": right}
        else:  # no gradient, so that the optimiser leaves all weights as they are
            loss = 0 * torch.stack([weight.sum() for weight in shared.discriminator.parameters()]).sum()
            zero = loss.detach()
            self._metrics = {"real_score": zero, "fake_score": zero, "accuracy": zero}
        shared.drawn = None
        if self.training and torch.is_grad_enabled():
            shared.network.updates.add_(1)  # type: ignore[operator]
        return loss
