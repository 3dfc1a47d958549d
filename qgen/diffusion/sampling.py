"""From seeds to states: the times that are visited, noise that belongs to a seed, and batches of samples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from qgen.conditioning import Conditioning
from qgen.diffusion.codec import Range
from qgen.diffusion.denoiser import Denoiser, Guided
from qgen.diffusion.levels import CLEAN, NoiseSchedule
from qgen.diffusion.samplers import ReverseProcess, Sampler, Watch, ancestral, ddim, dpm_solver, euler, heun, unipc
from qgen.diffusion.settings import SAMPLER_FACTS, SamplingSettings
from qgen.errors import ConfigError, InputError
from qgen.interpolation import ImageSource
from qgen.progress import ProgressCallback
from qgen.randomness import image_streams

#: The function of each sampler of `SAMPLER_FACTS`.
SAMPLERS: Mapping[str, Callable[..., Tensor]] = {
    "ancestral": ancestral,
    "ddim": ddim,
    "dpm-solver": dpm_solver,
    "unipc": unipc,
    "euler": euler,
    "heun": heun,
}


class SeededNoise:
    """Standard normal noise with one seed per state.

    State 17 gets the same numbers, bit for bit, whatever the batch size, whichever states are beside it and whatever
    the device: each has a generator of its own, on the CPU, as in the code of Karras et al. 2022, arXiv:2206.00364.
    """

    def __init__(self, seeds: Sequence[int], shape: Sequence[int], device: torch.device | str = "cpu") -> None:
        """Noise for B = len(seeds) states.

        Args:
            seeds: one per state, each at least 0; a `SeedBetween` gets noise on the way between that of two seeds.
            shape: of one state.
            device: where the noise is put.
        """
        self._sources = [ImageSource(seed) for seed in seeds]
        self._shape = tuple(shape)
        self._device = device

    def __call__(self) -> Tensor:
        """Return the next noise of every state, (B, ...) float32."""
        noise = torch.empty(len(self._sources), *self._shape)
        for row, source in zip(noise, self._sources, strict=True):
            row.copy_(source.draw(self._draw))
        return noise.to(self._device)

    def _draw(self, source: torch.Generator) -> Tensor:
        return torch.randn(self._shape, generator=source)


def sampling_times(schedule: NoiseSchedule, steps: int) -> tuple[int, ...]:
    """Return the steps at which a sampler evaluates the network, then `CLEAN`: steps + 1 times, strictly falling.

    They begin at the last diffusion step and are equally spaced in the schedule's coordinate. Of a diffusion that is
    the angle phi of x = cos(phi) x0 + sin(phi) epsilon (Salimans & Ho 2022, arXiv:2202.00512), with half a spacing left
    to the clean state; so they do not depend on the schedule but for its end, and on a cosine schedule they are nearly
    equally spaced in t. Of flow matching it is the time itself. With T steps they are all of the steps.

    Equal spacing in log(SNR), the other usual choice, spends many of few steps at both ends: with a denoiser trained
    on 8x8 digits, a classifier was sure of fewer of the images that five or ten evaluations made.

    Raises:
        ConfigError: fewer than one step, or more than the schedule has.
    """
    if not 1 <= steps <= schedule.steps:
        raise ConfigError(
            f"a diffusion of {schedule.steps} steps is sampled in 1 to {schedule.steps} steps, not in {steps}"
        )
    places = schedule.coordinate
    wanted = places[-1] * (1 - torch.arange(steps, dtype=torch.float64) / (steps - 1 + schedule.last_step))
    nearest = torch.searchsorted((places[1:] + places[:-1]) / 2, wanted)
    times: list[int] = []
    for index, time in enumerate(nearest.tolist()):
        highest = times[-1] - 1 if times else schedule.steps - 1
        times.append(min(max(time, steps - 1 - index), highest))  # leaves a step for each that is to come
    return (*times, CLEAN)


def visited_times(settings: SamplingSettings, schedule: NoiseSchedule) -> tuple[int, ...]:
    """Return the steps at which the sampler evaluates the network first, strictly falling.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    return _times(settings, schedule)[:-1]


