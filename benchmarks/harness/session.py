"""What a worker does for one peer: imports it, builds its step, and times that inside the process.

It runs under any Python from 3.10 on, with NumPy and the peer's library; it does not know qgen.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
from peers import PEERS

from harness.case import Case

MIB = 2**20


def memory(field: str) -> float | None:
    """MiB of this process, resident now (VmRSS) or at the highest (VmHWM); None: not on Linux, which alone says so."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":")), None)


class Session:
    """One peer at one size."""

    def __init__(self, peer: str, device: str) -> None:
        self.peer, self.device = PEERS[peer], device

    def build(self, **size: int) -> dict[str, Any]:
        """Imports the library and builds the circuit; then the first call, which is where compilers compile.

        Its results (the values and gradients of the samples that are checked) are a part of the answer.
        """
        start = time.perf_counter()
        self._import()
        imported = time.perf_counter()
        self.baseline = memory("VmRSS")
        with contextlib.suppress(OSError):  # VmHWM starts anew: imports may have peaked above what they keep
            Path("/proc/self/clear_refs").write_text("5")
        case = Case(**size)
        x, w, g = case.arrays()
        # Steps alternate between two sets of numbers, so that remembering the last answer gains nothing.
        self.sets = [(x, w, g), tuple(a[::-1].copy() for a in (x, w, g))]
        # No gradient comes from the other samples, so that those of the weights can be compared too.
        upstream = np.where(np.arange(case.batch)[:, None] < case.checked, g, np.float32(0))
        called = time.perf_counter()
        self.step = self.peer.build(case, self.device)
        built = time.perf_counter()
        values, grad_x, grad_w = (np.asarray(a, np.float64) for a in self.step(x, w, upstream))
        ended = time.perf_counter()
        owners = metadata.packages_distributions()
        names = {owner for module in self.peer.requires for owner in owners.get(module.partition(".")[0], [])}
        return {
            "import_seconds": imported - start,
            "versions": {name: metadata.version(name) for name in sorted(names)},
            "python": sys.version.split()[0],
            "build_seconds": built - called,
            "first_seconds": ended - built,
            "results": [values[: case.checked].tolist(), grad_x[: case.checked].tolist(), grad_w.tolist()],
        }

    def _import(self) -> None:
        os.environ.update(self.peer.environ)
        self.peer.before_import()
        try:
            for name in self.peer.requires:
                importlib.import_module(name)
        except ImportError as error:
            wanted = " ".join(sorted(self.peer.requires.values()))
            raise ImportError(f"not installed ({error}): pip install {wanted}") from error

    def time(self, seconds: float, steps: int, warm: bool) -> dict[str, Any]:
        """Times steps until `seconds` are spent or `steps` are made: their median, and the memory at its peak."""
        if warm:
            self.step(*self.sets[1])
        gc.collect()
        times: list[float] = []
        while not times or (sum(times) < seconds and len(times) < steps):
            arrays = self.sets[len(times) % 2]
            start = time.perf_counter()
            self.step(*arrays)
            times.append(time.perf_counter() - start)
        return {"median_seconds": statistics.median(times), "peak_mib": self._peak_mib()}

    def _peak_mib(self) -> float | None:
        """The highest memory above what the imports took; on a GPU, what torch allocated there."""
        if self.device == "cuda":
            import torch

            return torch.cuda.max_memory_allocated() / MIB
        return None if self.baseline is None else max(0.0, memory("VmHWM") - self.baseline)
