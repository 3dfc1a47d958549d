"""`qgen pool`: the words that it takes, what it draws and says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from cloud import cloud
from small_runs import train_config
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.runs import Run, read_config

SMALL = ("model.bits=5", "model.widths=[4]", "model.encoder_steps=1", "training.steps=2", "training.batch=4")


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["pool", *arguments])


def born(folder: Path) -> Run:
    watched = ("data.limit=16", "training.sample_every=9", "backend.name=statevector")
    return train_config(folder, read_config("iqp-digits", [*SMALL, *watched]))[0]


def test_a_pool_is_drawn_and_shown(tmp_path: Path) -> None:
    made, out = born(tmp_path / "run"), tmp_path / "folder" / "pool.safetensors"
    result = run("draw", str(made.path), "--count", "1e2", "--out", str(out), "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert (facts["codes"], facts["bits"], facts["backend"]["name"], facts["seed"]) == (100, 5, "statevector", 0)
    result = run("show", str(out))
    assert "100 codes of 5 bits" in result.stdout
    assert "drawn on statevector from the iqp prior" in " ".join(result.stdout.split())
    assert json.loads(run("show", str(out), "--json").stdout)["circuit"] == facts["circuit"]
    refused = run("draw", str(made.path), "--count", "101", "--out", str(out))
    assert refused.exit_code == 1
    assert "codes of another number than those to be drawn" in refused.output


def test_on_hardware_it_is_priced_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made, out = born(tmp_path / "run"), tmp_path / "pool.safetensors"
    with cloud(tmp_path, monkeypatch) as server:
        asked = ("draw", str(made.path), "--backend", "ibm_guadalupe", "--count", "300", "--out", str(out))
        result = run(*asked, "--dry-run", "--json")
        assert result.exit_code == 0, result.output
        plan = json.loads(result.stdout)["plan"]
        assert (plan["jobs"], plan["executions"]) == (1, 300)
        assert run(*asked).exit_code == 1  # nobody agreed
        assert not server.ledger.jobs
        result = run(*asked, "--yes")
        assert result.exit_code == 0, result.output
        (job,) = server.ledger.jobs
        assert job.seconds <= plan["qpu_seconds"]
        assert out.exists()
        refused = run(*asked, "--mitigation", "readout", "--yes")
        assert "codes of another mitigation than those to be drawn" in " ".join(refused.output.split())
        out.unlink()
        result = run(*asked, "--mitigation", "readout", "--yes", "--json")
        assert result.exit_code == 0, result.output
        assert json.loads(result.stdout)["backend"]["mitigation"] == "readout"
        assert "the last job of each call calibrates readout" in result.output
        assert [one.executions for one in server.ledger.jobs] == [300, 600]  # what was drawn is not paid for again


@pytest.mark.parametrize("count", ["0", "1.5", "many", "1e12", "nan"])
def test_a_count_is_a_whole_number(count: str) -> None:
    result = run("draw", "--count", count, "--out", "pool.safetensors")
    assert result.exit_code == 2
    assert "no whole number from 1 to 1e9" in " ".join(result.output.replace("│", " ").split())


@pytest.mark.parametrize("arguments", [(), ("draw",), ("show",)])
def test_help_fits_eighty_columns(arguments: tuple[str, ...]) -> None:
    result = run(*arguments, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    assert "Examples:" in result.stdout
