"""Samplers on data whose perfect denoiser is known, where theory says what must come out."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
import torch
from reverse import Answer, reverse
from torch import Tensor

from qgen.diffusion import (
    CLEAN,
    Schedule,
    ancestral,
    cosine,
    ddim,
    ddim_invert,
    dpm_solver,
    linear,
    sampling_times,
    unipc,
)
from qgen.diffusion.samplers import Sampler
from qgen.errors import InputError

MEAN, SD = 0.25, 0.15  # of the Gaussian data; 5 deviations stay inside [-1, 1]
MODE, WIDTH = 0.6, 0.05  # of the mixture of two
SCHEDULES = {"cosine": cosine(1000), "linear": linear(1000)}


def no_noise() -> Tensor:
    raise AssertionError("a deterministic sampler asked for noise")


def normal(count: int) -> Tensor:
    return torch.randn(count, 1, 1, 1, dtype=torch.float64)


def gaussian_denoiser(schedule: Schedule) -> Answer:
    """The expected noise in x if the data are N(MEAN, SD^2)."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, 1, 1, 1)
        return (1 - left).sqrt() * (x - left.sqrt() * MEAN) / (left * SD**2 + 1 - left)

    return predict


def gaussian_flow(x: Tensor, schedule: Schedule, start: int, end: int) -> Tensor:
    """The solution of the probability-flow equation: an image keeps its number of deviations from the mean."""
    before, after = (1.0 if time == CLEAN else schedule.alphas_bar[time].item() for time in (start, end))
    wider = math.sqrt((after * SD**2 + 1 - after) / (before * SD**2 + 1 - before))
    return math.sqrt(after) * MEAN + wider * (x - math.sqrt(before) * MEAN)


def mixture_denoiser(schedule: Schedule) -> Answer:
    """The expected noise in x if the data are N(MODE, WIDTH^2) or N(-MODE, WIDTH^2), as often the one as the other."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, 1, 1, 1).to(x)
        variance = left * WIDTH**2 + 1 - left
        mode = MODE * torch.tanh(left.sqrt() * MODE * x / variance)
        clean = mode + left.sqrt() * WIDTH**2 / variance * (x - left.sqrt() * mode)
        return (x - left.sqrt() * clean) / (1 - left).sqrt()

    return predict


@pytest.mark.parametrize(("sampler", "order"), [(ddim, 1), (dpm_solver, 2), (unipc, 3)])
def test_order_of_convergence(sampler: Sampler, order: int) -> None:
    """The slope of the error against the number of steps, down to where the grid of times is still smooth."""
    schedule = cosine(100_000)
    x, start, end = normal(32), 80_000, 20_000
    exact = gaussian_flow(x, schedule, start, end)
    calls = np.array([32, 64, 128, 256])
    errors = []
    for count in calls:
        times = tuple(np.linspace(start, end, count + 1).round().astype(int).tolist())
        result = sampler(reverse(gaussian_denoiser(schedule), schedule, times, no_noise, clip=False), x)
        errors.append((result - exact).abs().max().item())
    slope = np.polyfit(np.log(calls), np.log(errors), 1)[0]
    assert -slope == pytest.approx(order, abs=0.2)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize(("sampler", "calls"), [(ddim, 1000), (dpm_solver, 200), (unipc, 200)])
def test_deterministic_samplers_reach_the_gaussian(name: str, sampler: Sampler, calls: int) -> None:
    """Each number of deviations from the mean of the noise is, within 2 %, the same one of the data."""
    schedule = SCHEDULES[name]
    deviations = torch.linspace(-4, 4, 33, dtype=torch.float64).view(-1, 1, 1, 1)
    start = schedule.alphas_bar[-1].item()
    x = math.sqrt(start) * MEAN + math.sqrt(start * SD**2 + 1 - start) * deviations
    result = sampler(reverse(gaussian_denoiser(schedule), schedule, sampling_times(schedule, calls), no_noise), x)
    torch.testing.assert_close((result - MEAN) / SD, deviations, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("calls", [1000, 100])
def test_ancestral_sampling_has_the_mean_and_variance_that_theory_gives_it(name: str, calls: int) -> None:
    """With Gaussian data every step is linear, so the distribution it leads to is exactly known."""
    schedule, count = SCHEDULES[name], 4000
    times = sampling_times(schedule, calls)
    x = torch.randn(count, 1, 1, 1)
    gaussian = gaussian_denoiser(schedule)
    result = ancestral(reverse(lambda x, t: gaussian(x, t).float(), schedule, times, lambda: torch.randn_like(x)), x)
    mean, variance = gaussian_after_ancestral(schedule, times)
    assert (result.mean().item() - mean) ** 2 < 25 * variance / count
    assert abs(result.var().item() / variance - 1) < 5 * math.sqrt(2 / count)
    if calls == 1000:
        assert mean == pytest.approx(MEAN, abs=1e-3)
        assert math.sqrt(variance) == pytest.approx(SD, rel=0.03)


def gaussian_after_ancestral(schedule: Schedule, times: tuple[int, ...]) -> tuple[float, float]:
    """Mean and variance after steps x' = a E[x0 | x] + b x + c noise, in the notation of Ho et al., eq. 7."""
    mean, variance = 0.0, 1.0
    table = [*schedule.alphas_bar.tolist(), 1.0]  # its entry -1 is a clean image
    for t, s in pairwise(times):
        alpha, left, after = table[t] / table[s], table[t], table[s]
        a = math.sqrt(after) * (1 - alpha) / (1 - left)
        b = math.sqrt(alpha) * (1 - after) / (1 - left)
        gain = math.sqrt(left) * SD**2 / (left * SD**2 + 1 - left)  # E[x0 | x] = MEAN + gain (x - sqrt(left) MEAN)
        mean = a * (MEAN + gain * (mean - math.sqrt(left) * MEAN)) + b * mean
        variance = (a * gain + b) ** 2 * variance + (1 - after) / (1 - left) * (1 - alpha)
    return mean, variance


