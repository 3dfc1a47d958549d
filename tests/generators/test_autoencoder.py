"""Autoencoders as a kind: trained, resumed, exported, sampled and described by what knows no kind."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from engine_calls import rows_of_calls
from PIL import Image
from small_runs import resume_small, small_autoencoder, train_config, trainer
from typer.testing import CliRunner

from qgen.adversarial import psnr
from qgen.backends import open_backend
from qgen.cli.main import app
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.data import open_images
from qgen.evaluation import sample_baselines
from qgen.generators import Generator, can_sample
from qgen.generators.autoencoder import AutoencoderGenerator
from qgen.interpolation import draw_each
from qgen.metrics.reference import open_reference
from qgen.models.autoencoder import build_autoencoder, read_autoencoder
from qgen.runs import Run, build_generator, load_checkpoint, new_run, override_config, save_checkpoint
from qgen.sampling import open_trained
from qgen.training import Report, export, metrics, start

PLACES = ("encoder", "decoder")


def generator(*changes: str) -> Generator:
    return build_generator(small_autoencoder(*changes), (1, 8, 8))


def equal(one: Run, other: Run) -> bool:
    """Whether weights, averages, optimisers and metrics are the same to the last bit."""
    left, right = (load_checkpoint(run.checkpoints()[-1]).tensors for run in (one, other))
    rows = [
        [{k: v for k, v in row.items() if not k.endswith("per_second")} for row in metrics.read(run.metrics)]
        for run in (one, other)
    ]
    return rows[0] == rows[1] and all(
        left[group].keys() == right[group].keys()
        and all(torch.equal(value, right[group][name]) for name, value in left[group].items())
        for group in left.keys() | right.keys()
    )


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    "changes",
    [(), ("model.quantum.place=decoder", "model.vector=3"), ("model.gan=false", "model.quantum.kind=classical")],
    ids=["encoder", "decoder of a vector", "no discriminator"],
)
def test_a_resumed_run_comes_to_the_same_bits(changes: tuple[str, ...], tmp_path: Path) -> None:
    """Stopped before and after the discriminator joins."""
    whole, _ = train_config(tmp_path / "whole", small_autoencoder(*changes))
    first, _ = train_config(tmp_path / "first", small_autoencoder(*changes, "training.steps=2"))
    resume_small(first, ["training.steps=4"])
    resume_small(first, ["training.steps=6"])
    assert equal(whole, first)
    row = metrics.read(whole.metrics)[-1]
    prefix = "" if "model.gan=false" in changes else "autoencoder_"
    assert {f"{prefix}{name}" for name in ("loss", "kl", "psnr", "gate", "branch_share")} <= row.keys()


def test_the_switch_of_the_branch_keeps_its_other_settings() -> None:
    config = override_config(small_autoencoder(), ["model.quantum={kind: classical}"])
    assert config.model.quantum.qubits == 2
    assert override_config(config, ["model.quantum.kind=none"]).model.quantum.layers == 1


def test_what_it_exports_is_the_averaged_autoencoder(tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small_autoencoder())
    made = trainer(run, run.config())
    made.restore()
    exported = export(made)
    assert exported is not None
    saved = read_autoencoder(run.path / "autoencoder.safetensors")
    network = build_autoencoder(saved.settings, saved.shape)
    network.load_state_dict(saved.weights)
    average = load_checkpoint(run.checkpoints()[-1]).tensors["ema"]
    assert "autoencoder.encoder.branch.mean" in average
    average = {name: value for name, value in average.items() if name.startswith("autoencoder.")}
    average |= load_checkpoint(run.checkpoints()[-1]).tensors["estimates"]
    assert all(torch.equal(saved.weights[name.removeprefix("autoencoder.")], value) for name, value in average.items())

    images = open_images(run.config().data.model_copy(update={"split": "test", "limit": None}))
    given = images.scaled(torch.arange(len(images)))
    with torch.no_grad():
        posterior = network.eval().encode(given)
        ratios = psnr(network.decode(posterior.mean), given)
        learned = network.encode(made.images.scaled(torch.arange(64))).mean
    torch.testing.assert_close(saved.mean, learned.mean((0, 2, 3), keepdim=True)[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(saved.deviation.flatten(), learned.transpose(0, 1).flatten(1).std(1, correction=0))
    facts = json.loads((run.path / "autoencoder.json").read_text())
    assert facts["psnr"] == pytest.approx(ratios.mean().item(), rel=1e-4)
    assert facts["kl"] == pytest.approx(posterior.kl().mean().item(), rel=1e-4)
    assert (facts["held_out"], facts["count"]) == (True, len(images))
    with Image.open(run.path / "reconstructions.png") as picture:
        assert picture.mode == "L"
    assert f"PSNR {facts['psnr']:.2f} dB" in exported.lines[1]


@pytest.mark.parametrize(("place", "kind", "sampled", "trained"), [
    ("encoder", "circuit", 0, 1),
    ("decoder", "circuit", 1, 1),
    ("decoder", "classical", 0, 0),
    ("decoder", "none", 0, 0),
])  # fmt: skip
def test_circuits_are_those_that_run(place: str, kind: str, sampled: int, trained: int) -> None:
    made = generator(f"model.quantum.place={place}", f"model.quantum.kind={kind}")
    assert (made.circuits_per_image, made.circuits_per_training_image, made.num_calls) == (sampled, trained, sampled)
    assert sum(use.per_image for use in training_uses(made)) == trained
    assert sum(use.per_image for use in sampling_uses(made)) == sampled
    # After the discriminator has joined, too.
    made.network.updates += 10
    assert sum(use.per_image for use in training_uses(made)) == trained


@pytest.mark.parametrize("place", PLACES)
def test_masks_of_training_are_counted_in_training(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    masks = ("model.quantum.ansatz=masked", "model.quantum.sampling_masks=all", "model.quantum.options={masks: 1}")
    made = generator(f"model.quantum.place={place}", *masks)
    assert made.circuits_per_image == (4 if place == "decoder" else 0)
    rows = rows_of_calls(monkeypatch)
    draws = made.players()[0].objective.draw(3, made.shape, torch.Generator())
    made.players()[0].objective(torch.zeros(3, *made.shape), draws)
    assert sum(rows) == 3 * made.circuits_per_training_image == 3


@pytest.mark.parametrize("vector", [None, 3])
def test_it_decodes_normal_codes_of_the_moments_of_images(vector: int | None, tmp_path: Path) -> None:
    """The moments of a frozen encoder's codes, drawn many times; a model that does not learn sees them all."""
    changes = (f"model.vector={'null' if vector is None else vector}", "training.learning_rate=1e-12")
    config = small_autoencoder(*changes, "training.steps=30", "training.batch=64", "training.samples=0")
    run, _ = train_config(tmp_path / "run", override_config(config, ["training.precision=32"]))
    made = open_trained(run).generator
    network = made.network
    images = open_images(run.config().data)
    with torch.no_grad():
        posterior = network.eval().autoencoder.encode(images.scaled(torch.arange(64)))
        noise = torch.randn(2_000, *posterior.mean.shape, generator=torch.Generator().manual_seed(1))
        drawn = (posterior.mean + (posterior.logvar / 2).exp() * noise).flatten(0, 1).transpose(0, 1).flatten(1)
        source = torch.randn(20_000, *network.autoencoder.code_shape, generator=torch.Generator().manual_seed(2))
        codes = network.codes(source).transpose(0, 1).flatten(1)
    torch.testing.assert_close(codes.mean(1), drawn.mean(1), rtol=0, atol=0.05)
    torch.testing.assert_close(codes.std(1), drawn.std(1), rtol=0.03, atol=0)

    shape = network.autoencoder.code_shape
    first = torch.cat(list(draw_each([5], lambda source: torch.randn(1, *shape, generator=source))))
    with torch.no_grad():
        deviation = (network.code_square - network.code_mean**2) ** 0.5
        expected = network.autoencoder.decode(network.code_mean + deviation * first).clamp(-1, 1)
    torch.testing.assert_close(made.sample([5]), expected, rtol=1e-4, atol=1e-5)


