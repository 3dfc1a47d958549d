"""A GAN in the codes of an autoencoder: what its circuit makes, what it learns from, and what is decoded."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit.quantum_info import Pauli, Statevector
from small_runs import SMALL_GAN, resume_small, small_autoencoder, train_config, trainer

from qgen.backends import open_backend
from qgen.data import open_images
from qgen.errors import ConfigError
from qgen.evaluation import sample_baselines
from qgen.generators.gan import LatentAdversarialGenerator
from qgen.metrics.reference import open_reference
from qgen.models import GANSettings, build_gan
from qgen.runs import Run, RunConfig, build_generator, build_model, load_checkpoint, override_config, read_config
from qgen.sampling import open_trained
from qgen.training import export

STYLE = {"kind": "style", "observables": "xz", "layers": 2}


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small autoencoder with a code of four numbers and a circuit that decodes."""
    changes = ("model.vector=4", "model.quantum.place=decoder", "training.steps=2", "training.samples=0")
    config = small_autoencoder(*changes)
    run, _ = train_config(tmp_path_factory.mktemp("first") / "run", config)
    ready = trainer(run, config)
    ready.restore()
    export(ready)
    return run.path


def small(first_stage: Path, *changes: str) -> RunConfig:
    """`last-qgan` on a few digits with two qubits, as `qgen train` notes its settings."""
    players = ("model.generator.layers=1", "model.discriminator.extractor.hidden=[8, 4]", "training.ema.after=1")
    more = ("data.name=digits", "adversarial.discriminator_steps=2", f"model.first_stage={first_stage}")
    config = read_config("last-qgan", [*SMALL_GAN, *players, *more, *changes])
    return override_config(config, [{"model": dict(config.kind.absolute_paths(config.model))}])


def test_its_numbers_are_x_and_z_of_each_qubit(rng: np.random.Generator) -> None:
    settings = GANSettings.read({"generator": STYLE, "discriminator": {"extractor": {"name": "mlp"}, "block": None}})
    network = build_gan(settings, (6, 1, 1), seed=int(rng.integers(100)))
    circuit = settings.generator.circuit(6)
    latents = torch.tensor(rng.normal(size=(2, 3)), dtype=torch.float32)
    with torch.no_grad():
        made = network(latents).reshape(2, 6).numpy()
        weights = dict(network.generator.named_parameters())["circuit.weight"].double().numpy()
    for row, numbers in zip(latents.double().numpy(), made, strict=True):
        angles = dict(zip(circuit.inputs, row, strict=True)) | dict(zip(circuit.weights, weights, strict=True))
        state = Statevector(circuit.circuit.assign_parameters(angles))
        expected = [state.expectation_value(Pauli(kind), [qubit]).real for kind in "XZ" for qubit in range(3)]
        np.testing.assert_allclose(numbers, expected, atol=1e-5)
    with pytest.raises(ConfigError, match="makes two numbers a qubit, and samples have 5, an odd number"):
        build_gan(settings, (5, 1, 1))


def test_players_see_codes_and_samples_are_decoded(first_stage: Path) -> None:
    config = small(first_stage)
    images = open_images(config.data)
    made = build_model(config, images, open_backend("statevector"))
    assert isinstance(made, LatentAdversarialGenerator)
    assert [player.codes for player in made.players()] == [True, True]
    with torch.no_grad():
        states = made.codec.encode(images.scaled(torch.arange(64)))
        assert states.shape == (64, 4, 1, 1)
        codes = made.codec.autoencoder.encode(images.scaled(torch.arange(64))).mean
        found = states.reshape(64, 4) * made.codec.deviation + made.codec.mean
        torch.testing.assert_close(found, codes, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(states.std(0, correction=0).flatten(), torch.full((4,), 1 / 3), rtol=1e-3, atol=0)
        made.network.eval()
        torch.testing.assert_close(
            made.codec.decode(states), made.codec.autoencoder.decode(codes).clamp(-1, 1), rtol=1e-4, atol=1e-4
        )
    assert made.sample([1, 2, 3]).shape == (3, 1, 8, 8)
    assert (made.circuits_per_image, made.num_calls) == (2, 1)  # the generator's and the decoder's
    assert len(list(sample_baselines(made, open_reference(config.data), 3))) == 5
    facts = made.describe()
    assert sum(row.parameters for row in facts.rows) == facts.parameters
    assert facts.circuits_per_call == sum(row.circuits for row in facts.rows) == 2


def test_a_run_goes_on_to_the_same_bits_and_is_sampled_alone(first_stage: Path, tmp_path: Path) -> None:
    first = shutil.copytree(first_stage, tmp_path / "first")
    whole, _ = train_config(tmp_path / "whole", small(first))
    part, _ = train_config(tmp_path / "part", small(first, "training.steps=4"))
    resume_small(part, ["training.steps=6"])
    one, two = (load_checkpoint(Run(run.path).checkpoints()[-1]).tensors for run in (whole, part))
    assert all(torch.equal(value, two[group][name]) for group in one for name, value in one[group].items())
    assert all(name.startswith("generator.") for name in one["ema"])
    own = open_trained(whole).generator.sample([1, 2])
    shutil.rmtree(first)
    assert torch.equal(open_trained(whole).generator.sample([1, 2]), own)


def test_the_preset_is_the_published_generator() -> None:
    made = build_generator(read_config("last-qgan"), (1, 28, 28))
    assert isinstance(made, LatentAdversarialGenerator)
    facts = made.describe()
    assert (facts.qubits, facts.quantum_parameters, made.circuits_per_image) == (10, 600, 1)
    assert math.prod(made.codec.state_shape((1, 28, 28))) == 20
    images_only = GANSettings().plain()
    assert not {"first_stage", "autoencoder", "code_reach"} & set(images_only)  # fingerprints of before
