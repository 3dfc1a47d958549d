"""What a peer is, the table of all of them, and what several of them share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from harness.case import Case

PEERS: dict[str, Peer] = {}
TORCH = {"torch": "torch>=2.6,<2.14"}
PENNYLANE = {"pennylane": "pennylane>=0.45"}
JAX = {"jax": "jax>=0.7"}
GPU = ("cpu", "cuda")


@dataclass(frozen=True)
class Peer:
    """How one library computes a training step.

    Attributes:
        build: (case, device) -> step; step(x (B, n), w (P,), g (B, n)) -> values (B, n), grad_x (B, n), grad_w (P,),
            in NumPy, float32 in, angles in radians. It imports the library, so that anyone can read the rest without.
        name: in tables and figures.
        requires: import name -> pip requirement; imported before the baseline of memory is taken.
        states: (for each gate, always): batches of states alive at the peak of a step; (0, 0) if one by one.
        devices: where it runs.
        environ: environment variables, set before the imports.
        before_import: what has to happen before the imports.
        samples: how many are measured, where a whole batch is out of reach; the time is scaled up.
    """

    build: Callable[[Case, str], Callable[..., Any]]
    name: str
    requires: dict[str, str]
    states: tuple[float, float] = (0.0, 0.0)
    devices: tuple[str, ...] = ("cpu",)
    environ: dict[str, str] = field(default_factory=dict)
    before_import: Callable[[], None] = lambda: None
    samples: int | None = None

    def gib(self, case: Case) -> float:
        """GiB that a step is expected to take, in complex64 states."""
        each_gate, always = self.states
        samples = min(case.batch, self.samples or case.batch)
        return samples * 2**case.qubits * 8 * (each_gate * len(case.gates) + always) / 2**30


def peer(name: str, requires: dict[str, str], **more: Any) -> Callable[[Any], Any]:
    """Adds the function below to `PEERS`, under its own name, as the one that builds a peer's step."""

    def add(build: Callable[..., Any]) -> Callable[..., Any]:
        PEERS[build.__name__] = Peer(build, name, requires, **more)
        return build

    return add


def z_signs(qubits: int) -> np.ndarray:
    """(2^n, n) of +1 and -1: row i holds the eigenvalues of Z_q in basis state i; qubit 0 is the leading bit."""
    bits = (np.arange(2**qubits)[:, None] >> np.arange(qubits - 1, -1, -1)) & 1
    return (1 - 2 * bits).astype(np.float32)


def apply_pennylane(case: Case, x: Any, w: Any) -> list[Any]:
    """Queues the circuit in PennyLane and returns <Z> of every qubit; x (n,), or (B, n) to broadcast."""
    import pennylane as qml

    for gate in case.gates:
        getattr(qml, gate.name.upper())(gate.angle(x, w), wires=gate.qubits)
    return [qml.expval(qml.PauliZ(q)) for q in range(case.qubits)]
