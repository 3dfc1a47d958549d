"""Multistep solvers of the diffusion's differential equation: more accurate than DDIM at the same number of calls.

Each step of DDIM is exact if x0 does not change on the way. Multistep solvers let it change as earlier predictions say,
in terms of lambda = log(signal / spread), which costs no denoiser call.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from torch import Tensor

from qgen.diffusion.schedules import CLEAN, Level, Schedule
from qgen.diffusion.steps import Denoiser, Noises, Progress, move, predict_clean, steps


class Prediction(NamedTuple):
    """A clean image (B, C, H, W), and the level of noise at which it was predicted."""

    x0: Tensor
    at: Level


def dpm_solver(
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
    """DPM-Solver++(2M), of second order (Lu et al. 2022, arXiv:2211.01095, algorithm 2).

    With eta = 1 it is their SDE-DPM-Solver++(2M): ancestral sampling with extrapolated x0. The first step, and the one
    to `CLEAN`, which is infinitely long in lambda, are of first order. The other arguments, the result and the number
    of denoiser calls are those of every sampler: see `qgen.diffusion.steps`.
    """
    past: Prediction | None = None
    for here, there in steps(schedule.levels(times), progress):
        now = Prediction(predict_clean(denoiser, x, here, clip), here)
        x = move(x, extrapolate(past, now, there), here, there, eta, noises)
        past = now
    return x


def unipc(
    denoiser: Denoiser,
    x: Tensor,
    schedule: Schedule,
    times: Sequence[int],
    noises: Noises,
    *,
    clip: bool = True,
    progress: Progress | None = None,
) -> Tensor:
    """UniPC-2 of predictions of x0, of third order (Zhao et al. 2023, arXiv:2302.04867, with their B_2).

    The predictor is DPM-Solver++(2M). Once x0 is known at the end of a step, the step is repeated with it from where it
    began; that costs no denoiser call. Deterministic: `noises` is never called. The other arguments, the result and
    the number of denoiser calls are those of every sampler: see `qgen.diffusion.steps`.
    """
    past: Prediction | None = None
    last: Prediction | None = None
    start = x  # where the last step began
    for here, there in steps(schedule.levels(times), progress):
        now = Prediction(predict_clean(denoiser, x, here, clip), here)
        if last is not None:
            x = move(start, correct(past, last, now), last.at, here, 0.0, noises)
        start, past, last = x, last, now
        x = move(x, extrapolate(past, now, there), here, there, 0.0, noises)
    return x


def extrapolate(past: Prediction | None, now: Prediction, there: Level) -> Tensor:
    """The constant x0 for a step from `now` to `there`: half of the way on the line through two predictions."""
    if past is None or there.time == CLEAN:
        return now.x0
    ratio = (there.half_log_snr - now.at.half_log_snr) / (now.at.half_log_snr - past.at.half_log_snr)
    return now.x0 + ratio / 2 * (now.x0 - past.x0)


def correct(past: Prediction | None, start: Prediction, end: Prediction) -> Tensor:
    """The constant x0 for a step from `start` to `end` that does what the parabola through three predictions does.

    The first step, which has no past, takes the mean of its two ends.
    """
    if past is None:
        return (start.x0 + end.x0) / 2
    h = end.at.half_log_snr - start.at.half_log_snr
    r = (past.at.half_log_snr - start.at.half_log_snr) / h
    # Means of u and u^2 over the step, u = 0..1, weighted by e^(h u) as the solution of the equation weighs x0.
    u = -1 / math.expm1(-h) - 1 / h
    u2 = -1 / math.expm1(-h) - 2 * u / h
    of_past, of_end = (u2 - u) / (r * (r - 1)), (u2 - r * u) / (1 - r)
    return start.x0 + of_past * (past.x0 - start.x0) + of_end * (end.x0 - start.x0)
