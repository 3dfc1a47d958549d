"""`qgen transpile`: the words that it takes, and its table."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from quick import quick_search
from small_runs import train_config, train_small
from typer.testing import CliRunner

from qgen.circuits import ansatz_names
from qgen.circuits.iqp import iqp
from qgen.cli.transpile import transpile
from qgen.nn import QuantumLayer
from qgen.reports.transpilation import suitability
from qgen.reports.transpilation.simulability import Simulability
from qgen.runs import read_config
from qgen.sampling import open_trained

app = typer.Typer(rich_markup_mode=None)
app.command()(transpile)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    quick_search(monkeypatch)


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), env={"COLUMNS": "80"})


SMALL = ("--circuit", "hqconv:4,1", "--backend", "fake_lagos", "--seeds", "1")


def test_a_table_of_devices_fits_a_terminal() -> None:
    result = run(*SMALL, "--levels", "1", "--compare", "fake_manila,fake_lagos")
    assert result.exit_code == 0, result.output
    rows = [line.split() for line in result.stdout.splitlines()]
    head = next(row for row in rows if row[:1] == ["device"])
    devices = [row for row in rows if row[:1] and row[0] in ("fake_lagos", "fake_manila")]
    assert [row[0] for row in devices] == ["fake_lagos", "fake_manila"]
    assert all(len(row) == len(head) == 11 for row in devices)
    assert "…" not in result.stdout
    assert "warning: " in result.stdout


def test_json_holds_all_that_was_tried() -> None:
    result = run(*SMALL, "--levels", "0,2-3", "--json")
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)["reports"]
    assert report["circuit"] == "hqconv:4,1"
    assert {one["level"] for one in report["devices"][0]["candidates"]} == {0, 2, 3}


def test_the_circuits_of_a_run_once_and_pinned_for_sampling(tmp_path: Path) -> None:
    narrow = ("model.vertex.group_channels=1", "model.vertex.layers=1")  # circuits of 4 qubits: each is routed 5 times
    made, _ = train_small(tmp_path / "small", "training.steps=1", "training.samples=0", *narrow)
    small = ("--seeds", "1", "--levels", "1", "--images", "3", "--shots", "10", "--json")
    pins = tmp_path / "pins.json"
    result = run(str(made.path), "--backend", "fake_guadalupe", *small, "--pin", str(pins))
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)["reports"]
    assert len({report["circuit"] for report in reports}) == len(reports) > 0
    trained = open_trained(made, {"name": "fake_guadalupe", "layout": str(pins)})
    costs = [report["devices"][0]["workloads"][0]["cost"] for report in reports]
    assert sum(cost["circuits"] for cost in costs) == 3 * trained.generator.circuits_per_image
    assert all(cost["executions"] == 10 * cost["circuits"] for cost in costs)
    executables = [
        inner.compiled.executable for inner in trained.generator.network.modules() if isinstance(inner, QuantumLayer)
    ]
    starts = [sorted(report["devices"][0]["candidates"][0]["layout"]) for report in reports]
    assert all(sorted(part.routed.physical) in starts for one in executables for part in one.parts)
    result = run(str(made.path), "--backend", "fake_guadalupe", *small, "--weights", "bound", "--pin", str(pins))
    assert result.exit_code == 0, result.output
    bound = json.loads(result.stdout)["reports"]
    workloads = [one for report in bound for one in report["devices"][0]["workloads"]]
    assert {one["task"] for one in workloads} == {"sampling"}
    assert sum(one["cost"]["circuits"] for one in workloads) == 3 * trained.generator.circuits_per_image
    again = open_trained(made, {"name": "fake_guadalupe", "layout": str(pins)})
    layers = [inner for inner in again.generator.network.modules() if isinstance(inner, QuantumLayer)]
    assert sum(len(layer.compiled.executable.parts) for layer in layers) == len(bound)
    refused = run(*SMALL, "--weights", "bound")
    assert refused.exit_code == 2
    assert "only a run knows its weights" in refused.output


def test_which_ansatz_suits_which_device(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> None:
    others = sorted(set(ansatz_names()) - {"hqconv"})
    monkeypatch.setattr(suitability, "ansatz_names", lambda: ("hqconv", str(rng.choice(others))))
    suits("4,1", "1")


@pytest.mark.slow
def test_which_of_all_ansaetze_suits_which_device() -> None:
    assert suits("4,2", "2") > 4


def suits(size: str, level: str) -> int:
    """Lists the catalogue at this size, and returns how many of it there are."""
    few = ("--seeds", "1", "--levels", level)
    result = run("--catalogue", size, "--backend", "fake_lagos", "--compare", "fake_manila", *few)
    assert result.exit_code == 0, result.output
    rows = [line for line in result.stdout.splitlines() if line.startswith(f"hqconv:{size}")]
    assert len(rows) == 3  # success on both devices; a change on each
    assert "…" not in result.stdout
    result = run("--catalogue", size, "--backend", "fake_lagos", *few, "--json")
    printed = json.loads(result.stdout)
    assert len(printed["suitability"]) == len(printed["reports"]) > 0
    return len(printed["reports"])


def test_a_file_of_openqasm(tmp_path: Path) -> None:
    path = tmp_path / "bell.qasm"
    path.write_text('OPENQASM 2.0;\ninclude "qelib1.inc";\nqreg q[2];\nh q[0];\ncx q[0],q[1];\n')
    result = run("--qasm", str(path), "--backend", "fake_lagos", "--seeds", "1", "--levels", "3", "--json")
    assert json.loads(result.stdout)["reports"][0]["two_qubit_bound"] == 1


def test_a_page(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    result = run(*SMALL, "--seeds", "1", "--levels", "2", "--html", str(page))
    assert result.exit_code == 0, result.output
    assert f"page: {page}" in result.stdout
    assert page.read_text(encoding="utf-8").lower().startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((*SMALL, "--levels", "4"), "'4' names no optimisation levels"),
        ((*SMALL, "--levels", "3-1"), "names no optimisation levels"),
        ((*SMALL, "--seeds", "0"), "--seeds"),
        ((*SMALL, "--html", "page.pdf"), "does not end in .html"),
        ((*SMALL, "--pin", "pins.yaml"), "does not end in .json"),
        (("--catalogue", "4", "--backend", "fake_lagos"), "'4' is not QUBITS,LAYERS"),
        ((*SMALL, "--qasm", "a.qasm"), "Give one of RUN, --circuit, --qasm and --catalogue."),
        (("--backend", "fake_lagos", "--option", "layers=1"), "--option goes with --circuit"),
        (("--circuit", "hqconv"), "--backend"),
    ],
)
def test_wrong_words_are_refused(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())


def test_every_key_of_the_json_is_described() -> None:
    text = (Path(__file__).parents[2] / "docs" / "transpilation-report.md").read_text(encoding="utf-8")
    result = run(*SMALL, "--levels", "1", "--simulate", "--decouple", "XX", "--tiles", "--json")
    assert result.exit_code == 0, result.output
    missing = {key for key in keys_of(json.loads(result.stdout)) if f"`{key}`" not in text}
    assert not missing


def keys_of(value: Any) -> set[str]:
    """All keys but numbers of qubits and names of gates."""
    if isinstance(value, list):
        return {key for inner in value for key in keys_of(inner)}
    if not isinstance(value, dict):
        return set()
    inside = {key for name, inner in value.items() if name not in ("idle_us",) for key in keys_of(inner)}
    return {key for key in {*value, *inside} if key not in ("sx", "x", "rz", "cx", "id")}


def test_the_one_circuit_of_a_born_machine(tmp_path: Path) -> None:
    """Of a run and of a preset: its cost is one job, and whether it is easy to simulate is said."""
    few = ["model.bits=5", "model.widths=[4]", "model.encoder_steps=1", "training.steps=2", "training.batch=4"]
    config = read_config("iqp-digits", [*few, "data.limit=16", "training.sample_every=9", "backend.name=statevector"])
    trained, _ = train_config(tmp_path / "born", config)
    search = ("--backend", "fake_fez", "--seeds", "1", "--levels", "2", "--images", "1000")
    result = run(str(trained.path), *search, "--weights", "bound")
    assert result.exit_code == 0, result.output
    words = " ".join(result.stdout.split())
    assert "born, weights bound (5 qubits, all images are shots of this circuit)" in words
    assert "easy to simulate at this connectivity (bond dimension of a matrix product state up to 2^" in words
    assert "a step of training" not in words
    result = run("iqp-digits", *search, "--json")
    assert result.exit_code == 0, result.output
    (report,) = json.loads(result.stdout)["reports"]
    assert (report["qubits"], report["simulability"]["easy"]) == (64, True)
    (device,) = report["devices"]
    assert device["candidates"][0]["figures"]["extra_two_qubit_gates"] == 0
    (workload,) = device["workloads"]
    cost = workload["cost"]
    assert (workload["task"], workload["images"], cost["jobs"], cost["executions"]) == ("sampling", 1000, 1, 1000)
    for arguments, said in (
        (("iqp-digits", "--weights", "bound"), "has no trained weights"),
        (("unet",), "of presets only Born machines are taken"),
    ):
        refused = run(*arguments, *search)
        assert said in str(refused.exception)


def test_all_pairs_are_not_called_easy() -> None:
    made = Simulability.of(iqp(48, "all").circuit())
    assert (made.bond, made.treewidth, made.easy) == (24, 47, False)
    assert "not easy" in made.sentence
