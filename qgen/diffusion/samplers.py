"""Samplers: ancestral sampling, DDIM and its inversion, Euler's and Heun's methods, multistep solvers.

Each is a function of a `ReverseProcess` and of states x (B, ...) at its first time, standard normal where images are
sampled, and returns the states at its last time. In a step, t is the level of noise at which x is, s < t the one where
it goes (Kingma et al. 2021, arXiv:2107.00630), and x0 the clean state that the denoiser predicts: x = alpha x0 + sigma
epsilon. Samplers switch neither gradients nor training mode off; `sample` does the former. They serve diffusion and
flow matching alike: both are paths of that form (Kingma & Gao 2023, arXiv:2303.00848).

DDIM's step is exact if x0 does not change on the way. The multistep solvers `dpm_solver` and `unipc` let it change as
earlier predictions say, in terms of lambda = log(alpha / sigma), which costs no evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple, Protocol, TypeAlias

import torch
from torch import Tensor

from qgen.conditioning import Conditioning
from qgen.diffusion.codec import Range
from qgen.diffusion.denoiser import Denoiser
from qgen.diffusion.levels import CLEAN, Level
from qgen.errors import InputError
from qgen.progress import ProgressCallback

#: Is shown a step, the states (B, ...) there, and the clean states (B, ...) that are predicted from them.
Watch: TypeAlias = Callable[[int, Tensor, Tensor], None]


@dataclass(frozen=True)
class ReverseProcess:
    """The reverse process that a sampler follows from noise to a clean state.

    Attributes:
        denoiser: the trained denoiser.
        times: the diffusion steps to visit, strictly falling; the last one is where to stop, `CLEAN` for a clean state.
            Exactly len(times) - 1 evaluations of the network are made, because every one costs circuits; `heun` makes
            another one in each step but the last.
        noise: returns standard normal noise (B, ...), fresh at each call; never called where no noise is added.
        conditioning: the condition of each state; None: there is none.
        clip: the range to which predicted clean states are clipped; None: they are not.
        quantile: of dynamic thresholding to that range, see `threshold`; None: values beyond the range are cut off.
        progress: called with (step, steps) after each step.
        watch: called at each evaluation; see `Watch`.
    """

    denoiser: Denoiser
    times: Sequence[int]
    noise: Callable[[], Tensor]
    conditioning: Conditioning | None = None
    clip: Range | None = None
    quantile: float | None = None
    progress: ProgressCallback | None = None
    watch: Watch | None = None

    def steps(self, upwards: bool = False) -> Iterator[tuple[Level, Level]]:
        """Yield each step's (t, s); with `upwards` its (s, t), from the last step to the first."""
        levels = self.denoiser.schedule.levels(self.times)
        for done, pair in enumerate(pairwise(levels[::-1] if upwards else levels), start=1):
            yield pair
            if self.progress is not None:
                self.progress(done, len(levels) - 1)

    def x0(self, x: Tensor, t: Level) -> Tensor:
        """Return the predicted clean states (B, ...), clipped; one evaluation."""
        x0 = self.denoiser.x0(x, t, self.conditioning)
        if self.clip is not None:
            x0 = x0.clamp(*self.clip) if self.quantile is None else threshold(x0, self.clip, self.quantile)
        if self.watch is not None:
            self.watch(t.time, x, x0)
        return x0


def threshold(x0: Tensor, clip: Range, quantile: float) -> Tensor:
    """Return clean states (B, ...) in a range by dynamic thresholding (Saharia et al. 2022, arXiv:2205.11487, 2.3).

    Where this quantile of a state's absolute values, from the middle of the range, lies beyond the range, the state is
    clipped there and shrunk to the range: guided images keep their contrasts. Other states are clipped to the range.
    """
    middle, half = (clip[0] + clip[1]) / 2, (clip[1] - clip[0]) / 2
    scaled = (x0 - middle) / half
    bound = torch.quantile(scaled.abs().flatten(1), quantile, dim=1).clamp(min=1)
    bound = bound.view(-1, *[1] * (x0.ndim - 1))
    return middle + half * (scaled.clamp(-bound, bound) / bound)


