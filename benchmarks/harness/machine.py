"""Where numbers were measured, and how much of the machine others took meanwhile: without it they say little."""

from __future__ import annotations

import os
import platform
import time
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from subprocess import run
from typing import Any

import psutil

import qgen

PACKAGES = ("qiskit", "torch", "numba", "numpy")


def machine(threads: int, packages: tuple[str, ...] = ()) -> dict[str, Any]:
    """Processor, cores, memory, system, versions, revision, load and date; no host name and no path."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in (*PACKAGES, *packages)} | {"qgen": qgen.__version__},
        "revision": _revision(),
        "load": os.getloadavg()[0],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _revision() -> str | None:
    """The commit that was measured, with a + where files differ from it."""
    words = ["git", "describe", "--always", "--dirty=+"]
    done = run(words, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    return done.stdout.strip() or None


def busy() -> str | None:
    """A warning where something else is running; None: the machine is idle."""
    load = os.getloadavg()[0]
    return f"Something else is running here (load {load:.1f}): times will be too long." if load > 0.5 else None


class CPULoad:
    """Counts from when it is made; children count as one's own once they have ended."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy_seconds(), sum(os.times()[:4])

    def others(self) -> float:
        """Cores that other processes kept busy, on average."""
        others = _busy_seconds() - self._busy - (sum(os.times()[:4]) - self._own)
        return round(max(0.0, others / (time.monotonic() - self._started)), 2)


def _busy_seconds() -> float:
    """Seconds of processor time that were spent on any process since the machine was started."""
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq"))
