"""A circuit and a batch to measure it with, described without any library's words; needs NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np


class Gate(NamedTuple):
    """A rotation by one angle: `name` is rx, crz or crx; `qubits` is (target,) or (control, target)."""

    name: str
    qubits: tuple[int, ...]
    source: str  # "x": the angle is an input; "w": it is a weight
    index: int

    def angle(self, x: Any, w: Any) -> Any:
        """The angle, of a row of inputs (n,) or for each row of (B, n)."""
        return x[..., self.index] if self.source == "x" else w[self.index]


@dataclass(frozen=True)
class Case:
    """A batch through HQConv on 4C qubits: RX(x_q) on every qubit, `layers` entangling layers, then <Z> on every qubit.

    Angles are radians, and weights count in order of appearance.
    """

    qubits: int
    layers: int
    batch: int

    def __post_init__(self) -> None:
        if self.qubits < 4 or self.qubits % 4 or self.layers < 1 or self.batch < 1:
            raise ValueError(f"{self}: HQConv needs a multiple of 4 qubits, and at least one layer and one sample")

    def __str__(self) -> str:
        return f"{self.qubits} qubits, {self.layers} layers, batch {self.batch}"

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """All gates in order."""
        encoding = [Gate("rx", (q,), "x", q) for q in range(self.qubits)]
        # One layer: a ring inside each channel of 4 qubits, then a chain over the channels.
        channels = self.qubits // 4
        pairs = [(4 * c + (i + 1) % 4, 4 * c + i) for c in reversed(range(channels)) for i in (3, 2, 1, 0)]
        pairs += [(4 * c, 4 * (c + 1)) for c in reversed(range(channels - 1))]
        entangling = [(name, pair) for pair in pairs * self.layers for name in ("crz", "crx")]
        return (*encoding, *(Gate(name, pair, "w", k) for k, (name, pair) in enumerate(entangling)))

    @property
    def weights(self) -> int:
        """How many weights there are."""
        return len(self.gates) - self.qubits

    @property
    def checked(self) -> int:
        """How many samples are compared with the reference, which is slow."""
        return min(self.batch, 2 if self.qubits <= 12 else 1)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Inputs x (B, n), weights w (P,), upstream gradients g (B, n), float32; the first rows do not depend on B."""
        weights, inputs, upstream = (np.random.default_rng([self.qubits, self.layers, k]) for k in range(3))
        shape = (self.batch, self.qubits)
        x, w = inputs.uniform(-np.pi, np.pi, shape), weights.uniform(-np.pi, np.pi, self.weights)
        return x.astype(np.float32), w.astype(np.float32), upstream.normal(size=shape).astype(np.float32)
