"""Noise schedules: how much of a clean state each diffusion step leaves, as one frozen table."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from qgen.diffusion.flow import FlowSchedule
from qgen.diffusion.levels import CLEAN, Level, NoiseSchedule, check_times, noised, per_image, with_clean
from qgen.diffusion.settings import DiffusionSettings, linear_betas
from qgen.errors import ConfigError, InputError


class DiffusionLevel(NamedTuple):
    """A level of noise of a diffusion that preserves variance: alpha^2 + sigma^2 = 1."""

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

    def variance_since(self, s: Level, /) -> float:
        """Return beta of the steps from s to here as one: the variance of the noise that they add."""
        return 1 - self.alpha_bar / s.alpha_bar


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

    @cached_property
    def coordinate(self) -> Tensor:
        """(T,) float64: the angle phi of x = cos(phi) x0 + sin(phi) epsilon after each step."""
        return torch.arccos(self.alphas_bar.sqrt())

    @property
    def last_step(self) -> float:
        """A sampler's step to the clean state is half as long as its others."""
        return 0.5

    def levels(self, times: Sequence[int]) -> list[DiffusionLevel]:
        """Return the level of noise at each of some strictly falling times: see `NoiseSchedule.levels`."""
        check_times(times, self.steps)
        return [DiffusionLevel(time, 1.0 if time == CLEAN else float(self.alphas_bar[time])) for time in times]

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma after steps t, each (B, 1, ..., 1): see `NoiseSchedule.coefficients`."""
        left = with_clean(self.alphas_bar, 1.0)
        return per_image(left.sqrt(), t - CLEAN, like), per_image((1 - left).sqrt(), t - CLEAN, like)

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return sqrt(abar_t) x0 + sqrt(1 - abar_t) noise, after steps t (Ho et al. 2020, arXiv:2006.11239, eq. 4).

        See `NoiseSchedule.add_noise`.
        """
        return noised(self, x0, t, noise)


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


def noise_schedule(settings: DiffusionSettings) -> NoiseSchedule:
    """Return the schedule that the settings describe."""
    kinds: Mapping[str, Callable[[int], NoiseSchedule]] = {"cosine": cosine, "linear": linear, "flow": FlowSchedule}
    return kinds[settings.schedule](settings.steps)
