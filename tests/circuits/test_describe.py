"""The facts of a circuit, against numbers counted by hand."""

import json
from math import tau

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, Parameter, ParameterVector
from qiskit.circuit.library import PauliEvolutionGate, RXGate, real_amplitudes
from qiskit.quantum_info import Clifford, Operator, SparsePauliOp
from qiskit.synthesis import QDrift

from qgen.circuits import LayerCircuit, ansatz, describe
from qgen.circuits.angle_scales import angle_scales
from qgen.circuits.describe import flatten
from qgen.errors import CircuitError


@pytest.mark.parametrize(
    ("name", "gates", "depth"), [("hqconv", 84, 36), ("fqconv", 72, 18), ("hqconv-published", 12, 12)]
)
def test_the_known_costs_of_the_convolutions(name: str, gates: int, depth: int) -> None:
    facts = describe(ansatz(name))
    assert (facts.two_qubit_gates, facts.two_qubit_depth) == (gates, depth)
    assert facts.depth == depth + 1
    assert dict(facts.gates) == {"rx": 12, "crx": gates // 2, "crz": gates // 2}
    assert (facts.qubits, facts.inputs, facts.weights) == (12, 12, gates)
    assert facts.observables == tuple(f"Z{qubit}" for qubit in range(12))
    assert facts.circuits_per_evaluation == 1


def test_a_mixture_costs_a_circuit_a_point() -> None:
    facts = describe(ansatz("masked"))
    assert facts.circuits_per_evaluation == 16
    assert (facts.inputs, facts.weights) == (4, 24)


def test_observables_are_written_short() -> None:
    circuit = QuantumCircuit(3)
    given = [
        SparsePauliOp(["IZZ", "XII"], [0.5, 1]),
        SparsePauliOp("IIZ", -1),
        SparsePauliOp(["III", "YII"], [2, -0.25]),
        SparsePauliOp("IIZ", 0),
    ]
    assert describe(LayerCircuit(circuit, [], [], given)).observables == ("0.5*Z0Z1+X2", "-Z0", "2*I-0.25*Y2", "0*I")


def test_blocks_are_counted_by_their_gates() -> None:
    network = real_amplitudes(3, reps=1, entanglement="linear")
    circuit = QuantumCircuit(3)
    circuit.append(network.to_gate(), range(3))
    circuit.barrier()
    circuit.unitary(np.eye(4), [0, 2])
    facts = describe(LayerCircuit(circuit, [], network.parameters))
    assert dict(facts.gates) == {"ry": 6, "cx": 2, "unitary": 1}
    assert (facts.two_qubit_gates, facts.two_qubit_depth, facts.depth) == (3, 3, 5)


def test_flattening_changes_gates_but_not_the_unitary() -> None:
    circuit = QuantumCircuit(4, global_phase=0.25)
    circuit.append(real_amplitudes(3, reps=1).assign_parameters(np.linspace(0, 1, 6)).to_gate(), [3, 1, 0])
    circuit.ccx(0, 1, 2)
    circuit.append(AnnotatedOperation(RXGate(0.5), [ControlModifier(2)]), [0, 1, 2])
    bell = QuantumCircuit(3)
    bell.h(0)
    bell.cx(0, [1, 2])
    circuit.append(Clifford(bell), [0, 1, 3])
    flat = flatten(circuit)
    assert all(instruction.is_standard_gate() and len(instruction.qubits) <= 2 for instruction in flat.data)
    assert np.allclose(Operator(flat).data, Operator(circuit).data, rtol=0, atol=1e-12)


def test_the_facts_are_ready_for_json() -> None:
    facts = describe(ansatz("basic", layers=1), fold=-1)
    again = json.loads(json.dumps(facts.to_dict()))
    assert again == facts.to_dict()
    assert again["gates"] == {"rx": 8, "cx": 4}
    assert again["observables"] == ["Z0", "Z1", "Z2", "Z3"]
    assert "Rx(w[3])" in again["drawing"]


def test_a_drawing_is_folded() -> None:
    widths = [len(line) for line in describe(ansatz("hqconv"), fold=60).drawing.splitlines()]
    assert max(widths) <= 60


def test_what_nobody_could_look_at_is_not_drawn() -> None:
    wide = describe(ansatz("strongly-entangling", qubits=1_000))
    assert wide.drawing == "Not drawn: 9,000 gates on 1,000 qubits are too many to be looked at."
    assert (wide.qubits, wide.weights) == (1_000, 6_000)
    assert describe(ansatz("basic"), draw=False).drawing == ""


@pytest.mark.parametrize("name", ["hqconv", "fqconv", "hqconv-published"])
def test_weights_in_turns_have_the_scale_of_a_turn(name: str) -> None:
    assert angle_scales(ansatz(name)) == (tau,) * ansatz(name).num_weights


@pytest.mark.parametrize("name", ["basic", "strongly-entangling", "hardware-efficient", "masked", "ry-cz", "style"])
def test_weights_in_radians_have_scale_one(name: str) -> None:
    assert set(angle_scales(ansatz(name))) == {1.0}


def test_the_largest_slope_counts() -> None:
    w, x = ParameterVector("w", 6), Parameter("x")
    inner = QuantumCircuit(1, global_phase=0.5 * w[5])
    inner.rz(-7 * w[3] + 1, 0)
    circuit = QuantumCircuit(2)
    circuit.rx(2 * w[0] + x, 0)
    circuit.ry(-3 * w[0] + w[1], 0)
    circuit.rx(w[2] ** 2, 1)
    circuit.append(inner.to_gate(), [1])
    circuit.rx(x * w[4], 1)
    circuit.rz(w[5], 0)
    assert angle_scales(LayerCircuit(circuit, [x], w)) == (3.0, 1.0, 1.0, 7.0, 1.0, 1.0)


def test_a_circuit_without_an_identity_has_scales() -> None:
    """As an evolution by QDrift, whose formula is drawn anew each time."""
    w, circuit = Parameter("w"), QuantumCircuit(2)
    circuit.append(PauliEvolutionGate(SparsePauliOp(["ZZ", "XI"]), 2 * w, synthesis=QDrift()), [0, 1])
    layer = LayerCircuit(circuit, [], [w])
    with pytest.raises(CircuitError, match="has no identity"):
        hash(layer)
    (scale,) = angle_scales(layer)
    assert scale >= 2
