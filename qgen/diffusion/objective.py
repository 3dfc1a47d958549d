"""What a denoiser is trained to do: predict the noise in an image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qgen.diffusion.schedules import Schedule, per_image
from qgen.errors import InputError


class Draws(NamedTuple):
    """The random part of a loss.

    Attributes:
        t: steps (B,), int64, in 0..T-1.
        noise: standard normal (B, C, H, W), float32.
    """

    t: Tensor
    noise: Tensor

    def part(self, rows: slice) -> Draws:
        """The draws of some of the images."""
        return Draws(self.t[rows], self.noise[rows])

    def to(self, device: torch.device | str) -> Draws:
        """The same draws on another device."""
        return Draws(self.t.to(device), self.noise.to(device))


def p2_weights(schedule: Schedule, gamma: float = 1.0, k: float = 1.0) -> Tensor:
    """Weights of the steps' losses (k + snr_t)^-gamma, (T,) float64 (Choi et al. 2022, arXiv:2204.00227, eq. 8).

    gamma = k = 1, as in De Falco et al. 2024, arXiv:2402.16147, is 1 - alphas_bar; gamma = 0 weighs all steps alike.
    """
    return (k + schedule.snr) ** -gamma


class NoisePrediction(nn.Module):
    """The squared error of the predicted noise at random steps (Ho et al. 2020, arXiv:2006.11239, eq. 14), weighted.

    Attributes:
        denoiser: a module (x (B, C, H, W), t (B,) int64) -> noise (B, C, H, W).
        schedule: the noise schedule.
        weights: (T,) float64, the weight of each step's loss.
    """

    def __init__(self, denoiser: nn.Module, schedule: Schedule, weights: Tensor) -> None:
        """See the class.

        Raises:
            InputError: there is not one weight per step.
        """
        super().__init__()
        if weights.shape != (schedule.steps,):
            raise InputError(f"a schedule of {schedule.steps} steps needs as many weights, not {tuple(weights.shape)}")
        self.denoiser = denoiser
        self.schedule = schedule
        # Neither a parameter nor a buffer: it stays in float64 and out of checkpoints, whatever happens to the module.
        self.weights = weights

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> Draws:
        """Draws for `count` images of `shape` (C, H, W), on the CPU, that depend on the generator alone.

        Several processes that hold equal generators get the same draws of a whole batch, and each takes its `part`.
        """
        t = torch.randint(self.schedule.steps, (count,), generator=generator)
        return Draws(t, torch.randn(count, *shape, generator=generator))

    def forward(self, images: Tensor, draws: Draws) -> Tensor:
        """The mean over images of weight x mean squared error: a scalar, in float32 even where the denoiser uses less.

        Args:
            images: clean images (B, C, H, W) in [-1, 1].
            draws: as many, on any device.
        """
        t, noise = draws.to(images.device)
        predicted: Tensor = self.denoiser(self.schedule.add_noise(images, t, noise), t)
        errors = (predicted - noise).square().flatten(1).mean(1)  # (B,), in float32 as the noise is
        return (per_image(self.weights, t, errors) * errors).mean()