def test_its_reconstructions_stand_beside_its_samples(tmp_path: Path) -> None:
    config = small_autoencoder()
    run, _ = train_config(tmp_path / "run", config)
    made, reference = open_trained(run).generator, open_reference(config.data)
    assert isinstance(made, AutoencoderGenerator)
    baselines = {each.name: each for each in sample_baselines(made, reference, 9, seed=1)}
    assert len(baselines) == 5
    network = made.network.autoencoder.eval()
    with torch.no_grad():
        back = network.decode(network.encode(reference.control_images(9)).mean).clamp(-1, 1)
    torch.testing.assert_close(baselines["reconstructions"].images, back, rtol=0, atol=1e-4)


@pytest.mark.parametrize("place", PLACES)
def test_averaged_weights_have_their_own_mean(place: str, tmp_path: Path) -> None:
    """What the circuit says of the training images, on average, adds nothing, at the end and where it was stopped."""
    changes = (f"model.quantum.place={place}", "training.precision=32", "training.samples=0", "data.limit=32")
    run, _ = train_config(
        tmp_path / "run", small_autoencoder(*changes, "training.batch=8", "training.learning_rate=0.03")
    )
    saved = load_checkpoint(run.checkpoints()[-1]).tensors
    name = f"autoencoder.{place}.branch.mean"
    network = open_trained(run).generator.network.eval()
    branch, values = network.get_submodule(f"autoencoder.{place}.branch"), []
    branch.values.register_forward_hook(lambda _, given, made: values.append(made))
    images = open_images(run.config().data)
    with torch.no_grad():
        posterior = network.autoencoder.encode(images.scaled(torch.arange(32)))
        for seed in range(200 if place == "decoder" else 0):
            noise = torch.randn(posterior.mean.shape, generator=torch.Generator().manual_seed(seed))
            network.autoencoder.decode(posterior.sample(noise))
    expected = torch.cat(values).mean(0)
    atol = 1e-5 if place == "encoder" else 4 * float(torch.cat(values).std(0).max()) / 32**0.5
    torch.testing.assert_close(branch.mean, expected, rtol=0, atol=atol)
    assert torch.equal(branch.mean, saved["estimates"][name])
    if place == "encoder":
        assert (saved["ema"][name] - expected).abs().max() > 1e-4


