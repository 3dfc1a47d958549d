"""Bars: at any width they show the step and the time left, and nothing of them stays."""

import io
import os
import re
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from qgen.progress import progress_bars
from qgen.training.report import ConsoleReport, summary, time_left

ROW: dict[str, Any] = {
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
    """Return a terminal that can move its cursor, whatever the one is in which the tests run (TERM=dumb cannot)."""
    options: Any = {
        "force_terminal": True,
        "color_system": None,
        "legacy_windows": False,
        "_environ": {"TERM": "xterm"},
    }
    return Console(file=io.StringIO(), width=width, **options)


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
    assert len(line) <= width - len("^C^C")  # there is room for what a terminal shows of Ctrl-C
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
    # 1,766 steps of 64 images, at 1,234.5 images a second, are 91.6 s.
    assert last.endswith(f"step    1234 of 3000  {summary(ROW)}  1:32 left")


def test_the_first_line_promises_nothing() -> None:
    """Its rate counts what is done once, as kernels that are compiled."""
    console = Console(file=io.StringIO(), width=300)
    report = ConsoleReport(console)
    with report.over(0, 3000):
        for step in (100, 1234):
            report.row(ROW | {"step": step})
    first, second = written(console).splitlines()
    assert first == f"step     100 of 3000  {summary(ROW)}"
    assert second.endswith("  1:32 left")


def test_time_left_is_that_of_the_steps_to_come(rng: np.random.Generator) -> None:
    total, batch, seconds = (int(number) for number in rng.integers(2, 100_000, 3))
    step = int(rng.integers(1, total))
    row = ROW | {"step": step, "images": step * batch, "images_per_second": (total - step) * batch / seconds}
    parts = time_left(row, total).removesuffix(" left").split(":")
    assert sum(int(part) * 60**power for power, part in enumerate(reversed(parts))) == seconds
    assert time_left(ROW, ROW["step"]) == time_left(row | {"images_per_second": 0.0}, total) == ""


TELLS = """
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
    told = "compiling kernels for this processor: up to a minute, once; they are kept\n"
    assert [(output.stdout, output.stderr) for output in outputs] == [("", told), ("", "")]
