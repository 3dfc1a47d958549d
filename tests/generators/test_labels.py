"""Class labels end to end: training, resuming, sampling, costs and the command line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from small_runs import resume_small, small_config, train_small, trainer
from typer.testing import CliRunner

from qgen.backends import open_backend
from qgen.cli.main import app
from qgen.conditioning import Labels
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.data import open_images
from qgen.errors import ConfigError
from qgen.metrics import open_fitted_space
from qgen.runs import Run, build_generator, load_checkpoint, new_run, read_config
from qgen.sampling import open_trained, sample_run
from qgen.training import metrics

LABEL = "model.conditioning=label"


@pytest.fixture(scope="module")
def conditional(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train_small(tmp_path_factory.mktemp("runs") / "conditional", LABEL)[0]


def sampled(run: Run, out: Path, **sampling: object) -> torch.Tensor:
    trained = open_trained(run, sampling=sampling)
    kind = trained.generator.conditioning
    assert kind is not None
    return trained.generator.sample([1, 2, 3, 4], kind.examples(4))


# Training


def test_training_sees_the_labels_of_its_images_and_leaves_some_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(new_run("test", tmp_path / "run"), small_config(LABEL, "diffusion.condition_dropout=0.5"))
    seen: list[torch.Tensor] = []
    network = made.generator.network
    assert isinstance(network.condition, torch.nn.Module)
    network.condition.register_forward_pre_hook(lambda _, given: seen.append(given[0].classes))
    for step in range(20):
        made.step(step)
    classes = torch.cat(seen)
    assert len(classes) == 20 * 8
    dropped = (classes == 10).double().mean().item()
    assert abs(dropped - 0.5) < 5 * 0.5 / (20 * 8) ** 0.5
    assert set(classes.tolist()) == set(range(11))


def test_a_resumed_run_comes_to_the_same_weights(conditional: Run, tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "short", LABEL, "training.steps=6")
    resume_small(run, ["training.steps=12"])
    one, other = (load_checkpoint(each.checkpoints()[-1]) for each in (conditional, run))
    assert one.tensors["weights"].keys() == other.tensors["weights"].keys()
    assert all(torch.equal(other.tensors["weights"][name], value) for name, value in one.tensors["weights"].items())
    assert [row["loss"] for row in metrics.read(run.metrics)][-1] == [
        row["loss"] for row in metrics.read(conditional.metrics)
    ][-1]


def test_labels_are_learned_in_bfloat16_too(tmp_path: Path) -> None:
    run, _ = train_small(tmp_path / "run", LABEL, "training.precision=bf16", "training.steps=2")
    table = load_checkpoint(run.checkpoints()[-1]).tensors["weights"]["condition.table.weight"]
    start = build_generator(run.config(), (1, 8, 8), open_backend("statevector"), num_classes=10).network
    assert table.dtype == torch.float32
    assert (table - start.state_dict()["condition.table.weight"]).abs().max() > 0


def test_data_without_labels_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(8):
        Image.fromarray(np.full((8, 8), number, dtype=np.uint8)).save(folder / f"{number}.png")
    config = small_config(LABEL, f"data.name={folder}", "data.limit=null")
    with pytest.raises(ConfigError, match=r"`model.conditioning=label` needs images with labels, and these have none"):
        trainer(new_run("test", tmp_path / "run"), config)


# Sampling


def test_images_depend_on_their_label_and_guidance(conditional: Run, tmp_path: Path) -> None:
    asked = [sampled(conditional, tmp_path, labels=[label]) for label in (3, 5)]
    mixed = sampled(conditional, tmp_path, labels=[3, 5])
    torch.testing.assert_close(mixed[::2], asked[0][::2], rtol=0, atol=1e-5)
    torch.testing.assert_close(mixed[1::2], asked[1][1::2], rtol=0, atol=1e-5)
    assert (asked[0] - asked[1]).abs().max() > 1e-3
    guided = sampled(conditional, tmp_path, labels=[3], guidance=4.0)
    assert (guided - asked[0]).abs().max() > 1e-3
    turns = sampled(conditional, tmp_path)
    torch.testing.assert_close(turns[3:], asked[0][3:], rtol=0, atol=1e-5)  # image 3 of all classes in turn


def test_files_say_which_labels_and_do_not_replace_others(conditional: Run) -> None:
    names = set()
    for sampling in ({}, {"labels": [3]}, {"labels": [3, 5]}, {"labels": [3], "guidance": 2.5}):
        samples = sample_run(open_trained(conditional, sampling=sampling), count=2)
        names.add(samples.grid.name)
        assert samples.facts["sampling"].get("labels") == sampling.get("labels")
        assert samples.facts["sampling"].get("guidance", 1.0) == sampling.get("guidance", 1.0)
    assert len(names) == 4
    assert any("guidance2.5-label3" in name for name in names)


@pytest.mark.parametrize(
    ("sampling", "message"),
    [
        ({"labels": [10]}, "no class 10 to sample: the classes are 0 to 9"),
        ({"labels": [-1]}, "greater than or equal to 0"),
        ({"labels": []}, "at least 1 item"),
        ({"guidance": 0.5}, "greater than or equal to 1"),
    ],
)
def test_labels_that_do_not_exist_are_refused(conditional: Run, sampling: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_trained(conditional, sampling=sampling)


@pytest.mark.parametrize("sampling", [{"labels": [1]}, {"guidance": 2}])
def test_a_model_without_labels_takes_none(sampling: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"trained with labels \(`qgen train --set model.conditioning=label`\)"):
        read_config("digits", [{"sampling": sampling}])


def test_the_command_takes_several_labels_and_guidance(conditional: Run) -> None:
    words = ["sample", str(conditional.path), "--label", "3", "--label", "5", "--guidance", "2", "--count", "3"]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["sampling"]["labels"] == [3, 5]
    assert facts["sampling"]["guidance"] == 2
    assert facts["circuits"] == 3 * 2 * 3 * 4  # images, rows of each, steps, circuits of a call


def test_the_command_takes_an_interval_of_guidance(conditional: Run) -> None:
    words = ["sample", str(conditional.path), "--guidance", "2", "--guidance-interval", "0.5", "1", "--count", "3"]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["sampling"]["guidance_interval"] == [0.5, 1.0]
    assert facts["circuits"] == 3 * 5 * 4  # images, rows of each in three steps, circuits of a call
    wrong = CliRunner().invoke(app, [*words[:-4], "0.8", "0.2"])
    assert wrong.exit_code == 1
    assert "the lower one first" in wrong.output


# Costs


@pytest.mark.parametrize(("guidance", "rows"), [(1, 1), (3, 2)])
def test_guidance_doubles_the_circuits_of_an_image(guidance: float, rows: int) -> None:
    config = read_config("digits", [LABEL, "sampling.steps=3", f"sampling.guidance={guidance}"])
    generator = build_generator(config, (1, 8, 8), open_backend("statevector"), num_classes=10)
    assert generator.circuits_per_image == rows * 3 * 4
    assert sum(use.per_image for use in sampling_uses(generator)) == generator.circuits_per_image
    assert sum(use.per_image for use in training_uses(generator)) == generator.circuits_per_training_image == 4


def test_conditioning_of_a_generator_gives_labels_in_turn() -> None:
    config = read_config("digits", [LABEL, "sampling.labels=[7, 2]"])
    kind = build_generator(config, (1, 8, 8), open_backend("statevector"), num_classes=10).conditioning
    assert kind is not None
    labels = kind.examples(5)
    assert isinstance(labels, Labels)
    assert labels.classes.tolist() == [7, 2, 7, 2, 7]


# Does it work?


@pytest.mark.slow
def test_digits_of_the_class_that_was_asked_for(tmp_path: Path) -> None:
    """As a judge that has only seen real digits counts them; a tenth would be right by chance."""
    result = CliRunner().invoke(app, ["train", "digits", "--set", LABEL, "--out", str(tmp_path / "run")])
    assert result.exit_code == 0, result.output
    run = Run(tmp_path / "run")
    judge = open_fitted_space(open_images(run.config().data))
    right = {}
    for guidance in (1.0, 2.0):
        trained = open_trained(run, sampling={"guidance": guidance})
        kind = trained.generator.conditioning
        assert kind is not None
        labels = kind.examples(200)
        probabilities = judge.extract(trained.generator.sample(range(200), labels)).probabilities
        assert probabilities is not None
        right[guidance] = float((torch.from_numpy(probabilities).argmax(1) == labels.classes).double().mean())
    assert right[1.0] > 0.8
    assert right[2.0] > 0.9
