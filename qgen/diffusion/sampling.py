"""From seeds to images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import Tensor

from qgen.diffusion.noise import ImageNoise
from qgen.diffusion.samplers import ancestral, ddim
from qgen.diffusion.schedules import Schedule
from qgen.diffusion.settings import KINDS, SamplingSettings
from qgen.diffusion.solvers import dpm_solver, unipc
from qgen.diffusion.steps import Denoiser, Progress, Sampler
from qgen.diffusion.times import sampling_times
from qgen.errors import InputError
from qgen.randomness import for_images

#: What each sampler of `KINDS` runs.
SAMPLERS: Mapping[str, Callable[..., Tensor]] = {
    "ancestral": ancestral,
    "ddim": ddim,
    "dpm-solver": dpm_solver,
    "unipc": unipc,
}


def denoiser_calls(settings: SamplingSettings, schedule: Schedule) -> int:
    """Denoiser calls that an image takes, of which those in one batch share each: exactly so many are made.

    Raises:
        ConfigError: more steps than the schedule has.
    """
    return len(_times(settings, schedule)) - 1


def _times(settings: SamplingSettings, schedule: Schedule) -> tuple[int, ...]:
    default = min(KINDS[settings.sampler].calls or schedule.steps, schedule.steps)
    return sampling_times(schedule, settings.steps or default)


@torch.no_grad()
def sample(
    denoiser: Denoiser,
    schedule: Schedule,
    settings: SamplingSettings,
    seeds: Sequence[int],
    shape: Sequence[int],
    device: torch.device | str = "cpu",
    batch: int = 64,
    progress: Progress | None = None,
) -> Tensor:
    """One image for each seed: the same one, but for the denoiser's own rounding, whatever `batch` and the other seeds.

    Args:
        denoiser: (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W), on `device`, already in evaluation
            mode. Each batch takes exactly `denoiser_calls(settings, schedule)` calls.
        schedule: the noise schedule that it was trained with.
        settings: which sampler, and how many steps.
        seeds: one per image, each at least 0.
        shape: of one image, (C, H, W).
        device: where to compute.
        batch: images at once, at most.
        progress: called with (steps done, steps in all), counted over all batches.

    Returns:
        Images (len(seeds), C, H, W), float32 in [-1, 1], on the CPU.

    Raises:
        ConfigError: more steps than the schedule has.
        InputError: a batch of less than one image, or a seed below 0.
    """
    if batch < 1:
        raise InputError(f"a batch holds at least one image, not {batch}")
    times, run = _times(settings, schedule), _sampler(settings)
    calls = len(times) - 1
    starts = range(0, len(seeds), batch)
    images = torch.empty(len(seeds), *shape)
    for done, start in enumerate(starts):
        noise = ImageNoise(seeds[start : start + batch], shape, device)
        tick = progress and _shifted(progress, done * calls, len(starts) * calls)
        with for_images(seeds[start : start + batch]):
            x = run(denoiser, noise.next(), schedule, times, noise.next, clip=settings.clip, progress=tick)
        images[start : start + batch] = x
    return images.clamp_(-1, 1)


def _sampler(settings: SamplingSettings) -> Sampler:
    run = SAMPLERS[settings.sampler]
    return partial(run, eta=settings.eta) if KINDS[settings.sampler].eta else run


def _shifted(progress: Progress, before: int, total: int) -> Progress:
    return lambda step, _: progress(before + step, total)
