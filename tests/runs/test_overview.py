"""Runs side by side: listed, sorted, compared, drawn."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from qgen.cli.main import app
from qgen.errors import ConfigError
from qgen.runs import Run, preset_names, read_config
from qgen.runs.overview import RunOverview, comparability, curves, list_runs, sort_runs


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments))


def lines(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def evaluation(run: Run, name: str, step: int, value: float, features: str = "fitted", when: int = 1) -> None:
    found = {
        "samples": {"step": step, "images": 9, "backend": {"name": "aer"}},
        "features": {"name": features},
        "reference": {"description": "real images"},
        "metrics": {
            "fid": {"value": value, "low": value - 1, "high": value + 1, "label": "Fréchet", "better": "lower"},
            "recall": {"value": -value, "low": None, "high": None, "label": "recall", "better": "higher"},
            "torn": {"value": None},
        },
    }
    file = run.path / "evaluation" / f"{name}.json"
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(found))
    os.utime(file, (when, when))


def made(folder: Path, losses: list[float], *changes: str, preset: str = "digits") -> Run:
    """A run that was never trained, with what a training leaves."""
    run = Run(folder)
    run.start(read_config(preset, changes), {"created": "now"})
    rows = [{"step": 5 * k, "images": 50 * k, "loss": loss, "note": "x"} for k, loss in enumerate(losses, 1)]
    lines(run.metrics, rows)
    run.checkpoint(5 * len(losses)).write_bytes(b"")
    return run


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> list[tuple[float, Run]]:
    """Runs in `runs`, in a random order, with the last loss of each."""
    monkeypatch.chdir(tmp_path)
    values = rng.permutation(5).astype(float) + 1
    found = [(value, made(Path("runs", f"run{k}"), [9.0, value])) for k, value in enumerate(values)]
    for k, (_, run) in enumerate(found):
        os.utime(run.checkpoint(10), (k + 1, k + 1))
    return found


def test_runs_are_listed_and_sorted(runs: list[tuple[float, Run]]) -> None:
    listed = json.loads(invoke("runs", "--json").stdout)
    assert [each["run"] for each in listed] == [str(run.path) for _, run in reversed(runs)]  # the last one first
    assert all(each["metrics"] == {"loss": value} for each, (value, _) in zip(listed, reversed(runs), strict=True))
    by_loss = [each["run"] for each in json.loads(invoke("runs", "--sort", "loss", "--json").stdout)]
    assert by_loss == [str(run.path) for _, run in sorted(runs, key=lambda pair: pair[0])]
    for value, run in runs[:3]:
        evaluation(run, "one", 10, 10 - value)
    best = [run.run.name for run in sort_runs(list_runs(), "recall")]  # larger is better: the smallest negative of it
    evaluated = sorted(runs[:3], key=lambda pair: -pair[0])
    assert best[:3] == [run.name for _, run in evaluated]
    assert set(best[3:]) == {run.name for _, run in runs[3:]}
    assert [each.run.name for each in sort_runs(list_runs(), "fid")][:3] == best[:3]
    table = invoke("runs", "--sort", "fid").stdout.splitlines()
    assert table[0].split() == ["run", "kind", "preset", "steps", "training", "evaluation", "fid"]
    assert [row.split()[0] for row in table[1:4]] == best[:3]
    wrong = invoke("runs", "--sort", "lost")
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (1, 1)
    assert "there are fid, loss, recall, steps" in wrong.stderr


def test_a_run_that_cannot_be_read_is_said(runs: list[tuple[float, Run]]) -> None:
    broken = runs[2][1]
    broken.path.joinpath("config.yaml").write_text("model: {kind: unet, dimm: 8}\n")
    table = invoke("runs")
    assert table.exit_code == 0
    assert "dimm" in table.stdout
    assert len(json.loads(invoke("runs", "--json").stdout)) == len(runs)
    assert invoke("runs", "diff", str(broken.path), str(runs[0][1].path)).exit_code == 1
    assert "no runs in" in invoke("runs", "--in", "elsewhere").stdout


def test_the_nearest_preset(tmp_path: Path, rng: np.random.Generator) -> None:
    name = str(rng.choice(preset_names()))
    run = made(tmp_path / "run", [1.0], "training.seed=7", preset=name)
    nearest = RunOverview.of(run).preset
    assert nearest is not None
    assert nearest == (name, ["training.seed"])


def test_the_newest_evaluation_counts(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [1.0])
    evaluation(run, "new", 5, 2.0, when=9)
    evaluation(run, "old", 5, 3.0, when=4)
    run.path.joinpath("evaluation", "torn.json").write_text("[]")
    found = RunOverview.of(run).evaluation
    assert found is not None
    assert (found.file.stem, found.values()) == ("new", {"fid": 2.0, "recall": -2.0})


def test_two_runs_side_by_side(tmp_path: Path) -> None:
    one = made(tmp_path / "one", [3.0, 2.5])
    other = made(tmp_path / "other", [3.0, 2.0, 1.5], "training.batch=7", "sampling.steps=9")
    evaluation(one, "it", 10, 4.0)
    evaluation(other, "it", 15, 5.0, features="digits")
    found = json.loads(invoke("runs", "diff", str(one.path), str(other.path), "--json").stdout)
    before = read_config("digits")
    assert found["settings"] == {
        "training.batch": [before.training.batch, 7],
        "sampling.steps": [before.groups["sampling"].plain()["steps"], 9],
    }
    assert "differ in features" in found["warning"]
    shown = invoke("runs", "diff", str(one.path), str(other.path)).stdout
    rows = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.strip()}
    assert rows["loss"] == ["2.5", "1.5"]
    assert rows["steps"] == ["10", "15"]
    assert rows["Fréchet"] == ["4", "(3", "to", "5)", "5", "(4", "to", "6)"]
    assert rows["warning:"]
    same = invoke("runs", "diff", str(one.path), str(one.path))
    assert "no setting differs" in same.stdout
    assert comparability(RunOverview.of(one), RunOverview.of(one)) is None


def test_curves_are_the_rows(tmp_path: Path, rng: np.random.Generator) -> None:
    losses = [float(value) for value in rng.normal(size=8)]
    run = made(tmp_path / "run", losses)
    with run.metrics.open("a") as file:
        file.write('{"step": 45, "loss": NaN}\n{"step": 50, "lo')  # one that diverged, one that a crash cut
    lines(run.quality, [{"step": 5, "seen": 3, "frechet": 2.0, "collapse": None, "classes": {"0": 1}}])
    found = curves(run)
    assert found["loss"] == [(5 * k, loss) for k, loss in enumerate(losses, 1)]
    assert found["frechet"] == [(5, 2.0)]
    assert set(found) == {"loss", "frechet"}


def test_curves_are_drawn(tmp_path: Path, rng: np.random.Generator) -> None:
    assert_drawn(str(rng.choice([".png", ".svg", ".html"])), tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("ending", [".png", ".svg", ".pdf", ".html"])
def test_curves_are_drawn_into_every_kind_of_file(ending: str, tmp_path: Path) -> None:
    assert_drawn(ending, tmp_path)


def assert_drawn(ending: str, tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "run$1", tmp_path / "b" / "run$1", tmp_path / "_hidden"]
    for number, path in enumerate(paths):
        path.parent.mkdir(exist_ok=True)
        run = made(path, [float(number + k) for k in range(1, 1 + number)] or [1.0])
        lines(run.quality, [{"step": 5, "frechet": 2.0}] if number else [])
    out = tmp_path / f"curves{ending}"
    done = invoke("runs", "plot", *map(str, paths), "--out", str(out), "--json")
    assert done.exit_code == 0, done.output
    assert list(json.loads(done.stdout)["curves"]) == ["loss", "frechet"]
    if ending == ".png":
        with Image.open(out) as picture:
            assert len(picture.convert("RGB").getcolors(1 << 24)) > 3
        return
    if ending == ".pdf":
        assert out.read_bytes().startswith(b"%PDF")
        return
    text = out.read_text("utf-8")
    assert all(str(path) in text for path in paths)
    if ending == ".svg":
        ElementTree.fromstring(text)
        first = out.read_bytes()
        assert b"qgen runs plot" in first
        invoke("runs", "plot", *map(str, paths), "--out", str(out), "--json")
        assert out.read_bytes() == first


def test_what_cannot_be_drawn_is_one_line(tmp_path: Path) -> None:
    run = made(tmp_path / "run", [1.0])
    arguments = ["runs", "plot", str(run.path), "--out", str(tmp_path / "x.png")]
    unknown = invoke(*arguments, "--metric", "lost")
    assert (unknown.exit_code, unknown.stderr.count("\n")) == (1, 1)
    assert "there are loss" in unknown.stderr
    assert invoke(*arguments[:-1], "x.jpg").exit_code == 2
    run.metrics.write_text("")
    assert invoke(*arguments).exit_code == 1
    with pytest.raises(ConfigError, match="no run has a value"):
        sort_runs([], "loss")


def test_an_export_is_listed_as_one(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = trained_once()
    assert invoke("export", str(run), "--out", str(tmp_path / "exports" / "it")).exit_code == 0
    (listed,) = json.loads(invoke("runs", "--in", str(tmp_path / "exports"), "--json").stdout)
    assert (listed["export"], listed["steps"], listed["kind"]) == (True, 12, "unet")
    assert listed["metrics"] == json.loads(invoke("runs", "--in", str(run.parent), "--json").stdout)[0]["metrics"]
