"""Losses of the two players against their formulas, and the gradient penalty against finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from qgen.adversarial import LOSSES, AdversarialSettings, gradient_penalty
from qgen.backends import open_settings
from qgen.data import ImageSet
from qgen.errors import ConfigError
from qgen.models import GANSettings, build_gan
from qgen.runs import build_model, read_config
from qgen.runs.config import BackendSettings

BLOCK = {"kind": "quantum", "width": 2, "layers": 2}
SETTINGS = GANSettings.read(
    {
        "generator": {"kind": "conv", "channels": 2, "block": BLOCK},
        "discriminator": {"extractor": {"width": 2, "spectral_norm": False}, "block": BLOCK},
    }
)
SHAPE = 1, 4, 4


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def test_losses_are_their_formulas(rng: np.random.Generator) -> None:
    real, fake = 3 * rng.normal(size=(2, 50))
    wanted = {
        "non-saturating": (
            -np.log(sigmoid(real)).mean() - np.log(1 - sigmoid(fake)).mean(),
            -np.log(sigmoid(fake)).mean(),
        ),
        "hinge": (-np.minimum(0, real - 1).mean() - np.minimum(0, -fake - 1).mean(), -fake.mean()),
        "wasserstein": (fake.mean() - real.mean(), -fake.mean()),
    }
    assert wanted.keys() == LOSSES.keys()
    assert set(AdversarialSettings.model_fields["loss"].annotation.__args__) == LOSSES.keys()
    for name, (discriminator, generator) in wanted.items():
        given = torch.from_numpy(real), torch.from_numpy(fake)
        assert LOSSES[name].discriminator(*given).item() == pytest.approx(discriminator, abs=1e-12)
        assert LOSSES[name].generator(given[1]).item() == pytest.approx(generator, abs=1e-12)


@pytest.mark.parametrize("name", LOSSES)
@pytest.mark.parametrize("size", [1e4, 1e30])
def test_extreme_scores_have_finite_losses_and_gradients(name: str, size: float) -> None:
    real, fake = (torch.tensor([-size, 0.0, size], requires_grad=True) for _ in range(2))
    losses = LOSSES[name]
    for loss in (losses.discriminator(real, fake), losses.generator(fake)):
        assert loss.isfinite()
        loss.backward()
    assert real.grad.isfinite().all()
    assert fake.grad.isfinite().all()


@pytest.mark.parametrize("name", LOSSES)
def test_each_player_wants_what_the_other_does_not(name: str) -> None:
    real, fake = (torch.zeros(4, requires_grad=True) for _ in range(2))
    LOSSES[name].discriminator(real, fake).backward()
    assert (real.grad < 0).all()  # a step down raises the scores of real images
    assert (fake.grad > 0).all()
    fake.grad = None
    LOSSES[name].generator(fake).backward()
    assert (fake.grad < 0).all()


# The penalty


def smooth_case() -> tuple[nn.Module, torch.Tensor, torch.Tensor, torch.Tensor]:
    """A discriminator with a circuit and images between which, at this mix, no leaky ReLU is near its kink."""
    model = build_gan(SETTINGS, SHAPE, seed=int(torch.randint(2**31, ()).item())).double()
    while True:
        real, fake = (2 * torch.rand(2, 2, *SHAPE, dtype=torch.float64) - 1).unbind()
        mix = torch.rand(2, dtype=torch.float64)
        at = mix.view(-1, 1, 1, 1) * real + (1 - mix).view(-1, 1, 1, 1) * fake
        before = [at]
        for convolution in model.discriminator.extractor.convolutions.values():
            before.append(convolution(nn.functional.leaky_relu(before[-1], 0.2) if before[1:] else at))
        if min(each.abs().min().item() for each in before[1:]) > 1e-2:
            return model.discriminator, real, fake, mix


def test_the_penalty_is_that_of_slopes_by_finite_differences() -> None:
    score, real, fake, mix = smooth_case()
    penalty = gradient_penalty(score, real, fake, mix)
    with torch.no_grad():
        at = (mix.view(-1, 1, 1, 1) * real + (1 - mix).view(-1, 1, 1, 1) * fake).flatten(1)
        slopes = torch.zeros_like(at)
        for pixel in range(at.shape[1]):
            step = 1e-5 * torch.eye(at.shape[1], dtype=torch.float64)[pixel]
            above, below = (score((at + sign * step).view(-1, *SHAPE)) for sign in (1, -1))
            slopes[:, pixel] = (above - below) / 2e-5
    wanted = ((slopes.norm(dim=1) - 1) ** 2).mean()
    assert penalty.item() == pytest.approx(wanted.item(), rel=1e-6)


def test_the_penaltys_gradient_is_that_of_finite_differences() -> None:
    """Along a random direction of each parameter of the discriminator."""
    score, real, fake, mix = smooth_case()
    gradient_penalty(score, real, fake, mix).backward()
    step = 1e-6
    for name, weight in score.named_parameters():
        direction, values = torch.randn_like(weight), []
        for sign in (1, -2, 1):  # ahead, behind, and back
            weight.data += sign * step * direction
            values.append(gradient_penalty(score, real, fake, mix).item())
        found = 0.0 if weight.grad is None else (weight.grad * direction).sum().item()
        assert found == pytest.approx((values[0] - values[1]) / (2 * step), rel=1e-4, abs=1e-6), name
    assert score.block.circuit.weight.grad.abs().max() > 1e-6


def test_a_flat_score_has_a_penalty_of_one_and_a_finite_gradient() -> None:
    score = nn.Sequential(nn.Flatten(), nn.Linear(4, 1, bias=False), nn.Flatten(0))
    nn.init.zeros_(score[1].weight)
    penalty = gradient_penalty(score, torch.rand(3, 1, 2, 2), torch.rand(3, 1, 2, 2), torch.rand(3))
    assert penalty.item() == pytest.approx(1, abs=1e-5)
    penalty.backward()
    assert score[1].weight.grad.isfinite().all()


# Where there are no second derivatives


@pytest.mark.parametrize("backend", [{"name": "aer", "shots": 50}, {"gradient": "parameter-shift"}])
def test_a_penalty_without_second_derivatives_is_refused(backend: dict[str, object]) -> None:
    images = ImageSet.of("noise", torch.zeros(2, 1, 8, 8, dtype=torch.uint8), None, None, "drawn")

    def build(*changes: str) -> None:
        config = read_config("gan-quantum-d", changes)
        config = config.model_copy(update={"backend": BackendSettings.read(backend)})
        build_model(config, images, open_settings(config.backend))

    with pytest.raises(ConfigError, match=r"takes second derivatives.*there are none on .*choose another") as caught:
        build("adversarial.loss=wasserstein")
    assert "\n" not in str(caught.value)
    build("adversarial.loss=wasserstein", "adversarial.penalty=0")
    build("adversarial.loss=hinge")
    build("adversarial.loss=wasserstein", "model.discriminator.block.kind=classical")
    build("adversarial.loss=wasserstein", "model.discriminator.block=null")
