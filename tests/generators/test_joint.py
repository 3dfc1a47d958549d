"""A decoder that is trained along with the denoiser of its codes: what moves, what does not, and when."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from engine_calls import rows_of_calls
from small_runs import resume_small, small_autoencoder, small_config, small_latent, train_config, trainer

from qgen.adversarial import DecoderObjective
from qgen.costing.circuit_use import training_uses
from qgen.data import open_images
from qgen.errors import ConfigError
from qgen.generators import input_shape
from qgen.generators.latent_diffusion import LatentDiffusionGenerator
from qgen.models.autoencoder import read_autoencoder
from qgen.runs import Run, RunConfig, build_generator, load_checkpoint, new_run
from qgen.sampling import open_trained
from qgen.training import export, make_fabric

JOINT = ("model.joint.start=2", "model.joint.steps=2", "model.joint.discriminator.extractor.width=4")


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_autoencoder("training.steps=2", "training.samples=0", "model.quantum.place=decoder")
    run, _ = train_config(tmp_path_factory.mktemp("first") / "run", config)
    ready = trainer(run, config)
    ready.restore()
    export(ready)
    return run.path


def tensors(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    return load_checkpoint(run.checkpoints()[-1]).tensors


def test_the_decoder_moves_once_it_joins_and_the_encoder_never(first_stage: Path, tmp_path: Path) -> None:
    saved = read_autoencoder(first_stage / "autoencoder.safetensors").weights
    for steps in (2, 4):
        run, _ = train_config(tmp_path / f"{steps}", small_latent(first_stage, *JOINT, f"training.steps={steps}"))
        found = tensors(run)
        weights = {name.removeprefix("codec.autoencoder."): value for name, value in found["weights"].items()}
        moved = {name for name, value in saved.items() if not torch.equal(weights[name], value)}
        assert all(name.startswith("decoder.") for name in moved)
        assert bool(moved) == (steps > 2)
        assert any(name.startswith("codec.autoencoder.decoder.") for name in found["ema"])
        assert not any(name.startswith(("codec.autoencoder.encoder.", "discriminator.")) for name in found["ema"])
        assert open_trained(run).generator.sample([1]).shape == (1, 1, 8, 8)


def test_no_gradient_comes_to_denoiser_or_encoder(first_stage: Path, tmp_path: Path) -> None:
    made = trainer(new_run("test", tmp_path / "run"), small_latent(first_stage, *JOINT, "model.joint.start=0"))
    player = next(player.player for player in made.players if player.name == "decoder")
    assert isinstance(player.objective, DecoderObjective)
    images = made.images.scaled(torch.arange(4))
    draws = player.objective.draw(4, (1, 8, 8), torch.Generator().manual_seed(1))
    player.objective(images, draws, made.generator.conditioning.examples(4)).backward()
    network = made.generator.network
    found = {name for name, weight in network.named_parameters() if weight.grad is not None and weight.grad.any()}
    assert found
    assert all(name.startswith("codec.autoencoder.decoder.") for name in found)


def test_a_resumed_run_comes_to_the_same_bits(first_stage: Path, tmp_path: Path) -> None:
    whole, _ = train_config(tmp_path / "whole", small_latent(first_stage, *JOINT))
    part, _ = train_config(tmp_path / "part", small_latent(first_stage, *JOINT, "training.steps=3"))
    resume_small(part, ["training.steps=6"])
    one, two = tensors(whole), tensors(part)
    assert one.keys() == two.keys()
    assert all(torch.equal(value, two[group][name]) for group in one for name, value in one[group].items())
    assert whole.grid(6).read_bytes() == part.grid(6).read_bytes()


@pytest.mark.parametrize("place", ["encoder", "decoder"])
def test_the_circuits_of_a_step_are_those_of_all_players(
    place: str, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """Counted where they reach the engine; those of before the decoder joins are fewer."""
    first = small_autoencoder(f"model.quantum.place={place}").model.plain()
    joint = {"start": int(rng.integers(0, 3)), "steps": int(rng.integers(1, 6))}
    joint |= {"discriminator": {"extractor": {"name": "conv", "width": 4}}}
    denoiser = {"width": 8, "depth": 1, "quantum": {"kind": str(rng.choice(["circuit", "none"])), "qubits": 2}}
    model = {"kind": "latent-diffusion", "autoencoder": first, "denoiser": denoiser, "joint": joint}
    config = RunConfig.read({**small_config().plain(), "model": model, "diffusion": {"steps": 4}})
    made = build_generator(config, (1, 8, 8))
    assert isinstance(made, LatentDiffusionGenerator)
    assert made.joint is not None
    assert sum(use.per_image for use in training_uses(made)) == made.circuits_per_training_image

    rows = rows_of_calls(monkeypatch)
    made.network.updates.fill_(joint["start"])
    for player in made.players():
        draws = player.objective.draw(3, made.shape, torch.Generator())
        player.objective(torch.zeros(3, *input_shape(made, player)), draws)
    assert sum(rows) == 3 * made.circuits_per_training_image


def test_it_is_off_unless_asked_for(first_stage: Path, tmp_path: Path) -> None:
    config = small_latent(first_stage)
    assert "joint" not in config.model.plain()  # so that runs of before have the same fingerprint
    made = trainer(new_run("test", tmp_path / "run"), config).generator
    assert isinstance(made, LatentDiffusionGenerator)
    assert [player.name for player in made.players()] == ["denoiser"]
    assert {name.partition(".")[0] for name in made.network.state_dict()} == {"codec", "denoiser"}
    assert not any(weight.requires_grad for weight in made.network.codec.parameters())
    assert len(open_images(config.data)) == 64


def test_it_is_trained_on_one_device(first_stage: Path) -> None:
    """The decoder's losses are balanced by their gradients, which several processes would not share."""
    config = small_latent(first_stage, "model.joint.start=1", "training.batch=8")
    with pytest.raises(ConfigError, match=r"2 devices: `model\.joint` is trained on one device"):
        make_fabric(config, "cpu", devices=2)
