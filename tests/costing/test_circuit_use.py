"""How often circuits run is counted, not guessed."""

from collections import Counter

import pytest
import torch
from engine_calls import rows_of_calls

from qgen.backends import open_backend
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.generators import Generator
from qgen.runs import build_generator, read_config

SHAPE = (1, 8, 8)
GANS = {"gan-quantum-g": SHAPE, "gan-quantum-d": SHAPE, "gan-quantum-both": SHAPE, "patch-gan": SHAPE} | {
    "style-gan": (3, 1, 1)
}


def train_step(generator: Generator, batch: int) -> None:
    """One training step without its optimiser."""
    for player in generator.players():
        for _ in range(player.steps_per_iteration):
            draws = player.objective.draw(batch, generator.shape, torch.Generator())
            player.objective(torch.zeros(batch, *generator.shape), draws)


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    "changes",
    [
        [],
        ["model.vertex.ansatz=masked"],
        ["model.vertex.groups=2", "model.quanvolution={level: 1, groups: 1, ansatz: hqconv}"],
    ],
)
def test_the_counts_are_those_of_the_rows_that_reach_the_backend(
    changes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config("digits", [*changes, "sampling.steps=3"])
    generator = build_generator(config, SHAPE, open_backend("statevector"))
    uses, sampled = training_uses(generator), sampling_uses(generator)
    assert sum(use.per_image for use in uses) == generator.circuits_per_training_image
    assert sum(use.per_image for use in sampled) == generator.circuits_per_image

    batches = rows_of_calls(monkeypatch)
    generator.sample([1, 2, 3])
    assert len(batches) == sum(use.submissions for use in sampled)
    assert sum(batches) == 3 * generator.circuits_per_image


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    "changes",
    [
        ["sampling.steps=5", "sampling.guidance=3", "sampling.guidance_interval=[0.3, 0.7]"],
        ["diffusion.schedule=flow", "sampling={sampler: heun, steps: 4, guidance: 2, guidance_interval: [0.5, 1]}"],
        ["diffusion.schedule=flow", "sampling={sampler: heun, steps: 4, guidance_interval: [0.5, 1]}"],
    ],
)
def test_calls_outside_the_interval_of_guidance_run_half_the_circuits(
    changes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = read_config("digits", ["model.conditioning=label", "sampling={eta: 0.0}", *changes])
    generator = build_generator(config, SHAPE, open_backend("statevector"), num_classes=10)
    assert generator.conditioning is not None
    uses = sampling_uses(generator)
    assert sum(use.per_image for use in uses) == generator.circuits_per_image

    batches = rows_of_calls(monkeypatch)
    generator.sample([1, 2, 3], generator.conditioning.examples(3))
    assert len(batches) == sum(use.submissions for use in uses)
    assert sum(batches) == 3 * generator.circuits_per_image
    by_size = Counter(batches)
    assert by_size == sum((Counter({3 * use.circuits: use.submissions}) for use in uses), Counter())
    guided = "guidance" in generator.sampling_info
    assert len(by_size) == (2 if guided else 1)


def test_a_classical_model_has_none() -> None:
    config = read_config("unet", ["training.steps=1"])
    assert training_uses(build_generator(config, (1, 28, 28))) == ()


@pytest.mark.rows(5)
@pytest.mark.parametrize("preset", GANS)
@pytest.mark.parametrize(
    "changes",
    [(), ("adversarial.discriminator_steps=3",), ("adversarial.loss=wasserstein",)],
    ids=["plain", "several moves", "penalty"],
)
def test_the_counts_of_gans(preset: str, changes: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    generator = build_generator(read_config(preset, changes), GANS[preset], open_backend("statevector"))
    uses, sampled = training_uses(generator), sampling_uses(generator)
    moves = max(player.steps_per_iteration for player in generator.players())

    batches = rows_of_calls(monkeypatch)
    with torch.no_grad():
        train_step(generator, 5)
    assert len(batches) == sum(use.submissions for use in uses)
    # Per image of the data that a step sees, of which there are as many batches as the discriminator has moves.
    assert sum(batches) == pytest.approx(5 * moves * generator.circuits_per_training_image)
    assert sum(batches) <= 5 * sum(use.per_image for use in uses) <= 2 * sum(batches)

    batches.clear()
    generator.sample([1, 2, 3])
    assert len(batches) == sum(use.submissions for use in sampled) == (generator.circuits_per_image > 0)
    assert sum(batches) == 3 * generator.circuits_per_image == 3 * sum(use.per_image for use in sampled)


def test_a_discriminators_circuits_are_called_in_training_alone() -> None:
    generator = build_generator(read_config("gan-quantum-both"), SHAPE)
    assert {use.layer for use in training_uses(generator)} == {
        "generator.block.circuit",
        "discriminator.block.circuit",
    }
    assert {use.layer for use in sampling_uses(generator)} == {"generator.block.circuit"}