@pytest.mark.parametrize("eta", [0.0, 1.0])
@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpm_solver", "unipc"])
def test_both_modes_of_a_mixture_appear(name: str, eta: float) -> None:
    """As often, within 5 deviations of the binomial distribution, and 99 % of the images within 6 widths of one.

    With finitely many steps some that start at the watershed between the modes stay between them.
    """
    sampler: Sampler = {"ancestral": ancestral, "ddim": ddim, "dpm_solver": dpm_solver, "unipc": unipc}[name]
    options = {"eta": eta} if name in ("ddim", "dpm_solver") else {}
    schedule, count = SCHEDULES["cosine"], 2000
    times = sampling_times(schedule, 1000 if name == "ancestral" else 50)
    x = torch.randn(count, 1, 1, 1)
    result = sampler(reverse(mixture_denoiser(schedule), schedule, times, lambda: torch.randn_like(x)), x, **options)
    assert result.dtype == torch.float32
    assert abs((result > 0).float().mean().item() - 0.5) < 5 * 0.5 / math.sqrt(count)
    assert (result.abs() - MODE).abs().quantile(0.99) < 6 * WIDTH


@pytest.mark.parametrize("clip", [True, False])
def test_ddim_with_full_noise_is_ancestral_sampling(clip: bool) -> None:
    """Song et al. 2021, section 4.1. Here also with clipping, as the noise is what the clipped image leaves.

    Neither asks for noise in the last step, which would be added to the finished image.
    """
    schedule = SCHEDULES["cosine"]
    x, times = normal(64), sampling_times(schedule, 30)
    draws = torch.randn(29, 64, 1, 1, 1, dtype=torch.float64)
    denoiser = mixture_denoiser(schedule)
    first = ancestral(reverse(denoiser, schedule, times, iter(draws).__next__, clip), x)
    second = ddim(reverse(denoiser, schedule, times, iter(draws).__next__, clip), x, eta=1.0)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-9)


@pytest.mark.parametrize("eta", [-0.1, 2.0, math.nan])
@pytest.mark.parametrize("sampler", [ddim, dpm_solver])
def test_shares_of_noise_beyond_all_of_it_are_refused(sampler: Callable[..., Tensor], eta: float) -> None:
    schedule = SCHEDULES["cosine"]
    with pytest.raises(InputError, match="eta lies between 0 and 1, not at"):
        sampler(reverse(mixture_denoiser(schedule), schedule, (999, 500, CLEAN), no_noise), normal(2), eta=eta)


def test_without_noise_the_second_order_solver_starts_as_ddim() -> None:
    """One step of it has nothing to extrapolate from (Lu et al. 2022, algorithm 2)."""
    schedule = SCHEDULES["linear"]
    denoiser = mixture_denoiser(schedule)
    x = normal(8)
    first, second = (sampler(reverse(denoiser, schedule, (999, 500), no_noise), x) for sampler in (ddim, dpm_solver))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", SCHEDULES)
def test_ddim_inverts(name: str) -> None:
    """With all steps and no noise: from images to the noise they come from, and back."""
    schedule = SCHEDULES[name]
    denoiser, times = mixture_denoiser(schedule), sampling_times(schedule, 1000)
    images = torch.cat([MODE + WIDTH * normal(16), -MODE + WIDTH * normal(16)])
    errors = []
    for refinements in (0, 3):
        noise = ddim_invert(reverse(denoiser, schedule, times, no_noise), images, refinements=refinements)
        assert (noise.sign() == images.sign()).all()  # the flow never crosses the middle
        back = ddim(reverse(denoiser, schedule, times, no_noise, clip=False), noise)
        errors.append((back - images).abs().max().item())
    assert errors[0] < 0.05
    assert errors[1] < 1e-4


def test_inversion_of_a_gaussian_is_the_flow_backwards() -> None:
    schedule = cosine(1000)
    images = MEAN + SD * normal(16)
    noise = ddim_invert(
        reverse(gaussian_denoiser(schedule), schedule, sampling_times(schedule, 1000), no_noise), images
    )
    torch.testing.assert_close(noise, gaussian_flow(images, schedule, CLEAN, 999), rtol=0, atol=0.03)
