"""Noise schedules: how much of a clean state each diffusion step leaves, as one frozen table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor

from qgen.diffusion.settings import DiffusionSettings, linear_betas
from qgen.errors import ConfigError, InputError

CLEAN = -1
"""The time of a state without noise: one before the first step, where alphas_bar is 1."""


class Level(NamedTuple):
    """A level of noise, in the letters of Lu et al. 2022, arXiv:2206.00927: x = alpha x0 + sigma epsilon."""

    time: int
    alpha_bar: float

    @property
    def alpha(self) -> float:
        """sqrt(alpha_bar), in (0, 1]."""
        return math.sqrt(self.alpha_bar)

    @property
    def sigma(self) -> float:
        """sqrt(1 - alpha_bar), in [0, 1)."""
        return math.sqrt(1 - self.alpha_bar)

    @property
    def half_log_snr(self) -> float:
        """lambda = log(alpha / sigma), infinite for a clean state."""
        return math.log(self.alpha / self.sigma) if self.sigma else math.inf


@dataclass(frozen=True, eq=False)
class Schedule:
    """A noise schedule in the notation of Ho et al. 2020, arXiv:2006.11239; step t in code is their t + 1.

    Attributes:
        alphas_bar: (T,) float64 on the CPU, strictly falling within (0, 1): the share of a state's variance that is
            left of the clean state after steps 0..t.

    Raises:
        InputError: `alphas_bar` is not such a table.
    """

    alphas_bar: Tensor

    def __post_init__(self) -> None:
        table = self.alphas_bar
        if table.ndim != 1 or table.dtype != torch.float64 or table.device.type != "cpu" or not len(table):
            raise InputError(
                f"alphas_bar must be a float64 table (T,) on the CPU with T of at least 1, "
                f"not {table.dtype} {tuple(table.shape)} on {table.device}"
            )
        if not (table[0] < 1 and (table.diff() < 0).all() and table[-1] > 0):
            raise InputError("alphas_bar must fall from step to step and lie between 0 and 1, both excluded")

    @property
    def steps(self) -> int:
        """T, the number of diffusion steps."""
        return len(self.alphas_bar)

    @cached_property
    def snr(self) -> Tensor:
        """(T,) float64: the signal-to-noise ratio alphas_bar / (1 - alphas_bar), a ratio of variances."""
        return self.alphas_bar / (1 - self.alphas_bar)

    def levels(self, times: Sequence[int]) -> list[Level]:
        """Return the level of noise at each of some strictly falling times, 0..T-1 or `CLEAN`.

        Raises:
            InputError: the times do not fall, or one of them is not a step of this schedule.
        """
        inside = all(CLEAN <= time < self.steps for time in times)
        if not inside or any(later >= earlier for earlier, later in pairwise(times)):
            raise InputError(
                f"times must fall strictly within {self.steps - 1}..0, the steps of this schedule, or end in {CLEAN} "
                f"(clean), not {list(times)}"
            )
        return [Level(time, 1.0 if time == CLEAN else float(self.alphas_bar[time])) for time in times]

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma after steps t, each (B, 1, ..., 1).

        Args:
            t: steps (B,), int64, in 0..T-1, or `CLEAN`.
            like: states (B, ...), whose dtype and device the coefficients have.
        """
        left = torch.cat([torch.ones(1, dtype=torch.float64), self.alphas_bar])  # from `CLEAN` on
        return per_image(left.sqrt(), t - CLEAN, like), per_image((1 - left).sqrt(), t - CLEAN, like)

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, after steps t (Ho et al. 2020, arXiv:2006.11239, eq. 4).

        Args:
            x0: clean states (B, ...), floating point.
            t: steps (B,), int64, in 0..T-1, or `CLEAN`.
            noise: standard normal (B, ...).

        Returns:
            Noisy states (B, ...) in the dtype and on the device of `x0`.

        Raises:
            InputError: the states are integers.
        """
        if not x0.is_floating_point():
            raise InputError(f"images must be floating-point numbers in [-1, 1], not {x0.dtype}")
        alpha, sigma = self.coefficients(t, x0)
        return alpha * x0 + sigma * noise.to(x0)


def per_image(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Return entries t (B,) of a float64 table (T,) as (B, 1, ..., 1), with the dtype and device of like (B, ...)."""
    rounded = table.to(like.dtype).to(like.device)  # in this order: not every device has float64
    return rounded[t.to(like.device)].view(-1, *[1] * (like.ndim - 1))


def cosine(steps: int, s: float = 0.008, largest_beta: float = 0.999) -> Schedule:
    """Return the cosine schedule of Nichol & Dhariwal 2021, arXiv:2102.09672, eq. 17, betas clipped as they advise.

    alphas_bar is the product of the clipped 1 - beta, so that it is not zero after the last step.

    Raises:
        ConfigError: fewer than one step.
    """
    _check(steps)
    u = torch.linspace(0, 1, steps + 1, dtype=torch.float64, device="cpu")
    f = torch.cos((u + s) / (1 + s) * math.pi / 2) ** 2
    betas = (1 - f[1:] / f[:-1]).clamp(max=largest_beta)
    return Schedule(torch.cumprod(1 - betas, 0))


def linear(steps: int, first: float = 1e-4, last: float = 0.02) -> Schedule:
    """Return the linear schedule of Ho et al. 2020, arXiv:2006.11239, section 4, with its betas for 1000 steps.

    With other numbers of steps both are scaled by 1000 / steps, which keeps the amount of noise at the end.

    Raises:
        ConfigError: so few steps that the scaled `last` reaches 1.
    """
    _check(steps)
    betas = linear_betas(steps, first, last)
    return Schedule(torch.cumprod(1 - torch.linspace(*betas, steps, dtype=torch.float64, device="cpu"), 0))


def _check(steps: int) -> None:
    if steps < 1:
        raise ConfigError(f"a diffusion has at least one step, not {steps}")


def noise_schedule(settings: DiffusionSettings) -> Schedule:
    """Return the schedule that the settings describe."""
    return {"cosine": cosine, "linear": linear}[settings.schedule](settings.steps)