def num_steps(settings: SamplingSettings, schedule: NoiseSchedule) -> int:
    """Return the steps of the sampler.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    return len(_times(settings, schedule)) - 1


def num_function_evaluations(settings: SamplingSettings, schedule: NoiseSchedule) -> int:
    """Return the evaluations of the network (NFE) that sampling takes, one after the other, whatever the batch.

    With guidance an evaluation has two rows an image: see `evaluations_by_rows`.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    return evaluations_by_rows(settings, schedule).total()


def evaluations_by_rows(settings: SamplingSettings, schedule: NoiseSchedule) -> Counter[int]:
    """Return how many evaluations have how many rows for an image with a condition: two where they are guided.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    first, *others = _times(settings, schedule)[:-1]
    evaluated = [first, *others * SAMPLER_FACTS[settings.sampler].order]
    return Counter(2 if settings.guides(time, schedule.steps) else 1 for time in evaluated)


def _times(settings: SamplingSettings, schedule: NoiseSchedule) -> tuple[int, ...]:
    default = min(SAMPLER_FACTS[settings.sampler].steps or schedule.steps, schedule.steps)
    return sampling_times(schedule, settings.steps or default)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    settings: SamplingSettings,
    seeds: Sequence[int],
    shape: Sequence[int],
    *,
    conditioning: Conditioning | None = None,
    negative: Conditioning | None = None,
    clip: Range | None = None,
    device: torch.device | str = "cpu",
    batch: int = 64,
    progress: ProgressCallback | None = None,
    watch: Watch | None = None,
) -> Tensor:
    """Return one clean state for each seed: the same one, but for rounding, whatever `batch` and the other seeds.

    Args:
        denoiser: on `device`, already in evaluation mode. Each batch takes exactly
            `num_function_evaluations(settings, schedule)` evaluations of its network.
        settings: which sampler, how many steps, and how much guidance.
        seeds: one per state, each at least 0.
        shape: of one state.
        conditioning: the condition of each state; None: there is none, and no guidance.
        negative: what guided states are led away from, as many; None: the null condition.
        clip: the range to which predicted clean states are clipped, where the settings want that; None: never.
        device: where to compute.
        batch: states at once, at most.
        progress: called with (steps done, steps in all), counted over all batches.
        watch: is shown the states of every evaluation, batch by batch.

    Returns:
        States (len(seeds), ...), float32, on the CPU.

    Raises:
        ConfigError: more steps than the schedule has.
        InputError: a batch of less than one state, a seed below 0, or not one condition for each seed.
    """
    if batch < 1:
        raise InputError(f"a batch holds at least one image, not {batch}")
    for given in (conditioning, negative):
        if given is not None and len(given) != len(seeds):
            raise InputError(f"{len(seeds)} seeds need as many conditions, not {len(given)}")
    times, sampler = _times(settings, denoiser.schedule), _sampler(settings)
    guided = {time for time in times[:-1] if settings.guides(time, denoiser.schedule.steps)}
    at = None if settings.guidance_interval is None else guided
    clip = clip if settings.clip else None
    steps = len(times) - 1
    starts, used = range(0, len(seeds), batch), denoiser
    states = torch.empty(len(seeds), *shape)
    for done, start in enumerate(starts):
        rows = slice(start, start + batch)
        noise = SeededNoise(seeds[rows], shape, device)
        given = None if conditioning is None else conditioning.part(rows).to(device)
        tick = progress and _shifted(progress, done * steps, len(starts) * steps)
        if guided:
            away = None if negative is None else negative.part(rows).to(device)
            used = replace(denoiser, network=Guided(denoiser.network, settings.guidance, at, away))
        process = ReverseProcess(used, times, noise, given, clip, settings.dynamic_clip, tick, watch)
        with image_streams(seeds[rows]):
            states[rows] = sampler(process, noise())
    return states


def _sampler(settings: SamplingSettings) -> Sampler:
    sampler = SAMPLERS[settings.sampler]
    return partial(sampler, eta=settings.eta) if SAMPLER_FACTS[settings.sampler].eta else sampler


def _shifted(progress: ProgressCallback, before: int, total: int) -> ProgressCallback:
    return lambda step, _: progress(before + step, total)
