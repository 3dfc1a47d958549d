"""Bars: at any width they show the step and the time left, and nothing of them stays."""

import io
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from rich.console import Console

from qgen.progress import on_compilation, progress_bars, tell_compilation
from qgen.training.report import ConsoleReport, summary

ROW = {
    "step": 1234,
    "images": 78976,
    "discriminator_loss": 1.3863,
    "discriminator_gradient_norm": 0.1,
    "generator_loss": 0.6931,
    "learning_rate": 0.001,
    "images_per_second": 1234.5,
    "circuits_per_second": 98765.4,
}


def terminal(width: int) -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, legacy_windows=False)


def written(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 200])
def test_step_and_time_left_are_seen_at_any_width(width: int) -> None:
    with progress_bars(terminal(width)) as shown:
        shown.update(shown.add_task(summary(ROW), total=3000), completed=1234)
    plain = terminal(width)
    plain.print(shown.get_renderable())
    (line,) = written(plain).splitlines()
    assert len(line) <= width
    assert re.search(r" 1234/3000 .* (--:--|\d+:\d\d)", line), line
    if width >= 80:
        assert "discriminator_loss 1.3863" in line


@pytest.mark.parametrize("error", [None, KeyboardInterrupt, RuntimeError])
def test_nothing_of_a_bar_stays(error: type[BaseException] | None) -> None:
    console = terminal(80)

    def work() -> None:
        with progress_bars(console) as shown:
            shown.add_task("one", total=3)
            shown.add_task("two", total=3)
            shown.refresh()
            if error is not None:
                raise error

    with pytest.raises(error) if error else nullcontext():
        work()
    assert "\x1b[?25h" in written(console)  # the cursor is shown again
    assert written(console).endswith("\x1b[1A\x1b[2K" * 2)  # both lines, from below


def test_what_a_training_bar_said_last_is_a_line_when_it_is_gone() -> None:
    console = terminal(300)
    report = ConsoleReport(console)
    with report.over(0, 3000):
        report.step(1234)
        report.row(ROW)
    last = written(console).splitlines()[-1]
    assert last.endswith(f"step    1234 of 3000  {summary(ROW)}")


def test_a_compilation_is_told_once() -> None:
    told: list[str] = []
    on_compilation(lambda: told.append("now"))
    tell_compilation()
    tell_compilation()
    assert told == ["now"]


TELLS = """
import sys
from qgen.progress import on_compilation
on_compilation(lambda: print("compiling"))
import torch
from qgen import QuantumLayer
from qgen.circuits import ansatz
QuantumLayer(ansatz("basic", qubits=2, layers=1))(torch.zeros(1, 2))
"""


@pytest.mark.slow
def test_kernels_are_compiled_once_on_a_machine(tmp_path: Path) -> None:
    """The first process tells that it compiles, the second one has nothing to compile."""
    command = [sys.executable, "-c", TELLS]
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path), "PYTHONWARNINGS": "ignore"}
    outputs = [subprocess.run(command, env=environment, capture_output=True, text=True, check=True) for _ in range(2)]
    assert [output.stdout for output in outputs] == ["compiling\n", ""]
