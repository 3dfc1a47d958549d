"""A gate of a user's own means what it is made of on every backend, whatever it is called."""

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from own_gates import NAMES, own_gates
from qiskit import QuantumCircuit
from qiskit.circuit import ControlledGate, Parameter
from qiskit.circuit.library import RYGate
from qiskit.quantum_info import Statevector

from qgen.backends import open_backend
from qgen.circuits import LayerCircuit

BACKENDS = {
    "reference": {},
    "statevector": {},
    "aer": {},
    "aer:fake_manila": {"noise_scale": 0.0},
    "noisy:fake_manila": {"noise_scale": 0.0},
}
OBSERVABLES = ["ZI", "XX", "IY"]
KINDS = len(own_gates("own", 0.1, 0.2))


def start() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.ry(0.9, 0)
    circuit.cx(0, 1)
    circuit.rx(0.4, 1)
    return circuit


def expected(meaning: QuantumCircuit) -> np.ndarray:
    state = Statevector(start().compose(meaning, range(meaning.num_qubits)))
    return np.array(
        [state.expectation_value(LayerCircuit(start(), [], [], one).observables[0]).real for one in OBSERVABLES]
    )


@pytest.mark.rows(2)
@examples(6)
@given(name=st.sampled_from(NAMES), kind=st.integers(0, KINDS - 1), seed=st.integers(0, 2**32 - 1))
@pytest.mark.parametrize("backend", BACKENDS)
def test_every_backend_runs_what_a_gate_is_made_of(backend: str, name: str, kind: int, seed: int) -> None:
    """Bound, and with the angles as weights."""
    angles = np.random.default_rng(seed).uniform(-3, 3, 2)
    a, b = Parameter("a"), Parameter("b")
    runs = open_backend(backend, **BACKENDS[backend])
    for values in (angles, (a, b)):
        gate, _ = own_gates(name, *values)[kind]
        circuit = start().compose(_on_two(gate))
        layer = LayerCircuit(circuit, [], circuit.parameters, OBSERVABLES)
        weights = [angles[(a, b).index(one)] for one in layer.weights]
        found = runs.compile(layer).expectations(np.zeros(0), np.array(weights))
        assert np.allclose(found, expected(own_gates("own", *angles)[kind][1]), atol=1e-7)


def _on_two(gate: object) -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_gate_called_crx_that_turns_about_y(backend: str) -> None:
    """cos(a) cos(b) under a control that is on, beside a controlled RZ with which Qiskit's own would be joined."""
    made = QuantumCircuit(2)
    made.x(0)
    for angle in (0.7, 0.4):
        gate = ControlledGate("crx", 2, [angle], num_ctrl_qubits=1, base_gate=RYGate(angle))
        gate.definition = QuantumCircuit(2)
        gate.definition.cry(angle, 0, 1)
        made.append(gate, [0, 1])
        made.crz(0.5, 0, 1)
    right = np.cos(0.7) * np.cos(0.4) - np.sin(0.7) * np.sin(0.4) * np.cos(0.5)
    runs = open_backend(backend, **BACKENDS[backend])
    assert np.allclose(runs.compile(LayerCircuit(made, [], [], "ZI")).expectations(np.zeros(0), np.zeros(0)), right)


@pytest.mark.rows(6)
@pytest.mark.parametrize("backend", ["statevector", "aer:fake_manila"])
@pytest.mark.parametrize("kind", range(KINDS))
def test_shift_rules_follow_what_a_gate_is_made_of(backend: str, kind: int, rng: np.random.Generator) -> None:
    import torch

    from qgen import QuantumLayer

    a, b, angles = Parameter("a"), Parameter("b"), rng.uniform(-3, 3, 2)
    gate, _ = own_gates("crx", a, b)[kind]
    circuit = start().compose(_on_two(gate))
    layer = LayerCircuit(circuit, [], circuit.parameters, OBSERVABLES)
    start_at = [angles[(a, b).index(one)] for one in layer.weights]
    runs = open_backend(backend, **BACKENDS[backend])
    module = QuantumLayer(layer, runs, gradient="parameter-shift", initial=start_at).double()
    module(torch.zeros(1, 0, dtype=torch.float64)).sum().backward()
    step = 1e-4
    for k, weight in enumerate(layer.weights):
        place, sides = (a, b).index(weight), []
        for sign in (1, -1):
            moved = angles.copy()
            moved[place] += sign * step
            sides.append(expected(own_gates("own", *moved)[kind][1]).sum())
        assert float(module.weight.grad[k]) == pytest.approx((sides[0] - sides[1]) / (2 * step), abs=1e-5)