def test_a_run_of_before_has_the_images_that_it_had_and_goes_on(tmp_path: Path) -> None:
    """Its checkpoint lacks the moments of codes and the average of the branch's mean."""
    run, _ = train_config(tmp_path / "run", small_autoencoder("training.steps=3", "training.samples=0"))
    path = run.checkpoints()[-1]
    saved = load_checkpoint(path)
    new = {"code_mean", "code_square", "observed"}
    tensors = {group: {k: v for k, v in found.items() if k not in new} for group, found in saved.tensors.items()}
    del tensors["ema"]["autoencoder.encoder.branch.mean"], tensors["estimates"]
    save_checkpoint(path, replace(saved, tensors=tensors))
    made = open_trained(run).generator
    normal = torch.cat(list(draw_each([5, 6], lambda source: torch.randn(1, 2, 4, 4, generator=source))))
    with torch.no_grad():
        expected = made.network.eval().autoencoder.decode(normal).clamp(-1, 1)
    torch.testing.assert_close(made.sample([5, 6]), expected)
    resume_small(run, ["training.steps=6"])
    assert run.steps_taken == 6
    assert load_checkpoint(run.checkpoints()[-1]).tensors["weights"]["observed"] == 3


@pytest.mark.parametrize("steps", [2, 3])
def test_a_discriminator_that_never_joins_is_said(steps: int, tmp_path: Path) -> None:
    """It joins after two steps; the setting is named."""
    said: list[str] = []

    class Listening(Report):
        def message(self, text: str) -> None:
            said.append(text)

    changes = (f"training.steps={steps}", "training.samples=0")
    made = trainer(new_run("test", tmp_path / "run"), small_autoencoder(*changes))
    start(made, Listening())
    found = [line for line in said if "gan_start" in line]
    assert len(found) == (steps == 2)
    assert all("reconstruction.gan_start = 2" in line and "\n" not in line for line in found)


