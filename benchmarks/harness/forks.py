"""One command after another in children of a process that has imported everything: each with a time and a memory limit.

A start takes milliseconds rather than seconds, so that thousands of commands can be tried.
"""

from __future__ import annotations

import multiprocessing
import os
import pkgutil
import resource
import signal
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

import qgen

#: What a command prints once its input was good and its work began.
_BEGUN = ("training on", "images of")


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

    def fault(self, limit: float) -> str | None:
        """What is wrong with it, where it had so many seconds until its work began; None: nothing."""
        if "Traceback (most recent call last)" in self.error + self.output:
            return "traceback"
        if self.begun:
            return None if self.code in (0, 130) else f"exit code {self.code} after Ctrl-C"
        if self.seconds > limit:
            return "too long"
        return None if self.code in (0, 1, 2, 130) else f"exit code {self.code}"


def warm_up() -> None:
    """Imports what commands need."""
    ours = (module.name for module in pkgutil.walk_packages(qgen.__path__, "qgen."))
    for name in (*ours, "rich.table", "rich.progress", "matplotlib.figure", "sklearn.datasets"):
        import_module(name)


def run_command(words: list[str], folder: Path, limit: float, memory: int, whole: bool = False) -> Outcome:
    """Runs a command in a child of this process; what takes too long is interrupted if it has begun, or else killed.

    Args:
        words: of its command line.
        folder: where it runs, and its home.
        limit: seconds until it has to be refused, or has to have begun.
        memory: bytes of address space beyond what this process has.
        whole: whether it is a process of its own, from its start.
    """
    sys.stdout.flush()
    child = multiprocessing.get_context("fork").Process(target=_become, args=(words, folder, memory, whole))
    started, begun = time.monotonic(), False
    child.start()
    child.join(limit)
    if child.is_alive():
        begun = any(text in _read(folder / "stdout") for text in _BEGUN)
        if begun:
            os.kill(child.pid, signal.SIGINT)
        child.join(1 + begun * limit)
    if child.is_alive():
        os.killpg(child.pid, signal.SIGKILL)
        child.join()
    seconds = time.monotonic() - started
    return Outcome(child.exitcode, seconds, begun, _read(folder / "stdout"), _read(folder / "stderr"))


def _become(words: list[str], folder: Path, memory: int, whole: bool) -> None:
    """In the child: the command, and nothing after it."""
    os.setsid()
    os.chdir(folder)
    os.environ["HOME"] = str(folder)
    for number, name in enumerate(("/dev/null", "stdout", "stderr")):
        os.dup2(os.open(name, os.O_RDWR | os.O_CREAT, 0o644), number)
    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + memory, used + memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if whole:
        os.execv(sys.executable, [sys.executable, "-P", "-m", "qgen", *words])
    sys.stdin, sys.stdout, sys.stderr = os.fdopen(0), os.fdopen(1, "w"), os.fdopen(2, "w")
    signal.signal(signal.SIGINT, signal.default_int_handler)
    sys.argv = ["qgen", *words]
    from qgen.cli.process import run

    sys.exit(run())


def _read(path: Path) -> str:
    return path.read_bytes().decode(errors="replace") if path.exists() else ""
