"""Noise schedules against their formulas and published figures."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from qgen.diffusion import CLEAN, Schedule, cosine, linear, sampling_times
from qgen.errors import ConfigError, InputError

SCHEDULES = {"cosine": cosine, "linear": linear}


def schedules(most: int = 1500) -> st.SearchStrategy[Schedule]:
    """Both kinds, with any number of steps (21 is the least for a linear one)."""
    return st.one_of(st.builds(cosine, st.integers(1, most)), st.builds(linear, st.integers(21, most)))


def betas(schedule: Schedule) -> torch.Tensor:
    """(T,) float64: the variance of the noise that step t adds."""
    return 1 - schedule.alphas_bar / torch.cat([torch.ones(1, dtype=torch.float64), schedule.alphas_bar[:-1]])


def test_ends_of_the_cosine_schedule() -> None:
    schedule = cosine(1000)
    f = [math.cos((t / 1000 + 0.008) / 1.008 * math.pi / 2) ** 2 for t in range(1001)]
    assert schedule.alphas_bar[0].item() == pytest.approx(f[1] / f[0], rel=1e-12)
    # All betas but the last are below the clip, so there the product is the formula itself.
    np.testing.assert_allclose(schedule.alphas_bar[:-1], np.array(f[1:-1]) / f[0], rtol=1e-9)
    assert betas(schedule)[-1].item() == pytest.approx(0.999, abs=1e-12)
    assert betas(schedule)[-2] < 0.75 + 1e-3  # 1 - (1/2)^2: the cosine is linear near its zero
    assert schedule.alphas_bar[-1].item() == pytest.approx(f[-2] / f[0] * 0.001, rel=1e-9)


def test_ends_of_the_linear_schedule() -> None:
    schedule = linear(1000)
    assert betas(schedule)[0].item() == pytest.approx(1e-4, rel=1e-10)
    assert betas(schedule)[-1].item() == pytest.approx(0.02, rel=1e-12)
    np.testing.assert_allclose(np.diff(betas(schedule)), (0.02 - 1e-4) / 999, rtol=1e-8)
    assert schedule.alphas_bar[-1].item() == pytest.approx(4.0358e-5, rel=1e-4)  # of DDPM with 1000 steps


def test_a_linear_schedule_ends_alike_for_any_number_of_steps() -> None:
    ends = [linear(steps).alphas_bar[-1].log().item() for steps in (500, 1000, 4000)]
    assert ends == pytest.approx([ends[1]] * 3, rel=0.02)


@given(schedules())
def test_every_schedule_falls_and_its_tables_agree(schedule: Schedule) -> None:
    falling = schedule.alphas_bar
    assert falling.dtype == torch.float64
    assert falling.shape == (schedule.steps,)
    assert falling[-1] > 0
    assert falling[0] < 1
    assert (falling.diff() < 0).all()
    torch.testing.assert_close(schedule.snr * (1 - falling), falling, rtol=1e-12, atol=0)


@given(schedules(), st.data())
def test_adding_noise_preserves_variance(schedule: Schedule, data: st.DataObject) -> None:
    """The squares of what multiplies the image and the noise, two independent variables, sum to one."""
    t = torch.tensor(data.draw(st.lists(st.integers(0, schedule.steps - 1), min_size=1, max_size=4)))
    first = torch.ones(len(t), 2, 3, 3, dtype=torch.float64)
    alpha, sigma = schedule.add_noise(first, t, 0 * first), schedule.add_noise(0 * first, t, first)
    torch.testing.assert_close(alpha**2 + sigma**2, first, rtol=0, atol=1e-12)
    torch.testing.assert_close(alpha[:, 0, 0, 0] ** 2, schedule.alphas_bar[t], rtol=1e-12, atol=0)


def test_a_clean_image_has_no_noise() -> None:
    images, noise = torch.rand(3, 1, 4, 4), torch.randn(3, 1, 4, 4)
    noisy = cosine(10).add_noise(images, torch.tensor([CLEAN, 9, CLEAN]), noise)
    assert torch.equal(noisy[::2], images[::2])
    torch.testing.assert_close(noisy[1], noise[1], rtol=0, atol=0.1)  # little but noise is left after the last step
    with pytest.raises(IndexError):
        cosine(10).add_noise(images, torch.tensor([0, 9, 10]), noise)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_noisy_images_keep_the_dtype_of_the_images(dtype: torch.dtype) -> None:
    images = torch.rand(5, 1, 4, 4).to(dtype)
    noise, t = torch.randn(5, 1, 4, 4), torch.randint(1000, (5,))
    noisy = cosine(1000).add_noise(images, t, noise)
    assert noisy.dtype == dtype
    exact = cosine(1000).add_noise(images.double(), t, noise.double())
    rounding = 4 * torch.finfo(dtype).eps * (1 + noise.abs().max().item())
    torch.testing.assert_close(noisy.double(), exact, rtol=0, atol=rounding)


def test_bad_schedules_are_refused() -> None:
    with pytest.raises(ConfigError, match="take more than 20 steps, or `cosine`"):
        linear(20)
    assert betas(linear(21))[-1] < 1
    for schedule in (cosine, linear):
        with pytest.raises(ConfigError, match="at least one step, not 0"):
            schedule(0)
    for table in ([0.5, 0.6], [1.0, 0.5], [0.5, 0.0], [0.5, math.nan], [0.5, -0.1, 0.2]):
        with pytest.raises(InputError, match="fall from step to step"):
            Schedule(torch.tensor(table, dtype=torch.float64))
    for wrong in (
        torch.tensor([0.9, 0.5]),
        torch.zeros(0, dtype=torch.float64),
        torch.zeros(2, 2, dtype=torch.float64),
    ):
        with pytest.raises(InputError, match="float64 table"):
            Schedule(wrong)
    with pytest.raises(InputError, match="floating-point numbers"):
        cosine(10).add_noise(torch.zeros(1, 1, 2, 2, dtype=torch.uint8), torch.tensor([3]), torch.zeros(1, 1, 2, 2))


@given(schedules(), st.data())
def test_sampling_times_fall_from_the_last_step_to_a_clean_image(schedule: Schedule, data: st.DataObject) -> None:
    calls = data.draw(st.integers(1, schedule.steps))
    times = sampling_times(schedule, calls)
    assert len(times) == calls + 1
    assert times[0] == schedule.steps - 1
    assert times[-1] == CLEAN
    assert all(later < earlier for earlier, later in pairwise(times))
    schedule.levels(times)  # which refuses what is not a way down


@pytest.mark.parametrize("kind", SCHEDULES)
def test_all_steps_are_visited_if_there_are_as_many_calls(kind: str) -> None:
    assert sampling_times(SCHEDULES[kind](1000), 1000) == (*range(999, -1, -1), CLEAN)


@pytest.mark.parametrize("kind", SCHEDULES)
def test_sampling_times_are_equally_spaced_in_the_angle(kind: str) -> None:
    schedule = SCHEDULES[kind](100_000)
    levels = schedule.levels(sampling_times(schedule, 10)[:-1])
    angles = np.array([math.atan2(level.sigma, level.alpha) for level in levels])
    np.testing.assert_allclose(angles / angles[0], 1 - np.arange(10) / 9.5, atol=1e-3)


def test_bad_times_are_refused() -> None:
    schedule = cosine(100)
    for calls in (0, 101):
        with pytest.raises(ConfigError, match=f"1 to 100 steps, not in {calls}"):
            sampling_times(schedule, calls)
    for times in ((100, 50), (50, 50), (20, 30), (10, -2)):
        with pytest.raises(InputError, match=r"must fall strictly within 99\.\.0"):
            schedule.levels(times)
