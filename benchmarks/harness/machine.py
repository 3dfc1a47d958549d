"""Where numbers were measured, and how much of the machine others took meanwhile: without it they say little."""

from __future__ import annotations

import os
import platform
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from subprocess import run
from typing import Any

import psutil
from rich.console import Console

import qgen

PACKAGES = ("qiskit", "torch", "numba", "numpy")


def machine(threads: int, packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Processor, cores, memory, system, versions, revision, load and date; no host name and no path."""
    info = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", info.read_text()) if info.exists() else []
    # The commit that was measured, with a + where files differ from it.
    words = ["git", "describe", "--always", "--dirty=+"]
    revision = run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=False).stdout.strip()
    return {
        "cpu": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *packages)} | {"qgen": qgen.__version__},
        "revision": revision or None,
        "load": os.getloadavg()[0],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    found = next(iter(metadata.distributions(name=name)), None)
    return found and found.version


def warn_if_busy(console: Console) -> None:
    """Says so where something else is running."""
    if (load := os.getloadavg()[0]) > 0.5:
        console.print(f"Something else is running here (load {load:.1f}): times will be too long.", style="yellow")


@contextmanager
def cores_of_others(facts: dict[str, Any]) -> Iterator[None]:
    """Notes how many cores other processes keep busy in this block, on average; children count as one's own."""
    started, before = time.monotonic(), _seconds_of_others()
    yield
    cores = (_seconds_of_others() - before) / (time.monotonic() - started)
    facts["cores_taken_by_others"] = round(max(0.0, cores), 2)


def _seconds_of_others() -> float:
    """Seconds of processor time that were spent on other processes, since any moment."""
    times = psutil.cpu_times()
    return times.user + times.system + getattr(times, "nice", 0.0) + getattr(times, "irq", 0.0) - sum(os.times()[:4])