class Sampler(Protocol):
    """Samples; some samplers take further options by name."""

    def __call__(self, process: ReverseProcess, x: Tensor) -> Tensor:
        """Return the states (B, ...) at the last time of the process, from x (B, ...) at its first."""
        ...


def ancestral(process: ReverseProcess, x: Tensor) -> Tensor:
    """Draw from the posterior of each step (Ho et al. 2020, arXiv:2006.11239, eqs. 6-7, and its variance).

    With all T times it is the sampler of De Falco et al. 2024, arXiv:2402.16147; the last x0 is the image. With fewer
    it is that of the respaced diffusion (Nichol & Dhariwal 2021, arXiv:2102.09672, section 4).
    """
    for t, s in process.steps():
        x0 = process.x0(x, t)
        alpha_ts = t.alpha_bar / s.alpha_bar
        beta_ts = t.variance_since(s)
        of_x0 = beta_ts * s.alpha / t.sigma**2
        of_x = math.sqrt(alpha_ts) * s.sigma**2 / t.sigma**2
        deviation = math.sqrt(beta_ts) * s.sigma / t.sigma
        x = x0 if s.time == CLEAN else of_x0 * x0 + of_x * x + deviation * process.noise()
    return x


def ddim(process: ReverseProcess, x: Tensor, *, eta: float = 0.0) -> Tensor:
    """Follow DDIM (Song, Meng & Ermon 2021, arXiv:2010.02502, eq. 12).

    Deterministic with eta = 0, ancestral sampling with eta = 1 (eq. 16). Where x0 is clipped, the noise is taken to be
    what the clipped x0 leaves of x, so that both always add up to x.

    Raises:
        InputError: eta lies outside [0, 1].
    """
    for t, s in process.steps():
        x = _ddim_step(x, process.x0(x, t), t, s, eta, process.noise)
    return x


def euler(process: ReverseProcess, x: Tensor) -> Tensor:
    """Follow the velocity epsilon - x0 by Euler's method: of flow matching, x + (s - t) (epsilon - x0).

    On any path it is Euler's method for x / (alpha + sigma), which is DDIM without fresh noise.
    """
    return ddim(process, x)


def heun(process: ReverseProcess, x: Tensor) -> Tensor:
    """Follow the velocity by Heun's method, of second order: the mean of those at both ends of a step.

    As in Karras et al. 2022, arXiv:2206.00364, algorithm 1, the step to `CLEAN` is one of Euler's: 2 N - 1 evaluations
    in N steps. On any path, y = x / (alpha + sigma) = (1 - w) x0 + w epsilon is a straight line in the share
    w = sigma / (alpha + sigma), and the method is Heun's for dy/dw; under flow matching y is x and w is t.
    """
    for t, s in process.steps():
        x0 = process.x0(x, t)
        end = _ddim_step(x, x0, t, s, 0.0, process.noise)
        if s.time != CLEAN:
            total_t, total_s = t.alpha + t.sigma, s.alpha + s.sigma
            velocity = (x - total_t * x0) / t.sigma
            velocity = (velocity + (end - total_s * process.x0(end, s)) / s.sigma) / 2
            end = total_s * (x / total_t + (s.sigma / total_s - t.sigma / total_t) * velocity)
        x = end
    return x


def ddim_invert(process: ReverseProcess, x: Tensor, *, refinements: int = 3) -> Tensor:
    """Return the noise from which `ddim` with the same process, eta = 0 and no clipping makes the given states.

    Each step solves DDIM's own equation for the noisier state, which stands on both sides, by repeated substitution
    (Pan et al. 2023, arXiv:2309.04907). With small steps each refinement makes the round trip about ten times as
    accurate. A step in which nearly all of the signal vanishes, such as the last of a cosine schedule (beta = 0.999),
    magnifies the errors of a trained denoiser in both directions; begin one step lower to invert to full accuracy.

    Args:
        process: its times are climbed from the last to the first; nothing is clipped.
        x: states (B, ...) at the last of the times.
        refinements: substitutions after the first; (len(times) - 1) * (1 + refinements) evaluations are made.

    Returns:
        States (B, ...) at the first of the times.
    """
    for s, t in process.steps(upwards=True):
        x_s = x
        for _ in range(1 + refinements):
            epsilon = process.denoiser.epsilon(x, t, process.conditioning)
            x = t.alpha / s.alpha * (x_s - s.sigma * epsilon) + t.sigma * epsilon
    return x


