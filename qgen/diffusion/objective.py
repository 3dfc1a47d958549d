"""The training objective of a denoising network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from qgen.conditioning import Conditioning
from qgen.diffusion.codec import Codec, IdentityCodec
from qgen.diffusion.levels import NoiseSchedule, per_image
from qgen.diffusion.parametrisation import PARAMETRISATIONS
from qgen.diffusion.settings import Prediction, Times
from qgen.errors import InputError


class Draws(NamedTuple):
    """The random part of a loss.

    Attributes:
        t: steps (B,), int64, in 0..T-1.
        noise: standard normal (B, ...), float32, in the shape of the states.
        drop: (B,), bool: where the condition is left out; None: nowhere.
    """

    t: Tensor
    noise: Tensor
    drop: Tensor | None = None

    def part(self, rows: slice) -> Draws:
        """Return the draws of some of the images."""
        return Draws(self.t[rows], self.noise[rows], None if self.drop is None else self.drop[rows])

    def to(self, device: torch.device | str) -> Draws:
        """Return the same draws on another device."""
        drop = None if self.drop is None else self.drop.to(device)
        return Draws(self.t.to(device), self.noise.to(device), drop)


def draw_times(times: Times, steps: int, count: int, generator: torch.Generator) -> Tensor:
    """Return random steps (count,), int64, in 0..steps - 1.

    Args:
        times: `uniform`: all alike; `logit-normal`: ceil(u steps) - 1 of u = sigmoid(N(0, 1)), fewer at both ends
            (Esser et al. 2024, arXiv:2403.03206, eq. 19).
        steps: T.
        count: how many.
        generator: on the CPU.
    """
    if times == "uniform":
        return torch.randint(steps, (count,), generator=generator)
    u = torch.randn(count, generator=generator).sigmoid()
    return ((u * steps).ceil().long() - 1).clamp(0, steps - 1)


class DenoisingObjective(nn.Module):
    """The squared error of a network's prediction at random steps, weighted by step.

    Of the noise it is eq. 14 of Ho et al. 2020, arXiv:2006.11239, of the velocity `flow` under a `FlowSchedule` eq. 23
    of Lipman et al. 2023, arXiv:2210.02747. The error is that of what the network predicts, so with equal weights `x0`
    and `v` have, beside `epsilon`, the weights 1 / SNR and 1 + 1 / SNR (Salimans & Ho 2022, arXiv:2202.00512, section
    4).

    Attributes:
        network: a module (x (B, ...), t (B,) int64, conditioning or None) -> prediction (B, ...).
        schedule: the noise schedule.
        weights: (T,) float64, the weight of each step's loss.
        prediction: what the network predicts.
        codec: encodes images to the states that are noised.
        condition_dropout: the share of images whose condition is left out, so that the network learns the unconditional
            distribution too; 0: conditions are always there, or there are none.
        times: how steps are drawn, see `draw_times`.
    """

    def __init__(
        self,
        network: nn.Module,
        schedule: NoiseSchedule,
        weights: Tensor,
        prediction: Prediction = "epsilon",
        codec: Codec | None = None,
        condition_dropout: float = 0.0,
        times: Times = "uniform",
    ) -> None:
        """See the class.

        Raises:
            InputError: there is not one weight per step.
        """
        super().__init__()
        if weights.shape != (schedule.steps,):
            raise InputError(f"a schedule of {schedule.steps} steps needs as many weights, not {tuple(weights.shape)}")
        self.network = network
        self.schedule = schedule
        # Neither a parameter nor a buffer: it stays in float64 and out of checkpoints, whatever happens to the module.
        self.weights = weights
        self.prediction, self.codec = prediction, codec or IdentityCodec()
        self.condition_dropout, self.times = condition_dropout, times

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> Draws:
        """Return draws for `count` images of `shape` (C, H, W), on the CPU, that depend on the generator alone.

        Several processes that hold equal generators get the same draws of a whole batch, and each takes its `part`.
        """
        t = draw_times(self.times, self.schedule.steps, count, generator)
        noise = torch.randn(count, *self.codec.state_shape(shape), generator=generator)
        share = self.condition_dropout
        drop = torch.rand(count, generator=generator) < share if share else None
        return Draws(t, noise, drop)

    def metrics(self) -> dict[str, Tensor]:
        """Return what the network says of the last call, where it says something."""
        metrics = getattr(self.network, "metrics", None)
        return metrics() if callable(metrics) else {}

    def forward(self, images: Tensor, draws: Draws, conditioning: Conditioning | None = None) -> Tensor:
        """Return the mean over images of weight x mean squared error: a scalar, float32 even where the network is not.

        Args:
            images: clean images (B, C, H, W) in [-1, 1].
            draws: as many, on any device.
            conditioning: the condition of each image, on the device of the images; None: there is none.
        """
        t, noise, drop = draws.to(images.device)
        if conditioning is not None and drop is not None:
            conditioning = conditioning.dropped(drop)
        with torch.no_grad():
            x0 = self.codec.encode(images)
            x = self.schedule.add_noise(x0, t, noise)
            target = PARAMETRISATIONS[self.prediction].target(x0, noise, *self.schedule.coefficients(t, noise))
        output: Tensor = self.network(x, t, conditioning)
        errors = (output - target).square().flatten(1).mean(1)  # (B,), in float32 as the noise is
        return (per_image(self.weights, t, errors) * errors).mean()
