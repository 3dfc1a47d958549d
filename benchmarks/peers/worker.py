"""A process of one contender's own: builds it, checks nothing, and times its step inside itself.

    cd benchmarks && PYTHON -m peers.worker PEER

reads one JSON request a line from stdin and answers one JSON line each on stdout; arrays travel in .npz files. It runs
under any Python from 3.10 on, with NumPy and that contender's library; it does not know qgen.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import resource
import statistics
import sys
import time
import traceback
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
    """Version of every distribution that the contender is made of."""
    owners = metadata.packages_distributions()
    names = {d for name in module.REQUIRES for d in owners.get(name.partition(".")[0], [])}
    return {name: metadata.version(name) for name in sorted(names)}


class Session:
    """The state between requests: one contender, one size, one set of arrays."""

    def __init__(self, peer):
        self.peer = importlib.import_module("peers." + peer)
        self.device = "cpu"

    def hello(self, request):
        """Import the contender's libraries and take the baseline for memory."""
        os.environ.update(getattr(self.peer, "ENVIRON", {}))
        self.device = request["device"]
        start = time.perf_counter()
        getattr(self.peer, "before_import", lambda: None)()
        for name in self.peer.REQUIRES:
            importlib.import_module(name)
        seconds = time.perf_counter() - start
        self.baseline = memory("VmRSS")
        with contextlib.suppress(OSError):  # VmHWM starts anew: imports may have peaked above what they keep
            Path("/proc/self/clear_refs").write_text("5")
        return {"import_seconds": seconds, "versions": versions(self.peer), "python": sys.version.split()[0]}

    def build(self, request):
        """Build the circuit; then the first call, which is where compilers compile."""
        with np.load(request["arrays"]) as arrays:
            x, w, g, g_check = (arrays[name] for name in ("x", "w", "g", "g_check"))
        # Steps alternate between two sets of numbers, so that remembering the last answer gains nothing.
        self.sets = [(x, w, g), tuple(a[::-1].copy() for a in (x, w, g))]
        start = time.perf_counter()
        self.step = self.peer.build(Spec(request["qubits"], request["layers"]), self.device)
        built = time.perf_counter()
        results = self.step(x, w, g_check)
        first = time.perf_counter() - built
        names = ("values", "grad_x", "grad_w")
        np.savez(request["results"], **{n: np.asarray(r, np.float64) for n, r in zip(names, results, strict=True)})
        return {"build_seconds": built - start, "first_seconds": first}

    def time(self, request):
        """Seconds of single steps, until `seconds` are spent or `steps` are made."""
        if request["warm"]:
            self.step(*self.sets[1])
        gc.collect()
        seconds = []
        while not seconds or (sum(seconds) < request["seconds"] and len(seconds) < request["steps"]):
            arrays = self.sets[len(seconds) % 2]
            start = time.perf_counter()
            self.step(*arrays)
            seconds.append(time.perf_counter() - start)
        return {"median_seconds": statistics.median(seconds), "best_seconds": min(seconds), "steps": len(seconds)}

    def peak(self, request):
        """MiB at the highest above what the imports took; on a GPU, what torch allocated there."""
        if self.device == "cuda":
            import torch

            return {"peak_mib": torch.cuda.max_memory_allocated() / MIB}
        return {"peak_mib": max(0.0, memory("VmHWM") - self.baseline)}


def main():
    # Libraries print to stdout: keep the real one for answers, and send theirs to stderr.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    # Where memory runs out, the kernel should end a worker and not whoever waits for it.
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")
    session = Session(sys.argv[1])
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": True, **getattr(session, request["do"])(request)}
        except ImportError as error:
            answer = {"ok": False, "missing": str(error), "requires": sorted(session.peer.REQUIRES.values())}
        except Exception as error:
            traceback.print_exc()
            message = str(error).strip().splitlines()
            answer = {"ok": False, "error": ": ".join([type(error).__name__, *message[:1]])}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
