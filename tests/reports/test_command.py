"""`qgen transpile`: the words that it takes, and its table."""

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from small_runs import train_small
from typer.testing import CliRunner

from qgen.cli.transpile import transpile

app = typer.Typer(rich_markup_mode=None)
app.command()(transpile)


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


def test_the_circuits_of_a_run_each_once(tmp_path: Path) -> None:
    made, _ = train_small(tmp_path / "small", "training.steps=1", "training.samples=0")
    result = run(str(made.path), "--backend", "fake_guadalupe", "--seeds", "1", "--levels", "1", "--json")
    assert result.exit_code == 0, result.output
    reports = json.loads(result.stdout)["reports"]
    assert len({report["circuit"] for report in reports}) == len(reports) > 0


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
        ((*SMALL, "--qasm", "a.qasm"), "Give one of RUN, --circuit and --qasm."),
        (("--backend", "fake_lagos", "--option", "layers=1"), "--option goes with --circuit"),
        (("--circuit", "hqconv"), "--backend"),
    ],
)
def test_wrong_words_are_refused(arguments: tuple[str, ...], words: str) -> None:
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.split())
