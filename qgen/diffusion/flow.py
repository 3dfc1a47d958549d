"""Flow matching: straight lines from noise to clean states.

x_t = (1 - t) x0 + t epsilon, t from 0 to 1 (Lipman et al. 2023, arXiv:2210.02747; Liu et al. 2023, arXiv:2209.03003,
with noise at t = 1 as in Esser et al. 2024, arXiv:2403.03206). A line's velocity dx/dt = epsilon - x0 is what a network
learns, and samplers follow its mean. Time has T levels, i / T for i = 1..T, so that a network sees the steps 0..T-1 as
under any other schedule.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import torch
from torch import Tensor

from qgen.diffusion.levels import CLEAN, Level, check_times, noised, per_image, with_clean
from qgen.errors import ConfigError


class FlowLevel(NamedTuple):
    """A point in time of straight lines: alpha = 1 - t and sigma = t.

    Attributes:
        time: the step after which states have this level, or `CLEAN`.
        sigma: t itself, in [0, 1].
    """

    time: int
    sigma: float

    @property
    def alpha(self) -> float:
        """1 - t."""
        return 1 - self.sigma

    @property
    def alpha_bar(self) -> float:
        """(1 - t)^2."""
        return self.alpha**2

    @property
    def half_log_snr(self) -> float:
        """lambda = log(alpha / sigma): infinite for a clean state, and minus infinity for pure noise."""
        if not self.sigma:
            return math.inf
        return math.log(self.alpha / self.sigma) if self.alpha else -math.inf

    def variance_since(self, s: Level, /) -> float:
        """Return the variance of the noise that is added from s to here."""
        return self.sigma**2 - (self.alpha / s.alpha * s.sigma) ** 2


@dataclass(frozen=True, eq=False)
class FlowSchedule:
    """The schedule of flow matching: after step i the time is t = (i + 1) / T.

    Attributes:
        steps: T, the number of levels of time.

    Raises:
        ConfigError: fewer than one step.
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise ConfigError(f"flow matching has at least one level of time, not {self.steps}")

    @cached_property
    def coordinate(self) -> Tensor:
        """(T,) float64: the time t after each step."""
        return torch.arange(1, self.steps + 1, dtype=torch.float64, device="cpu") / self.steps

    @property
    def last_step(self) -> float:
        """A sampler's step to the clean state is as long as its others."""
        return 1.0

    @cached_property
    def snr(self) -> Tensor:
        """(T,) float64: (1 - t)^2 / t^2, 0 after the last step."""
        return ((1 - self.coordinate) / self.coordinate) ** 2

    def levels(self, times: Sequence[int]) -> list[FlowLevel]:
        """Return the level of noise at each of some strictly falling times: see `NoiseSchedule.levels`."""
        check_times(times, self.steps)
        return [FlowLevel(time, (time - CLEAN) / self.steps) for time in times]

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma after steps t, each (B, 1, ..., 1): see `NoiseSchedule.coefficients`."""
        sigma = with_clean(self.coordinate, 0.0)
        return per_image(1 - sigma, t - CLEAN, like), per_image(sigma, t - CLEAN, like)

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return the states (B, ...) on the lines from x0 to the noise: see `NoiseSchedule.add_noise`."""
        return noised(self, x0, t, noise)
