"""Flow matching: its path and targets, Euler's and Heun's methods against diffusers and a flow that is known."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reverse import Answer, reverse
from torch import Tensor, nn

from qgen.conditioning import Conditioning
from qgen.diffusion import (
    CLEAN,
    DenoisingObjective,
    DiffusionSettings,
    FlowSchedule,
    NoiseSchedule,
    ancestral,
    cosine,
    ddim,
    dpm_solver,
    draw_times,
    euler,
    heun,
    linear,
    loss_weights,
    min_snr_weights,
    noise_schedule,
    sampling_times,
    unipc,
)
from qgen.errors import ConfigError, InputError

# diffusers hands tensors to np.array; NumPy 2 warns of it.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SHAPE = (3, 2, 4, 4)
SCHEDULES: dict[str, NoiseSchedule] = {"cosine": cosine(1000), "linear": linear(1000), "flow": FlowSchedule(1000)}


@pytest.fixture
def diffusers() -> Any:
    return pytest.importorskip("diffusers")


# The path


@given(steps=st.integers(1, 2000), seed=st.integers(0, 2**32))
def test_states_lie_on_straight_lines(steps: int, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    schedule = FlowSchedule(steps)
    x0, noise = torch.randn(2, 6, 3, generator=generator, dtype=torch.float64)
    t = torch.randint(-1, steps, (6,), generator=generator)
    share = ((t + 1).double() / steps).view(-1, 1)
    torch.testing.assert_close(schedule.add_noise(x0, t, noise), x0 + share * (noise - x0), rtol=0, atol=1e-12)
    for time, level in zip(range(steps - 1, -2, -1), schedule.levels(range(steps - 1, -2, -1)), strict=True):
        assert level.time == time
        assert level.sigma == pytest.approx((time + 1) / steps, abs=1e-15)
        assert level.alpha + level.sigma == pytest.approx(1, abs=1e-15)
    snr = ((1 - schedule.coordinate) / schedule.coordinate) ** 2
    assert torch.equal(schedule.snr, snr)
    assert schedule.snr[-1] == 0


@given(steps=st.integers(3, 500), data=st.data())
def test_noise_between_levels_is_what_makes_the_later_one(steps: int, data: st.DataObject) -> None:
    """x_t = a x_s + noise has the mean alpha_t x0 and the variance sigma_t^2, for each schedule."""
    s = data.draw(st.integers(-1, steps - 3))
    t = data.draw(st.integers(s + 1, steps - 1))
    for schedule in (cosine(steps), FlowSchedule(steps)):
        late, early = schedule.levels([t, s])
        ratio = late.alpha / early.alpha
        assert late.variance_since(early) + (ratio * early.sigma) ** 2 == pytest.approx(late.sigma**2, abs=1e-12)
        assert late.variance_since(early) > 0


def test_times_of_flow_are_refused_as_others_are() -> None:
    with pytest.raises(InputError, match=r"times must fall strictly within 9..0"):
        FlowSchedule(10).levels([3, 4])
    with pytest.raises(InputError, match="floating-point"):
        FlowSchedule(10).add_noise(torch.zeros(1, 2, dtype=torch.int64), torch.tensor([3]), torch.zeros(1, 2))
    with pytest.raises(ConfigError, match="at least one level of time, not 0"):
        FlowSchedule(0)


@given(steps=st.integers(1, 1000), data=st.data())
def test_sampling_times_are_equally_spaced(steps: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(1, steps))
    times = sampling_times(FlowSchedule(steps), count)
    assert len(times) == count + 1
    assert times[0] == steps - 1
    assert times[-1] == CLEAN
    for number, time in enumerate(times):
        assert abs((time + 1) / steps - (1 - number / count)) <= 0.5 / steps + 1e-9


# Training


class Answering(nn.Module):
    """A network that answers with a function of (x, t)."""

    def __init__(self, answer: Answer) -> None:
        super().__init__()
        self.answer = answer

    def forward(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        return self.answer(x, t)


def test_the_loss_is_that_of_the_velocity() -> None:
    """Lipman et al. 2023, eq. 23: the mean of |u - (epsilon - x0)|^2."""
    settings = DiffusionSettings.read({"schedule": "flow", "steps": 100})
    seen: list[tuple[Tensor, Tensor]] = []

    def answer(x: Tensor, t: Tensor) -> Tensor:
        seen.append((x, t))
        return 0.3 * x

    loss = DenoisingObjective(
        Answering(answer), noise_schedule(settings), loss_weights(settings), settings.prediction, times="logit-normal"
    )
    draws, images = loss.draw(9, (2, 3, 3), torch.Generator().manual_seed(1)), torch.rand(9, 2, 3, 3) * 2 - 1
    value = loss(images, draws)
    ((x, t),) = seen
    assert torch.equal(t, draws.t)
    share = ((t + 1) / 100).view(-1, 1, 1, 1)
    torch.testing.assert_close(x, (1 - share) * images + share * draws.noise)
    torch.testing.assert_close(value, (0.3 * x - (draws.noise - images)).square().mean())


def test_diffusers_noises_and_aims_alike(diffusers: Any) -> None:
    scheduler, schedule = diffusers.FlowMatchEulerDiscreteScheduler(1000), FlowSchedule(1000)
    t = torch.tensor([999, 500, 0])
    x0, noise = torch.randn(2, 3, 4)
    scheduler.set_timesteps(sigmas=((t + 1) / 1000).tolist())
    theirs = torch.cat([scheduler.scale_noise(x0[i : i + 1], scheduler.timesteps[i : i + 1], noise[i]) for i in (0, 1)])
    torch.testing.assert_close(schedule.add_noise(x0, t, noise)[:2], theirs)


def test_logit_normal_times_are_sigmoids_of_normals() -> None:
    """Shares of thirds of the time by the normal distribution, within 5 deviations; uniform times as ever."""
    generator = torch.Generator().manual_seed(5)
    t = draw_times("logit-normal", 900, 40_000, generator)
    assert t.dtype == torch.int64
    assert t.min() >= 0
    assert t.max() < 900
    outer = 0.5 * math.erfc(math.log(2) / math.sqrt(2))  # P(sigmoid(z) < 1/3) = P(z < -log 2)
    for third, share in enumerate((outer, 1 - 2 * outer, outer)):
        found = ((t >= 300 * third) & (t < 300 * (third + 1))).double().mean().item()
        assert abs(found - share) < 5 * (share * (1 - share) / 40_000) ** 0.5
    uniform = draw_times("uniform", 900, 50, torch.Generator().manual_seed(3))
    assert torch.equal(uniform, torch.randint(900, (50,), generator=torch.Generator().manual_seed(3)))


# Settings


def test_flow_has_defaults_of_its_own_and_survives_writing() -> None:
    settings = DiffusionSettings.read({"schedule": "flow"})
    assert (settings.prediction, settings.loss_weighting, settings.drawn_times) == ("flow", "uniform", "logit-normal")
    assert (loss_weights(settings) == 1).all()
    assert isinstance(noise_schedule(settings), FlowSchedule)
    for chosen_too in ({}, {"weights": "p2", "times": "uniform"}, {"prediction": "x0", "weights": "min-snr"}):
        chosen = DiffusionSettings.read({"schedule": "flow", **chosen_too})
        assert DiffusionSettings.read(chosen.plain()) == chosen
    plain = DiffusionSettings()
    assert (plain.prediction, plain.loss_weighting, plain.drawn_times) == ("epsilon", "p2", "uniform")
    assert set(plain.plain()) == {"schedule", "steps", "p2_gamma", "p2_k"}  # as earlier versions wrote it


@pytest.mark.parametrize("prediction", ["epsilon", "v"])
def test_what_a_flow_does_not_predict_is_refused(prediction: str) -> None:
    with pytest.raises(ConfigError, match=f"predicts `flow` or `x0`, not `{prediction}`: set `prediction: flow`, or"):
        DiffusionSettings.read({"schedule": "flow", "prediction": prediction})


# Sampling


def velocity(x: Tensor, t: Tensor) -> Tensor:
    """An arbitrary smooth function of states and steps."""
    later = (t.view(-1, 1, 1, 1) + 1) / 1000
    return 0.4 * x + 0.5 * later * torch.sin(2 * x) + 0.3 * torch.cos(3 * later + x.mean((1, 2, 3), keepdim=True))


def walk(scheduler: Any, x: Tensor) -> Tensor:
    """diffusers' loop over its own timesteps, i / 1000 for step i - 1."""
    for t in scheduler.timesteps:
        x = scheduler.step(velocity(x, torch.full((len(x),), round(float(t)) - 1)), t, x).prev_sample
    return x


