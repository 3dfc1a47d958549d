"""Samplers against independent implementations: the published formulas in NumPy, and diffusers' schedulers.

The denoiser is an arbitrary smooth function, far from any that training would give: the comparison is of formulas.
diffusers keeps its tables in float32; where it lets us, they are replaced by ours, so that the comparison is sharp.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from reverse import reverse
from torch import Tensor

from qgen.diffusion import CLEAN, Schedule, ancestral, cosine, ddim, dpm_solver, linear, sampling_times, unipc
from qgen.diffusion.settings import Prediction

# diffusers hands tensors to np.array; NumPy 2 warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = (3, 2, 4, 4)
SCHEDULES = {"cosine": cosine(1000), "linear": linear(1000)}


@pytest.fixture
def diffusers() -> Any:
    return pytest.importorskip("diffusers")


def betas(schedule: Schedule) -> np.ndarray:
    left = schedule.alphas_bar.numpy()
    return 1 - left / np.append(1.0, left[:-1])


def denoiser(x: Tensor, t: Tensor) -> Tensor:
    later = t.view(-1, 1, 1, 1) / 1000
    return 0.4 * x + 0.5 * later * torch.sin(2 * x) + 0.3 * torch.cos(3 * later + x.mean((1, 2, 3), keepdim=True))


def start() -> Tensor:
    return torch.randn(SHAPE, dtype=torch.float64)


def noises(seed: int) -> Callable[[], Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return lambda: torch.randn(SHAPE, generator=generator, dtype=torch.float64)


def clipping_denoiser(schedule: Schedule) -> Callable[[Tensor, Tensor], Tensor]:
    """The noise that is left of x when the predicted clean image is clipped: so a library without clipping clips."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, 1, 1, 1)
        x0 = (x - (1 - left).sqrt() * denoiser(x, t)) / left.sqrt()
        return (x - left.sqrt() * x0.clamp(-1, 1)) / (1 - left).sqrt()

    return predict


def walk(scheduler: Any, x: Tensor, predict: Callable[[Tensor, Tensor], Tensor], **options: Any) -> Tensor:
    """diffusers' loop over its own timesteps."""
    for t in scheduler.timesteps:
        x = scheduler.step(predict(x, torch.full((len(x),), int(t))), t, x, **options).prev_sample
    return x


