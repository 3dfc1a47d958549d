"""Samplers that follow the diffusion step by step: ancestral sampling, DDIM, and the way back from image to noise."""

from __future__ import annotations

import math
from collections.abc import Sequence

from torch import Tensor

from qgen.diffusion.schedules import CLEAN, Schedule
from qgen.diffusion.steps import Denoiser, Noises, Progress, move, predict_clean, predict_noise, steps


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
    """Draws from the posterior of each step (Ho et al. 2020, arXiv:2006.11239, eqs. 6-7, and its variance).

    With all T times it is the sampler of De Falco et al. 2024, arXiv:2402.16147; the last x0 is the image. With fewer
    it is that of the respaced diffusion (Nichol & Dhariwal 2021, arXiv:2102.09672, section 4). The arguments, the
    result and the number of denoiser calls are those of every sampler: see `qgen.diffusion.steps`.
    """
    for here, there in steps(schedule.levels(times), progress):
        x0 = predict_clean(denoiser, x, here, clip)
        alpha = here.alpha_bar / there.alpha_bar
        beta = 1 - alpha
        of_x0 = beta * there.signal / here.spread**2
        of_x = math.sqrt(alpha) * there.spread**2 / here.spread**2
        deviation = math.sqrt(beta) * there.spread / here.spread
        x = x0 if there.time == CLEAN else of_x0 * x0 + of_x * x + deviation * noises()
    return x


def ddim(
    denoiser: Denoiser,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    noises: Noises,
    *,
    eta: float = 0.0,
    clip: bool = True,
    progress: Progress | None = None,
) -> Tensor:
    """DDIM (Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 12).

    Deterministic with eta = 0, ancestral sampling with eta = 1 (eq. 16). Where x0 is clipped, the noise is taken to be
    what the clipped x0 leaves of x, so that both always add up to x. The other arguments, the result and the number of
    denoiser calls are those of every sampler: see `qgen.diffusion.steps`.
    """
    for here, there in steps(schedule.levels(times), progress):
        x = move(x, predict_clean(denoiser, x, here, clip), here, there, eta, noises)
    return x


def ddim_invert(
    denoiser: Denoiser,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    *,
    refinements: int = 3,
    progress: Progress | None = None,
) -> Tensor:
    """The noise from which `ddim` with the same times, eta = 0 and clip = False makes the given images.

    Each step solves DDIM's own equation for the noisier image, which stands on both sides, by repeated substitution
    (Pan et al. 2023, arXiv:2309.04907). With small steps each refinement makes the round trip about ten times as
    accurate. A step in which nearly all of the signal vanishes, such as the last of a cosine schedule (beta = 0.999),
    magnifies the errors of a trained denoiser in both directions; begin one step lower to invert to full accuracy.

    Args:
        denoiser: (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W).
        x: images (B, C, H, W) at the last of the times.
        schedule: the noise schedule that the denoiser was trained with.
        times: strictly falling, as for `ddim`; they are climbed from the last to the first.
        refinements: substitutions after the first; (len(times) - 1) * (1 + refinements) denoiser calls are made.
        progress: called with (step, steps) after each step.

    Returns:
        Images (B, C, H, W) at the first of the times.
    """
    for there, here in steps(schedule.levels(times)[::-1], progress):
        cleaner = x
        for _ in range(1 + refinements):
            noise = predict_noise(denoiser, x, here.time)
            x = here.signal / there.signal * (cleaner - there.spread * noise) + here.spread * noise
    return x