def dpm_solver(process: ReverseProcess, x: Tensor, *, eta: float = 0.0) -> Tensor:
    """Solve by DPM-Solver++(2M), of second order (Lu et al. 2022, arXiv:2211.01095, algorithm 2).

    With eta = 1 it is their SDE-DPM-Solver++(2M): ancestral sampling with extrapolated x0. The first step, and the one
    to `CLEAN`, which is infinitely long in lambda, are of first order.

    Raises:
        InputError: eta lies outside [0, 1].
    """
    previous: _Prediction | None = None
    for t, s in process.steps():
        current = _Prediction(process.x0(x, t), t)
        x = _ddim_step(x, _extrapolated(previous, current, s), t, s, eta, process.noise)
        previous = current
    return x


def unipc(process: ReverseProcess, x: Tensor) -> Tensor:
    """Solve by UniPC-2 of predictions of x0, of third order (Zhao et al. 2023, arXiv:2302.04867, with their B_2).

    The predictor is DPM-Solver++(2M). Once x0 is known at the end of a step, the step is repeated with it from where it
    began; that costs no evaluation. Deterministic: the process' noise is never called.
    """
    before: _Prediction | None = None
    previous: _Prediction | None = None
    start = x  # where the previous step began
    for t, s in process.steps():
        current = _Prediction(process.x0(x, t), t)
        if previous is not None:
            x = _ddim_step(start, _corrected(before, previous, current), previous.level, t, 0.0, process.noise)
        start, before, previous = x, previous, current
        x = _ddim_step(x, _extrapolated(before, current, s), t, s, 0.0, process.noise)
    return x


class _Prediction(NamedTuple):
    """A clean state (B, ...), and the level of noise at which it was predicted."""

    x0: Tensor
    level: Level


def _ddim_step(x: Tensor, x0: Tensor, t: Level, s: Level, eta: float, noise: Callable[[], Tensor]) -> Tensor:
    """Return x at s from x at t, for a given clean state (Song et al. 2021, arXiv:2010.02502, eqs. 12 and 16).

    The noise that x holds is what x0 leaves unexplained. A part of it is kept, and noise with eta times the deviation
    of the posterior q(x_s | x_t, x0) is added: none with eta = 0, that posterior itself with eta = 1.
    """
    if not 0 <= eta <= 1:
        raise InputError(f"eta lies between 0 and 1, not at {eta}")
    deviation = eta * s.sigma / t.sigma * math.sqrt(t.variance_since(s))
    kept = math.sqrt(s.sigma**2 - deviation**2) / t.sigma
    x = (s.alpha - kept * t.alpha) * x0 + kept * x
    return x + deviation * noise() if deviation else x


def _extrapolated(previous: _Prediction | None, current: _Prediction, s: Level) -> Tensor:
    """Return the constant x0 for a step to s: half of the way on the line through two predictions."""
    if previous is None or s.time == CLEAN:
        return current.x0
    ratio = (s.half_log_snr - current.level.half_log_snr) / (current.level.half_log_snr - previous.level.half_log_snr)
    return current.x0 + ratio / 2 * (current.x0 - previous.x0)


def _corrected(before: _Prediction | None, start: _Prediction, end: _Prediction) -> Tensor:
    """Return the constant x0 for a step from `start` to `end` that has the effect of a parabola through predictions.

    The first step, which has none before it, takes the mean of its two ends.
    """
    if before is None:
        return (start.x0 + end.x0) / 2
    h = end.level.half_log_snr - start.level.half_log_snr
    r = (before.level.half_log_snr - start.level.half_log_snr) / h
    # Means of u and u^2 over the step, u = 0..1, weighted by e^(h u) as the solution of the equation weighs x0.
    u = -1 / math.expm1(-h) - 1 / h
    u2 = -1 / math.expm1(-h) - 2 * u / h
    if math.isinf(r):  # from pure noise of a flow: the parabola becomes the line from start to end
        return start.x0 + u * (end.x0 - start.x0)
    of_before, of_end = (u2 - u) / (r * (r - 1)), (u2 - r * u) / (1 - r)
    return start.x0 + of_before * (before.x0 - start.x0) + of_end * (end.x0 - start.x0)
