"""The objectives of the two players: each changes itself alone."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from qgen.adversarial import AdversarialSettings, DiscriminatorObjective, GeneratorObjective
from qgen.adversarial.objectives import frozen
from qgen.models import GAN, GANSettings, build_gan

SHAPE = 1, 8, 8
BLOCK = {"kind": "quantum", "width": 2, "layers": 2}
GAMES = [{"loss": "non-saturating"}, {"loss": "hinge"}, {"loss": "wasserstein"}]


def players(**extractor: Any) -> GAN:
    judge = {"extractor": {"width": 2, "dropout": 0.5} | extractor, "block": BLOCK}
    made = {"kind": "conv", "channels": 4, "block": BLOCK}
    return build_gan(GANSettings.read({"generator": made, "discriminator": judge}), SHAPE)


def everything(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters, their gradients and buffers."""
    grads = {f"{name}.grad": weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
    return {name: value.detach().clone() for name, value in (module.state_dict() | grads).items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def take(objective: DiscriminatorObjective | GeneratorObjective) -> torch.Tensor:
    images = 2 * torch.rand(4, *SHAPE) - 1
    loss = objective(images, objective.draw(4, SHAPE, torch.Generator().manual_seed(1)))
    loss.backward()
    return loss


@pytest.mark.parametrize("marked", [False, True], ids=["no gradients", "gradients"])
@pytest.mark.parametrize("game", GAMES, ids=lambda game: game["loss"])
def test_the_generators_turn_leaves_the_discriminator_as_it_is(game: dict[str, Any], marked: bool) -> None:
    gan = players()
    if marked:
        for weight in gan.discriminator.parameters():
            weight.grad = torch.rand_like(weight)
    before = everything(gan.discriminator)
    assert any(name.endswith("._u") for name in before)  # the vectors of spectral normalisation
    take(GeneratorObjective(gan.generator, gan.discriminator, AdversarialSettings.read(game)))
    assert equal(everything(gan.discriminator), before)
    assert all(weight.requires_grad for weight in gan.discriminator.parameters())
    assert gan.discriminator.training
    assert all(weight.grad is not None for weight in gan.generator.parameters())
    assert max(weight.grad.abs().max() for weight in gan.generator.parameters()) > 0


@pytest.mark.parametrize("game", GAMES, ids=lambda game: game["loss"])
def test_the_discriminators_turn_leaves_the_generator_as_it_is(game: dict[str, Any]) -> None:
    gan = players()
    before = everything(gan.generator)
    objective = DiscriminatorObjective(gan.generator, gan.discriminator, AdversarialSettings.read(game))
    take(objective)
    assert equal(everything(gan.generator), before)
    grads = {name: weight.grad for name, weight in gan.discriminator.named_parameters()}
    assert all(grad is not None for grad in grads.values())
    assert grads["block.circuit.weight"].abs().max() > 0
    assert objective.metrics().keys() == {"real_score", "fake_score", "accuracy"}
    assert 0 <= objective.metrics()["accuracy"] <= 1


def test_the_notes_are_the_scores() -> None:
    """With dropout and normalisation off, as they change from call to call."""
    gan = players(dropout=0.0, spectral_norm=False)
    objective = DiscriminatorObjective(gan.generator, gan.discriminator, AdversarialSettings())
    images, draws = 2 * torch.rand(4, *SHAPE) - 1, objective.draw(4, SHAPE, torch.Generator().manual_seed(1))
    loss = objective(images, draws)
    real, fake = gan.discriminator(images), gan.discriminator(gan.generator(draws.latents))
    metrics = objective.metrics()
    torch.testing.assert_close(metrics["real_score"], real.mean())
    torch.testing.assert_close(metrics["fake_score"], fake.mean())
    assert metrics["accuracy"].item() == ((real > 0).sum() + (fake < 0).sum()).item() / 8
    torch.testing.assert_close(loss, -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean())


def test_the_penalty_is_added_with_its_weight() -> None:
    gan = players(dropout=0.0, spectral_norm=False)
    images, values = 2 * torch.rand(4, *SHAPE) - 1, []
    for weight in (0.0, 1.0, 3.0):
        objective = DiscriminatorObjective(
            gan.generator, gan.discriminator, AdversarialSettings(loss="wasserstein", penalty=weight)
        )
        values.append(objective(images, objective.draw(4, SHAPE, torch.Generator().manual_seed(1))))
    assert values[1] > values[0]
    torch.testing.assert_close(values[2] - values[0], 3 * (values[1] - values[0]), rtol=1e-4, atol=1e-5)


def test_what_was_frozen_stays_frozen() -> None:
    """And is so within the block; what was in evaluation mode is again, after an error too."""
    gan = players()
    weight = next(iter(gan.discriminator.extractor.parameters()))
    weight.requires_grad_(False)
    gan.discriminator.eval()
    with frozen(gan.discriminator):
        assert not any(weight.requires_grad for weight in gan.discriminator.parameters())
    with pytest.raises(RuntimeError), frozen(gan.discriminator):
        gan.discriminator(torch.zeros(1, 1, 2, 2))
    assert not gan.discriminator.training
    assert [each is weight for each in gan.discriminator.parameters()] == [
        not each.requires_grad for each in gan.discriminator.parameters()
    ]
    with frozen(gan.discriminator.train()):
        assert not gan.discriminator.training
    assert gan.discriminator.training


def test_draws_follow_from_the_generator_alone() -> None:
    gan = players()
    objective = GeneratorObjective(gan.generator, gan.discriminator, AdversarialSettings())
    first, again = (objective.draw(5, SHAPE, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first.latents, again.latents)
    assert torch.equal(first.mix, again.mix)
    part = first.part(slice(1, 3))
    assert torch.equal(part.latents, first.latents[1:3])
    assert torch.equal(part.to("cpu").mix, first.mix[1:3])
    assert ((first.mix >= 0) & (first.mix < 1)).all()
