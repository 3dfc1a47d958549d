"""The command line as such: help, version, what an error looks like, exit codes."""

import logging
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from qgen import QgenError, __version__
from qgen.cli import main as command_line

COMMANDS = (
    "train",
    "sample",
    "evaluate",
    "export",
    "describe",
    "data",
    "backends",
    "transpile",
    "jobs",
    "runs",
    "devserver",
    "study",
)
#: Whose examples take longer than the others together.
LONG = ("sample", "evaluate", "transpile", "devserver")


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(command_line.app, list(arguments))


def failing_app(error: BaseException) -> typer.Typer:
    """An app with the options and the error boundary of `qgen`, and one command that fails."""
    app = typer.Typer(cls=command_line._ErrorBoundary, rich_markup_mode=None, pretty_exceptions_enable=False)
    app.callback()(command_line.options)

    @app.command()
    def fail() -> None:
        raise error

    return app


def test_version() -> None:
    result = invoke("--version")
    assert (result.exit_code, result.stdout) == (0, f"qgen {__version__}\n")


def test_shells_complete_commands_and_options(monkeypatch: pytest.MonkeyPatch) -> None:
    def completed(words: str) -> list[str]:
        asked = {"_QGEN_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        return CliRunner().invoke(command_line.app, [], env=asked).stdout.split()

    assert completed("qgen sa") == ["sample"]
    assert completed("qgen sample --cou") == ["--count"]
    # Else it is looked for among the parents of this process, where there may be none.
    monkeypatch.setattr("shellingham.detect_shell", lambda: ("bash", "/bin/bash"))
    assert "_QGEN_COMPLETE=complete_bash" in CliRunner().invoke(command_line.app, ["--show-completion"]).stdout


def test_without_arguments_it_shows_the_help_as_wrong_usage() -> None:
    result = invoke()
    assert result.exit_code == 2
    assert "describe" in result.output


def examples_of(*arguments: str) -> list[str]:
    """The examples of the help of a command, which is looked at."""
    result = invoke(*arguments, "--help")
    assert result.exit_code == 0
    assert max(map(len, result.stdout.splitlines())) <= 80
    examples = re.findall(r"^    qgen (.+)$", result.stdout.partition("Examples:")[2], flags=re.MULTILINE)
    assert len(examples) >= 3
    return examples


def works(example: str) -> None:
    done = invoke(*shlex.split(example, comments=True))
    assert done.exit_code == 0, f"{example}: {done.output}"


def test_help_fits_eighty_columns_and_its_examples_run(rng: np.random.Generator, example_folder: Path) -> None:
    """Two examples, of commands that are not long; the rest is looked at."""
    short = [one for name in COMMANDS if name not in LONG for one in examples_of(name)]
    for name in LONG:
        examples_of(name)
    for example in rng.choice([*short, *examples_of()], 2, replace=False):
        works(example)


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [(), *((name,) for name in COMMANDS)])
def test_all_examples_of_the_help_run(arguments: tuple[str, ...], example_folder: Path) -> None:
    for example in examples_of(*arguments):
        works(example)


def test_an_unknown_command_is_wrong_usage() -> None:
    result = invoke("descrbe")
    assert result.exit_code == 2
    assert "describe" in result.stderr


def test_an_error_is_one_line_and_exit_code_1() -> None:
    result = CliRunner().invoke(failing_app(QgenError("No such thing.\n  Give another.")), ["fail"])
    assert (result.exit_code, result.stdout, result.stderr) == (1, "", "qgen: No such thing. Give another.\n")


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_is_logged_is_on_the_standard_error_unless_json_is_printed(
    options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    app = failing_app(QgenError("unused"))

    @app.command()
    def log(as_json: Annotated[bool, typer.Option("--json")] = False) -> None:
        logging.getLogger("qgen").warning("compiling kernels")
        typer.echo("{}")

    caplog.set_level(logging.NOTSET, "qgen")
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own: Python's last resort is what users have
    result = CliRunner().invoke(app, ["log", *options])
    assert (result.stdout, result.stderr) == ("{}\n", "" if options else "compiling kernels\n")


def test_debug_lets_the_traceback_through() -> None:
    error = QgenError("No such thing.")
    assert CliRunner().invoke(failing_app(error), ["--debug", "fail"]).exception is error


def test_a_defect_is_not_disguised_as_an_error_of_the_user() -> None:
    defect = RuntimeError("a defect")
    assert CliRunner().invoke(failing_app(defect), ["fail"]).exception is defect


def test_ctrl_c_is_exit_code_130() -> None:
    result = CliRunner().invoke(failing_app(KeyboardInterrupt()), ["fail"])
    assert (result.exit_code, result.stderr) == (130, "qgen: interrupted\n")


def test_python_dash_m_is_the_same_command_with_the_same_exit_codes() -> None:
    def run(*arguments: str) -> tuple[int, str, str]:
        done = subprocess.run([sys.executable, "-m", "qgen", *arguments], capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr

    assert run("--version") == (0, f"qgen {__version__}\n", "")
    assert run("describe")[0] == 2
    code, out, err = run("describe", "--circuit", "hqcnv")
    assert (code, out) == (1, "")
    assert re.fullmatch(r"qgen: .*Did you mean 'hqconv'\?\n", err)


def test_each_wrong_setting_has_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    changes = ("training.betas=3", "training.batch=-1", "training.stepz=2")
    result = CliRunner().invoke(
        command_line.app, ["train", *(word for change in changes for word in ("--set", change))]
    )
    assert result.exit_code == 1
    assert sorted(result.stderr.splitlines()) == [
        "qgen: `training.batch`: input should be greater than 0 (given: -1)",
        "qgen: `training.betas`: input should be a list, as [1, 2] (given: '3')",
        "qgen: unknown key `training.stepz`. Did you mean `training.steps`?",
    ]


@pytest.mark.parametrize(
    "words",
    [
        "runs --in loop",
        "runs plot loop",
        "sample loop",
        "describe loop",
        "export loop",
        "evaluate loop --no-page",
        "evaluate --images loop --data digits",
        "transpile loop --backend fake_manila",
        "train digits --from loop",
        "train vae-gan --set data.name=loop",
        "study noise loop --backend fake_manila",
    ],
)
def test_a_link_that_leads_back_to_itself_is_a_line(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("loop").symlink_to("loop")
    result = CliRunner().invoke(command_line.app, words.split())
    assert result.exit_code in (0, 1, 2)  # 0 where there are no runs in it, as later Pythons see it
    assert result.exception is None or isinstance(result.exception, SystemExit)
