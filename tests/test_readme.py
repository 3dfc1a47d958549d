"""What README and guides show works: their Python runs, their commands exist, CI runs the first two word for word."""

import os
import re
import runpy
import shlex
from pathlib import Path

import pytest
from cloud import cloud
from quick import quick_evaluation
from readme_session import PAGES, all_steps, arguments, read, shorten_training, write_file
from typer.testing import CliRunner

from qgen import storage
from qgen.cli.main import app
from qgen.metrics import networks

ROOT = Path(__file__).parents[1]
COMMANDS = [step.text for step in all_steps() if step.kind == "command"]


def blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", read(page), flags=re.DOTALL | re.MULTILINE)


def test_the_readme_has_examples() -> None:
    assert len(blocks("README.md", "python")) >= 2
    assert "qgen train --backend aer" in COMMANDS


@pytest.mark.parametrize(("page", "code"), [(page, code) for page in PAGES for code in blocks(page, "python")])
def test_python_blocks_run(page: str, code: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    shorten_training(monkeypatch)
    quick_evaluation(monkeypatch)
    # Classifiers that learn nothing, in a moment, are kept apart from the user's own.
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)
    exec(compile(code, page, "exec"), {"__name__": "__main__"})


@pytest.mark.slow
def test_its_commands_run_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one empty folder: each finds what those before it left, and nothing else."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("QGEN_DATA", raising=False)
    shorten_training(monkeypatch)
    with cloud(tmp_path, monkeypatch, "fake_fez"):
        key = os.environ["QISKIT_IBM_TOKEN"]  # of the server that stands in for IBM's; `login` reads it
        for step in all_steps():
            if step.kind == "file":
                write_file(step.text)
            elif step.text.startswith("qgen "):
                result = CliRunner().invoke(app, arguments(step.text), input=f"{key}\n")
                assert result.exit_code == 0, f"{step.text}\n{result.output}"


@pytest.mark.parametrize("command", sorted({command for command in COMMANDS if not command.startswith("qgen ")}))
def test_other_commands_name_what_exists(command: str) -> None:
    program, *arguments = shlex.split(command)
    if program == "python":
        assert (ROOT / arguments[0]).is_file()
    elif program == "make":
        assert f"\n{arguments[0]}:\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    else:
        assert program in ("pip", "pytest")


def test_ci_runs_the_first_two_commands() -> None:
    first_two = [block.strip() for block in blocks("README.md", "bash")[:2]]
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    assert [line for line in ci if "pip install" in line] == [f"({command})" for command in first_two]


@pytest.mark.parametrize("page", PAGES)
def test_local_links_exist(page: str) -> None:
    """Those of all pages, with their anchors, are checked by `make docs`."""
    targets = re.findall(r"\]\(([^)#:]+)[)#]", read(page)) + re.findall(r'src="([^":]+)"', read(page))
    assert [target for target in targets if not (ROOT / page).parent.joinpath(target).exists()] == []


def test_the_measured_table_is_what_the_results_say(monkeypatch: pytest.MonkeyPatch) -> None:
    """`python benchmarks/measured.py benchmarks/results/layer*.json` writes it."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    block = runpy.run_path(str(ROOT / "benchmarks" / "measured.py"))["block"]
    assert block(sorted((ROOT / "benchmarks" / "results").glob("layer*.json"))) in read("docs/performance.md")
