"""`qgen devserver` as a command."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

COMMAND = [
    sys.executable,
    "-c",
    "import typer; from qgen.cli.devserver import devserver; typer.run(devserver)",
]
SCRIPT = """
from qiskit import QuantumCircuit
from qiskit_ibm_runtime import QiskitRuntimeService
from qiskit_ibm_runtime.executor_sampler import Sampler
circuit = QuantumCircuit(1, 1)
circuit.x(0)
circuit.measure(0, 0)
job = Sampler(QiskitRuntimeService().backend("ibm_here")).run([circuit], shots=7)
print(job.result(poll_interval=0.1)[0].data.c.get_counts())
raise SystemExit(3)
"""


@pytest.mark.slow
def test_a_command_runs_with_the_service(tmp_path: Path) -> None:
    command = [*COMMAND, "--device", "fake_manila=ibm_here", "--ideal", "--", sys.executable, "-c", SCRIPT]
    ran = subprocess.run(command, capture_output=True, text=True, env=os.environ | {"HOME": str(tmp_path)}, check=False)
    assert ran.returncode == 3, ran.stderr
    assert ran.stdout == "{'1': 7}\n"
    assert "1 job, 7 executions" in ran.stderr


def interruptible() -> None:
    """In the child: what a shell runs in the background ignores Ctrl-C, and so do its children."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@contextmanager
def ending(process: subprocess.Popen[str]) -> Iterator[None]:
    """Kills it at the end, should it still run: nobody waits for ever."""
    try:
        yield
    finally:
        process.kill()


def test_it_serves_until_it_is_interrupted(rng: np.random.Generator) -> None:
    as_json = bool(rng.integers(2))
    command = [*COMMAND, "--device", "fake_manila", *(["--json"] if as_json else [])]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, preexec_fn=interruptible, **pipes) as serving, ending(serving):
        assert serving.stdout is not None
        first = serving.stdout.readline()
        if as_json:
            told = json.loads(first)
            assert told["devices"] == ["ibm_manila"]
            assert told["environment"]["QISKIT_IBM_URL"].startswith(told["url"])
        else:
            assert first.startswith("export QISKIT_IBM_")
        serving.send_signal(signal.SIGINT)
        _, said = serving.communicate(timeout=30)
    assert serving.returncode == 0, said


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fault", "{"], "takes a JSON object"),
        (["--fault", '{"statsu": 500}'], "Did you mean `status`?"),
        (["--device", "fake_nowhere"], "fake_nowhere"),
        (["--device", "fake_manila", "--", "no-such-command"], "no command `no-such-command`"),
    ],
)
def test_what_cannot_be_is_said_before_anything_runs(words: list[str], message: str) -> None:
    import typer
    from typer.testing import CliRunner

    from qgen.cli.devserver import devserver
    from qgen.errors import QgenError

    app = typer.Typer()
    app.command()(devserver)
    with pytest.raises(QgenError, match=message.replace("?", r"\?")):
        CliRunner().invoke(app, words, catch_exceptions=False)
