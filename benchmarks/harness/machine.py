"""Where the numbers were measured: without it they say little."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from subprocess import run
from typing import Any

import qgen


def machine(threads: int) -> dict[str, Any]:
    """Processor, cores, memory, system, versions, revision, load and date; no host name and no path."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        cpu = next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        cpu = platform.processor() or platform.machine()
    packages = {}
    for name in ("qiskit", "torch", "numba", "numpy"):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            packages[name] = None
    packages["qgen"] = qgen.__version__  # installed or not
    return {
        "cpu": cpu,
        "cores": os.cpu_count(),
        "threads": threads,
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": packages,
        "revision": _revision(),
        "load": os.getloadavg()[0],
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _revision() -> str | None:
    """The commit that was measured, with a + where files differ from it."""
    here = Path(__file__).parent
    told = run(["git", "describe", "--always", "--dirty=+"], cwd=here, capture_output=True, text=True, check=False)
    return told.stdout.strip() or None
