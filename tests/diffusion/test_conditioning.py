"""Conditions in training and sampling: dropout from the objective's draws, guidance, any codec."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from qgen.conditioning import Conditioning, Labels
from qgen.diffusion import (
    Denoiser,
    DenoisingObjective,
    Guided,
    SamplingSettings,
    cosine,
    evaluations_by_rows,
    num_function_evaluations,
    p2_weights,
    sample,
)
from qgen.diffusion.parametrisation import PARAMETRISATIONS
from qgen.errors import ConfigError, InputError

CLASSES = 4


def classes_of(conditioning: Conditioning | None) -> Tensor:
    assert isinstance(conditioning, Labels)
    return conditioning.classes


def answer(x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
    """A prediction of sums and products only, another one for every label and for none."""
    label = torch.full((len(x),), CLASSES) if conditioning is None else classes_of(conditioning)
    shift = (label.to(x) - 1.5).view(-1, *[1] * (x.ndim - 1))
    return 0.5 * x + 0.1 * shift * x * x - 0.2 * shift


class Recorder(nn.Module):
    """A network that keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[tuple[Tensor, Tensor, Conditioning | None]] = []

    def forward(self, x: Tensor, t: Tensor, conditioning: Conditioning | None) -> Tensor:
        self.asked.append((x, t, conditioning))
        return answer(x, t, conditioning)


# Labels


@given(st.lists(st.integers(0, CLASSES - 1), min_size=1, max_size=8), st.integers(1, 3))
def test_labels_are_repeated_in_succession(labels: list[int], times: int) -> None:
    given_labels = Labels.of(labels, CLASSES)
    assert given_labels.repeated(times).classes.tolist() == [label for label in labels for _ in range(times)]
    assert len(given_labels.repeated(times)) == times * len(given_labels)


# Training


def objective(network: nn.Module, share: float) -> DenoisingObjective:
    return DenoisingObjective(network, cosine(50), p2_weights(cosine(50)), condition_dropout=share)


def test_dropped_conditions_are_those_of_the_draws_and_the_generator_alone() -> None:
    network = Recorder()
    loss = objective(network, 0.4)
    labels, images = Labels.of([0, 1, 2, 3] * 5, CLASSES), torch.rand(20, 2, 3, 3)
    draws, again = (loss.draw(20, (2, 3, 3), torch.Generator().manual_seed(3)) for _ in range(2))
    assert draws.drop is not None
    assert again.drop is not None
    assert torch.equal(draws.drop, again.drop)
    assert 0 < int(draws.drop.sum()) < 20
    loss(images, draws, labels)
    ((_, _, seen),) = network.asked
    assert torch.equal(classes_of(seen), torch.where(draws.drop, CLASSES, labels.classes))
    assert labels.classes.tolist() == [0, 1, 2, 3] * 5
    parts = [draws.part(slice(start, start + 5)).drop for start in range(0, 20, 5)]
    assert torch.equal(torch.cat([part for part in parts if part is not None]), draws.drop)


def test_the_share_of_dropped_conditions() -> None:
    """Within 5 deviations of the binomial distribution."""
    drop = objective(Recorder(), 0.1).draw(20_000, (1,), torch.Generator().manual_seed(1)).drop
    assert drop is not None
    assert abs(drop.double().mean().item() - 0.1) < 5 * (0.1 * 0.9 / 20_000) ** 0.5


def test_other_draws_are_the_same_with_conditions_as_without() -> None:
    first, second = (
        objective(Recorder(), share).draw(9, (2, 3), torch.Generator().manual_seed(1)) for share in (0, 0.5)
    )
    assert torch.equal(first.t, second.t)
    assert torch.equal(first.noise, second.noise)
    assert first.drop is None


# Guidance


def test_guidance_is_its_formula_in_one_batch() -> None:
    """Eq. 6 of Ho & Salimans 2022 with w = scale - 1."""
    network, labels = Recorder(), Labels.of([2, 0, 3], CLASSES)
    x, t = torch.randn(3, 2, 5), torch.tensor([9, 9, 9])
    for w in (0.0, 0.5, 3.0):
        result = Guided(network, 1 + w)(x, t, labels)
        conditional, null = answer(x, t, labels), answer(x, t, None)
        torch.testing.assert_close(result, (1 + w) * conditional - w * null)
    assert len(network.asked) == 3
    assert network.asked[0][0].shape == (6, 2, 5)
    # An image's two rows follow each other, as `image_streams` asks for.
    assert classes_of(network.asked[0][2]).tolist() == [2, CLASSES, 0, CLASSES, 3, CLASSES]


def test_a_negative_condition_stands_in_the_place_of_none() -> None:
    network, labels, others = Recorder(), Labels.of([2, 0, 3], CLASSES), Labels.of([1, 1, 2], CLASSES)
    x, t = torch.randn(3, 2, 5), torch.tensor([9, 9, 9])
    result = Guided(network, 3.0, negative=others)(x, t, labels)
    conditional, negative = answer(x, t, labels), answer(x, t, others)
    torch.testing.assert_close(result, negative + 3 * (conditional - negative))
    assert classes_of(network.asked[0][2]).tolist() == [2, 1, 0, 1, 3, 2]


