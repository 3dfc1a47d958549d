"""What all samplers share: their signature, one denoiser call, one move from a level of noise to another.

A sampler is a plain function of

    denoiser   (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W)
    x          images at the first time (B, C, H, W); standard normal where whole images are sampled
    schedule   the noise schedule that the denoiser was trained with
    times      the diffusion steps to visit, strictly falling; the last one is where to stop, `CLEAN` for an image.
               Exactly len(times) - 1 denoiser calls are made, because every call costs circuits
    noises     gives standard normal noise (B, C, H, W), fresh at each call; never called where no noise is added
    clip       predicted clean images are clipped to [-1, 1]
    progress   called with (step, steps) after each step

and returns the images at the last of the times. It switches neither gradients nor training mode off; `sample` does the
former.

In their code, `here` is the level of noise before a step, `there` the one after it, and x0 the clean image to which
the denoiser's prediction amounts: x = signal x0 + spread noise.
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
    """The signature of every sampler; the module says what each argument is."""

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


def steps(levels: Sequence[Level], progress: Progress | None) -> Iterator[tuple[Level, Level]]:
    """Each step's (here, there); `progress` hears of it once the caller is done with it."""
    for done, pair in enumerate(pairwise(levels), start=1):
        yield pair
        if progress is not None:
            progress(done, len(levels) - 1)


def predict_noise(denoiser: Denoiser, x: Tensor, time: int) -> Tensor:
    """One denoiser call for images (B, C, H, W) that are all at the same time."""
    return denoiser(x, torch.full((len(x),), time, device=x.device))


def predict_clean(denoiser: Denoiser, x: Tensor, here: Level, clip: bool) -> Tensor:
    """x0 (B, C, H, W): the clean image that is left when the predicted noise is taken away, at one denoiser call."""
    x0 = (x - here.spread * predict_noise(denoiser, x, here.time)) / here.signal
    return x0.clamp(-1, 1) if clip else x0


def move(x: Tensor, x0: Tensor, here: Level, there: Level, eta: float, noises: Noises) -> Tensor:
    """From one level to a cleaner one, for a given clean image (Song et al. 2021, arXiv:2010.02502, eqs. 12 and 16).

    The noise that x holds is what x0 leaves unexplained. A part of it is kept, and noise with eta times the deviation
    of the posterior q(x_there | x_here, x0) is added: none with eta = 0, that posterior itself with eta = 1.

    Raises:
        InputError: eta lies outside [0, 1].
    """
    if not 0 <= eta <= 1:
        raise InputError(f"eta lies between 0 and 1, not at {eta}")
    deviation = eta * there.spread / here.spread * math.sqrt(1 - here.alpha_bar / there.alpha_bar)
    kept = math.sqrt(there.spread**2 - deviation**2) / here.spread
    x = (there.signal - kept * here.signal) * x0 + kept * x
    return x + deviation * noises() if deviation else x
