"""Levels of noise, and what a noise schedule is: the Gaussian path x = alpha x0 + sigma epsilon, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from qgen.errors import InputError

CLEAN = -1
"""The time of a state without noise: one before the first step, where alpha is 1 and sigma 0."""


class Level(Protocol):
    """A level of noise, in the letters of Lu et al. 2022, arXiv:2206.00927: x = alpha x0 + sigma epsilon."""

    @property
    def time(self) -> int:
        """The step after which states have this level, or `CLEAN`."""
        ...

    @property
    def alpha(self) -> float:
        """In [0, 1]: the factor of the clean state; 0 where nothing of it is left."""
        ...

    @property
    def sigma(self) -> float:
        """In [0, 1]: the deviation of the noise."""
        ...

    @property
    def alpha_bar(self) -> float:
        """alpha^2."""
        ...

    @property
    def half_log_snr(self) -> float:
        """lambda = log(alpha / sigma), infinite for a clean state."""
        ...

    def variance_since(self, s: Level, /) -> float:
        """Return sigma_t^2 - (alpha_t / alpha_s)^2 sigma_s^2, the variance of the noise that is added from s to here.

        It is that of q(x_t | x_s), for a less noisy level s (Kingma et al. 2021, arXiv:2107.00630, eq. 3).
        """
        ...


class NoiseSchedule(Protocol):
    """Levels of noise after steps 0..T-1: of a diffusion, or of flow matching."""

    @property
    def steps(self) -> int:
        """T, the number of steps."""
        ...

    @property
    def snr(self) -> Tensor:
        """(T,) float64: the signal-to-noise ratio alpha^2 / sigma^2 after each step."""
        ...

    @property
    def coordinate(self) -> Tensor:
        """(T,) float64, rising from 0 for a clean state: samplers take steps that are equally long in it."""
        ...

    @property
    def last_step(self) -> float:
        """The length of a sampler's step to the clean state, as a share of its others."""
        ...

    def levels(self, times: Sequence[int]) -> Sequence[Level]:
        """Return the level of noise at each of some strictly falling times, 0..T-1 or `CLEAN`.

        Raises:
            InputError: the times do not fall, or one of them is not a step of this schedule.
        """
        ...

    def coefficients(self, t: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return alpha and sigma after steps t, each (B, 1, ..., 1).

        Args:
            t: steps (B,), int64, in 0..T-1, or `CLEAN`.
            like: states (B, ...), whose dtype and device the coefficients have.
        """
        ...

    def add_noise(self, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
        """Return alpha x0 + sigma noise, after steps t.

        Args:
            x0: clean states (B, ...), floating point.
            t: steps (B,), int64, in 0..T-1, or `CLEAN`.
            noise: standard normal (B, ...).

        Returns:
            Noisy states (B, ...) in the dtype and on the device of `x0`.

        Raises:
            InputError: the states are integers.
        """
        ...


def check_times(times: Sequence[int], steps: int) -> None:
    """Refuse times that are no levels of a schedule with so many steps, or do not fall.

    Raises:
        InputError: they are not 0..steps - 1 or `CLEAN`, strictly falling.
    """
    inside = all(CLEAN <= time < steps for time in times)
    if not inside or any(later >= earlier for earlier, later in pairwise(times)):
        raise InputError(
            f"times must fall strictly within {steps - 1}..0, the steps of this schedule, or end in {CLEAN} "
            f"(clean), not {list(times)}"
        )


def noised(schedule: NoiseSchedule, x0: Tensor, t: Tensor, noise: Tensor) -> Tensor:
    """Return alpha x0 + sigma noise, after steps t of a schedule: see `NoiseSchedule.add_noise`."""
    if not x0.is_floating_point():
        raise InputError(f"images must be floating-point numbers in [-1, 1], not {x0.dtype}")
    alpha, sigma = schedule.coefficients(t, x0)
    return alpha * x0 + sigma * noise.to(x0)


def per_image(table: Tensor, t: Tensor, like: Tensor) -> Tensor:
    """Return entries t (B,) of a float64 table (T,) as (B, 1, ..., 1), with the dtype and device of like (B, ...)."""
    rounded = table.to(like.dtype).to(like.device)  # in this order: not every device has float64
    return rounded[t.to(like.device)].view(-1, *[1] * (like.ndim - 1))


def with_clean(table: Tensor, clean: float) -> Tensor:
    """Return a float64 table (T,) with the value of a clean state before its first: entry t - `CLEAN` is that of t."""
    return torch.cat([torch.full((1,), clean, dtype=torch.float64), table])
