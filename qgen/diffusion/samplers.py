"""Samplers: from noise to an image, in as many denoiser calls as there are times but for the last.

Each is a plain function of the same arguments:

    denoiser   (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W)
    x          images at the first time (B, C, H, W); standard normal where a whole image is sampled
    schedule   the noise schedule the denoiser was trained with
    times      the steps to visit, strictly falling; the last is where to stop, `CLEAN` for an image. len(times) - 1
               denoiser calls are made, exactly, because every call costs circuits
    noises     gives fresh standard normal noise (B, C, H, W) at each call; deterministic samplers never call it
    clip       predicted clean images are clipped to [-1, 1]
    progress   is called with (step, steps) after each step

Inside, x0 is the clean image that the denoiser's prediction amounts to, `here` the level of noise before a step, and
`there` the one after it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Protocol

import torch
from torch import Tensor

from qgen.diffusion.schedules import Level, Schedule
from qgen.errors import InputError

Denoiser = Callable[[Tensor, Tensor], Tensor]
Noises = Callable[[], Tensor]
Progress = Callable[[int, int], None]


class Sampler(Protocol):
    """What every sampler is: see the module."""

    def __call__(
        self,
        denoiser: Denoiser,
        x: Tensor,
        schedule: Schedule,
        times: Sequence[int],
        noises: Noises,
        *,
        clip: bool = True,
        progress: Progress | None = None,
    ) -> Tensor:
        """Images (B, C, H, W) at the last of the times."""


def ancestral(
    denoiser: Denoiser,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    noises: Noises,
    *,
    clip: bool = True,
    progress: Progress | None = None,
) -> Tensor:
    """Ancestral sampling (Ho et al. 2020, arXiv:2006.11239, eqs. 6-7, with the posterior's variance).

    With all T times it is the sampler of De Falco et al. 2024, arXiv:2402.16147; the last x0 is the image. With fewer
    it is the respaced one of Nichol & Dhariwal 2021, arXiv:2102.09672, section 4.
    """
    for here, there in _steps(schedule, times, progress):
        x0 = _clean(denoiser, x, here, clip)
        alpha = here.alpha_bar / there.alpha_bar
        beta = 1 - alpha
        mean = (there.signal * beta * x0 + math.sqrt(alpha) * there.spread**2 * x) / here.spread**2
        deviation = math.sqrt(beta) * there.spread / here.spread
        x = mean + deviation * noises() if deviation else x0
    return x
