"""What a worker does for one peer: imports it, builds its step, and times that inside the process.

It runs under any Python from 3.10 on, with NumPy and the peer's library; it does not know qgen.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import os
import resource
import statistics
import sys
import time
from importlib import metadata
from pathlib import Path

import numpy as np

from peers.spec import Spec

MIB = 2**20


def memory(field):
    """MiB resident now (VmRSS) or at the highest (VmHWM) of this very process.

    `ru_maxrss` is the fallback where there is no /proc: Linux hands it down from the parent process.
    """
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / MIB if sys.platform == "darwin" else peak / 1024
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(field + ":"))


def versions(module):
    """Version of every distribution that the peer is made of."""
    owners = metadata.packages_distributions()
    names = {d for name in module.REQUIRES for d in owners.get(name.partition(".")[0], [])}
    return {name: metadata.version(name) for name in sorted(names)}


class Session:
    """One peer, one size, one set of arrays; arrays travel in .npz files."""

    def __init__(self, peer, device):
        self.peer, self.device = importlib.import_module("peers." + peer), device

    def load(self):
        """Imports the peer's libraries and takes the baseline of memory."""
        os.environ.update(getattr(self.peer, "ENVIRON", {}))
        start = time.perf_counter()
        getattr(self.peer, "before_import", lambda: None)()
        try:
            for name in self.peer.REQUIRES:
                importlib.import_module(name)
        except ImportError as error:
            wanted = " ".join(sorted(self.peer.REQUIRES.values()))
            raise ImportError(f"not installed ({error}): pip install {wanted}") from error
        seconds = time.perf_counter() - start
        self.baseline = memory("VmRSS")
        with contextlib.suppress(OSError):  # VmHWM starts anew: imports may have peaked above what they keep
            Path("/proc/self/clear_refs").write_text("5")
        return {"import_seconds": seconds, "versions": versions(self.peer), "python": sys.version.split()[0]}

    def build(self, qubits, layers, arrays, results):
        """Builds the circuit; then the first call, which is where compilers compile."""
        with np.load(arrays) as file:
            x, w, g, g_check = (file[name] for name in ("x", "w", "g", "g_check"))
        # Steps alternate between two sets of numbers, so that remembering the last answer gains nothing.
        self.sets = [(x, w, g), tuple(a[::-1].copy() for a in (x, w, g))]
        start = time.perf_counter()
        self.step = self.peer.build(Spec(qubits, layers), self.device)
        built = time.perf_counter()
        found = self.step(x, w, g_check)
        first = time.perf_counter() - built
        names = ("values", "grad_x", "grad_w")
        np.savez(results, **{n: np.asarray(r, np.float64) for n, r in zip(names, found, strict=True)})
        return {"build_seconds": built - start, "first_seconds": first}

    def time(self, seconds, steps, warm):
        """Seconds of single steps, until `seconds` are spent or `steps` are made."""
        if warm:
            self.step(*self.sets[1])
        gc.collect()
        times = []
        while not times or (sum(times) < seconds and len(times) < steps):
            arrays = self.sets[len(times) % 2]
            start = time.perf_counter()
            self.step(*arrays)
            times.append(time.perf_counter() - start)
        return {"median_seconds": statistics.median(times), "best_seconds": min(times), "steps": len(times)}

    def peak(self):
        """MiB at the highest above what the imports took; on a GPU, what torch allocated there."""
        if self.device == "cuda":
            import torch

            return {"peak_mib": torch.cuda.max_memory_allocated() / MIB}
        return {"peak_mib": max(0.0, memory("VmHWM") - self.baseline)}
