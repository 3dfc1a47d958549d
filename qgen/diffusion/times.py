"""Which diffusion steps a sampler with few denoiser calls visits."""

from __future__ import annotations

import torch

from qgen.diffusion.schedules import CLEAN, Schedule
from qgen.errors import ConfigError


def sampling_times(schedule: Schedule, calls: int) -> tuple[int, ...]:
    """The steps at which a sampler calls the denoiser, then `CLEAN`: calls + 1 times, strictly falling.

    They begin at the last diffusion step and are equally spaced in the angle phi of x = cos(phi) x0 + sin(phi) noise
    (Salimans & Ho 2022, arXiv:2202.00512), with half a spacing left to the clean image; so they do not
    depend on the schedule but for its end, and on a cosine schedule they are nearly equally spaced in t. With T calls
    they are all of the steps.

    Equal spacing in log(SNR), the other usual choice, spends many of few steps at both ends: with a denoiser trained
    on 8x8 digits, a classifier was sure of fewer of the images that five or ten calls made.

    Raises:
        ConfigError: fewer than one call, or more than the schedule has steps.
    """
    if not 1 <= calls <= schedule.steps:
        raise ConfigError(
            f"a diffusion of {schedule.steps} steps is sampled in 1 to {schedule.steps} steps, not in {calls}"
        )
    angles = torch.arccos(schedule.alphas_bar.sqrt())
    wished = angles[-1] * (1 - torch.arange(calls, dtype=torch.float64) / (calls - 0.5))
    nearest = torch.searchsorted((angles[1:] + angles[:-1]) / 2, wished)
    times: list[int] = []
    for index, time in enumerate(nearest.tolist()):
        highest = times[-1] - 1 if times else schedule.steps - 1
        times.append(min(max(time, calls - 1 - index), highest))  # leaves a step for each of the calls to come
    return (*times, CLEAN)
