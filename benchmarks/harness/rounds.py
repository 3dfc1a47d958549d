"""Interleaved rounds: every peer once, then every one again, so that a slow minute of the machine hits all."""

from __future__ import annotations

import importlib
import random
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from harness.cases import TOLERANCE, Case, needed_gib
from harness.worker import MissingError, TooSlowError, Worker, WorkerError

ROUND_SECONDS, ROUND_STEPS = 0.5, 50  # a round of one peer: steps until either is reached, at least one
Row = dict[str, Any]


@dataclass
class Bench:
    """How to measure; it remembers which peers are missing, and from which size on they are too slow."""

    pythons: dict[str, str]
    rounds: int = 5
    budget_seconds: float = 10.0
    give_up_seconds: float = 120.0
    memory_gib: float = 8.0
    threads: int = 2
    device: str = "cpu"
    verbose: bool = False
    report: Callable[[str], None] = print
    missing: dict[str, str] = field(default_factory=dict)
    slow: dict[str, list[Case]] = field(default_factory=dict)
    sampled: dict[tuple[str, int, int], Row] = field(default_factory=dict)

    def measure(self, case: Case, peers: list[str]) -> list[Row]:
        """One row for each peer: what it took, or why it was not measured."""
        rows = [self._empty_row(peer, case) for peer in peers]
        running: list[tuple[Row, Worker]] = []
        try:
            for row in rows:
                row["reason"] = self._refusal(row["peer"], case)
                if not row["reason"] and (row["peer"], case.qubits, case.layers) not in self.sampled:
                    self.report(f"{case}: building {row['name']}")
                    self._start(row, case, running)
            for number in range(self.rounds):
                self.report(f"{case}: round {number + 1} of {self.rounds}")
                for row, worker in random.Random(number).sample(running, len(running)):
                    self._time(row, worker, case)
            for row, worker in running:
                if row["status"] == "measured":
                    row["peak_mib"] = worker.ask("peak", self.give_up_seconds)["peak_mib"]
        finally:
            for _, worker in running:
                worker.close()
        return [_summary(self._reuse(row, case), case) for row in rows]

    def _empty_row(self, peer: str, case: Case) -> Row:
        row = {"peer": peer, "name": _module(peer).NAME, **vars(case)}
        return {**row, "status": "skipped", "reason": "", "round_seconds": []}

    def _reuse(self, row: Row, case: Case) -> Row:
        """A peer measured on a few samples takes the same measurement to every larger batch."""
        key = (row["peer"], case.qubits, case.layers)
        if key in self.sampled:
            return {**self.sampled[key], "batch": case.batch}
        if row["status"] == "measured" and row["samples"] == getattr(_module(row["peer"]), "SAMPLES", None):
            self.sampled[key] = row
        return row

    def _refusal(self, peer: str, case: Case) -> str:
        """Why this peer need not be tried at this size; empty if it should."""
        if peer in self.missing:
            return self.missing[peer]
        if self.device not in _module(peer).DEVICES:
            return f"does not run on {self.device}"
        if (need := needed_gib(peer, case)) > self.memory_gib:
            return f"needs about {need:.0f} GiB of memory, {self.memory_gib:.0f} are allowed"
        for known in self.slow.get(peer, []):
            if known.qubits <= case.qubits and known.layers <= case.layers and known.batch <= case.batch:
                return f"a step was over the budget already at {known}"
        return ""

    def _start(self, row: Row, case: Case, running: list[tuple[Row, Worker]]) -> None:
        """Import, build and call once; then compare with the reference."""
        peer = row["peer"]
        row["samples"] = min(getattr(_module(peer), "SAMPLES", case.batch), case.batch)
        settings = {"peer": peer, "device": self.device}
        worker = Worker("peers.session:Session", self.pythons[peer], self.threads, self.verbose, **settings)
        running.append((row, worker))
        try:
            with tempfile.TemporaryDirectory() as folder:
                files = {name: str(Path(folder) / f"{name}.npz") for name in ("arrays", "results")}
                np.savez(files["arrays"], **case.arrays(row["samples"]))
                row.update(worker.ask("load", self.give_up_seconds))
                size = {"qubits": case.qubits, "layers": case.layers}
                row.update(worker.ask("build", self.give_up_seconds, **size, **files))
                with np.load(files["results"]) as results:
                    row["errors"] = Case(case.qubits, case.layers, row["samples"]).errors(results)
            row.update(right=max(row["errors"].values()) <= TOLERANCE, status="measured")
        except WorkerError as error:
            worker.close()
            self._fail(row, case, error)

    def _time(self, row: Row, worker: Worker, case: Case) -> None:
        # After one step over the budget a peer is not repeated, and the others go on without it.
        if row["status"] != "measured" or max(row["round_seconds"], default=0.0) > self.budget_seconds:
            return
        expected = (row["round_seconds"] or [row["first_seconds"]])[-1]
        # It slept while others filled the caches: a short step is made once before any is timed.
        request = {"seconds": ROUND_SECONDS, "steps": ROUND_STEPS, "warm": expected < ROUND_SECONDS}
        try:
            median = worker.ask("time", self.give_up_seconds, **request)["median_seconds"]
        except WorkerError as error:
            self._fail(row, case, error)
            return
        row["round_seconds"].append(median)
        if median > self.budget_seconds and not hasattr(_module(row["peer"]), "SAMPLES"):
            self.slow.setdefault(row["peer"], []).append(case)

    def _fail(self, row: Row, case: Case, error: WorkerError) -> None:
        row.update(status="skipped" if isinstance(error, MissingError) else "failed", reason=str(error))
        if isinstance(error, MissingError):
            self.missing[row["peer"]] = str(error)
        if isinstance(error, TooSlowError):
            self.slow.setdefault(row["peer"], []).append(case)


def _summary(row: Row, case: Case) -> Row:
    if row["round_seconds"]:
        scale = case.batch / row["samples"]
        times = [scale * t for t in row["round_seconds"]]
        row.update(seconds=statistics.median(times), seconds_low=min(times), seconds_high=max(times))
        row["extrapolated"] = scale != 1
    return row


def _module(peer: str) -> Any:
    return importlib.import_module("peers." + peer)
