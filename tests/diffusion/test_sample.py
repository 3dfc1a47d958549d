"""From seeds to images: one seed per image, exact numbers of denoiser calls, settings and their refusals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, get_args

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from reverse import Answer, as_denoiser, reverse
from torch import Tensor

from qgen.diffusion import (
    DiffusionSettings,
    IdentityCodec,
    SamplingSettings,
    Schedule,
    SeededNoise,
    cosine,
    ddim_invert,
    linear,
    loss_weights,
    noise_schedule,
    num_function_evaluations,
    sample,
    sampling,
    sampling_times,
)
from qgen.diffusion.settings import SAMPLER_FACTS
from qgen.errors import ConfigError, InputError

SHAPE = (2, 5, 5)
SAMPLERS = ["ancestral", "ddim", "dpm-solver", "unipc", "euler"]  # with one evaluation a step
NOISY = [{"sampler": "ancestral"}, {"sampler": "ddim", "eta": 0.5}, {"sampler": "dpm-solver", "eta": 1.0}]
QUIET = [{"sampler": "ddim"}, {"sampler": "dpm-solver"}, {"sampler": "unipc"}, {"sampler": "unipc", "clip": False}]


def elementwise(x: Tensor, t: Tensor) -> Tensor:
    """A denoiser of sums, products and quotients only, so that its rounding does not depend on the batch."""
    later = (t.view(-1, 1, 1, 1) + 1) / 50
    return (x + 0.3 * later) / (1 + later * x * x) + 0.2 * later * x


def sampled(
    answer: Answer,
    schedule: Schedule,
    settings: SamplingSettings,
    seeds: Sequence[int],
    shape: Sequence[int],
    **options: Any,
) -> Tensor:
    """Images of a denoiser that takes no conditions."""
    codec = IdentityCodec()
    return codec.decode(sample(as_denoiser(answer, schedule), settings, seeds, shape, clip=codec.range, **options))


# One seed per image


@given(st.data())
def test_an_images_noise_is_the_same_in_every_company(data: st.DataObject) -> None:
    seeds = data.draw(st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=8))
    shape = data.draw(st.tuples(*[st.integers(1, 9)] * 3))
    together = SeededNoise(seeds, shape)
    alone = [SeededNoise([seed], shape) for seed in seeds]
    for _ in range(3):
        noise = together()
        assert noise.shape == (len(seeds), *shape)
        assert torch.equal(noise, torch.cat([left() for left in alone]))


def test_noise_is_normal_and_independent() -> None:
    """Bounds of 5 deviations, over 100 neighbouring seeds."""
    noise = SeededNoise(range(100), (3, 16, 16))
    first, second = noise(), noise()
    count = first.numel()
    assert first.mean().abs() < 5 / math.sqrt(count)
    assert (first.square().mean() - 1).abs() < 5 * math.sqrt(2 / count)
    assert (first * second).mean().abs() < 5 / math.sqrt(count)
    assert (first[:-1] * first[1:]).mean().abs() < 5 / math.sqrt(count * 0.99)


@pytest.mark.parametrize("given_settings", NOISY + QUIET, ids=str)
def test_an_image_is_the_same_in_every_batch(given_settings: dict[str, Any]) -> None:
    schedule, settings = cosine(50), SamplingSettings.read({**given_settings, "steps": 12})
    seeds = [5, 17, 3, 2**62, 0, 17, 9]
    images = sampled(elementwise, schedule, settings, seeds, SHAPE)
    assert images.shape == (7, *SHAPE)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    assert images.std(0).max() > 0.01  # seeds matter
    assert torch.equal(images[1], images[5])
    for batch in (1, 2, 3, 7, 100):
        assert torch.equal(sampled(elementwise, schedule, settings, seeds, SHAPE, batch=batch), images)
    assert torch.equal(sampled(elementwise, schedule, settings, seeds[::-1], SHAPE, batch=4), images.flip(0))


@pytest.mark.parametrize("given_settings", NOISY, ids=str)
def test_samplers_with_noise_use_fresh_noise_in_each_step(given_settings: dict[str, Any]) -> None:
    """From the same first noise they end elsewhere than the same sampler without its noise."""
    schedule = cosine(50)
    quiet = "ddim" if given_settings["sampler"] == "ancestral" else given_settings["sampler"]
    images = [
        sampled(elementwise, schedule, SamplingSettings.read({**chosen, "steps": 12}), [1, 2, 3], SHAPE)
        for chosen in (given_settings, {"sampler": quiet})
    ]
    assert (images[0] - images[1]).abs().max() > 0.01


@pytest.mark.parametrize("clip", [True, False])
@pytest.mark.parametrize("sampler", SAMPLERS)
def test_images_are_those_of_the_bare_sampler(sampler: str, clip: bool) -> None:
    schedule, settings = cosine(50), SamplingSettings.read({"sampler": sampler, "steps": 12, "clip": clip})
    noise, times = SeededNoise([1, 2], SHAPE), sampling_times(schedule, 12)
    bare = sampling.SAMPLERS[sampler](reverse(elementwise, schedule, times, noise, clip), noise())
    assert torch.equal(sampled(elementwise, schedule, settings, [1, 2], SHAPE), bare.clamp(-1, 1))


def test_no_seeds_make_no_images() -> None:
    assert sampled(elementwise, cosine(50), SamplingSettings(), [], SHAPE).shape == (0, *SHAPE)


# Denoiser calls


@given(
    sampler=st.sampled_from(SAMPLERS),
    schedule=st.one_of(st.builds(cosine, st.integers(1, 60)), st.builds(linear, st.integers(21, 60))),
    data=st.data(),
)
def test_there_are_exactly_as_many_calls_as_steps(sampler: str, schedule: Schedule, data: st.DataObject) -> None:
    steps = data.draw(st.none() | st.integers(1, schedule.steps))
    images, batch = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    settings = SamplingSettings(sampler=sampler, steps=steps)  # type: ignore[arg-type]
    calls: Counter[int] = Counter()
    progress_calls: list[tuple[int, int]] = []

    def denoiser(x: Tensor, t: Tensor) -> Tensor:
        assert t.dtype == torch.int64
        assert t.shape == (len(x),)
        assert (t == t[0]).all()
        assert not torch.is_grad_enabled()
        calls[int(t[0])] += 1
        return torch.zeros_like(x)

    report = lambda done, total: progress_calls.append((done, total))  # noqa: E731
    sampled(denoiser, schedule, settings, range(images), (1, 2, 2), batch=batch, progress=report)
    expected, batches = num_function_evaluations(settings, schedule), math.ceil(images / batch)
    if steps is not None:
        assert expected == steps
    assert len(calls) == expected  # each at another time
    assert calls == Counter(dict.fromkeys(sampling_times(schedule, expected)[:-1], batches))
    assert progress_calls == [(done, expected * batches) for done in range(1, expected * batches + 1)]


@pytest.mark.parametrize(
    ("sampler", "calls"), [("ancestral", 1000), ("ddim", 50), ("dpm-solver", 20), ("unipc", 20), ("euler", 25)]
)
def test_default_steps(sampler: str, calls: int) -> None:
    settings = SamplingSettings.read({"sampler": sampler})
    assert num_function_evaluations(settings, cosine(1000)) == calls
    assert num_function_evaluations(settings, cosine(10)) == 10


def test_inversion_makes_the_calls_it_says() -> None:
    calls: list[int] = []
    progress_calls: list[tuple[int, int]] = []

    def denoiser(x: Tensor, t: Tensor) -> Tensor:
        calls.append(int(t[0]))
        return 0.5 * x

    schedule = cosine(20)
    report = lambda done, total: progress_calls.append((done, total))  # noqa: E731
    process = replace(
        reverse(denoiser, schedule, sampling_times(schedule, 20), lambda: torch.zeros(0)), progress=report
    )
    ddim_invert(process, torch.rand(2, *SHAPE), refinements=1)
    assert calls == sorted(2 * list(range(20)))
    assert progress_calls == [(step, 20) for step in range(1, 21)]


# Settings


def test_every_sampler_has_its_line_in_the_table() -> None:
    assert (
        get_args(SamplingSettings.model_fields["sampler"].annotation)
        == tuple(SAMPLER_FACTS)
        == tuple(sampling.SAMPLERS)
    )


def test_weights_of_the_loss_follow_both_settings() -> None:
    weights = loss_weights(DiffusionSettings(p2_gamma=0.5, p2_k=2))
    torch.testing.assert_close(weights, (2 + cosine(1000).snr) ** -0.5, rtol=1e-12, atol=0)


def test_defaults_are_the_published_diffusion() -> None:
    settings = DiffusionSettings()
    assert torch.equal(noise_schedule(settings).alphas_bar, cosine(1000).alphas_bar)
    assert (settings.p2_gamma, settings.p2_k) == (1, 1)
    assert SamplingSettings().sampler == "dpm-solver"
    linear_one = DiffusionSettings.read({"schedule": "linear", "steps": 200, "p2_gamma": 0})
    assert torch.equal(noise_schedule(linear_one).alphas_bar, linear(200).alphas_bar)
    assert (loss_weights(linear_one) == 1).all()


@pytest.mark.parametrize("settings", [DiffusionSettings(steps=7), SamplingSettings(sampler="ddim", eta=0.3)])
def test_settings_survive_writing(settings: DiffusionSettings | SamplingSettings) -> None:
    assert type(settings).read(settings.plain()) == settings


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"sampler": "ancestral", "eta": 0.5}, "eta = 0.5 means nothing to the sampler `ancestral`; leave it out, or"),
        ({"sampler": "unipc", "eta": 1}, "means nothing to the sampler `unipc`"),
        ({"sampler": "ddim", "eta": 1.5}, "`eta`: input should be less than or equal to 1"),
        (
            {"sampler": "ddpm"},
            "`sampler`: input should be 'ancestral', 'ddim', 'dpm-solver', 'unipc', 'euler' or 'heun'",
        ),
        ({"steps": 0}, "`steps`: input should be greater than or equal to 1"),
        ({"step": 5}, "Did you mean `steps`"),
    ],
)
def test_contradicting_sampling_settings_are_refused(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SamplingSettings.read(given_settings)


@pytest.mark.parametrize(
    ("given_settings", "message"),
    [
        ({"schedule": "linear", "steps": 20}, "take more than 20 steps, or `cosine`"),
        ({"schedule": "quadratic"}, "`schedule`: input should be 'cosine', 'linear' or 'flow'"),
        ({"steps": 0}, "`steps`: input should be greater than or equal to 1"),
        ({"p2_gamma": -1}, "`p2_gamma`"),
        ({"p2_k": 0}, "`p2_k`"),
    ],
)
def test_contradicting_diffusion_settings_are_refused(given_settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DiffusionSettings.read(given_settings)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_more_steps_than_the_diffusion_has_are_refused_before_any_call(sampler: str) -> None:
    def never(x: Tensor, t: Tensor) -> Tensor:
        raise AssertionError("the denoiser was called")

    settings = SamplingSettings.read({"sampler": sampler, "steps": 101})
    with pytest.raises(ConfigError, match="1 to 100 steps, not in 101"):
        num_function_evaluations(settings, cosine(100))
    with pytest.raises(ConfigError, match="1 to 100 steps, not in 101"):
        sampled(never, cosine(100), settings, [1], SHAPE)
    with pytest.raises(InputError, match="at least one image, not 0"):
        sampled(never, cosine(100), SamplingSettings(), [1], SHAPE, batch=0)


def test_seeds_below_zero_are_refused() -> None:
    with pytest.raises(InputError, match="a seed is a whole number from 0 on, not -1"):
        sampled(elementwise, cosine(50), SamplingSettings(), [1, -1], SHAPE)


# A GPU


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("given_settings", NOISY + QUIET, ids=str)
def test_a_gpu_makes_the_images_of_the_processor(given_settings: dict[str, Any]) -> None:
    settings = SamplingSettings.read({**given_settings, "steps": 12})
    assert torch.equal(SeededNoise([1, 2], SHAPE, "cuda")().cpu(), SeededNoise([1, 2], SHAPE)())
    left, right = (
        sampled(elementwise, cosine(50), settings, [1, 2], SHAPE, device=device) for device in ("cpu", "cuda")
    )
    assert right.device.type == "cpu"
    torch.testing.assert_close(left, right, rtol=0, atol=1e-4)
