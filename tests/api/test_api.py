"""qgen.train and qgen.load: the commands in Python, with the same results."""

from __future__ import annotations

import io
import json
import re
import shutil
from collections.abc import Callable
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cloud import cloud
from PIL import Image
from quick import quick_evaluation
from small_runs import SMALL
from typer.testing import CliRunner

import qgen
from qgen.cli.main import app
from qgen.errors import BackendError, BudgetError, CircuitError, ConfigError, InputError, RunError
from qgen.evaluation.text import number
from qgen.models.description import ModelDescription, Part
from qgen.runs import load_checkpoint
from qgen.sampling import open_trained, sample_images


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(qgen.load(folder)._run.checkpoints()[-1]).tensors["weights"]


def without_times(evaluation: dict[str, Any]) -> dict[str, Any]:
    return evaluation | {"samples": evaluation["samples"] | {"created": ""}}


def test_train_is_the_command(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    run = qgen.train("digits", settings=SMALL, out=tmp_path / "run", progress=False)
    expected = weights(trained_once())
    assert run.path == tmp_path / "run"
    assert run.steps == 12
    assert all(torch.equal(value, expected[name]) for name, value in weights(run.path).items())
    assert run.metrics[-1]["step"] == 12


def test_a_resumed_run_is_an_unbroken_one(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    dotted = dict(change.split("=", 1) for change in SMALL)
    values = {key: json.loads(text) if text != "none" else text for key, text in dotted.items()}
    half = qgen.train("digits", steps=5, settings=values, out=tmp_path / "run", progress=False)
    whole = qgen.train(resume=half.path, settings={"training.steps": 12}, progress=False)
    expected = weights(trained_once())
    assert all(torch.equal(value, expected[name]) for name, value in weights(whole.path).items())


def test_samples_are_those_of_the_command(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    folder = trained_once()
    made = qgen.load(folder).sample(5, seed=3, progress=False)
    assert torch.equal(made.values, sample_images(open_trained(qgen.load(folder)._run), 5, 3))
    assert len(made) == 5
    grid = made.save(tmp_path / "new" / "grid.png")
    command = ["sample", str(folder), "--count", "5", "--seed", "3", "--out", str(tmp_path / "other.png")]
    assert CliRunner().invoke(app, command).exit_code == 0
    assert grid.read_bytes() == (tmp_path / "other.png").read_bytes()
    facts = json.loads(grid.with_suffix(".json").read_text())
    others = json.loads((tmp_path / "other.json").read_text())
    assert {**facts, "created": ""} == {**others, "created": ""}
    assert Image.open(io.BytesIO(made._repr_png_())).size == made.draw().size
    pixels = np.array([np.asarray(one) for one in made.images])  # grey: (N, H, W)
    np.testing.assert_allclose(pixels, (made.values[:, 0].numpy() + 1) * 127.5, rtol=0, atol=0.51)
    assert repr(made) == f"<5 images of 1x8x8 from {folder} on statevector, seed 3>"


def test_options_of_backend_and_sampler_reach_them(trained_once: Callable[..., Path]) -> None:
    run = qgen.load(trained_once())
    made = run.sample(2, backend="aer", shots=50, steps=2, progress=False)
    assert (made.facts["backend"]["name"], made.facts["backend"]["shots"]) == ("aer", 50)
    assert made.facts["sampling"]["steps"] == 2
    with pytest.raises(BackendError, match="noise_scale"):
        run.sample(2, backend="aer", backend_options={"noise_scale": 2.0}, progress=False)


def test_whole_numbers_may_be_numpys(trained_once: Callable[..., Path], tmp_path: Path) -> None:
    run = qgen.load(trained_once())
    made = run.sample(np.int64(2), seed=np.int64(3), progress=False)
    assert torch.equal(made.values, run.sample(2, seed=3, progress=False).values)
    facts = json.loads(made.save(tmp_path / "grid.png").with_suffix(".json").read_text())
    assert (facts["images"], facts["seed"]) == (2, 3)
    with pytest.raises(RunError, match=r"grid\.json: images .* ends in \.png"):
        made.save(tmp_path / "grid.json")


@pytest.mark.parametrize("count", [0, -3, 2.5, "8", True])
def test_a_number_of_images_is_one(count: Any, trained_once: Callable[..., Path]) -> None:
    run = qgen.load(trained_once())
    with pytest.raises(CircuitError, match=r"count must be .*at least 1, not"):
        run.sample(count, progress=False)
    for few in (count, 1):  # refused before anything is sampled, and paid for
        with pytest.raises(CircuitError, match=r"count must be .*at least 2, not"):
            run.evaluate(few, progress=False)


@pytest.mark.parametrize("seed", [1.5, -1, True, "7", None])
def test_a_seed_is_a_whole_number(seed: Any, trained_once: Callable[..., Path]) -> None:
    with pytest.raises(InputError, match=rf"a seed is a whole number from 0 on, not {seed!r}"):
        qgen.load(trained_once()).sample(2, seed=seed, progress=False)


def test_a_device_is_one_of_three(trained_once: Callable[..., Path]) -> None:
    for device in ("tpu", torch.device("cpu")):
        with pytest.raises(ConfigError, match=r"there is no device .*: give 'auto', 'cpu' or 'cuda'"):
            qgen.load(trained_once()).sample(2, device=device, progress=False)  # type: ignore[arg-type]


def test_an_evaluation_is_the_command_s(
    tmp_path: Path, trained_once: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    quick_evaluation(monkeypatch)
    folder = Path(shutil.copytree(trained_once(), tmp_path / "run"))  # the command writes into it
    found = qgen.load(folder).evaluate(20, seed=3, features="digits", progress=False)
    left = sorted((folder / "evaluation").iterdir())
    stored = without_times(json.loads(left[1].read_text()))
    command = ["evaluate", str(folder), "--count", "20", "--seed", "3", "--features", "digits", "--json"]
    printed = json.loads(CliRunner().invoke(app, command).stdout)
    own = json.loads(json.dumps(found.plain()))
    assert own["metrics"] == printed["metrics"]
    assert own["controls"] == printed["controls"]
    assert set(own["controls"]["samples"]) == {"mean", "shuffled"}
    assert left == [Path(printed.pop("page")), Path(printed.pop("file"))] == sorted((folder / "evaluation").iterdir())
    assert stored == without_times(printed)
    distance = found.results["fid"]
    value = number(distance.samples.value, distance.measure)
    assert value in left[0].read_text()
    assert value in repr(found)
    assert len(repr(found)) < 300  # no tensors
    shown = unescape(found._repr_html_())
    assert f"<td>{value}</td>" in shown
    assert all(sentence in shown for sentence in found.controls.summary)
    page = tmp_path / "new" / "alone.html"
    alone = qgen.load(folder).evaluate(8, seed=3, controls=False, features="digits", out=page, progress=False)
    assert alone.controls is None
    assert json.loads(page.with_suffix(".json").read_text()) == json.loads(json.dumps(alone.plain()))
    with pytest.raises(ConfigError, match=r"ends in \.html, not 'page\.json'"):
        qgen.load(folder).evaluate(8, out="page.json")


def test_a_prompt_is_refused_without_text(trained_once: Callable[..., Path]) -> None:
    with pytest.raises(ConfigError, match="prompt"):
        qgen.load(trained_once()).sample(2, prompt="a thick 7", progress=False)


def test_a_description_counts_what_the_command_does(trained_once: Callable[..., Path]) -> None:
    run = qgen.load(trained_once())
    told = json.loads(CliRunner().invoke(app, ["describe", str(run.path), "--json"]).stdout)
    assert run.describe().to_dict()["parameters"] == told["parameters"]
    assert run.path.name in run._repr_html_()


def test_a_description_is_shown_as_a_table(rng: np.random.Generator) -> None:
    counts = [int(count) for count in rng.integers(1_000, 1_000_000, 3)]
    parts = tuple(Part(f"part<{k}>", (k + 1, 8, 8), count, k) for k, count in enumerate(counts))
    found = ModelDescription(parts, sum(counts), 7, sum(counts), 1, 4, ())
    for shown in (repr(found), unescape(re.sub("</?(table|thead|tbody|t[rhd]|p)>", " ", found._repr_html_()))):
        for part in parts:
            assert re.search(rf"{part.name}\s+{part.shape[0]}x8x8\s+{part.parameters:,}\s", shown)
        assert f"{sum(counts):,} parameters, of which 7 in circuits; 1 circuit for an image in each call" in shown
    assert "<0>" not in found._repr_html_()


def test_hardware_needs_a_limit(
    tmp_path: Path, trained_once: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    with cloud(tmp_path, monkeypatch) as server:
        run = qgen.load(trained_once())
        with pytest.raises(BudgetError, match=r"nothing was submitted\. Give max_qpu_seconds=\d+ or more to agree"):
            run.sample(1, backend="ibm_guadalupe", steps=1, progress=False)
        with pytest.raises(BudgetError, match=r"nothing was submitted"):
            run.sample(1, backend="ibm_guadalupe", steps=1, max_qpu_seconds=0.5, progress=False)
        assert server.ledger.jobs == ()
        made = run.sample(1, backend="ibm_guadalupe", steps=1, max_qpu_seconds=500, progress=False)
        assert server.ledger.jobs
        assert server.ledger.seconds <= 500
        assert made.facts["backend"]["name"] == "ibm_guadalupe"


def test_what_cannot_be_is_refused_in_one_line(tmp_path: Path, trained_once: Callable[..., Path]) -> None:
    with pytest.raises(RunError, match="is not the folder of a run"):
        qgen.load(tmp_path)
    with pytest.raises(ConfigError, match="leave `config` and `out` out"):
        qgen.train("digits", resume=trained_once())
    with pytest.raises(BackendError, match="qgen train RUN --resume --backend ibm_fez"):
        qgen.train(backend="ibm_fez", out=tmp_path / "run")
    with pytest.raises(BackendError, match="aer"):
        qgen.train(backend="aerr", out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
