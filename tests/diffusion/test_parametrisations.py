"""What a network predicts: exact conversions, one sampler for all, and the loss."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reverse import Answer, as_denoiser, reverse
from torch import Tensor, nn

from qgen.conditioning import Conditioning
from qgen.diffusion import (
    DenoisingObjective,
    DiffusionSettings,
    Schedule,
    ancestral,
    cosine,
    ddim,
    ddim_invert,
    dpm_solver,
    linear,
    p2_weights,
    sampling_times,
    unipc,
)
from qgen.diffusion.parametrisation import PARAMETRISATIONS
from qgen.diffusion.settings import Prediction
from qgen.errors import ConfigError

PREDICTIONS: tuple[Prediction, ...] = get_args(Prediction)
MODE, WIDTH = 0.6, 0.05  # of a mixture of two Gaussians
SHAPES = [(1,), (7, 3), (2, 4, 4), (1, 2, 3, 4)]


def mixture(schedule: Schedule, prediction: Prediction) -> Answer:
    """The expectation of what is predicted, given x, if the data are N(MODE, WIDTH^2) or N(-MODE, WIDTH^2)."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, *[1] * (x.ndim - 1)).to(x)
        alpha, sigma = left.sqrt(), (1 - left).sqrt()
        variance = left * WIDTH**2 + 1 - left
        mode = MODE * torch.tanh(alpha * MODE * x / variance)
        x0 = mode + alpha * WIDTH**2 / variance * (x - alpha * mode)
        epsilon = (x - alpha * x0) / sigma
        velocity = alpha * epsilon - sigma * x0
        return {"epsilon": epsilon, "x0": x0, "v": velocity, "flow": epsilon - x0}[prediction]

    return predict


def test_every_prediction_has_its_parametrisation() -> None:
    assert tuple(PARAMETRISATIONS) == PREDICTIONS
    assert get_args(DiffusionSettings.model_fields["prediction"].annotation) == PREDICTIONS
    with pytest.raises(ConfigError, match="`prediction`: input should be 'epsilon', 'x0', 'v' or 'flow'"):
        DiffusionSettings.read({"prediction": "score"})


@given(angle=st.floats(0.01, math.pi / 2 - 0.01), seed=st.integers(0, 2**32))
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_target_gives_back_what_it_was_made_of(prediction: Prediction, angle: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    x0, epsilon = torch.randn(2, 5, 3, generator=generator, dtype=torch.float64)
    alpha, sigma = (torch.tensor(value, dtype=torch.float64) for value in (math.cos(angle), math.sin(angle)))
    x = alpha * x0 + sigma * epsilon
    kind = PARAMETRISATIONS[prediction]
    output = kind.target(x0, epsilon, alpha, sigma)
    torch.testing.assert_close(kind.x0(output, x, alpha, sigma), x0, rtol=0, atol=1e-11)
    torch.testing.assert_close(kind.epsilon(output, x, alpha, sigma), epsilon, rtol=0, atol=1e-11)
    # Any output, right or wrong, means an x0 and an epsilon that add up to x, and is their target.
    wrong = torch.randn(5, 3, generator=generator, dtype=torch.float64)
    clean, noise = kind.x0(wrong, x, alpha, sigma), kind.epsilon(wrong, x, alpha, sigma)
    torch.testing.assert_close(alpha * clean + sigma * noise, x, rtol=0, atol=1e-11)
    torch.testing.assert_close(kind.target(clean, noise, alpha, sigma), wrong, rtol=0, atol=1e-11)


@pytest.mark.rows(8)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("schedule", [cosine(1000), linear(1000)], ids=["cosine", "linear"])
@pytest.mark.parametrize("name", ["ancestral", "ddim", "dpm_solver", "unipc"])
def test_all_parametrisations_of_one_denoiser_make_the_same_samples(
    name: str, schedule: Schedule, shape: tuple[int, ...]
) -> None:
    """The analytic denoiser of a mixture, in a space of any shape."""
    sampler: Callable[..., Tensor] = {"ancestral": ancestral, "ddim": ddim, "dpm_solver": dpm_solver, "unipc": unipc}[
        name
    ]
    x, times = torch.randn(64, *shape, dtype=torch.float64), sampling_times(schedule, 25)
    draws = torch.randn(25, 64, *shape, dtype=torch.float64)
    result = [
        sampler(reverse(mixture(schedule, prediction), schedule, times, iter(draws).__next__, prediction=prediction), x)
        for prediction in PREDICTIONS
    ]
    assert result[0].shape == x.shape
    assert ((result[0].abs() - MODE).abs() < 6 * WIDTH).double().mean() > 0.9
    for second in result[1:]:
        torch.testing.assert_close(second, result[0], rtol=0, atol=1e-8)


@pytest.mark.rows(1)
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_inversion_works_with_every_parametrisation(prediction: Prediction) -> None:
    schedule = cosine(1000)
    times = sampling_times(schedule, 1000)
    states = MODE + WIDTH * torch.randn(8, 3, dtype=torch.float64)
    process = reverse(mixture(schedule, prediction), schedule, times, Tensor, clip=False, prediction=prediction)
    back = ddim(process, ddim_invert(process, states))
    torch.testing.assert_close(back, states, rtol=0, atol=1e-4)


class Answering(nn.Module):
    """A network that answers with a function of (x, t)."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        return self.answer(x, t)


@pytest.mark.parametrize("gamma", [0.0, 1.0])
@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_loss_is_the_weighted_error_of_what_is_predicted(prediction: Prediction, gamma: float) -> None:
    """That of the noise by 1 / SNR for x0 and by 1 + 1 / SNR for v: Salimans & Ho 2022, section 4."""
    schedule, shape = cosine(50), (2, 3, 3)
    images = torch.rand(9, *shape) * 2 - 1
    weights = p2_weights(schedule, gamma)
    loss = DenoisingObjective(Answering(lambda x, t: 0.3 * x), schedule, weights, prediction)
    draws = loss.draw(9, shape, torch.Generator().manual_seed(1))
    x = schedule.add_noise(images.double(), draws.t, draws.noise.double())
    denoiser = as_denoiser(lambda x, t: 0.3 * x, schedule, prediction)
    noise = torch.cat(
        [
            denoiser.epsilon(x[i : i + 1], schedule.levels([int(t)])[0])
            for i, t in enumerate(draws.t)
        ]
    )  # fmt: skip
    snr = schedule.snr[draws.t]
    factors = {"epsilon": torch.ones_like(snr), "x0": 1 / snr, "v": 1 + 1 / snr, "flow": (1 + 1 / snr.sqrt()) ** 2}
    factor = factors[prediction]
    by_noise = (noise - draws.noise).square().flatten(1).mean(1) * factor * weights[draws.t]
    assert loss(images, draws).item() == pytest.approx(by_noise.mean().item(), rel=1e-4)


@pytest.mark.parametrize("prediction", PREDICTIONS)
def test_the_right_answer_has_no_loss(prediction: Prediction) -> None:
    schedule = cosine(100)
    images = torch.rand(8, 5, dtype=torch.float64) * 2 - 1

    def answer(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, 1)
        epsilon = (x - left.sqrt() * images) / (1 - left).sqrt()
        velocity = left.sqrt() * epsilon - (1 - left).sqrt() * images
        return {"epsilon": epsilon, "x0": images, "v": velocity, "flow": epsilon - images}[prediction]

    loss = DenoisingObjective(Answering(answer), schedule, p2_weights(schedule), prediction)
    assert loss(images, loss.draw(8, (5,), torch.Generator().manual_seed(1))) < 1e-12
