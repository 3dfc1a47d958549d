"""Guidance in an interval of the steps: where it guides, what it costs, and that guidance 1 is none."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qgen.conditioning import Conditioning, Labels
from qgen.diffusion import (
    Denoiser,
    FlowSchedule,
    SamplingSettings,
    cosine,
    evaluations_by_rows,
    num_function_evaluations,
    num_steps,
    sample,
    sampling_summary,
    sampling_times,
)
from qgen.diffusion.settings import SAMPLER_FACTS
from qgen.errors import ConfigError

CLASSES = 3
SAMPLERS = list(SAMPLER_FACTS)


class Network(nn.Module):
    """Keeps the steps and the rows that it was asked for; another answer for each class and for none."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[int, int]] = []

    def forward(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        assert (t == t[0]).all()
        self.asked.append((int(t[0]), len(x)))
        shift = conditioning.classes.to(x) if isinstance(conditioning, Labels) else torch.full((len(x),), 1.0 * CLASSES)
        shift = shift.view(-1, *[1] * (x.ndim - 1)) / 5
        return 0.5 * x + 0.1 * shift * x * x - shift


def sampled(network: Network, settings: SamplingSettings, schedule: Any, **options: Any) -> Tensor:
    prediction = "flow" if isinstance(schedule, FlowSchedule) else "epsilon"
    labels = Labels.of([0, 1, 2], CLASSES)
    denoiser = Denoiser(network, schedule, prediction)
    return sample(denoiser, settings, range(3), (2, 3), conditioning=labels, clip=(-1.0, 1.0), **options)


@examples(20)
@given(
    sampler=st.sampled_from(SAMPLERS),
    schedule=st.sampled_from([cosine(60), FlowSchedule(60)]),
    steps=st.integers(1, 12),
    ends=st.lists(st.integers(0, 10), min_size=2, max_size=2, unique=True),
    guidance=st.sampled_from([1.0, 1.5, 4.0]),
)
def test_rows_are_those_that_are_counted(
    sampler: str, schedule: Any, steps: int, ends: list[int], guidance: float
) -> None:
    low, high = sorted(ends)
    settings = SamplingSettings.read(
        {"sampler": sampler, "steps": steps, "guidance": guidance, "guidance_interval": [low / 10, high / 10]}
    )
    network = Network()
    sampled(network, settings, schedule)
    by_rows = evaluations_by_rows(settings, schedule)
    assert len(network.asked) == num_function_evaluations(settings, schedule) == by_rows.total()
    assert sum(rows for _, rows in network.asked) == 3 * sum(rows * count for rows, count in by_rows.items())
    for time, rows in network.asked:
        inside = low / 10 <= (time + 1) / 60 <= high / 10
        assert rows == (6 if inside and guidance != 1 else 3)


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guidance_of_one_and_guidance_nowhere_are_no_guidance(sampler: str) -> None:
    """To the last bit."""
    schedule = cosine(50)
    plain = sampled(Network(), SamplingSettings.read({"sampler": sampler, "steps": 8}), schedule)
    for guided in ({"guidance": 1.0}, {"guidance": 1.0, "guidance_interval": [0.2, 0.8]}):
        settings = SamplingSettings.read({"sampler": sampler, "steps": 8, **guided})
        assert torch.equal(sampled(Network(), settings, schedule), plain)
    between = sampling_times(schedule, 8)[3:5]
    gap = [(between[1] + 1.25) / 50, (between[1] + 1.75) / 50]  # no step lies in it
    settings = SamplingSettings.read({"sampler": sampler, "steps": 8, "guidance": 3, "guidance_interval": gap})
    network = Network()
    assert torch.equal(sampled(network, settings, schedule), plain)
    assert {rows for _, rows in network.asked} == {3}


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_guidance_everywhere_is_plain_guidance(sampler: str) -> None:
    schedule, given_settings = FlowSchedule(50), {"sampler": sampler, "steps": 8, "guidance": 2.5}
    plain = sampled(Network(), SamplingSettings.read(given_settings), schedule)
    within = SamplingSettings.read({**given_settings, "guidance_interval": [0.0, 1.0]})
    assert torch.equal(sampled(Network(), within, schedule), plain)
    half = SamplingSettings.read({**given_settings, "guidance_interval": [0.0, 0.5]})
    assert (sampled(Network(), half, schedule) - plain).abs().max() > 1e-3


@pytest.mark.parametrize(("steps", "evaluations"), [(1, 1), (2, 3), (12, 23), (None, 23)])
def test_heun_evaluates_twice_in_each_step_but_the_last(steps: int | None, evaluations: int) -> None:
    settings, network, seen = SamplingSettings(sampler="heun", steps=steps), Network(), []
    sampled(network, settings, FlowSchedule(100), progress=lambda done, total: seen.append((done, total)))
    assert len(network.asked) == num_function_evaluations(settings, FlowSchedule(100)) == evaluations
    count = num_steps(settings, FlowSchedule(100))
    assert evaluations == 2 * count - 1
    assert seen == [(done, count) for done in range(1, count + 1)]


def test_the_summary_says_what_is_guided_and_how_often_the_network_runs() -> None:
    settings = SamplingSettings(sampler="heun", guidance=2, guidance_interval=(0.2, 0.75), labels=(3, 5))
    summary = sampling_summary(settings, FlowSchedule(1000))
    assert summary["label"] == "heun12-guidance2-within0.2to0.75-label3+5"
    assert summary["words"] == "heun in 12 steps of 23 evaluations, guidance 2 in 14 of 23 evaluations, of class 3, 5"
    assert SamplingSettings.read({k: v for k, v in summary.items() if k not in ("label", "words")}) == settings
    plain = sampling_summary(SamplingSettings(sampler="ddim", eta=0.5), cosine(1000))
    assert (plain["label"], plain["words"]) == ("ddim50-eta0.5", "ddim in 50 steps")


@pytest.mark.parametrize("interval", [[0.5, 0.2], [-0.1, 0.5], [0.3, 1.2], [0.4, 0.4]])
def test_intervals_that_are_none_are_refused(interval: list[float]) -> None:
    with pytest.raises(ConfigError, match="give two shares from 0 \\(clean\\) to 1 \\(noise\\), the lower one first"):
        SamplingSettings.read({"guidance_interval": interval})


# Clipping


def test_dynamic_thresholding_is_that_of_diffusers() -> None:
    diffusers = pytest.importorskip("diffusers")
    from qgen.diffusion.samplers import threshold

    scheduler = diffusers.DDIMScheduler(
        thresholding=True, dynamic_thresholding_ratio=0.9, sample_max_value=1e9, clip_sample=False
    )
    x0 = torch.randn(6, 2, 4, 4) * torch.tensor([0.1, 0.4, 1, 2, 5, 20]).view(-1, 1, 1, 1)
    torch.testing.assert_close(threshold(x0, (-1.0, 1.0), 0.9), scheduler._threshold_sample(x0.clone()))
    shifted = threshold(3 + 2 * x0, (1.0, 5.0), 0.9)
    torch.testing.assert_close(shifted, 3 + 2 * threshold(x0, (-1.0, 1.0), 0.9))
    assert shifted.min() >= 1
    assert shifted.max() <= 5


def test_clipping_belongs_to_the_range_of_the_states() -> None:
    """Codes have no range, so nothing is clipped there, whatever the settings say."""
    far = Denoiser(lambda x, t, _: -5 * x.sign() + x, cosine(50))
    cut, shrunk, free = (
        sample(far, SamplingSettings(sampler="ddim", steps=5, dynamic_clip=quantile), range(3), (40,), clip=clip)
        for quantile, clip in ((None, (-1.0, 1.0)), (0.9, (-1.0, 1.0)), (0.9, None))
    )
    assert cut.abs().max() <= 1
    assert shrunk.abs().max() <= 1
    assert (cut - shrunk).abs().max() > 0.01
    assert free.abs().max() > 2
    with pytest.raises(ConfigError, match="means nothing without `clip`"):
        SamplingSettings.read({"clip": False, "dynamic_clip": 0.99})
