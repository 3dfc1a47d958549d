"""`qgen evaluate`: what it leaves behind, and one clear line for every mistake before anything is sampled."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from quick import quick_evaluation
from typer.testing import CliRunner

from qgen import storage
from qgen.cli.main import app
from qgen.data import DataSettings, open_images, save_single
from qgen.data.subset import fixed_permutation
from qgen.metrics import networks


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["evaluate", "--device", "cpu", *arguments])


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user's folder of this test alone, and classifiers that learn nothing, in a moment."""
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)
    quick_evaluation(monkeypatch)
    monkeypatch.setattr("torch.hub.get_dir", lambda: str(tmp_path / "hub"))
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def run(tmp_path: Path, trained_once: Callable[..., Path]) -> str:
    shutil.copytree(trained_once(), tmp_path / "runs" / "mine")
    return "runs/mine"


def test_a_run_is_evaluated_with_intervals_beside_real_images(run: str) -> None:
    result = invoke(run, "--count", "12", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert {"fid", "fid_infinite", "kid", "inception_score", "precision", "recall", "copies"} <= facts["metrics"].keys()
    for metric in facts["metrics"].values():
        assert metric["low"] <= metric["value"] <= metric["high"]
        assert metric["features"] in ("classifier", "pixels")
        assert (metric["count"], metric["real"]["count"] >= 12) == (12, True)
    assert (facts["samples"]["images"], facts["samples"]["seed"], facts["samples"]["step"]) == (12, 0, 12)
    assert facts["reference"]["images"] == 359
    controls = facts["controls"]["samples"]
    assert list(controls) == ["mean", "shuffled"]
    assert [each["circuits"] for each in controls.values()] == [0, facts["samples"]["circuits"]]
    assert all(each["differences"]["fid"]["paired"] for each in controls.values())
    changes = [each["differences"]["fid"] for each in controls.values()]
    limits = facts["controls"]["summary"][-1].startswith("That results depend on circuits is no advantage")
    assert limits == any(change["low"] > 0 or change["high"] < 0 for change in changes)
    written = json.loads(Path(facts["file"]).read_text())
    assert written == {key: facts[key] for key in written}
    assert Path(facts["file"]).parent == Path("runs/mine/evaluation")


def test_baselines_are_evaluated_beside_the_samples(run: str) -> None:
    result = invoke(run, "--count", "12", "--baselines", "--no-controls", "--json")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert "controls" not in facts
    assert [each["name"] for each in facts["compare"]] == [
        "independent Gaussian",
        "Gaussian",
        "a Gaussian a class",
        "Gaussian mixture",
    ]


def test_the_table_fits_eighty_columns(run: str) -> None:
    result = invoke(run, "--count", "8", "--features", "digits")
    assert result.exit_code == 0, result.output
    table, controls = result.stdout.partition("95 %")[2].partition("controls: differences")[::2]
    controls = controls.partition("With the mean of")[0]
    assert max(map(len, (table + controls).splitlines())) <= 80
    assert "shuffled outputs" in controls
    assert "--no-controls leaves them out" in result.stdout
    assert "…" not in table
    assert "Fréchet distance" in table
    assert "test split" in result.stdout


def test_real_images_in_a_folder_are_as_good_as_real_ones() -> None:
    images = open_images(DataSettings(name="digits"))
    chosen = torch.from_numpy(fixed_permutation(len(images))[:200])  # those that stand for a perfect generator
    save_single(images.scaled(chosen), "real", [str(k) for k in range(200)])
    result = invoke("real", "--reference", "digits", "--json", "--out", "x.html")
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    metrics = facts["metrics"]
    assert metrics["fid"]["value"] == pytest.approx(metrics["fid"]["real"]["value"], rel=1e-4)
    assert metrics["copies"]["value"] == 1
    assert json.loads(Path("x.json").read_text())["metrics"] == metrics


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["nowhere"], 1, "there is no folder nowhere; `qgen runs` lists the runs here"),
        ([], 1, "no run with a checkpoint"),
        (["runs/mine", "--features", "incepton"], 1, "Did you mean 'inception'?"),
        (["runs/mine", "--features", "inception"], 1, "qgen downloads nothing by itself"),
        (["runs/mine", "--protocol", "defalco2024"], 1, "qgen downloads nothing by itself"),
        (["runs/mine", "--features", "inception", "--weights", "no.pth"], 1, "--weights no.pth"),
        (["runs/mine", "--weights", "no.pth"], 1, "take none"),
        (["runs/mine", "--protocol", "defalco2024", "--count", "9"], 2, "7,000 images"),
        (["runs/mine", "--protocol", "defalco2024", "--features", "digits"], 2, "not of digits"),
        (["runs/mine", "--features", "classifier:nothing"], 1, "no classifier 'nothing'"),
        (["runs/mine", "--count", "1"], 2, "--count"),
        (["runs/mine", "--reference", "digits"], 2, "for folders"),
        (["runs/mine", "--backend", "nowhere"], 1, "there is no backend `nowhere`"),
        (["runs/mine", "--max-qpu-seconds", "9"], 2, "IBM's hardware"),
        (["runs/mine", "--held-out"], 1, "no combination is held out: name some by `data.hold_out`"),
        (["runs/mine", "--sampler", "quick"], 1, "`sampling.sampler`"),
        (["pictures"], 2, "--reference digits"),
        (["pictures", "--reference", "digit"], 1, "did you mean `digits`?"),
        (["pictures", "--reference", "digits"], 1, "--size resizes both"),
        (["pictures", "--reference", "digits", "--size", "8", "--count", "99"], 1, "has 5 images"),
        (["pictures", "--reference", "digits", "--backend", "aer"], 2, "not sampled"),
        (["pictures", "--reference", "digits", "--held-out"], 2, "not sampled"),
    ],
)
def test_mistakes_are_one_clear_line_before_anything_is_sampled(
    arguments: list[str], code: int, said: str, trained_once: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    if "runs/mine" in arguments:
        shutil.copytree(trained_once(), "runs/mine")
    if "pictures" in arguments:
        save_single(torch.rand(5, 1, 6, 6), "pictures", [str(k) for k in range(5)])
    before = sorted(Path().rglob("*"))

    def too_late(*_: object, **__: object) -> None:
        raise AssertionError("it should have been refused before")

    monkeypatch.setattr("qgen.sampling.open_trained", too_late, raising=False)
    result = invoke(*arguments)
    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.stderr
    if code == 1:
        assert result.stderr.count("\n") == 1
    assert sorted(Path().rglob("*")) == before