@pytest.mark.parametrize("place", PLACES)
def test_an_image_follows_from_its_seed_alone_on_any_backend(place: str, tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small_autoencoder(f"model.quantum.place={place}", "training.steps=2"))
    own = open_trained(run).generator
    together = own.sample([5, 6, 7])
    assert together.shape == (3, 1, 8, 8)
    assert together.abs().max() <= 1
    torch.testing.assert_close(own.sample([6]), together[1:2])
    assert own.sample([]).shape == (0, 1, 8, 8)
    for name in ("aer", "reference"):
        other = open_trained(run, {"name": name}).generator.sample([5, 6, 7])
        torch.testing.assert_close(other, together, rtol=1e-4, atol=1e-4)


@pytest.mark.slow  # the kernels of the noisy engine are compiled
@pytest.mark.parametrize("place", PLACES)
def test_noise_reaches_the_images_where_the_decoder_has_the_circuit(place: str, tmp_path: Path) -> None:
    run, _ = train_config(tmp_path / "run", small_autoencoder(f"model.quantum.place={place}", "training.steps=2"))
    exact = open_trained(run).generator.sample([5, 6, 7])
    noisy = open_trained(run, {"name": "noisy:fake_fez"}).generator.sample([5, 6, 7])
    assert torch.equal(noisy, exact) == (place == "encoder")


def test_the_commands_know_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from small_runs import SMALL_AUTOENCODER

    monkeypatch.chdir(tmp_path)
    changes = [word for change in SMALL_AUTOENCODER for word in ("--set", change)]
    runner = CliRunner()
    trained = runner.invoke(app, ["train", "vae-gan", "--out", "run", *changes, "--json"])
    assert trained.exit_code == 0, trained.output
    assert json.loads(trained.stdout)["psnr"] > 0
    facts = json.loads(runner.invoke(app, ["describe", "run", "--json"]).stdout)
    assert (facts["kind"], facts["circuits_per_image"], facts["circuits_per_training_image"]) == ("autoencoder", 0, 1)
    assert "1 in a step of training, 0 to sample one" in " ".join(
        runner.invoke(app, ["describe", "run"]).stdout.split()
    )
    sampled = runner.invoke(app, ["sample", "run", "--count", "4", "--json"])
    assert sampled.exit_code == 0, sampled.output
    assert can_sample(open_trained(Run(tmp_path / "run")).generator)


def test_gradients_by_parameter_shift_are_those_of_the_engine() -> None:
    """With a circuit in front of the code and behind it."""
    for place in PLACES:
        grads = []
        for gradient in ("adjoint", "parameter-shift"):
            made = build_generator(
                small_autoencoder(f"model.quantum.place={place}"), (1, 8, 8), open_backend("statevector"), gradient
            )
            player = made.players()[0]
            draws = player.objective.draw(2, made.shape, torch.Generator().manual_seed(0))
            images = torch.linspace(-1, 1, 128).reshape(2, 1, 8, 8)
            player.objective(images, draws).backward()
            grads.append({name: weight.grad for name, weight in player.parameters.items()})
        assert all(weight is not None for weight in grads[0].values())
        for name, weight in grads[0].items():
            torch.testing.assert_close(weight, grads[1][name], rtol=1e-3, atol=1e-5)