@pytest.mark.parametrize("name", SCHEDULES)
def test_ancestral_sampling_is_the_published_one(name: str) -> None:
    """All 1000 steps of arXiv:2402.16147: clipped x0, posterior mean and variance; the last x0 is the image."""
    schedule = SCHEDULES[name]
    x = start()
    result = ancestral(reverse(denoiser, schedule, sampling_times(schedule, 1000), noises(7)), x)

    u = (np.arange(1001) / 1000 + 0.008) / 1.008
    betas = {
        "cosine": np.clip(1 - np.cos(u[1:] * np.pi / 2) ** 2 / np.cos(u[:-1] * np.pi / 2) ** 2, 0, 0.999),
        "linear": np.linspace(1e-4, 0.02, 1000),
    }[name]
    alphas_bar = np.cumprod(1 - betas)
    draw, image = noises(7), x.numpy()
    for t in reversed(range(1000)):
        noise = denoiser(torch.from_numpy(image), torch.full((3,), t)).numpy()
        x0 = np.clip(image / np.sqrt(alphas_bar[t]) - np.sqrt(1 / alphas_bar[t] - 1) * noise, -1, 1)
        if t:
            of_x0 = betas[t] * np.sqrt(alphas_bar[t - 1]) / (1 - alphas_bar[t])
            of_x = (1 - alphas_bar[t - 1]) * np.sqrt(1 - betas[t]) / (1 - alphas_bar[t])
            variance = betas[t] * (1 - alphas_bar[t - 1]) / (1 - alphas_bar[t])
            fresh = np.exp(0.5 * np.log(np.clip(variance, 1e-20, None))) * draw().numpy()
            image = of_x0 * x0 + of_x * image + fresh
    assert np.abs(x0).max() == 1  # clipping has had something to do
    np.testing.assert_allclose(result.numpy(), x0, rtol=0, atol=1e-8)


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("times", [tuple(range(999, -2, -1)), (999, 640, 411, 200, 87, 21, 0, CLEAN)])
def test_ancestral_sampling_agrees_with_diffusers(
    diffusers: Any, name: str, clip: bool, times: tuple[int, ...]
) -> None:
    """Full and respaced. The grid ends at step 0: after any other one diffusers adds noise of deviation 1e-10."""
    schedule = SCHEDULES[name]
    scheduler = diffusers.DDPMScheduler(1000, trained_betas=betas(schedule), clip_sample=clip)
    scheduler.alphas_cumprod = schedule.alphas_bar
    scheduler.set_timesteps(timesteps=list(times[:-1]))
    x = start()
    reference = walk(scheduler, x, denoiser, generator=torch.Generator().manual_seed(7))
    result = ancestral(reverse(denoiser, schedule, times, noises(7), clip), x)
    torch.testing.assert_close(result, reference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
def test_ddim_agrees_with_diffusers(diffusers: Any, name: str, clip: bool, eta: float) -> None:
    """diffusers spaces its steps equally from 0; and there the noise that a clipped x0 leaves has to be asked for."""
    schedule = SCHEDULES[name]
    scheduler = diffusers.DDIMScheduler(1000, trained_betas=betas(schedule), clip_sample=clip)
    scheduler.alphas_cumprod = schedule.alphas_bar
    scheduler.set_timesteps(25)
    times = (*scheduler.timesteps.tolist(), CLEAN)
    assert times[:2] == (960, 920)
    x = start()
    generator = torch.Generator().manual_seed(7)
    reference = walk(scheduler, x, denoiser, eta=eta, use_clipped_model_output=True, generator=generator)
    result = ddim(reverse(denoiser, schedule, times, noises(7), clip), x, eta=eta)
    torch.testing.assert_close(result, reference, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize(("prediction", "theirs"), [("v", "v_prediction"), ("x0", "sample")])
def test_ddim_of_other_predictions_agrees_with_diffusers(
    diffusers: Any, name: str, clip: bool, prediction: Prediction, theirs: str
) -> None:
    schedule = SCHEDULES[name]
    scheduler = diffusers.DDIMScheduler(1000, trained_betas=betas(schedule), clip_sample=clip, prediction_type=theirs)
    scheduler.alphas_cumprod = schedule.alphas_bar
    scheduler.set_timesteps(25)
    x, times = start(), (*scheduler.timesteps.tolist(), CLEAN)
    reference = walk(scheduler, x, denoiser, use_clipped_model_output=True)
    result = ddim(reverse(denoiser, schedule, times, noises(7), clip, prediction), x)
    torch.testing.assert_close(result, reference, rtol=1e-8, atol=1e-8)


def with_our_grid(scheduler: Any, schedule: Schedule, times: tuple[int, ...]) -> Any:
    """Put a grid of times into a scheduler that thinks in sigma / alpha; a clean image is at zero there."""
    scheduler.set_timesteps(len(times) - 1)
    scheduler.timesteps = torch.tensor(times[:-1])
    left = schedule.alphas_bar[list(times[:-1])]
    scheduler.sigmas = torch.cat([((1 - left) / left).sqrt(), torch.zeros(1, dtype=torch.float64)])
    return scheduler


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("eta", [0, 1])
@pytest.mark.parametrize("calls", [1, 2, 5, 20])
def test_dpm_solver_agrees_with_diffusers(diffusers: Any, name: str, clip: bool, eta: int, calls: int) -> None:
    """diffusers computes this one in float32 whatever it is given, hence the tolerance; it has no plain clipping."""
    schedule = SCHEDULES[name]
    times = sampling_times(schedule, calls)
    scheduler = diffusers.DPMSolverMultistepScheduler(
        1000,
        trained_betas=betas(schedule),
        algorithm_type="sde-dpmsolver++" if eta else "dpmsolver++",
        solver_order=2,
    )
    x = start().float().double()
    generator = torch.Generator().manual_seed(7)
    predict = clipping_denoiser(schedule) if clip else denoiser
    reference = walk(with_our_grid(scheduler, schedule, times), x, predict, generator=generator)
    fresh = torch.Generator().manual_seed(7)
    draw = lambda: torch.randn(SHAPE, generator=fresh).double()  # noqa: E731
    result = dpm_solver(reverse(denoiser, schedule, times, draw, clip), x, eta=eta)
    torch.testing.assert_close(result, reference, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("calls", [1, 2, 3, 5, 20])
def test_unipc_agrees_with_diffusers(diffusers: Any, name: str, clip: bool, calls: int) -> None:
    schedule = SCHEDULES[name]
    times = sampling_times(schedule, calls)
    scheduler = diffusers.UniPCMultistepScheduler(
        1000, trained_betas=betas(schedule), solver_order=2, solver_type="bh2", final_sigmas_type="zero"
    )
    x = start()
    predict = clipping_denoiser(schedule) if clip else denoiser
    reference = walk(with_our_grid(scheduler, schedule, times), x, predict)
    result = unipc(reverse(denoiser, schedule, times, noises(7), clip), x)
    torch.testing.assert_close(result, reference, rtol=1e-5, atol=1e-5)
