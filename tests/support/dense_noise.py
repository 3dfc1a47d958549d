"""Noisy circuits by Qiskit's density matrices, the independent reference of the noisy engine; and noise at random."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Delay
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import DensityMatrix, Kraus, SuperOp
from qiskit.transpiler import Target

from qgen.backends import Executable
from qgen.backends.batch import parameter_rows
from qgen.backends.device.routing import RoutedCircuit, route_layer
from qgen.backends.gradients.parameter_shift import shift_rule
from qgen.backends.measurement import Measurement, permute_probabilities
from qgen.circuits import LayerCircuit
from qgen.noise.channels import GateNoise, Relaxation

#: Gates of devices, and those of noise files with open angles.
BASES = (
    ("rz", "sx", "x", "ecr"),
    ("rz", "sx", "x", "cz", "rx", "rzz"),
    ("rz", "sx", "x", "cx"),
    ("u", "cp"),
    ("r", "rxx"),
    ("rx", "ry", "p", "rzx"),
    ("h", "rz", "ryy"),
)
#: Gates that targets have one way round.
DIRECTED = ("cx", "ecr", "rzx")
#: How far values of Aer's density matrix, of norm 1, may be off: up to 1.2e-8 was seen on fake_fez, where Qiskit's
#: density matrix with Aer's own errors agrees with ours to 3e-15 (`test_values_are_those_of_aers_errors`).
AER_ACCURACY = 5e-8
_SECONDS = 1e-6


def aer_gradient_accuracy(
    executable: Executable, inputs: torch.Tensor, weights: torch.Tensor, upstream: torch.Tensor
) -> float:
    """How far a derivative may be off that shift rules take of Aer's values, for upstream (samples, observables).

    Each angle's rule weighs that many values, each off by as much as any; samples may share their weights.
    """
    form = executable.shift_form
    rules = [float(np.abs(shift_rule(one).coefficients).sum()) if one else 0.0 for one in form.frequencies]
    plan, batch = executable.batch(inputs.detach(), weights.detach())
    total: Any = 0.0
    for row, of_values in zip(parameter_rows(batch), plan.upstream(upstream), strict=True):
        rows = row[None].repeat(len(rules), axis=0)
        total += float(of_values.abs().sum()) * np.abs(form.parameter_map.vjp(rows, np.diag(rules))).sum(axis=0)
    return AER_ACCURACY * float(total.max())


@dataclass
class RandomNoise:
    """Noise of each gate on each wire drawn at random, in place of a `LocalNoise`; rates are of microseconds."""

    confusion: np.ndarray
    rng: np.random.Generator
    strength: float = 0.3
    virtual: tuple[str, ...] = ("rz", "p")

    def __post_init__(self) -> None:
        self._known: dict[tuple[str, tuple[int, ...]], GateNoise | None] = {}
        self._rates: dict[int, tuple[float, float]] = {}

    @classmethod
    def draw(cls, wires: int, rng: np.random.Generator, strength: float = 0.3) -> RandomNoise:
        wrong = rng.uniform(0, 0.2, (wires, 2))
        confusion = np.stack([1 - wrong[:, 0], wrong[:, 0], wrong[:, 1], 1 - wrong[:, 1]], -1).reshape(-1, 2, 2)
        return cls(confusion, rng, strength)

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        if name in self.virtual:
            return None
        key = name, wires
        if key not in self._known:
            relaxation = []
            for _ in wires:
                e1 = 1 - self.strength * self.rng.uniform(0, 1)
                relaxation.append(Relaxation(e1, np.sqrt(e1) * (1 - self.strength * self.rng.uniform(0, 1))))
            lam = self.strength * self.rng.uniform(0, 1)
            self._known[key] = GateNoise(lam, tuple(relaxation)) if self.rng.random() < 0.9 else None
        return self._known[key]

    def rates(self, wire: int) -> tuple[float, float]:
        if wire not in self._rates:
            rate = self.rng.uniform(0.1, 1)
            self._rates[wire] = (rate / _SECONDS, rate * self.rng.uniform(0.5, 2) / _SECONDS)
        return self._rates[wire]


def target(basis: tuple[str, ...], qubits: int) -> Target:
    """A line of qubits with these gates, those of `DIRECTED` one way round."""
    made, gates = Target(num_qubits=qubits, dt=1e-9), get_standard_gate_name_mapping()
    for name in basis:
        gate = gates[name]
        line = [(k, k + 1) for k in range(qubits - 1)]
        line += [] if name in DIRECTED else [pair[::-1] for pair in line]
        places = [(k,) for k in range(qubits)] if gate.num_qubits == 1 else line
        if places:
            made.add_instruction(gate, dict.fromkeys(places))
    made.add_instruction(gates["measure"], {(k,): None for k in range(qubits)})
    made.add_instruction(gates["delay"], {(k,): None for k in range(qubits)})
    return made


def dense_values(
    routed: RoutedCircuit,
    measurement: Measurement,
    noise: Any,
    angles: np.ndarray,
    errors: dict[str, Any] | None = None,
) -> np.ndarray:
    """Values (N, O) for angles (N, C), gate by gate and channel by channel.

    `errors` are Aer's by gate and wires, in place of what `noise` says of gates.
    """
    read = []
    for circuit in routed.circuits:
        bindings = [dict(zip(routed.parameters, row, strict=True)) for row in angles]
        rows = np.array([_probabilities(circuit, binding, noise, errors) for binding in bindings])
        matrix = reduce(np.kron, [noise.confusion[wire] for wire in reversed(range(circuit.num_qubits))])
        read.append(permute_probabilities(rows @ matrix, routed.wires))
    values = measurement.from_probabilities(read)
    return np.broadcast_to(values, (len(angles), values.shape[1]))


def _probabilities(circuit: QuantumCircuit, values: dict, noise: Any, errors: dict[str, Any] | None) -> np.ndarray:
    state = DensityMatrix.from_int(0, 2**circuit.num_qubits)
    bound = circuit.assign_parameters({key: values[key] for key in circuit.parameters})
    for instruction in bound.data:
        operation, wires = instruction.operation, [bound.find_bit(qubit).index for qubit in instruction.qubits]
        if operation.name == "barrier":
            continue
        if isinstance(operation, Delay):
            seconds = float(operation.duration) * {"dt": 1e-9, "s": 1.0, "us": 1e-6, "ns": 1e-9}[operation.unit]
            e1, e2 = (float(np.exp(-rate * seconds)) for rate in noise.rates(wires[0]))
            state = state.evolve(relaxation(e1, e2), wires)
            continue
        state = state.evolve(operation, wires)
        if errors is not None:
            error = errors.get(operation.name, {}).get(tuple(wires))
            state = state if error is None else state.evolve(SuperOp(error), wires)
            continue
        after = noise.after(operation.name, tuple(wires))
        if after is not None:
            state = state.evolve(depolarization(after.depolarizing, len(wires)), wires)
            for wire, (e1, e2) in zip(wires, after.relaxation, strict=True):
                state = state.evolve(relaxation(e1, e2), [wire])
    return np.real(np.diag(state.data))


def depolarization(lam: float, qubits: int) -> SuperOp:
    d = 2**qubits
    mixed = np.zeros((d * d, d * d))
    diagonal = [k * d + k for k in range(d)]
    mixed[np.ix_(diagonal, diagonal)] = 1 / d
    return SuperOp((1 - lam) * np.eye(d * d) + lam * mixed)


def relaxation(e1: float, e2: float) -> Kraus:
    """Amplitude damping, then phase flips."""
    damping = [np.diag([1, np.sqrt(e1)]), np.array([[0, np.sqrt(1 - e1)], [0, 0]])]
    flip = (1 - e2 / np.sqrt(e1)) / 2
    flips = [np.sqrt(1 - flip) * np.eye(2), np.sqrt(flip) * np.diag([1, -1])]
    return Kraus([after @ before for after in flips for before in damping])


def random_routed(
    circuit: LayerCircuit, basis: tuple[str, ...], rng: np.random.Generator, strength: float = 0.3
) -> tuple[RoutedCircuit, Measurement, RandomNoise]:
    """A circuit routed on a line of its own length, and noise for it."""
    routed, measurement = route_layer(circuit, target(basis, circuit.qubits), seed=int(rng.integers(1000)))
    return routed, measurement, RandomNoise.draw(len(routed.physical), rng, strength)
