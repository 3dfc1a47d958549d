"""The objectives of an autoencoder and its discriminator: each loss by hand, and each changes itself alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from threads_together import together
from torch import Tensor
from torchmetrics.image import PeakSignalNoiseRatio

from qgen.adversarial import (
    ReconstructionDiscriminatorObjective,
    ReconstructionObjective,
    ReconstructionPlayers,
    ReconstructionSettings,
    psnr,
)
from qgen.adversarial.reconstruction import CodeDraws, balance
from qgen.models import VAEGAN, AutoencoderSettings, build_vae_gan

SHAPE = 1, 8, 8


def players(start: int = 0, gan: bool = True, **losses: Any) -> tuple[VAEGAN, ReconstructionPlayers]:
    settings = {"widths": [4], "channels": 2, "gan": gan, "discriminator": {"extractor": {"width": 2}}}
    network = build_vae_gan(AutoencoderSettings.read(settings), SHAPE)
    return network, ReconstructionPlayers(network, ReconstructionSettings.read({"gan_start": start} | losses))


def batch(rng: np.random.Generator) -> tuple[Tensor, CodeDraws]:
    images = torch.tensor(rng.uniform(-1, 1, size=(3, *SHAPE)), dtype=torch.float32)
    return images, CodeDraws(torch.tensor(rng.normal(size=(3, 2, 4, 4)), dtype=torch.float32))


def everything(module: torch.nn.Module) -> dict[str, Tensor]:
    grads = {f"{name}.grad": weight.grad for name, weight in module.named_parameters() if weight.grad is not None}
    return {name: value.detach().clone() for name, value in (module.state_dict() | grads).items()}


def equal(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_several_processes_balance_the_losses_of_all_images(rng: np.random.Generator) -> None:
    """Losses that are quadratic in a weight, whose gradients are known."""
    start, targets = (torch.tensor(rng.normal(size=size)) for size in (4, (6, 4)))

    def balanced(rows: slice) -> Tensor:
        weight = start.clone().requires_grad_()
        loss, other = (weight - targets[rows]).square().sum(1).mean(), (weight * targets[rows]).sum(1).mean()
        return balance(loss, other, weight)

    mean = targets.numpy().mean(0)
    expected = np.linalg.norm(2 * (start.numpy() - mean)) / (np.linalg.norm(mean) + 1e-4)
    found = together(balanced, [slice(0, 2), slice(2, 4), slice(4, 6)])
    np.testing.assert_allclose([value.item() for value in found], expected, rtol=1e-10)


def test_the_loss_of_an_autoencoder_is_that_of_the_formulas(rng: np.random.Generator) -> None:
    network, shared = players(gan=False, kl_weight=0.3)
    images, draws = batch(rng)
    objective = ReconstructionObjective(shared)
    loss = objective(images, draws)
    posterior = network.autoencoder.encode(images)
    output = network.autoencoder.decode(posterior.mean + (posterior.logvar / 2).exp() * draws.noise)
    given, made, mean, logvar = (x.detach().double().numpy() for x in (images, output, *posterior))
    nats = 0.5 * (mean**2 + np.exp(logvar) - 1 - logvar).sum((1, 2, 3)).mean()
    pixels = np.abs(made - given).mean() + ((made - given) ** 2).mean()
    assert loss.item() == pytest.approx(pixels + 0.3 * nats / 64, rel=1e-5)
    said = objective.metrics()
    assert said["kl"].item() == pytest.approx(nats, rel=1e-5)
    assert said["pixels"].item() == pytest.approx(pixels, rel=1e-5)


def test_the_adversarial_loss_pulls_as_hard_as_it_is_told(rng: np.random.Generator) -> None:
    """At the last layer its gradient is `gan_weight` times that of the reconstruction losses, features among them."""
    network, shared = players(kl_weight=0.0, gan_weight=0.7, feature_weight=2.0)
    network.discriminator.eval()  # no step of a power iteration between the calls
    images, draws = batch(rng)
    ReconstructionObjective(shared)(images, draws).backward()
    weight = network.autoencoder.last_weight
    in_all = weight.grad.clone()

    output, _ = shared.reconstruct(images, draws)
    found, scores = shared.score(output)
    wanted, _ = shared.score(images)
    difference = output - images
    loss = difference.abs().mean() + difference.square().mean() + 2 * (found - wanted).square().mean()
    (pull,) = torch.autograd.grad(loss, weight, retain_graph=True)
    (push,) = torch.autograd.grad(-scores.mean(), weight)
    expected = pull + 0.7 * pull.norm() / (push.norm() + 1e-4) * push
    torch.testing.assert_close(in_all, expected, rtol=1e-3, atol=1e-6)


def test_the_autoencoder_s_turn_leaves_the_discriminator_as_it_is(rng: np.random.Generator) -> None:
    network, shared = players()
    before = everything(network.discriminator)
    ReconstructionObjective(shared)(*batch(rng)).backward()
    assert equal(everything(network.discriminator), before)
    assert all(weight.grad is not None for weight in network.autoencoder.parameters())


@pytest.mark.parametrize("first", [True, False], ids=["after the autoencoder", "alone"])
def test_the_discriminator_s_turn_is_a_hinge_on_the_step_s_reconstructions(
    first: bool, rng: np.random.Generator
) -> None:
    network, shared = players()
    images, draws = batch(rng)
    autoencoder, discriminator = ReconstructionObjective(shared), ReconstructionDiscriminatorObjective(shared)
    with torch.no_grad():
        made, _ = shared.reconstruct(images, draws)
    if first:
        autoencoder(images, draws)
    before, calls = everything(network.autoencoder), []
    network.autoencoder.encoder.register_forward_pre_hook(lambda *_: calls.append(1))
    loss = discriminator(images, draws)
    assert len(calls) == (0 if first else 1)  # an image costs its circuits once
    loss.backward()
    assert equal(everything(network.autoencoder), before)
    network.discriminator.eval()
    real, fake = (network.discriminator(given).detach().double().numpy() for given in (images, made))
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    said = discriminator.metrics()
    assert said["accuracy"].item() == pytest.approx(np.concatenate([real > 0, fake < 0]).mean())


def test_the_discriminator_joins_after_its_steps(rng: np.random.Generator) -> None:
    network, shared = players(start=2)
    autoencoder, discriminator = ReconstructionObjective(shared), ReconstructionDiscriminatorObjective(shared)
    optimizer = torch.optim.Adam(network.discriminator.parameters(), fused=True)
    joined, moved = [], []
    for _ in range(4):
        images, draws = batch(rng)
        autoencoder(images, draws)
        joined.append(autoencoder.metrics()["adversarial_weight"].item() > 0)
        before = everything(network.discriminator)
        discriminator(images, draws).backward()
        optimizer.step()
        optimizer.zero_grad()
        moved.append(not equal(everything(network.discriminator), before))
    assert joined == moved == [False, False, True, True]
    assert network.updates.item() == 4


def test_what_is_no_step_counts_for_nothing(rng: np.random.Generator) -> None:
    """Memory is measured in evaluation mode, the place of a NaN is looked for without gradients."""
    network, shared = players(start=1)
    objectives = [ReconstructionObjective(shared), ReconstructionDiscriminatorObjective(shared)]
    images, draws = batch(rng)
    with torch.no_grad():
        for objective in objectives:
            assert objective(images, draws).isfinite()
    for objective in objectives:
        assert objective.eval()(images, draws).isfinite()
        assert shared.adversarial
        objective.train()
    assert network.updates.item() == 0


def test_psnr_is_that_of_torchmetrics(rng: np.random.Generator) -> None:
    images, made = (torch.tensor(rng.uniform(-1.2, 1.2, size=(4, 3, 5, 5))) for _ in range(2))
    images = images.clamp(-1, 1)
    theirs = PeakSignalNoiseRatio(data_range=(-1.0, 1.0), reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(psnr(made, images), theirs(made, images).double())
