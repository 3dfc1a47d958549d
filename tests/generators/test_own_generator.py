"""A user's own generator goes through every command, as ours do."""

from __future__ import annotations

import json
import shutil
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from qgen.backends import open_settings
from qgen.cli.main import app
from qgen.costing.circuit_use import sampling_uses, training_uses
from qgen.data import DataSettings, open_images
from qgen.errors import ConfigError
from qgen.generators import can_sample, get_kind
from qgen.nn import QuantumLayer
from qgen.runs import Run, RunConfig, build_generator, build_model, load_checkpoint, read_config
from qgen.runs.config import _config_class
from qgen.sampling import open_trained

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
SHORT = ("training.batch=8", "training.log_every=1", "training.samples=4", "training.sample_every=null")
NARROW = ("model.qubits=3", "model.layers=1", "model.hidden=5", "training.ema.after=1", "training.checkpoint_every=1")


def qgen(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200"})
    assert result.exit_code == code, result.output
    return result


def train(*arguments: str, steps: int) -> Any:
    changes = (*SHORT, *NARROW, f"training.steps={steps}")
    return qgen("train", "own_generator.yaml", *[word for change in changes for word in ("--set", change)], *arguments)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the example, from which commands are run; nothing of an earlier one is remembered."""
    monkeypatch.delitem(sys.modules, "own_generator", raising=False)
    for cached in (get_kind, _config_class):
        cached.cache_clear()
    for file in EXAMPLES.glob("own_generator.*"):
        shutil.copy(file, tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tensors(run: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(Run(run).checkpoints()[-1])
    return {f"{group}/{name}": value for group, part in checkpoint.tensors.items() for name, value in part.items()}


def test_it_is_trained_resumed_sampled_and_described(here: Path) -> None:
    train("--name", "whole", steps=4)
    train("--name", "broken", steps=2)
    assert "has changed" not in qgen("train", "runs/broken", "--resume", "--set", "training.steps=4").stdout
    whole, broken = tensors(here / "runs/whole"), tensors(here / "runs/broken")
    assert whole.keys() == broken.keys()
    assert all(torch.equal(value, broken[name]) for name, value in whole.items())
    assert len(list((here / "runs/whole/samples").glob("*.png"))) == 1

    made = json.loads(qgen("sample", "runs/whole", "--count", "3", "--single", "--backend", "aer", "--json").stdout)
    assert (made["circuits_per_image"], made["circuits"], len(made["singles"])) == (1, 3, 3)
    assert made["backend"]["name"] == "aer"
    facts = json.loads(qgen("describe", "own_generator.yaml", "--set", "model.qubits=3", "--json").stdout)
    network = open_trained(Run(here / "runs/whole")).generator.network
    assert facts["circuits_per_image"] == 1
    assert (
        facts["quantum_parameters"]
        == sum(layer.weight.numel() for layer in network.modules() if isinstance(layer, QuantumLayer)) * 2
    )  # the file has two layers, the run one
    assert "circuit, 3 qubits" in qgen("describe", "runs/whole").stdout
    assert "`model.qubits`" not in qgen("train", "own_generator.yaml", "--keys").stdout
    assert "model.qubits=6" in qgen("train", "own_generator.yaml", "--keys").stdout


def test_code_that_changed_is_noticed(here: Path) -> None:
    """A resumed run may then take other steps than one that was never stopped."""
    train("--out", "run", steps=1)
    before = json.loads((here / "run/provenance.json").read_text())["generator"]
    assert before["file"] == str(here / "own_generator.py")
    assert before["sha256"] == sha256((here / "own_generator.py").read_bytes()).hexdigest()
    with open(here / "own_generator.py", "a") as file:
        file.write("# a comment\n")
    said = qgen("train", "run", "--resume", "--set", "training.steps=2").stdout
    assert "own_generator.py has changed since run was started" in said
    resumed = json.loads((here / "run/provenance.json").read_text())["resumed"][0]["generator"]
    assert resumed["sha256"] == sha256((here / "own_generator.py").read_bytes()).hexdigest() != before["sha256"]


def test_initial_weights_follow_from_the_seed_of_the_run(here: Path) -> None:
    def weights(seed: int) -> dict[str, torch.Tensor]:
        torch.rand(3)  # the state of torch's own generator does not matter, and stays what it is
        before = torch.random.get_rng_state()
        config = read_config("own_generator.yaml", (*NARROW, f"training.seed={seed}"))
        found = build_generator(config, (1, 8, 8)).network.state_dict()
        assert torch.equal(torch.random.get_rng_state(), before)
        return found

    one, again, other = weights(1), weights(1), weights(2)
    assert all(torch.equal(one[name], again[name]) for name in one)
    assert not any(torch.equal(one[name], other[name]) for name in one)


def test_an_image_follows_from_its_seed_alone(here: Path) -> None:
    generator = build_generator(read_config("own_generator.yaml", NARROW), (1, 8, 8))
    together, alone = generator.sample([3, 1, 2]), generator.sample([1])
    torch.testing.assert_close(together[1:2], alone)
    assert together.shape == (3, 1, 8, 8)
    assert generator.sample([]).shape == (0, 1, 8, 8)
    assert together.abs().max() <= 1
    assert not torch.equal(together[0], together[1])


def test_circuits_are_counted_without_being_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = read_config("own_generator.yaml", NARROW)
    images = open_images(DataSettings(name="digits", limit=9))
    model = build_model(config, images, open_settings(config.backend))
    assert can_sample(model)
    monkeypatch.setattr("qgen.nn.layer.evaluate", None)
    assert (model.circuits_per_image, model.circuits_per_training_image, model.num_calls) == (1, 1, 1)
    assert model.describe().circuits[0].qubits == 3


def test_a_model_that_lacks_something_is_refused_with_its_name(here: Path) -> None:
    (here / "lacking.py").write_text(
        "from own_generator import MomentMatchingGenerator\n\n"
        "class Thing:\n    def sample(self, seeds): ...\n\n"
        "class Lacking(MomentMatchingGenerator):\n"
        "    @classmethod\n    def build(cls, settings, context):\n        return Thing()\n"
    )
    config = RunConfig.read(
        {"model": {"kind": "lacking:Lacking"}, "data": {"name": "digits"}, "training": {"steps": 1}}
    )
    with pytest.raises(ConfigError, match="`lacking:Lacking` returns lacks shape, network, backend"):
        build_generator(config, (1, 8, 8))


def test_a_run_whose_class_is_gone_is_one_line(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train("--out", "run", steps=1)
    config = (here / "run/config.yaml").read_text()
    (here / "run/config.yaml").write_text(config.replace("own_generator:", "gone_generator:"))
    said = qgen("sample", "run", code=1).stderr
    assert said.count("\n") == 1
    assert "no module named 'gone_generator'; looked among installed packages and in " in said
    assert f"was started with {here / 'own_generator.py'}: use the folder of that file" in said
    assert "damaged" not in said


def test_its_circuits_are_planned_for_hardware(here: Path) -> None:
    """Counted while they run on a simulator, as for any other generator."""
    generator = build_generator(read_config("own_generator.yaml", NARROW), (1, 8, 8))
    (trained,), (sampled,) = training_uses(generator), sampling_uses(generator)
    assert (trained.layer, trained.per_image, trained.gradients) == ("0", 1, (False, True))
    assert (sampled.per_image, sampled.circuit) == (generator.circuits_per_image, trained.circuit)
