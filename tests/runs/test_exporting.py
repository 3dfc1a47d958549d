"""Exports: the same samples from a folder without a trainer's state, by every door; what a card says."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from small_runs import small_autoencoder, small_gan, small_latent, train_config, trainer
from typer.testing import CliRunner

import qgen
from qgen.cli.main import app
from qgen.errors import ConfigError, RunError
from qgen.runs import Run, override_config, read_config, with_absolute_paths
from qgen.runs.checkpoint import load_checkpoint, save_checkpoint
from qgen.training import Trainer
from qgen.training.launch import export as leave_for_others


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def images(folder: Path, seed: int) -> torch.Tensor:
    return qgen.load(folder).sample(3, seed=seed, progress=False).values


def hybrid(folder: Path, trained_once: Callable[..., Path]) -> Path:
    return Path(shutil.copytree(trained_once(), folder))


def gan(folder: Path, trained_once: Callable[..., Path]) -> Path:
    return train_config(folder, small_gan("gan-quantum-g", "training.steps=2"))[0].path


def latent(folder: Path, trained_once: Callable[..., Path]) -> Path:
    """In the codes of an autoencoder whose run is gone."""
    stage = folder.with_name("stage")
    changes = ("training.steps=2", "training.samples=0", "model.quantum.place=decoder")
    run, _ = train_config(stage, small_autoencoder(*changes))
    ready: Trainer = trainer(run, run.config())
    ready.restore()
    leave_for_others(ready)
    config = with_absolute_paths(small_latent(stage, "training.steps=2"))
    path = train_config(folder, config)[0].path
    shutil.rmtree(stage)
    return path


KINDS = {"hybrid": hybrid, "gan": gan, "latent": latent}


def assert_exports_alike(kind: str, tmp_path: Path, trained_once: Callable[..., Path], seed: int) -> None:
    folder = KINDS[kind](tmp_path / "run", trained_once)
    made = qgen.load(folder).export(tmp_path / "new" / "export")
    expected = images(folder, seed)
    tensors = {name.partition("/")[0] for name in load_file(made._run.checkpoints()[-1])}
    shutil.rmtree(folder)
    moved = Path(shutil.copytree(made.path, tmp_path / "elsewhere"))
    assert tensors == {"weights"}
    assert torch.equal(images(moved, seed), expected)
    text = "".join(path.read_text("utf-8") for path in moved.glob("*.*") if path.suffix != ".safetensors")
    assert str(tmp_path) not in text  # nothing names this machine's folders


def test_an_export_samples_the_same_images(
    tmp_path: Path, trained_once: Callable[..., Path], rng: np.random.Generator
) -> None:
    assert_exports_alike(str(rng.choice(list(KINDS))), tmp_path, trained_once, int(rng.integers(1000)))


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_an_export_of_every_kind_samples_the_same_images(
    kind: str, tmp_path: Path, trained_once: Callable[..., Path]
) -> None:
    assert_exports_alike(kind, tmp_path, trained_once, 5)


def test_every_command_takes_it_and_training_does_not(
    tmp_path: Path, trained_once: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = str(trained_once())
    made = json.loads(invoke("export", run, "--json").stdout)
    folder = made["folder"]
    assert (made["step"], made["needs"], Path(folder)) == (12, [], Path("exports", Path(run).name))
    for arguments in (["sample", "--count", "2", "--steps", "2"], ["describe"]):
        assert invoke(arguments[0], folder, *arguments[1:]).exit_code == 0
    ours, theirs = (json.loads(invoke("describe", each, "--json").stdout) for each in (folder, run))
    for name in ("parameters", "quantum_parameters", "circuits_per_image", "steps_done"):
        assert ours[name] == theirs[name]
    assert len(qgen.load(folder).metrics) == len(qgen.load(run).metrics)
    before = {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    refused = invoke("train", folder, "--resume")
    assert (refused.exit_code, refused.stderr.count("\n")) == (1, 1)
    assert "is an export: it has no optimiser state" in refused.stderr
    with pytest.raises(RunError, match=f"--from {folder}"):
        qgen.train(resume=folder)
    assert before == {path: path.read_bytes() for path in Path(folder).rglob("*") if path.is_file()}
    again = invoke("export", run)
    assert again.exit_code == 1
    assert "exists already" in again.stderr


def test_a_run_begins_from_its_weights(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = Run(trained_once())
    made = qgen.load(run.path).export(tmp_path / "export")
    start = {"start": {"run": str(made.path), "parts": ["encoder"], "weights": "ema"}}
    network = trainer(Run(tmp_path / "new"), override_config(run.config(), [start])).generator.network
    average = {
        name.removeprefix("ema/"): value
        for name, value in load_file(run.checkpoints()[-1]).items()
        if name.startswith("ema/encoder.")
    }
    assert average
    assert all(torch.equal(network.get_parameter(name), value) for name, value in average.items())


def test_the_card_says_what_it_is(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = Path(shutil.copytree(trained_once(), tmp_path / "run", ignore=shutil.ignore_patterns("evaluation")))
    assert "were not evaluated" in (qgen.load(run).export(tmp_path / "plain").path / "README.md").read_text("utf-8")
    value = {"value": 0.25, "low": 0.125, "high": 0.5}
    found = {
        "samples": {"step": 12, "images": 99, "backend": {"name": "aer"}},
        "features": {"name": "fitted"},
        "reference": {"description": "some real images"},
        "metrics": {"frechet": {**value, "label": "Fr|chet", "real": {**value, "value": 0.0625}}},
    }
    run.joinpath("evaluation").mkdir()
    run.joinpath("evaluation", "one.json").write_text(json.dumps(found))
    old = found | {"samples": {"step": 5, "images": 7, "backend": {"name": "aer"}}}
    run.joinpath("evaluation", "two.json").write_text(json.dumps(old))
    run.joinpath("evaluation", "torn.json").write_text("{")
    folder = qgen.load(run).export(tmp_path / "export").path
    card = (folder / "README.md").read_text("utf-8")
    front, body = re.fullmatch(r"---\n(.*?)---\n\n(.*)", card, re.DOTALL).groups()  # type: ignore[union-attr]
    assert yaml.safe_load(front)["library_name"] == "qgen"
    assert "Licence: CC BY 4.0." in body
    assert "99 samples, circuits on `aer`" in body
    assert r"| Fr\|chet | 0.25 (0.125 to 0.5) | 0.0625 (0.125 to 0.5) |" in body
    assert f"trained for 12 steps and exported by qgen {qgen.__version__}" in body
    last = qgen.load(run).metrics[-1]
    assert f"| loss | {last['loss']:.4g} |" in body
    code = re.search(r"```python\n(.*?)```", body, re.DOTALL)[1]  # type: ignore[index]
    assert compile(code, "card", "exec")
    (picture,) = re.findall(r"!\[.*?\]\((.*?)\)", body)
    assert (folder / picture).is_file()


def test_half_precision_is_what_it_says(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = trained_once()
    made = json.loads(invoke("export", str(run), "--out", str(tmp_path / "half"), "--half", "--json").stdout)
    whole = qgen.load(run).export(tmp_path / "whole")
    files = Path(made["weights"]), whole._run.checkpoints()[-1]
    assert made["dtype"] == "float16"
    assert made["bytes"] < 0.6 * files[1].stat().st_size
    half, full = map(load_file, files)
    for name, tensor in full.items():
        expected = tensor.numpy().astype(np.float16) if tensor.dtype == torch.float32 else tensor.numpy()
        np.testing.assert_array_equal(half[name].numpy(), expected)
    card = (tmp_path / "half" / "README.md").read_text("utf-8")
    assert "rounded to float16" in card
    assert "rounded to float16" not in (tmp_path / "whole" / "README.md").read_text("utf-8")
    ours, theirs = images(tmp_path / "half", 3), images(tmp_path / "whole", 3)
    assert ours.dtype == torch.float32
    assert not torch.equal(ours, theirs)
    assert (ours - theirs).abs().mean() < 0.05
    again = qgen.load(tmp_path / "half").export(tmp_path / "again")
    assert torch.equal(images(again.path, 3), ours)  # rounded once is rounded
    assert "rounded to float16" in (again.path / "README.md").read_text("utf-8")


def test_what_float16_cannot_hold_is_refused(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = Run(Path(shutil.copytree(trained_once(), tmp_path / "run")))
    checkpoint = load_checkpoint(run.checkpoints()[-1])
    for tensors in checkpoint.tensors.values():
        for name in list(tensors)[:1]:
            tensors[name] = tensors[name] * 0 + 1e5
    save_checkpoint(run.checkpoints()[-1], checkpoint)
    result = invoke("export", str(run.path), "--out", str(tmp_path / "export"), "--half")
    assert (result.exit_code, result.stderr.count("\n")) == (1, 1)
    assert "beyond float16: leave --half out" in result.stderr
    assert not (tmp_path / "export").exists()


def test_what_is_not_in_the_folder_is_said(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = Run(Path(shutil.copytree(trained_once(), tmp_path / "run")))
    noise = tmp_path / "noise.yml"
    noise.write_text("{}")
    plain = run.config().plain()
    changed = {"backend": {"name": f"noisy:{noise}"}, "data": {"name": str(tmp_path / "cats"), "size": 8}}
    run.write_config(read_config("digits", [plain, changed]))
    made = invoke("export", str(run.path), "--out", str(tmp_path / "export"))
    assert made.exit_code == 0, made.output
    assert "it needs the noise file of backend.name" in made.stdout
    assert "it needs the images of data.name" in made.stdout
    assert "Their licence is not known" in (tmp_path / "export" / "README.md").read_text("utf-8")


def test_what_cannot_be_exported(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    empty = Run(tmp_path / "empty")
    empty.start(read_config("digits"), {})
    with pytest.raises(RunError, match="no checkpoint yet"):
        qgen.load(empty.path).export(tmp_path / "export")
    other = Run(Path(shutil.copytree(trained_once(), tmp_path / "run")))
    other.write_config(override_config(other.config(), ["model.dim=16"]))
    with pytest.raises(RunError, match="made by a model with other settings"):
        qgen.load(other.path).export(tmp_path / "export")
    small = ("model.width=4", "data={name: digits, size: null, limit: 64}", "training.steps=1", "training.batch=4")
    classifier = train_config(tmp_path / "classifier", read_config("classifier", small))
    with pytest.raises(ConfigError, match="makes no images"):
        qgen.load(classifier[0].path).export(tmp_path / "export")
    assert not (tmp_path / "export").exists()