def no_noise() -> Tensor:
    raise AssertionError("no noise is added")


@pytest.mark.parametrize("calls", [1, 2, 5, 25, 1000])
def test_euler_agrees_with_diffusers(diffusers: Any, calls: int) -> None:
    """diffusers computes in float32."""
    schedule = FlowSchedule(1000)
    times = sampling_times(schedule, calls)
    scheduler = diffusers.FlowMatchEulerDiscreteScheduler(1000)
    scheduler.set_timesteps(sigmas=[(time + 1) / 1000 for time in times[:-1]])
    x = torch.randn(SHAPE)
    result = euler(reverse(velocity, schedule, times, no_noise, clip=False, prediction="flow"), x.double())
    torch.testing.assert_close(result.float(), walk(scheduler, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("calls", [2, 5, 24, 999])
def test_heun_agrees_with_diffusers(diffusers: Any, calls: int) -> None:
    """On the grid of diffusers, which ends a thousandth before the clean state."""
    schedule = FlowSchedule(1000)
    scheduler = diffusers.FlowMatchHeunDiscreteScheduler(1000)
    scheduler.set_timesteps(calls)
    grid = [round(float(t)) for t in dict.fromkeys(scheduler.timesteps.tolist())]
    times = (*(i - 1 for i in grid), CLEAN)
    if any(abs(float(t) - round(float(t))) > 1e-3 for t in scheduler.timesteps):  # between our levels: put it on them
        sigmas = torch.tensor(grid, dtype=torch.float32) / 1000
        scheduler.sigmas = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2), torch.zeros(1)])
        scheduler.timesteps = torch.cat([sigmas[:1], sigmas[1:].repeat_interleave(2)]) * 1000
    x = torch.randn(SHAPE)
    result = heun(reverse(velocity, schedule, times, no_noise, clip=False, prediction="flow"), x.double())
    torch.testing.assert_close(result.float(), walk(scheduler, x), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("calls", [1, 2, 5, 20])
@pytest.mark.parametrize("eta", [0, 1])
def test_dpm_solver_agrees_with_diffusers(diffusers: Any, calls: int, eta: int) -> None:
    """From pure noise, where the logarithm of the signal-to-noise ratio is minus infinity."""
    schedule = FlowSchedule(1000)
    times = sampling_times(schedule, calls)
    scheduler = diffusers.DPMSolverMultistepScheduler(
        1000,
        prediction_type="flow_prediction",
        use_flow_sigmas=True,
        algorithm_type="sde-dpmsolver++" if eta else "dpmsolver++",
        final_sigmas_type="zero",
    )
    scheduler.set_timesteps(calls)
    scheduler.sigmas = torch.tensor([(time + 1) / 1000 for time in times], dtype=torch.float64)
    scheduler.timesteps = torch.tensor([time + 1 for time in times[:-1]])
    x = torch.randn(SHAPE).double()
    ours, theirs = (torch.Generator().manual_seed(7) for _ in range(2))
    draw = lambda: torch.randn(SHAPE, generator=ours).double()  # noqa: E731
    result = dpm_solver(reverse(velocity, schedule, times, draw, clip=False, prediction="flow"), x, eta=float(eta))
    reference = x
    for t in scheduler.timesteps:
        output = velocity(reference, torch.full((len(x),), int(t) - 1))
        reference = scheduler.step(output, t, reference, generator=theirs).prev_sample
    torch.testing.assert_close(result, reference, rtol=1e-4, atol=1e-4)


MEAN, WIDTH = 0.7, 0.3


def gaussian(schedule: NoiseSchedule) -> Answer:
    """The mean x0 of x, if the data are N(MEAN, WIDTH^2)."""

    def predict(x: Tensor, t: Tensor) -> Tensor:
        alpha, sigma = schedule.coefficients(t, x)
        variance = alpha**2 * WIDTH**2 + sigma**2
        return MEAN + alpha * WIDTH**2 / variance * (x - alpha * MEAN)

    return predict


def exact_flow(schedule: NoiseSchedule, x: Tensor) -> Tensor:
    """Where the probability flow takes x: deviations from the mean keep their share of the total deviation."""
    (last,) = schedule.levels([schedule.steps - 1])
    spread = math.sqrt(last.alpha**2 * WIDTH**2 + last.sigma**2)
    return MEAN + WIDTH * (x - last.alpha * MEAN) / spread


def error(sampler: Callable[..., Tensor], schedule: NoiseSchedule, times: Sequence[int], **options: Any) -> float:
    x = torch.linspace(-3, 3, 101, dtype=torch.float64).view(-1, 1)
    process = reverse(gaussian(schedule), schedule, times, no_noise, clip=False, prediction="x0")
    return float((sampler(process, x, **options) - exact_flow(schedule, x)).abs().max())


@pytest.mark.parametrize("name", SCHEDULES)
def test_euler_is_of_first_order_and_heun_of_second(name: str) -> None:
    """Four times the steps: an error four and sixteen times smaller, nearly, on every schedule."""
    schedule = {"cosine": cosine(4096), "linear": linear(4096), "flow": FlowSchedule(4096)}[name]
    grids = [sampling_times(schedule, count) for count in (16, 64)]
    first, second = ([error(sampler, schedule, grid) for grid in grids] for sampler in (euler, heun))
    assert 3 < first[0] / first[1] < 6
    assert second[0] / second[1] > 10
    assert second[0] < first[0] / 4


@pytest.mark.parametrize("name", ["cosine", "linear"])
def test_euler_is_ddim_without_noise(name: str) -> None:
    schedule = SCHEDULES[name]
    x, times = torch.randn(SHAPE, dtype=torch.float64), sampling_times(schedule, 7)
    one, other = (
        sampler(reverse(velocity, schedule, times, no_noise), x) for sampler in (euler, ddim)
    )  # fmt: skip
    assert torch.equal(one, other)


@pytest.mark.parametrize("sampler", [ancestral, ddim, dpm_solver, unipc, euler, heun])
def test_every_sampler_follows_a_flow(sampler: Callable[..., Tensor]) -> None:
    """To the distribution of the data, from exact predictions; bounds of 5 deviations and a little for the steps."""
    schedule, count = FlowSchedule(1000), 20_000
    x = torch.randn(count, 1, dtype=torch.float64)
    draw = lambda: torch.randn(count, 1, dtype=torch.float64)  # noqa: E731
    times = sampling_times(schedule, 100)
    made = sampler(reverse(gaussian(schedule), schedule, times, draw, clip=False, prediction="x0"), x)
    assert abs(made.mean().item() - MEAN) < 5 * WIDTH / count**0.5 + 0.01
    assert abs(made.std().item() / WIDTH - 1) < 5 / (2 * count) ** 0.5 + 0.03


@pytest.mark.parametrize("sampler", [dpm_solver, ddim])
def test_fresh_noise_keeps_the_distribution(sampler: Callable[..., Tensor]) -> None:
    schedule, count = FlowSchedule(1000), 20_000
    x = torch.randn(count, 1, dtype=torch.float64)
    draw = lambda: torch.randn(count, 1, dtype=torch.float64)  # noqa: E731
    process = reverse(gaussian(schedule), schedule, sampling_times(schedule, 200), draw, clip=False, prediction="x0")
    made = sampler(process, x, eta=1.0)
    assert abs(made.mean().item() - MEAN) < 5 * WIDTH / count**0.5 + 0.01
    assert abs(made.std().item() / WIDTH - 1) < 5 / (2 * count) ** 0.5 + 0.03


# Weights


@pytest.mark.parametrize("gamma", [1.0, 5.0])
def test_min_snr_weights_are_those_of_diffusers(diffusers: Any, gamma: float) -> None:
    """As its training scripts have them: min(snr, gamma) / snr for the noise, / (snr + 1) for v."""
    from diffusers.training_utils import compute_snr

    schedule = cosine(1000)
    scheduler = diffusers.DDPMScheduler(1000)
    scheduler.alphas_cumprod = schedule.alphas_bar
    snr = compute_snr(scheduler, torch.arange(1000)).double()
    capped = snr.clamp(max=gamma)
    for prediction, expected in (("epsilon", capped / snr), ("v", capped / (snr + 1)), ("x0", capped)):
        found = min_snr_weights(schedule, prediction, gamma)  # type: ignore[arg-type]
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-10)
    chosen = DiffusionSettings(weights="min-snr", min_snr_gamma=gamma, prediction="v")
    torch.testing.assert_close(loss_weights(chosen), min_snr_weights(schedule, "v", gamma))


@pytest.mark.parametrize("name", SCHEDULES)
def test_min_snr_means_the_same_error_of_x0_whatever_is_predicted(name: str) -> None:
    """The weighted error of an output is min(snr, 5) times that of the x0 which it means."""
    from qgen.diffusion.parametrisation import PARAMETRISATIONS

    schedule = SCHEDULES[name]
    for prediction in ("x0", "flow") if name == "flow" else ("epsilon", "x0", "v", "flow"):
        weights, kind = min_snr_weights(schedule, prediction), PARAMETRISATIONS[prediction]
        assert weights.shape == (1000,)
        for level in schedule.levels([999, 700, 300, 20, 0]):
            x, output = torch.randn(2, 5, dtype=torch.float64)
            moved = kind.x0(output + 1, x, level.alpha, level.sigma) - kind.x0(output, x, level.alpha, level.sigma)
            ratio = (schedule.snr[level.time].clamp(max=5) * moved.square()).mean().item()
            assert weights[level.time].item() == pytest.approx(ratio, rel=1e-9, abs=1e-12)
