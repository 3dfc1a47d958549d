"""The second door of the waist: bits of single shots, where `expectations` returns means over them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import torch

from qgen.backends.batch import Batch, BatchPlan
from qgen.backends.measurement import Basis, Outcomes
from qgen.backends.measurement import Bits as Bits
from qgen.circuits import LayerCircuit
from qgen.circuits.arguments import whole_number
from qgen.errors import BackendError
from qgen.randomness import Seed, Streams

#: Beyond all numbers of bases, readings and calibrations: points of a mixture are drawn from a stream of their own.
POINTS = 1 << 34


class DrawsRows(Protocol):
    """What of an `Executable` draws bits."""

    circuit: LayerCircuit

    def batch(self, inputs: torch.Tensor, weights: torch.Tensor) -> tuple[BatchPlan, Batch]:
        """Return inputs and weights as one flat batch, and the plan that leads back."""
        ...

    def drawn_streams(self, plan: BatchPlan, seed: Seed | None) -> Streams:
        """Return what the rows of a batch draw from."""
        ...

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        """Return bits (N, shots, n) of the conditional circuit, all qubits read along Z."""
        ...


def draw_bits(
    executable: DrawsRows, inputs: torch.Tensor, weights: torch.Tensor, shots: int, seed: Seed | None
) -> torch.Tensor:
    """Return bits (..., shots, n), uint8; see `Executable.draw`, which has checked nothing yet."""
    count = whole_number("shots", shots, 1)
    plan, batch = executable.batch(inputs, weights)
    streams = executable.drawn_streams(plan, seed)
    qubits = executable.circuit.qubits
    if not plan.rows:
        return torch.zeros(*plan.samples, count, qubits, dtype=torch.uint8, device=inputs.device)
    bits = executable.draw_rows(batch, count, streams)
    if plan.points is not None:
        bits = _of_mixture(bits, plan, streams)
    return torch.from_numpy(bits.reshape(*plan.samples, count, qubits)).to(inputs.device)


def refuse_mixture(circuit: LayerCircuit, backend: str) -> None:
    """Refuse to draw from a mixture where every execution of each of its points is paid for.

    Raises:
        BackendError: the circuit has one.
    """
    if circuit.mixture is not None:
        raise BackendError(
            f"shots of a mixture of {len(circuit.mixture)} settings would cost `{backend}` that many times what they "
            "are worth: draw from a circuit without a mixture"
        )


def _of_mixture(bits: Bits, plan: BatchPlan, streams: Streams) -> Bits:
    """Return bits (N, shots, n) of rows from those of their points (N K, shots, n): each shot is of one of these."""
    points, shots = plan.lead[-1], bits.shape[1]
    by_point = bits.reshape(-1, points, *bits.shape[1:])
    chosen = np.array([rng.integers(points, size=shots) for rng in _every(streams.generators(POINTS), points)])
    return np.ascontiguousarray(np.take_along_axis(by_point, chosen[:, None, :, None], axis=1)[:, 0])


def _every(rngs: Iterator[np.random.Generator], step: int) -> Iterator[np.random.Generator]:
    return (rng for row, rng in enumerate(rngs) if row % step == 0)


def along_z(circuit: LayerCircuit) -> LayerCircuit:
    """Return the same circuit with Z on every qubit as its observables: all qubits are read in one basis."""
    return LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, None, circuit.mixture)


def reads_all_along_z(bases: Sequence[Basis], qubits: int) -> bool:
    """Whether observables are measured in one basis, along Z on all qubits."""
    return list(bases) == [Basis("Z" * qubits)]


def bits_of(outcomes: Outcomes, wires: Sequence[int]) -> Bits:
    """Return bits (..., n) of qubits from outcomes (...) of wires: qubit q reads bit wires[q]."""
    return (outcomes[..., None] >> np.asarray(wires, dtype=np.int64) & 1).astype(np.uint8)
