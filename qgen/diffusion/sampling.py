"""From seeds to states: the times that are visited, noise that belongs to a seed, and batches of samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from qgen.conditioning import Conditioning
from qgen.diffusion.codec import Range
from qgen.diffusion.denoiser import Denoiser, Guided
from qgen.diffusion.samplers import ReverseProcess, Sampler, ancestral, ddim, dpm_solver, unipc
from qgen.diffusion.schedules import CLEAN, Schedule
from qgen.diffusion.settings import SAMPLER_FACTS, SamplingSettings
from qgen.errors import ConfigError, InputError
from qgen.progress import ProgressCallback
from qgen.randomness import generator, image_streams

#: The function of each sampler of `SAMPLER_FACTS`.
SAMPLERS: Mapping[str, Callable[..., Tensor]] = {
    "ancestral": ancestral,
    "ddim": ddim,
    "dpm-solver": dpm_solver,
    "unipc": unipc,
}


class SeededNoise:
    """Standard normal noise with one seed per state.

    State 17 gets the same numbers, bit for bit, whatever the batch size, whichever states are beside it and whatever
    the device: each has a generator of its own, on the CPU, as in the code of Karras et al. 2022, arXiv:2206.00364.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        """Noise for B = len(seeds) states.

        Args:
            seeds: one per state, each at least 0.
            shape: of one state.
            device: where the noise is put.
        """
        self._generators = [generator(seed, "image") for seed in seeds]
        self._shape = tuple(shape)
        self._device = device

    def __call__(self) -> Tensor:
        """Return the next noise of every state, (B, ...) float32."""
        noise = torch.empty(len(self._generators), *self._shape)
        for row, source in zip(noise, self._generators, strict=True):
            torch.randn(self._shape, generator=source, out=row)
        return noise.to(self._device)


def sampling_times(schedule: Schedule, evaluations: int) -> tuple[int, ...]:
    """Return the steps at which a sampler evaluates the network, then `CLEAN`: evaluations + 1 times, strictly falling.

    They begin at the last diffusion step and are equally spaced in the angle phi of x = cos(phi) x0 + sin(phi) epsilon
    (Salimans & Ho 2022, arXiv:2202.00512), with half a spacing left to the clean state; so they do not
    depend on the schedule but for its end, and on a cosine schedule they are nearly equally spaced in t. With T
    evaluations they are all of the steps.

    Equal spacing in log(SNR), the other usual choice, spends many of few steps at both ends: with a denoiser trained
    on 8x8 digits, a classifier was sure of fewer of the images that five or ten evaluations made.

    Raises:
        ConfigError: fewer than one evaluation, or more than the schedule has steps.
    """
    if not 1 <= evaluations <= schedule.steps:
        raise ConfigError(
            f"a diffusion of {schedule.steps} steps is sampled in 1 to {schedule.steps} steps, not in {evaluations}"
        )
    angles = torch.arccos(schedule.alphas_bar.sqrt())
    wanted = angles[-1] * (1 - torch.arange(evaluations, dtype=torch.float64) / (evaluations - 0.5))
    nearest = torch.searchsorted((angles[1:] + angles[:-1]) / 2, wanted)
    times: list[int] = []
    for index, time in enumerate(nearest.tolist()):
        highest = times[-1] - 1 if times else schedule.steps - 1
        times.append(min(max(time, evaluations - 1 - index), highest))  # leaves a step for each that is to come
    return (*times, CLEAN)


def num_function_evaluations(settings: SamplingSettings, schedule: Schedule) -> int:
    """Return the evaluations of the network (NFE) that sampling takes, one after the other, whatever the batch.

    With guidance each of them has two rows an image: see `SamplingSettings.rows_per_image`.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    return len(_times(settings, schedule)) - 1


def _times(settings: SamplingSettings, schedule: Schedule) -> tuple[int, ...]:
    default = min(SAMPLER_FACTS[settings.sampler].evaluations or schedule.steps, schedule.steps)
    return sampling_times(schedule, settings.steps or default)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    settings: SamplingSettings,
    seeds: Sequence[int],
    shape: Sequence[int],
    *,
    conditioning: Conditioning | None = None,
    clip: Range | None = None,
    device: torch.device | str = "cpu",
    batch: int = 64,
    progress: ProgressCallback | None = None,
) -> Tensor:
    """Return one clean state for each seed: the same one, but for rounding, whatever `batch` and the other seeds.

    Args:
        denoiser: on `device`, already in evaluation mode. Each batch takes exactly
            `num_function_evaluations(settings, schedule)` evaluations of its network.
        settings: which sampler, how many steps, and how much guidance.
        seeds: one per state, each at least 0.
        shape: of one state.
        conditioning: the condition of each state; None: there is none, and no guidance.
        clip: the range to which predicted clean states are clipped, where the settings want that; None: never.
        device: where to compute.
        batch: states at once, at most.
        progress: called with (steps done, steps in all), counted over all batches.

    Returns:
        States (len(seeds), ...), float32, on the CPU.

    Raises:
        ConfigError: more steps than the schedule has.
        InputError: a batch of less than one state, a seed below 0, or not one condition for each seed.
    """
    if batch < 1:
        raise InputError(f"a batch holds at least one image, not {batch}")
    if conditioning is not None and len(conditioning) != len(seeds):
        raise InputError(f"{len(seeds)} seeds need as many conditions, not {len(conditioning)}")
    times, sampler = _times(settings, denoiser.schedule), _sampler(settings)
    if settings.guidance != 1:
        denoiser = Denoiser(Guided(denoiser.network, settings.guidance), denoiser.schedule, denoiser.prediction)
    clip = clip if settings.clip else None
    evaluations = len(times) - 1
    starts = range(0, len(seeds), batch)
    states = torch.empty(len(seeds), *shape)
    for done, start in enumerate(starts):
        rows = slice(start, start + batch)
        noise = SeededNoise(seeds[rows], shape, device)
        given = None if conditioning is None else conditioning.part(rows).to(device)
        tick = progress and _shifted(progress, done * evaluations, len(starts) * evaluations)
        with image_streams(seeds[rows]):
            states[rows] = sampler(ReverseProcess(denoiser, times, noise, given, clip, tick), noise())
    return states


def _sampler(settings: SamplingSettings) -> Sampler:
    sampler = SAMPLERS[settings.sampler]
    return partial(sampler, eta=settings.eta) if SAMPLER_FACTS[settings.sampler].eta else sampler


def _shifted(progress: ProgressCallback, before: int, total: int) -> ProgressCallback:
    return lambda step, _: progress(before + step, total)
