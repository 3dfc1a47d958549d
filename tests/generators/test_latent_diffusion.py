"""Latent diffusion as a kind: two runs, of which the second holds all that it takes to sample."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
import torch
from readme_session import shorten_training
from small_runs import SMALL_LATENT, resume_small, small_autoencoder, small_latent, train_config, trainer
from typer.testing import CliRunner

from qgen.backends import open_backend
from qgen.cli.main import app
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.data import open_images
from qgen.diffusion import Denoiser, sample
from qgen.errors import ConfigError
from qgen.evaluation import gaussians, sample_baselines
from qgen.generators.latent_diffusion import LatentDiffusionGenerator
from qgen.generators.sampling import image_seeds
from qgen.metrics.reference import open_reference
from qgen.models.autoencoder import read_autoencoder
from qgen.runs import Run, build_generator, build_model, load_checkpoint, override_config, read_config
from qgen.runs.checkpoint import model_fingerprint
from qgen.sampling import open_trained
from qgen.training import export, metrics

FirstStage = Callable[..., Path]


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> FirstStage:
    """`first_stage(*changes)`: the folder of a small autoencoder that was trained."""
    made: dict[tuple[str, ...], Path] = {}

    def train(*changes: str) -> Path:
        if changes not in made:
            config = small_autoencoder("training.steps=2", "training.samples=0", *changes)
            run, _ = train_config(tmp_path_factory.mktemp("first") / "run", config)
            ready = trainer(run, config)
            ready.restore()
            export(ready)
            made[changes] = run.path
        return made[changes]

    return train


def tensors(run: Run) -> dict[str, dict[str, torch.Tensor]]:
    return load_checkpoint(run.checkpoints()[-1]).tensors


@pytest.mark.parametrize("vector", [None, 3])
def test_a_resumed_run_comes_to_the_same_bits(vector: int | None, first_stage: FirstStage, tmp_path: Path) -> None:
    first = first_stage(f"model.vector={'null' if vector is None else vector}")
    whole, _ = train_config(tmp_path / "whole", small_latent(first))
    part, _ = train_config(tmp_path / "part", small_latent(first, "training.steps=3"))
    resume_small(part, ["training.steps=6"])
    one, two = tensors(whole), tensors(part)
    assert one.keys() == two.keys()
    assert all(torch.equal(value, two[group][name]) for group in one for name, value in one[group].items())
    assert metrics.read(whole.metrics)[-1]["loss"] == metrics.read(part.metrics)[-1]["loss"]
    assert whole.grid(6).read_bytes() == part.grid(6).read_bytes()


def test_the_first_stage_stays_as_it_is_and_comes_along(first_stage: FirstStage, tmp_path: Path) -> None:
    first = shutil.copytree(first_stage(), tmp_path / "first")
    saved = read_autoencoder(first / "autoencoder.safetensors")
    # As `qgen train` notes them.
    config = small_latent(first)
    config = override_config(config, [{"model": dict(config.kind.absolute_paths(config.model))}])
    run, _ = train_config(tmp_path / "run", config)
    kept = tensors(run)["weights"]
    for name, weight in saved.weights.items():
        assert torch.equal(kept[f"codec.autoencoder.{name}"], weight), name
    assert torch.equal(kept["codec.mean"], saved.mean)
    assert torch.equal(kept["codec.deviation"], saved.deviation)
    assert {name.partition(".")[0] for name in tensors(run)["ema"]} == {"denoiser"}
    own = open_trained(run).generator.sample([1, 2])
    shutil.rmtree(first)
    assert torch.equal(open_trained(run).generator.sample([1, 2]), own)


def test_states_are_standardised_codes_and_samples_are_decoded_ones(first_stage: FirstStage) -> None:
    config = small_latent(first_stage(), "model.conditioning=none", "sampling.guidance=1", "data.limit=64")
    images = open_images(config.data)
    made = build_model(config, images, open_backend("statevector"))
    assert isinstance(made, LatentDiffusionGenerator)
    codec = made.network.codec
    with torch.no_grad():
        states = codec.encode(images.scaled(torch.arange(64)))
    rows = states.transpose(0, 1).flatten(1)
    torch.testing.assert_close(rows.mean(1), torch.zeros(2), rtol=0, atol=1e-4)
    torch.testing.assert_close(rows.std(1, correction=0), torch.ones(2), rtol=1e-4, atol=0)
    made.network.eval()
    denoiser = Denoiser(made.network.denoiser, made.objective.schedule, made.objective.prediction)
    found = sample(denoiser, made.sampling, [5, 6], codec.state_shape((1, 8, 8)), clip=None)
    with torch.no_grad():
        codes = found * codec.deviation + codec.mean
        expected = codec.autoencoder.decode(codes).clamp(-1, 1)
    assert found.abs().max() > 1  # nothing was clipped
    torch.testing.assert_close(made.sample([5, 6]), expected)


@pytest.mark.parametrize("place", ["encoder", "decoder"])
def test_circuits_are_those_that_run(place: str, first_stage: FirstStage) -> None:
    """One in the denoiser, two rows in each guided call; one where the decoder has one."""
    circuit = ("model.denoiser.quantum.kind=circuit", "model.denoiser.quantum.qubits=2")
    config = small_latent(first_stage(f"model.quantum.place={place}"), *circuit)
    made = build_generator(config, (1, 8, 8), num_classes=10)
    decoded = int(place == "decoder")
    assert made.circuits_per_image == 3 * 2 + decoded
    assert sum(use.per_image for use in sampling_uses(made)) == made.circuits_per_image
    assert made.circuits_per_training_image == 1  # the encoder's runs once an image, whatever the number of steps
    assert sum(use.per_image for use in training_uses(made)) == made.circuits_per_training_image
    facts = made.describe()
    assert facts.circuits_per_call == sum(row.circuits for row in facts.rows) == 1
    assert sum(row.parameters for row in facts.rows) == facts.parameters
    frozen = sum(weight.numel() for weight in made.network.codec.parameters())
    assert facts.trainable == facts.parameters - frozen > 0
    assert len(facts.circuits) == 2


def test_an_image_follows_from_its_seed_alone_on_any_backend(first_stage: FirstStage, tmp_path: Path) -> None:
    circuit = ("model.denoiser.quantum.kind=circuit", "model.denoiser.quantum.qubits=2")
    config = small_latent(first_stage("model.quantum.place=decoder"), *circuit, "training.steps=2")
    run, _ = train_config(tmp_path / "run", config)
    own = open_trained(run).generator
    labels = own.conditioning.examples(3)
    together = own.sample([5, 6, 7], labels)
    assert together.abs().max() <= 1
    torch.testing.assert_close(own.sample([6], labels.part(slice(1, 2))), together[1:2], rtol=1e-4, atol=1e-5)
    assert own.sample([], labels.part(slice(0, 0))).shape == (0, 1, 8, 8)
    ideal = {"name": "noisy:fake_fez", "noise_scale": 0.0}  # transpiled for the device, and free of errors
    for backend in ({"name": "aer"}, {"name": "reference"}, ideal):
        other = open_trained(run, backend).generator.sample([5, 6, 7], labels)
        torch.testing.assert_close(other, together, rtol=1e-3, atol=1e-3)
    noisy = open_trained(run, ideal | {"noise_scale": 1.0}).generator
    with_errors = noisy.sample([5, 6, 7], labels)
    torch.testing.assert_close(noisy.sample([6], labels.part(slice(1, 2))), with_errors[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.equal(with_errors, together)
    shots = open_trained(run, {"name": "aer", "shots": 50}).generator
    some = shots.sample([5, 6, 7], labels)
    torch.testing.assert_close(shots.sample([6], labels.part(slice(1, 2))), some[1:2], rtol=1e-4, atol=1e-5)
    assert not torch.equal(some, together)


def test_the_encoder_runs_on_the_exact_engine(first_stage: FirstStage) -> None:
    config = small_latent(first_stage(), "backend.name=aer")
    made = build_model(config, open_images(config.data), open_backend("aer"))
    values = made.network.codec.autoencoder.encoder.branch.values
    assert values.compiled.executable.backend.name == "statevector"


@pytest.mark.parametrize("vector", [None, 3])
def test_baselines_are_gaussians_of_its_codes_from_its_decoder(vector: int | None, first_stage: FirstStage) -> None:
    config = small_latent(first_stage(f"model.vector={'null' if vector is None else vector}"))
    images = open_images(config.data)
    made = build_model(config, images, open_backend("statevector"))
    assert isinstance(made, LatentDiffusionGenerator)
    with torch.no_grad():
        codes = made.codec.encode(images.scaled(torch.arange(64))).flatten(1)
    reference = open_reference(config.data)
    baselines = {each.name: each for each in sample_baselines(made, reference, 6, seed=2)}
    assert len(baselines) == 5
    for each in baselines.values():
        assert each.images.shape == (6, 1, 8, 8)
        assert each.facts["codes"] == list(made.codec.state_shape(images.shape))
    drawn = gaussians.independent(codes.double().numpy()).sample(image_seeds(2, 6))
    with torch.no_grad():
        decoded = made.codec.decode(drawn.view(6, *made.codec.state_shape(images.shape)))
    torch.testing.assert_close(baselines["independent Gaussian"].images, decoded, rtol=0, atol=1e-4)
    real = reference.control_images(6)
    with torch.no_grad():
        back = made.codec.decode(made.codec.encode(real))
    torch.testing.assert_close(baselines["reconstructions"].images, back, rtol=0, atol=1e-4)
    asked = baselines["reconstructions"].requested
    assert asked is not None
    assert reference.whole.labels is not None
    assert asked.labels.tolist() == reference.whole.labels[reference.control[:6]].tolist()


def test_what_is_wrong_with_a_first_stage_is_one_line(first_stage: FirstStage, tmp_path: Path) -> None:
    images = open_images(small_latent(first_stage()).data)
    other = read_autoencoder(first_stage("model.vector=3") / "autoencoder.safetensors").settings.plain()
    cases: list[tuple[list[object], tuple[int, int, int] | None, str]] = [
        (["model.first_stage=null"], None, "needs an autoencoder, its first stage: train one with"),
        ([f"model.first_stage={tmp_path}"], None, "holds no autoencoder.safetensors"),
        ([{"model": {"autoencoder": other}}], None, "is another one than `model.autoencoder` says"),
        ([], (1, 16, 16), "takes images of 1x8x8, and those of digits are 1x16x16"),
    ]
    for changes, shape, words in cases:
        config = override_config(small_latent(first_stage()), changes)
        build = partial(build_model, config, images, open_backend("statevector"))
        with pytest.raises(ConfigError, match=words) as said:
            (build if shape is None else partial(build_generator, config, shape))()
        assert "\n" not in str(said.value)
    with pytest.raises(ConfigError, match=r"sampling\.guidance is for models that are trained with labels"):
        small_latent(first_stage(), "model.conditioning=none")


def test_weights_fit_wherever_the_first_stage_lay(first_stage: FirstStage) -> None:
    here = small_latent(first_stage())
    there = override_config(here, ["model.first_stage=elsewhere"])
    assert model_fingerprint(here, (1, 8, 8)) == model_fingerprint(there, (1, 8, 8))


def test_one_command_trains_both_stages_and_goes_on_in_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shorten_training(monkeypatch)

    def qgen(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    facts = json.loads(qgen("train", "latent-digits", "--out", "whole", "--json"))
    assert (facts["run"], facts["steps"]) == ("whole", 2)
    whole = Run(tmp_path / "whole")
    assert whole.config().model.first_stage == str(tmp_path / "whole" / "first-stage" / "autoencoder.safetensors")
    assert qgen("sample", "whole/first-stage", "--count", "2", "--json")
    assert qgen("sample", "whole", "--count", "2", "--json")

    short = sys.modules["qgen.runs"].read_config
    for name, last in (("between", 2), ("within", 1)):
        broken = Run(tmp_path / name)
        broken.prepare(short("latent-digits"))
        stage = Run(shutil.copytree(tmp_path / "whole" / "first-stage", tmp_path / name / "first-stage"))
        if last == 1:
            stage.checkpoint(2).unlink()
            (stage.path / "autoencoder.safetensors").unlink()
        qgen("train", name, "--resume")
        one, two = tensors(whole), tensors(broken)
        assert all(torch.equal(value, two[group][key]) for group in one for key, value in one[group].items())
        qgen("train", name, "--resume", "--set", "training.steps=3")
        assert broken.steps_taken == 3


def test_what_comes_from_a_preset_is_described_untrained() -> None:
    made = build_generator(read_config("dcqvaegan-ld"), (1, 28, 28))
    assert isinstance(made, LatentDiffusionGenerator)
    assert made.network.codec.autoencoder.code_shape == (16,)
    assert (made.circuits_per_image, made.circuits_per_training_image) == (12, 1)


def test_the_commands_know_it(first_stage: FirstStage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(first_stage(), tmp_path / "first")
    monkeypatch.chdir(tmp_path)
    changes = [word for change in SMALL_LATENT for word in ("--set", change)]

    def qgen(*arguments: str) -> str:
        result = CliRunner().invoke(app, [*arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    qgen("train", "latent-unet", "--set", "model.first_stage=first", "--out", "run", *changes)
    config = Run(tmp_path / "run").config()
    assert config.model.first_stage == str(tmp_path / "first" / "autoencoder.safetensors")
    shutil.rmtree(tmp_path / "first")
    facts = json.loads(qgen("describe", "run", "--json"))
    assert (facts["kind"], facts["circuits_per_image"]) == ("latent-diffusion", 0)
    assert facts["circuits_per_training_image"] == 0  # that of the encoder runs once for each image
    made = json.loads(qgen("sample", "run", "--count", "4", "--label", "3", "--guidance", "2", "--json"))
    assert made["images"] == 4
