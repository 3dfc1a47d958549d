"""Interleaved rounds: every peer once, then every one again, so that a slow minute of the machine hits all."""

from __future__ import annotations

import os
import random
import statistics
import sys
from collections import defaultdict
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from peers import PEERS
from peers.reference import reference

from harness.case import Case
from harness.worker import MissingError, TooSlowError, Worker, WorkerError

ROUND_SECONDS, ROUND_STEPS = 0.5, 50  # a round of one peer: steps until either is reached, at least one
TOLERANCE = 1e-4
Row = dict[str, Any]


def errors(case: Case, results: list[Any]) -> dict[str, float]:
    """Largest deviations from the reference, in units of max(1, the reference's largest entry)."""
    x, w, g = case.arrays()
    k, found = case.checked, {}
    truths = reference(case, x[:k], w, g[:k])
    for name, result, truth in zip(("values", "grad_x", "grad_w"), results, truths, strict=True):
        error = float(np.max(np.abs(result - truth)) / max(1.0, float(np.max(np.abs(truth)))))
        found[name] = error if np.isfinite(error) else float("inf")
    return found


@dataclass
class Bench:
    """How to measure; it remembers from which size on it is of no use to try a peer."""

    rounds: int
    budget_seconds: float
    give_up_seconds: float
    memory_gib: float
    threads: int
    device: str
    verbose: bool
    report: Callable[[str], None]
    refused: dict[str, list[tuple[Case, str]]] = field(default_factory=lambda: defaultdict(list))

    def measure(self, case: Case, peers: list[str]) -> list[Row]:
        """One row for each peer: what it took, or why it was not measured."""
        rows = [self._row(peer, case) for peer in peers]
        with ExitStack() as stack:
            workers: dict[str, Worker] = {}
            for row in rows:
                if not row["reason"]:
                    self.report(f"{case}: building {row['name']}")
                    workers[row["peer"]] = stack.enter_context(self._worker(row["peer"]))
                    self._build(row, workers[row["peer"]], case)
            for number in range(self.rounds):
                self.report(f"{case}: round {number + 1} of {self.rounds}")
                for row in random.Random(number).sample(rows, len(rows)):
                    # After one step over the budget a peer is not repeated, and the others go on without it.
                    if row["status"] == "measured" and max(row["round_seconds"], default=0.0) <= self.budget_seconds:
                        self._time(row, workers[row["peer"]], case)
        for row in rows:
            if row["round_seconds"]:
                scale = case.batch / row["samples"]
                times = [scale * seconds for seconds in row["round_seconds"]]
                row |= {"seconds": statistics.median(times), "seconds_low": min(times), "seconds_high": max(times)}
                row["extrapolated"] = scale != 1
        return rows

    def _row(self, peer: str, case: Case) -> Row:
        """A row before it is measured; its reason is empty if it should be."""
        how, reason = PEERS[peer], ""
        if self.device not in how.devices:
            reason = f"does not run on {self.device}"
        elif (need := how.gib(case)) > self.memory_gib:
            reason = f"needs about {need:.0f} GiB of memory, {self.memory_gib:.0f} are allowed"
        for known, why in self.refused[peer]:
            if known.qubits <= case.qubits and known.layers <= case.layers and known.batch <= case.batch:
                reason = why
        size = {"qubits": case.qubits, "layers": case.layers, "batch": case.batch}
        samples = min(case.batch, how.samples or case.batch)
        state = {"status": "skipped", "reason": reason, "round_seconds": [], "samples": samples}
        return {"peer": peer, "name": how.name, **size, **state}

    def _worker(self, peer: str) -> Worker:
        python = os.environ.get(f"QGEN_PEER_PYTHON_{peer.upper()}", sys.executable)
        settings = {"peer": peer, "device": self.device}
        return Worker("harness.session:Session", python, self.threads, self.verbose, **settings)

    def _build(self, row: Row, worker: Worker, case: Case) -> None:
        """Import, build and call once; then compare with the reference."""
        size = {"qubits": case.qubits, "layers": case.layers, "batch": row["samples"]}
        if answer := self._ask(row, worker, case, "build", **size):
            row["errors"] = errors(Case(**size), answer.pop("results"))
            row |= answer | {"right": max(row["errors"].values()) <= TOLERANCE, "status": "measured"}

    def _time(self, row: Row, worker: Worker, case: Case) -> None:
        expected = (row["round_seconds"] or [row["first_seconds"]])[-1]
        # It slept while others filled the caches: a short step is made once before any is timed.
        request = {"seconds": ROUND_SECONDS, "steps": ROUND_STEPS, "warm": expected < ROUND_SECONDS}
        if answer := self._ask(row, worker, case, "time", **request):
            row["round_seconds"].append(answer["median_seconds"])
            row["peak_mib"] = answer["peak_mib"]
            if answer["median_seconds"] > self.budget_seconds and PEERS[row["peer"]].samples is None:
                self._refuse_from(row, case)

    def _ask(self, row: Row, worker: Worker, case: Case, do: str, **request: Any) -> Row | None:
        """Returns the answer; None: it failed, and the row says why."""
        try:
            return worker.ask(do, self.give_up_seconds, **request)
        except WorkerError as error:
            worker.__exit__()  # its memory is for the others
            missing = isinstance(error, MissingError)
            row |= {"status": "skipped" if missing else "failed", "reason": str(error)}
            if missing:
                self.refused[row["peer"]].append((Case(4, 1, 1), str(error)))
            if isinstance(error, TooSlowError):
                self._refuse_from(row, case)
            return None

    def _refuse_from(self, row: Row, case: Case) -> None:
        self.refused[row["peer"]].append((case, f"a step was over the budget already at {case}"))