def test_states_are_led_away_from_their_own_negative_conditions_in_every_batch() -> None:
    settings = SamplingSettings.read({"sampler": "ddim", "steps": 3, "guidance": 2})
    labels, others = Labels.of([0, 1, 2, 3, 0], CLASSES), Labels.of([3, 2, 1, 0, 1], CLASSES)

    def sampled(batch: int, negative: Labels | None) -> Tensor:
        denoiser = Denoiser(Recorder(), cosine(50))
        return sample(denoiser, settings, range(5), (2,), conditioning=labels, negative=negative, batch=batch)

    whole = sampled(5, others)
    torch.testing.assert_close(sampled(2, others), whole)
    assert not torch.allclose(sampled(5, None), whole)
    with pytest.raises(InputError, match="5 seeds need as many conditions, not 2"):
        sampled(5, others.part(slice(2)))


def test_without_conditions_there_is_no_guidance() -> None:
    network = Recorder()
    x, t = torch.randn(3, 2), torch.tensor([9, 9, 9])
    assert torch.equal(Guided(network, 4.0)(x, t, None), answer(x, t, None))
    assert network.asked[0][0].shape == (3, 2)


@given(scale=st.floats(1, 8), seed=st.integers(0, 2**32))
def test_guidance_means_the_same_whatever_is_predicted(scale: float, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    (level,) = cosine(100).levels([60])
    x, conditional, null = torch.randn(3, 7, generator=generator, dtype=torch.float64)
    guided_noise = null + scale * (conditional - null)
    for kind in PARAMETRISATIONS.values():
        alpha, sigma = (torch.tensor(value, dtype=torch.float64) for value in (level.alpha, level.sigma))
        clean = [(x - sigma * noise) / alpha for noise in (conditional, null)]
        outputs = [kind.target(x0, e, alpha, sigma) for x0, e in zip(clean, (conditional, null), strict=True)]
        guided = outputs[1] + scale * (outputs[0] - outputs[1])
        torch.testing.assert_close(kind.epsilon(guided, x, alpha, sigma), guided_noise, rtol=0, atol=1e-9)


# Sampling


@pytest.mark.parametrize("guidance", [1.0, 2.5])
@pytest.mark.parametrize("sampler", ["ancestral", "ddim", "dpm-solver", "unipc", "euler", "heun"])
def test_a_state_is_the_same_in_every_batch(sampler: str, guidance: float) -> None:
    settings = SamplingSettings.read({"sampler": sampler, "steps": 8, "guidance": guidance})
    denoiser, labels = Denoiser(answer, cosine(50)), Labels.of([2, 0, 3, 1, 2], CLASSES)
    together = sample(denoiser, settings, range(5), (2, 3), conditioning=labels, clip=(-1, 1))
    assert (together - sample(denoiser, settings, range(5), (2, 3), clip=(-1, 1))).abs().max() > 0.01
    for batch in (1, 2, 3):
        parts = sample(denoiser, settings, range(5), (2, 3), conditioning=labels, clip=(-1, 1), batch=batch)
        assert torch.equal(parts, together)


@pytest.mark.parametrize(("guidance", "rows"), [(1.0, 1), (3.0, 2)])
def test_guidance_doubles_the_rows_but_not_the_evaluations(guidance: float, rows: int) -> None:
    network, settings = Recorder(), SamplingSettings(sampler="ddim", steps=7, guidance=guidance)
    sample(Denoiser(network, cosine(50)), settings, range(3), (4,), conditioning=Labels.of([0, 1, 2], CLASSES))
    assert len(network.asked) == num_function_evaluations(settings, cosine(50)) == 7
    assert sum(len(x) for x, _, _ in network.asked) == 3 * 7 * rows
    assert evaluations_by_rows(settings, cosine(50)) == {rows: 7}


def test_one_condition_for_each_seed() -> None:
    with pytest.raises(InputError, match="3 seeds need as many conditions, not 2"):
        sample(Denoiser(answer, cosine(9)), SamplingSettings(), range(3), (4,), conditioning=Labels.of([0, 1], CLASSES))


def test_guidance_below_one_is_refused() -> None:
    with pytest.raises(ConfigError, match="`guidance`: input should be greater than or equal to 1"):
        SamplingSettings.read({"guidance": 0.5})


def test_states_are_clipped_to_the_range_that_is_given() -> None:
    far = Denoiser(lambda x, t, _: -5 * torch.ones_like(x), cosine(50))
    for clip in ((-1.0, 1.0), (-0.25, 3.0), None):
        states = sample(far, SamplingSettings(sampler="ddim", steps=5), range(3), (4,), clip=clip)
        assert clip is None or (states.min() >= clip[0] and states.max() <= clip[1])
        assert clip is not None or states.max() > 3


# Codecs


@dataclass(frozen=True)
class Halves:
    """States are the first halves of images' rows, twice as large."""

    range: tuple[float, float] | None = None

    def state_shape(self, image_shape: Sequence[int]) -> tuple[int, ...]:
        return (image_shape[0], image_shape[1] // 2)

    def encode(self, images: Tensor) -> Tensor:
        return 2 * images[:, :, : images.shape[2] // 2]

    def decode(self, states: Tensor) -> Tensor:
        return torch.cat([states, states], dim=2) / 2


def test_training_noises_the_states_of_the_codec() -> None:
    network, schedule = Recorder(), cosine(50)
    loss = DenoisingObjective(network, schedule, p2_weights(schedule), codec=Halves())
    images = torch.rand(5, 3, 8)
    draws = loss.draw(5, (3, 8), torch.Generator().manual_seed(1))
    assert draws.noise.shape == (5, 3, 4)
    loss(images, draws)
    ((x, _, _),) = network.asked
    assert torch.equal(x, schedule.add_noise(Halves().encode(images), draws.t, draws.noise))
