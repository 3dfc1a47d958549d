"""The circuit family that every peer builds, described without any peer's words."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple


class Gate(NamedTuple):
    """A rotation by one angle: `name` is rx, crz or crx; `qubits` is (target,) or (control, target)."""

    name: str
    qubits: tuple
    source: str  # "x": the angle is an input; "w": it is a weight
    index: int


@dataclass(frozen=True)
class Spec:
    """HQConv on `qubits` = 4C wires: RX(x_q) on every wire, `layers` entangling layers, then <Z> on every wire.

    Angles are radians, and weights count in order of appearance.
    """

    qubits: int
    layers: int

    def __post_init__(self) -> None:
        if self.qubits < 4 or self.qubits % 4:
            raise ValueError(f"qubits is {self.qubits}; HQConv needs a multiple of 4")
        if self.layers < 1:
            raise ValueError(f"layers is {self.layers}; it must be 1 or more")

    @cached_property
    def gates(self) -> tuple:
        gates = [Gate("rx", (q,), "x", q) for q in range(self.qubits)]
        weight = 0
        for control, target in self._pairs() * self.layers:
            for name in ("crz", "crx"):
                gates.append(Gate(name, (control, target), "w", weight))
                weight += 1
        return tuple(gates)

    @property
    def weights(self) -> int:
        return 2 * len(self._pairs()) * self.layers

    def _pairs(self) -> list:
        """(control, target) of one layer: a ring inside each channel, then a chain over the channels."""
        channels = self.qubits // 4
        ring = [(4 * c + (i + 1) % 4, 4 * c + i) for c in reversed(range(channels)) for i in (3, 2, 1, 0)]
        chain = [(4 * c, 4 * (c + 1)) for c in reversed(range(channels - 1))]
        return ring + chain
