"""Interleaved rounds: every contender once, then every one again, so that a slow minute of the machine hits all."""

from __future__ import annotations

import importlib
import random
import statistics
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from harness.cells import TOLERANCE, Cell, needed_gib
from harness.contender import Contender, ContenderError, MissingError, TooSlowError

ROUND_SECONDS, ROUND_STEPS = 0.5, 50  # a round of one contender: steps until either is reached, at least one


@dataclass
class Bench:
    """How to measure; it remembers which contenders are missing, and from which size on they are too slow."""

    pythons: dict[str, str]
    rounds: int = 5
    budget_seconds: float = 10.0
    give_up_seconds: float = 120.0
    memory_gib: float = 8.0
    threads: int = 2
    device: str = "cpu"
    log: BinaryIO | None = None
    say: Callable[[str], None] = print
    missing: dict[str, str] = field(default_factory=dict)
    slow: dict[str, list[Cell]] = field(default_factory=dict)
    sampled: dict[tuple[str, int, int], dict[str, Any]] = field(default_factory=dict)

    def measure(self, cell: Cell, peers: list[str]) -> list[dict[str, Any]]:
        """One row for each contender: what it took, or why it was not measured."""
        rows = [self._empty_row(peer, cell) for peer in peers]
        running: list[tuple[dict[str, Any], Contender]] = []
        try:
            for row in rows:
                row["reason"] = self._refusal(row["peer"], cell)
                if not row["reason"] and (row["peer"], cell.qubits, cell.layers) not in self.sampled:
                    self.say(f"{cell}: building {row['name']}")
                    self._start(row, cell, running)
            for number in range(self.rounds):
                self.say(f"{cell}: round {number + 1} of {self.rounds}")
                for row, contender in random.Random(number).sample(running, len(running)):
                    self._time(row, contender, cell)
            for row, contender in running:
                if row["status"] == "measured":
                    row["peak_mib"] = contender.ask("peak", self.give_up_seconds)["peak_mib"]
        finally:
            for _, contender in running:
                contender.close()
        return [self._summary(self._reuse(row, cell), cell) for row in rows]

    def _empty_row(self, peer: str, cell: Cell) -> dict[str, Any]:
        row = {"peer": peer, "name": "", "qubits": cell.qubits, "layers": cell.layers, "batch": cell.batch}
        return {**row, "name": _module(row).NAME, "status": "skipped", "reason": "", "round_seconds": []}

    def _reuse(self, row: dict[str, Any], cell: Cell) -> dict[str, Any]:
        """A contender measured on a few samples takes the same measurement to every larger batch."""
        key = (row["peer"], cell.qubits, cell.layers)
        if key in self.sampled:
            return {**self.sampled[key], "batch": cell.batch}
        if row["status"] == "measured" and row["samples"] == getattr(_module(row), "SAMPLES", None):
            self.sampled[key] = row
        return row

    def _refusal(self, peer: str, cell: Cell) -> str:
        """Why this contender need not be tried at this size; empty if it should."""
        if peer in self.missing:
            return self.missing[peer]
        if self.device not in importlib.import_module("peers." + peer).DEVICES:
            return f"does not run on {self.device}"
        if (need := needed_gib(peer, cell)) > self.memory_gib:
            return f"needs about {need:.0f} GiB of memory, {self.memory_gib:.0f} are allowed"
        for known in self.slow.get(peer, []):
            if known.qubits <= cell.qubits and known.layers <= cell.layers and known.batch <= cell.batch:
                return f"a step was over the budget already at {known}"
        return ""

    def _start(self, row: dict[str, Any], cell: Cell, running: list[tuple[dict[str, Any], Contender]]) -> None:
        """Import, build and call once; then compare with the reference."""
        peer = row["peer"]
        samples = getattr(importlib.import_module("peers." + peer), "SAMPLES", None)
        row["samples"] = min(samples or cell.batch, cell.batch)
        contender = Contender(peer, self.pythons[peer], self.threads, self.log)
        running.append((row, contender))
        try:
            with tempfile.TemporaryDirectory() as folder:
                files = {"arrays": str(Path(folder) / "arrays.npz"), "results": str(Path(folder) / "results.npz")}
                np.savez(files["arrays"], **cell.arrays(row["samples"]))
                size = {"qubits": cell.qubits, "layers": cell.layers}
                row.update(contender.ask("hello", self.give_up_seconds, device=self.device))
                row.update(contender.ask("build", self.give_up_seconds, **size, **files))
                with np.load(files["results"]) as results:
                    row["errors"] = Cell(cell.qubits, cell.layers, row["samples"]).errors(results)
            row["right"] = max(row["errors"].values()) <= TOLERANCE
            row["status"] = "measured"
        except ContenderError as error:
            contender.close()
            self._fail(row, cell, error)

    def _time(self, row: dict[str, Any], contender: Contender, cell: Cell) -> None:
        # After one step over the budget it has had its say, and the others go on without it.
        if row["status"] != "measured" or max(row["round_seconds"], default=0.0) > self.budget_seconds:
            return
        expected = (row["round_seconds"] or [row["first_seconds"]])[-1]
        try:
            # It slept while others filled the caches: a short step is made once before any is timed.
            answer = contender.ask(
                "time", self.give_up_seconds, seconds=ROUND_SECONDS, steps=ROUND_STEPS, warm=expected < ROUND_SECONDS
            )
        except ContenderError as error:
            self._fail(row, cell, error)
            return
        row["round_seconds"].append(answer["median_seconds"])
        if answer["median_seconds"] > self.budget_seconds and not hasattr(_module(row), "SAMPLES"):
            self.slow.setdefault(row["peer"], []).append(cell)

    def _fail(self, row: dict[str, Any], cell: Cell, error: ContenderError) -> None:
        row.update(status="skipped" if isinstance(error, MissingError) else "failed", reason=str(error))
        if isinstance(error, MissingError):
            self.missing[row["peer"]] = str(error)
        if isinstance(error, TooSlowError):
            self.slow.setdefault(row["peer"], []).append(cell)

    def _summary(self, row: dict[str, Any], cell: Cell) -> dict[str, Any]:
        row.pop("ok", None)
        if row["round_seconds"]:
            scale = cell.batch / row["samples"]
            times = [scale * t for t in row["round_seconds"]]
            row.update(seconds=statistics.median(times), seconds_low=min(times), seconds_high=max(times))
            row["extrapolated"] = scale != 1
        return row


def _module(row: dict[str, Any]) -> Any:
    return importlib.import_module("peers." + row["peer"])
