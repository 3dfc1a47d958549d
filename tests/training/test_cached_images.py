"""Training from a cache of images: the same numbers as from memory, and a line that says where it is."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import resume_small, small_config, trainer
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.data import DataSettings, open_images, save_single
from qgen.runs import Run, load_checkpoint, new_run
from qgen.storage import CACHE_VARIABLE
from qgen.training import Report, start


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty digits in two classes."""
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    images = open_images(DataSettings(name="digits", limit=40)).images
    for name, part in (("a", images[:20]), ("b", images[20:])):
        save_single(part, tmp_path / "set" / name, [str(number) for number in range(20)])
    return tmp_path / "set"


def trained(path: Path, folder: Path, cache: str, steps: int = 5) -> Run:
    changes = (f"data.name={folder}", "data.limit=null", f"data.cache={cache}", "model.conditioning=label")
    run = new_run("test", path)
    start(trainer(run, small_config(*changes, f"training.steps={steps}")), Report())
    return run


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoints()[-1]).tensors["weights"]


def test_weights_are_the_same_to_the_last_bit(folder: Path, tmp_path: Path) -> None:
    memory = trained(tmp_path / "memory", folder, "never")
    mapped = trained(tmp_path / "mapped", folder, "always", steps=3)
    assert mapped.provenance()["data"] == memory.provenance()["data"]
    resume_small(mapped, ["training.steps=5", "data.cache=never"])  # a run may change between the two
    ours, theirs = weights(memory), weights(mapped)
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []


def test_the_command_says_where_the_cache_is(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ("data.cache=always", f"data.name={folder}", "training.steps=1", "training.samples=0", "training.batch=4")
    words = [word for change in changes for word in ("--set", change)]
    result = CliRunner().invoke(app, ["train", "--device", "cpu", "--name", "one", *words])
    assert result.exit_code == 0, result.output
    assert f"decoding 40 images, once, into the cache {tmp_path / 'cache'}" in result.output
    assert "images are read from the cache" in result.output
