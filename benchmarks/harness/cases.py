"""The sizes at which a layer is measured, the numbers that go in, and what is known beforehand not to fit."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass

import numpy as np
import psutil
from peers.reference import reference
from peers.spec import Spec

TOLERANCE = 1e-4


@dataclass(frozen=True)
class Case:
    """One size: `batch` samples through HQConv on `qubits` with `layers`."""

    qubits: int
    layers: int
    batch: int

    def __str__(self) -> str:
        return f"{self.qubits} qubits, {self.layers} layers, batch {self.batch}"

    @property
    def spec(self) -> Spec:
        """The circuit, described without any library's words."""
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
        k, errors = self.checked, {}
        for name, truth in zip(("values", "grad_x", "grad_w"), _truth(Case(self.qubits, self.layers, k)), strict=True):
            result = results[name] if name == "grad_w" else results[name][:k]
            error = float(np.max(np.abs(result - truth)) / max(1.0, float(np.max(np.abs(truth)))))
            errors[name] = error if np.isfinite(error) else float("inf")
        return errors


#: What `layer.py --scaling` varies: -> sizes.
SWEEPS = {
    "qubits": [Case(n, 3, 16) for n in (4, 8, 12, 16, 20)],
    "layers": [Case(12, layers, 128) for layers in (1, 2, 4, 8, 16)],
    "batch": [Case(12, 3, batch) for batch in (1, 4, 16, 64, 256, 1024)],
}


@functools.cache
def _truth(case: Case) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arrays = case.arrays()
    return reference(case.spec, arrays["x"], arrays["w"], arrays["g"])


def needed_gib(peer: str, case: Case) -> float:
    """GiB that a step of this peer is expected to take: complex64 states kept for each gate, and always."""
    module = importlib.import_module("peers." + peer)
    each_gate, always = module.STATES
    samples = min(case.batch, getattr(module, "SAMPLES", case.batch))
    return samples * 2**case.qubits * 8 * (each_gate * len(case.spec.gates) + always) / 2**30


def available_gib() -> float:
    """GiB of memory that are free to take now."""
    return psutil.virtual_memory().available / 2**30
