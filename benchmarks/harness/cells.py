"""What is measured at one size, and what is known beforehand not to fit."""

from __future__ import annotations

import functools
import importlib
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from peers.reference import reference
from peers.spec import Spec

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Cell:
    """One size: `batch` samples through HQConv on `qubits` with `layers`."""

    qubits: int
    layers: int
    batch: int

    def __str__(self) -> str:
        return f"{self.qubits} qubits, {self.layers} layers, batch {self.batch}"

    @property
    def spec(self) -> Spec:
        """The circuit, in neutral words."""
        return Spec(self.qubits, self.layers)

    @property
    def checked(self) -> int:
        """How many samples are compared with the reference, which is slow."""
        return min(self.batch, 2 if self.qubits <= 12 else 1)

    def arrays(self, samples: int | None = None) -> dict[str, np.ndarray]:
        """Inputs x (B, n), weights w (P,), upstream gradients g (B, n), float32; the first rows do not depend on B.

        `g_check` is g on the checked samples and 0 elsewhere, so that a whole batch's gradients wrt the weights can be
        compared with the reference of a few samples.
        """
        weights, inputs, upstream = (np.random.default_rng([self.qubits, self.layers, k]) for k in range(3))
        shape = (samples or self.batch, self.qubits)
        x, w = inputs.uniform(-np.pi, np.pi, shape), weights.uniform(-np.pi, np.pi, self.spec.weights)
        g = upstream.normal(size=shape)
        g_check = np.where(np.arange(len(g))[:, None] < self.checked, g, 0)
        return {name: a.astype(np.float32) for name, a in {"x": x, "w": w, "g": g, "g_check": g_check}.items()}

    def errors(self, results: dict[str, np.ndarray]) -> dict[str, float]:
        """Largest deviation from the reference, in units of max(1, the reference's largest entry)."""
        k, found = self.checked, {}
        for name, truth in zip(("values", "grad_x", "grad_w"), _truth(Cell(self.qubits, self.layers, k)), strict=True):
            result = results[name] if name == "grad_w" else results[name][:k]
            found[name] = float(np.max(np.abs(result - truth)) / max(1.0, float(np.max(np.abs(truth)))))
            if not np.isfinite(found[name]):
                found[name] = float("inf")
        return found


@functools.cache
def _truth(cell: Cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = cell.arrays()
    return reference(cell.spec, arrays["x"], arrays["w"], arrays["g"])


def needed_gib(peer: str, cell: Cell) -> float:
    """GiB that a step of this contender is expected to take: complex64 states kept for each gate, and always."""
    module = importlib.import_module("peers." + peer)
    each_gate, always = module.STATES
    samples = min(cell.batch, getattr(module, "SAMPLES", cell.batch))
    return samples * 2**cell.qubits * 8 * (each_gate * len(cell.spec.gates) + always) / 2**30


def available_gib() -> float:
    """GiB of memory that are free to take now."""
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable:")) / 2**20
    except OSError:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
