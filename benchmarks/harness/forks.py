"""One command after another in children of a process that has imported everything: each with a time and a memory limit.

A start takes milliseconds rather than seconds, so that thousands of commands can be tried.
"""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

NEEDED = (
    "qgen.cli.main",
    "qgen.cli.process",
    "qgen.costing.plan",
    "qgen.training",
    "qgen.studies",
    "qgen.backends.ibm",
    "qgen.backends.statevector",
    "qgen.backends.aer.noisy",
    "qgen.circuits.qasm",
    "qgen.devserver",
    "rich.table",
    "rich.progress",
    "matplotlib.figure",
    "sklearn.datasets",
)
#: What a command prints once its input was good and its work began.
_BEGUN = ("training on", "images of")


@dataclass(frozen=True)
class Limits:
    """Of one command.

    Attributes:
        seconds: until it has to be refused, or has to have begun.
        memory: bytes of address space beyond what this process has.
    """

    seconds: float
    memory: int


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: its exit code; negative: of the signal that ended it.
        seconds: how long it took.
        begun: whether its input was good, so that it was working when its time was over: it was then interrupted.
        output, error: what it printed.
    """

    code: int
    seconds: float
    begun: bool
    output: str
    error: str

    def fault(self, limits: Limits) -> str | None:
        """What is wrong with it; None: nothing."""
        if "Traceback (most recent call last)" in self.error + self.output:
            return "traceback"
        if self.begun:
            return None if self.code in (0, 130) else f"exit code {self.code} after Ctrl-C"
        if self.seconds > limits.seconds:
            return "too long"
        return None if self.code in (0, 1, 2, 130) else f"exit code {self.code}"


def warm_up() -> None:
    """Imports what commands need."""
    for name in NEEDED:
        import_module(name)


def run_forked(words: list[str], folder: Path, limits: Limits) -> Outcome:
    """A command in a child of this process, in a folder."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        _become(words, folder, limits)
    return _watch(child, folder, limits)


def run_whole(words: list[str], folder: Path, limits: Limits) -> Outcome:
    """The same as a process of its own, from its start."""
    with open(folder / "stdout", "wb") as output, open(folder / "stderr", "wb") as error:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", "qgen", *words],
            cwd=folder,
            env=os.environ | {"HOME": str(folder)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=error,
            start_new_session=True,
        )
    return _watch(process.pid, folder, limits)


def _become(words: list[str], folder: Path, limits: Limits) -> None:
    """In the child: the command, and nothing after it."""
    code = 99
    try:
        os.setsid()
        os.chdir(folder)
        os.environ["HOME"] = str(folder)
        for number, name in enumerate(("/dev/null", "stdout", "stderr")):
            opened = os.open(name, os.O_RDWR | os.O_CREAT, 0o644)
            os.dup2(opened, number)
        sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
        signal.signal(signal.SIGINT, signal.default_int_handler)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + limits.memory, used + limits.memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        sys.argv = ["qgen", *words]
        from qgen.cli.process import run

        code = run()
    except BaseException:
        import traceback

        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)


def _watch(child: int, folder: Path, limits: Limits) -> Outcome:
    """Waits for it; should it take too long, interrupts what has begun, and kills the rest."""
    started, begun, asked = time.monotonic(), False, False
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        seconds = time.monotonic() - started
        if done:
            break
        if seconds > limits.seconds and not asked:
            asked, begun = True, any(word in _read(folder / "stdout") for word in _BEGUN)
            if begun:
                os.kill(child, signal.SIGINT)
        if seconds > (2 if begun else 1) * limits.seconds + 1:
            os.killpg(child, signal.SIGKILL)
        time.sleep(0.005)
    code = os.waitstatus_to_exitcode(status)
    return Outcome(code, seconds, begun, _read(folder / "stdout"), _read(folder / "stderr"))


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.exists() else ""
