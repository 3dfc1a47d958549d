"""The training objective: its value where it is known, its draws, its precision."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qgen.conditioning import Conditioning
from qgen.diffusion import (
    DenoisingObjective,
    DiffusionSettings,
    Draws,
    Schedule,
    cosine,
    linear,
    loss_weights,
    p2_weights,
)
from qgen.errors import InputError

SHAPE = (2, 6, 5)


class Constant(nn.Module):
    """A denoiser that answers with the given function of (x, t)."""

    def __init__(self, answer: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        assert conditioning is None
        return self.answer(x, t)


def objective(answer: Callable[[Tensor, Tensor], Tensor], schedule: Schedule, gamma: float = 1.0) -> DenoisingObjective:
    return DenoisingObjective(Constant(answer), schedule, p2_weights(schedule, gamma))


def test_p2_weight_is_one_minus_alphas_bar() -> None:
    """As in arXiv:2402.16147, where k = gamma = 1."""
    for schedule in (cosine(1000), linear(1000)):
        torch.testing.assert_close(p2_weights(schedule), 1 - schedule.alphas_bar, rtol=0, atol=1e-12)
    torch.testing.assert_close(loss_weights(DiffusionSettings()), 1 - cosine(1000).alphas_bar, rtol=0, atol=1e-12)


@given(gamma=st.floats(0, 3), k=st.floats(0.1, 5))
def test_p2_weight_is_its_formula(gamma: float, k: float) -> None:
    schedule = cosine(50)
    snr = schedule.alphas_bar / (1 - schedule.alphas_bar)
    torch.testing.assert_close(p2_weights(schedule, gamma, k), 1 / (k + snr) ** gamma, rtol=1e-12, atol=0)


def test_the_true_noise_has_no_loss() -> None:
    schedule = cosine(1000)
    images = torch.rand(16, *SHAPE, dtype=torch.float64) * 2 - 1

    def true_noise(x: Tensor, t: Tensor) -> Tensor:
        left = schedule.alphas_bar[t].view(-1, 1, 1, 1)
        return (x - left.sqrt() * images) / (1 - left).sqrt()

    loss = objective(true_noise, schedule)
    assert loss(images, loss.draw(16, SHAPE, torch.Generator().manual_seed(1))) < 1e-24


@pytest.mark.parametrize("gamma", [0.0, 1.0, 2.0])
def test_a_silent_denoiser_costs_the_weighted_power_of_the_noise(gamma: float) -> None:
    schedule = linear(100)
    loss = objective(lambda x, t: torch.zeros_like(x), schedule, gamma)
    draws = loss.draw(7, SHAPE, torch.Generator().manual_seed(2))
    snr = schedule.alphas_bar / (1 - schedule.alphas_bar)
    by_hand = (
        sum(
            (1 + snr[t]) ** -gamma * (noise.double() ** 2).mean() for t, noise in zip(draws.t, draws.noise, strict=True)
        )
        / 7
    )
    assert loss(torch.rand(7, *SHAPE), draws).item() == pytest.approx(by_hand.item(), rel=1e-6)


def test_without_weights_it_is_the_plain_mean_squared_error() -> None:
    schedule = cosine(100)
    loss = objective(lambda x, t: 0.3 * x, schedule, gamma=0)
    draws, images = loss.draw(5, SHAPE, torch.Generator().manual_seed(3)), torch.rand(5, *SHAPE)
    plain = nn.functional.mse_loss(0.3 * schedule.add_noise(images, draws.t, draws.noise), draws.noise)
    torch.testing.assert_close(loss(images, draws), plain)


def test_the_denoiser_sees_the_noisy_images_and_their_times() -> None:
    schedule = cosine(100)
    seen: list[tuple[Tensor, Tensor]] = []
    loss = objective(lambda x, t: seen.append((x, t)) or x, schedule)
    draws, images = loss.draw(5, SHAPE, torch.Generator().manual_seed(3)), torch.rand(5, *SHAPE)
    loss(images, draws)
    ((x, t),) = seen
    assert torch.equal(t, draws.t)
    assert torch.equal(x, schedule.add_noise(images, draws.t, draws.noise))


def test_draws_depend_on_the_generator_alone_and_can_be_shared_out() -> None:
    loss = objective(lambda x, t: x * t.view(-1, 1, 1, 1) / 100, cosine(100))
    draws, again = (loss.draw(12, SHAPE, torch.Generator().manual_seed(4)) for _ in range(2))
    torch.rand(3)  # the global generator has no part in it
    assert draws.drop is again.drop is None
    for first, second in zip(draws[:2], again[:2], strict=True):
        assert torch.equal(first, second)
    parts = [draws.part(slice(start, start + 4)) for start in (0, 4, 8)]
    assert torch.equal(torch.cat([part.t for part in parts]), draws.t)
    images = torch.rand(12, *SHAPE)
    shares = [loss(images[4 * i : 4 * i + 4], part) for i, part in enumerate(parts)]
    torch.testing.assert_close(torch.stack(shares).mean(), loss(images, draws))


def test_draws_are_uniform_steps_and_normal_noise() -> None:
    """Bounds of 5 deviations of the estimates."""
    t, noise, _ = objective(lambda x, t: x, cosine(10)).draw(20_000, (1, 2, 2), torch.default_generator)
    assert t.dtype == torch.int64
    counts = torch.bincount(t, minlength=10)
    assert len(counts) == 10
    assert (counts - 2000).abs().max() < 5 * (20_000 * 0.1 * 0.9) ** 0.5
    assert noise.dtype == torch.float32
    assert noise.mean().abs() < 5 / 80_000**0.5
    assert (noise.square().mean() - 1).abs() < 5 * (2 / 80_000) ** 0.5
    assert torch.equal(Draws(t, noise).to("cpu").t, t)


@pytest.mark.parametrize("images", [torch.float32, torch.bfloat16])
def test_the_loss_is_float32_under_autocast(images: torch.dtype) -> None:
    convolution = nn.Conv2d(2, 2, 3, padding=1)
    schedule = cosine(100)
    loss = objective(lambda x, t: convolution(x), schedule)
    draws, batch = loss.draw(4, SHAPE, torch.Generator().manual_seed(5)), torch.rand(4, *SHAPE).to(images)
    with torch.autocast("cpu", torch.bfloat16):
        predicted = convolution(schedule.add_noise(batch, draws.t, draws.noise))
        value = loss(batch, draws)
    assert predicted.dtype == torch.bfloat16
    assert value.dtype == torch.float32
    exact = ((predicted.double() - draws.noise).square().mean((1, 2, 3)) * (1 - schedule.alphas_bar)[draws.t]).mean()
    assert value.item() == pytest.approx(exact.item(), rel=1e-6)
    value.backward()
    assert convolution.weight.grad is not None
    assert convolution.weight.grad.isfinite().all()


def test_tables_are_no_part_of_the_modules_state() -> None:
    """So a checkpoint holds the denoiser alone, and a change of precision leaves the tables exact."""
    loss = DenoisingObjective(nn.Linear(2, 2), cosine(100), p2_weights(cosine(100))).bfloat16()
    assert set(loss.state_dict()) == {"network.weight", "network.bias"}
    assert loss.weights.dtype == torch.float64


def test_a_wrong_number_of_weights_is_refused() -> None:
    with pytest.raises(InputError, match="100 steps needs as many weights"):
        DenoisingObjective(nn.Identity(), cosine(100), p2_weights(cosine(99)))
