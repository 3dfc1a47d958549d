"""LayerCircuit as a value: what it holds, when two are equal, and what it refuses."""

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, Gate, InverseModifier, Parameter, ParameterVector
from qiskit.circuit.library import Initialize, RXGate, efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import Clifford, Pauli, SparseObservable, SparsePauliOp, Statevector

from qgen.circuits import LayerCircuit, Mixture
from qgen.errors import CircuitError

X, W, M = ParameterVector("x", 2), ParameterVector("w", 3), ParameterVector("m", 1)


def small() -> QuantumCircuit:
    circuit = QuantumCircuit(2)
    circuit.rx(X[0], 0)
    circuit.rx(X[1], 1)
    circuit.crz(2 * W[0], 0, 1)
    circuit.barrier()
    circuit.ry(W[1] * W[2] + 0.25, 1)
    return circuit


def layer() -> LayerCircuit:
    return LayerCircuit(small(), X, W)


def test_it_holds_what_it_was_given() -> None:
    made = LayerCircuit(small(), inputs=(x for x in reversed(X)), weights=list(W))
    assert made.inputs == (X[1], X[0])
    assert made.weights == tuple(W)
    assert (made.qubits, made.num_inputs, made.num_weights, made.num_observables) == (2, 2, 3, 2)
    assert made.circuit == small()
    assert made.mixture is None
    assert repr(made) == "LayerCircuit(qubits=2, inputs=2, weights=3, observables=2)"


def test_the_default_observables_are_z_on_each_qubit_in_order() -> None:
    assert list(layer().observables) == [SparsePauliOp("IZ"), SparsePauliOp("ZI")]


def test_observables_are_brought_to_one_form() -> None:
    given = ["ZZ", Pauli("XI"), SparsePauliOp(["ZI", "IX", "ZI", "YY"], [0.5, 2, 0.5, 0]), SparseObservable("ZZ")]
    made = LayerCircuit(small(), X, W, given)
    expected = [SparsePauliOp("ZZ"), SparsePauliOp("XI"), SparsePauliOp(["IX", "ZI"], [2, 1]), SparsePauliOp("ZZ")]
    assert list(made.observables) == expected


@pytest.mark.parametrize("alone", ["ZX", SparsePauliOp("ZX"), Pauli("ZX")])
def test_one_observable_alone_counts_as_a_list_of_one(alone: object) -> None:
    assert LayerCircuit(small(), X, W, alone).observables == (SparsePauliOp("ZX"),)


def test_a_small_coefficient_is_kept() -> None:
    made = LayerCircuit(small(), X, W, [SparsePauliOp(["ZI", "IZ"], [1e-9, 1.0])])
    assert made.observables[0].coeffs.min() == 1e-9


def test_inputs_and_weights_may_be_empty() -> None:
    bare = QuantumCircuit(1)
    bare.h(0)
    made = LayerCircuit(bare, [], [])
    assert (made.num_inputs, made.num_weights, made.num_observables) == (0, 0, 1)


@pytest.mark.parametrize("entangle", [real_amplitudes, efficient_su2])
def test_circuits_of_the_qiskit_library_are_layers(entangle: Callable[..., QuantumCircuit]) -> None:
    features, network = zz_feature_map(3), entangle(3, reps=1)
    made = LayerCircuit(features.compose(network), features.parameters, network.parameters, ["ZZZ"])
    assert made.num_inputs == 3
    assert made.num_weights == network.num_parameters


def test_composite_blocks_and_unitaries_are_layers() -> None:
    circuit = QuantumCircuit(4)
    circuit.append(small().to_instruction(), [0, 1])
    circuit.append(RXGate(0.5).control(2, ctrl_state=1, annotated=False), [2, 3, 0])
    circuit.append(AnnotatedOperation(RXGate(0.5), [InverseModifier()]), [1])
    circuit.append(Clifford(QuantumCircuit(2)), [1, 2])
    circuit.unitary(np.eye(4), [0, 3])
    circuit.prepare_state([0.6, 0.8j], [1])
    assert LayerCircuit(circuit, X, W).qubits == 4


def test_equal_content_is_equal() -> None:
    renamed = small()
    renamed.name, renamed.metadata = "another", {"note": object()}
    assert LayerCircuit(renamed, X, W) == layer()
    assert hash(LayerCircuit(renamed, X, W)) == hash(layer())
    assert LayerCircuit(small(), X, W, ["IZ", "ZI"]) == layer()
    assert len({layer(), layer()}) == 1


def test_the_order_in_which_an_observable_is_written_does_not_count() -> None:
    one = LayerCircuit(small(), X, W, [SparsePauliOp(["ZI", "IX"], [2, 1])])
    other = LayerCircuit(small(), X, W, [SparsePauliOp(["IX", "ZI"], [1, 2])])
    assert one == other
    assert hash(one) == hash(other)


def test_different_content_is_different() -> None:
    longer = small()
    longer.h(0)
    masked = small()
    masked.rx(M[0], 0)
    others = [
        LayerCircuit(longer, X, W),
        LayerCircuit(small(), reversed(X), W),
        LayerCircuit(small(), X, [W[1], W[0], W[2]]),
        LayerCircuit(small(), [*X, W[0]], W[1:]),
        LayerCircuit(small(), X, W, ["ZI", "IZ"]),
        LayerCircuit(small(), X, W, [SparsePauliOp("IZ", 1 + 1e-12), "ZI"]),
        LayerCircuit(masked, X, W, mixture=Mixture(M, [[0.0], [1.0]])),
        LayerCircuit(masked, X, W, mixture=Mixture(M, [[0.0], [2.0]])),
    ]
    assert len({layer(), *others}) == len(others) + 1
    assert layer() != "a circuit"


def test_it_cannot_be_changed() -> None:
    given = small()
    made = LayerCircuit(given, X, W)
    given.h(0)
    made.circuit.h(0)
    assert made.circuit == small()
    with pytest.raises(AttributeError):
        made.weights = ()  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        made.observables[0].coeffs[0] = 2


def test_it_survives_a_pickle() -> None:
    circuit = small()
    circuit.rx(M[0], 0)
    made = LayerCircuit(circuit, X, W, mixture=Mixture(M, [[0.0], [1.0]]))
    again = pickle.loads(pickle.dumps(made))
    assert again == made
    assert hash(again) == hash(made)
    assert not again.mixture.points.flags.writeable


def test_the_conditional_circuit_takes_the_mixture_as_inputs() -> None:
    circuit = small()
    circuit.rx(M[0], 0)
    made = LayerCircuit(circuit, X, W, ["ZZ"], Mixture(M, [[0.0], [1.0]]))
    assert made.conditional == LayerCircuit(circuit, [*X, *M], W, ["ZZ"])
    assert repr(made).endswith("observables=1, mixture=Mixture(parameters=1, points=2))")
    assert layer().conditional == layer()
    assert made.conditional is made.conditional  # built once: it is asked for at each evaluation
    assert pickle.loads(pickle.dumps(made)) == made


# What it refuses: parameters.


@pytest.mark.parametrize(
    ("inputs", "weights", "message"),
    [
        (X, W[1:], r"unbound parameters: w\[0\]\. Name each in inputs or in weights"),
        ([], [], r"unbound parameters: w\[0\], w\[1\], w\[2\], x\[0\], x\[1\]"),
        ([*X, Parameter("z")], W, r"does not use these inputs: z\. Leave them out"),
        (X, [*W, Parameter("z")], r"does not use these weights: z\."),
        (ParameterVector("x", 2), W, r"does not use these inputs: x\[0\], x\[1\]\. .*same name are other objects"),
        ([*X, X[0]], W, r"inputs name x\[0\] more than once"),
        ([*X, W[0]], W, r"both inputs and weights: w\[0\]"),
        (["x"], W, r"must be qiskit Parameters, but one is 'x' \(str\)"),
        (X[0], W, r"must be a list of qiskit Parameters or a ParameterVector"),
        (3, W, r"inputs must be a list of qiskit Parameters .*, not 3"),
    ],
)
def test_parameters_without_one_role_are_refused(inputs: object, weights: object, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        LayerCircuit(small(), inputs, weights)  # type: ignore[arg-type]


def test_mixture_parameters_have_a_role_of_their_own() -> None:
    with pytest.raises(CircuitError, match=r"both inputs and mixture parameters: x\[0\]"):
        LayerCircuit(small(), X, W, mixture=Mixture([X[0]], [[0.0]]))
    with pytest.raises(CircuitError, match=r"does not use these mixture parameters: m\[0\]"):
        LayerCircuit(small(), X, W, mixture=Mixture(M, [[0.0]]))
    with pytest.raises(CircuitError, match="must be a qgen Mixture or None"):
        LayerCircuit(small(), X, W, mixture=[[0.0]])  # type: ignore[arg-type]


def test_many_names_are_cut_short() -> None:
    vector = ParameterVector("p", 30)
    circuit = QuantumCircuit(1)
    for parameter in vector:
        circuit.rx(parameter, 0)
    with pytest.raises(CircuitError, match="and 22 more"):
        LayerCircuit(circuit, [], [])


# What it refuses: observables.


@pytest.mark.parametrize(
    ("observables", "message"),
    [
        ([], "No observables: give at least one"),
        (["ZZZ"], "Observable 0 acts on 3 qubits, but the circuit has 2"),
        (["ZZ", "Z"], "Observable 1 acts on 1 qubits"),
        ([SparsePauliOp("ZZ", 1j)], "Observable 0 is not Hermitian"),
        ([Pauli("iZZ")], "not Hermitian"),
        ([SparsePauliOp("ZZ", np.nan)], "NaN or infinite"),
        ([SparsePauliOp("ZZ", np.array([Parameter("a")]))], "parameters among its coefficients"),
        (["ZQ"], "'ZQ'.* is not a Pauli label"),
        ([3], r"Observable 0 is 3 \(int\); give a SparsePauliOp"),
        (3, "Observables must be a list"),
    ],
)
def test_what_cannot_be_measured_is_refused(observables: object, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        LayerCircuit(small(), X, W, observables)  # type: ignore[arg-type]


# What it refuses: instructions.


def change(name: str) -> QuantumCircuit:
    circuit = QuantumCircuit(2, 2)
    circuit.h(0)
    match name:
        case "measure":
            circuit.measure(1, 0)
        case "reset":
            circuit.reset(0)
        case "initialize":
            circuit.append(Initialize([0, 1]), [0])
        case "if_else":
            with circuit.if_test((circuit.clbits[0], True)):
                circuit.x(1)
        case "nested":
            inner = QuantumCircuit(1)
            inner.x(0)
            inner.reset(0)
            circuit.append(inner.to_instruction(), [1])
        case "opaque":
            circuit.append(Gate("mystery", 1, []), [1])
    return circuit


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("measure", r"Instruction 1 \(measure on qubit 1\) .*call circuit\.remove_final_measurements\(\)"),
        ("reset", r"Instruction 1 \(reset on qubit 0\) .*take the reset out"),
        ("initialize", r"Instruction 1 \(initialize on qubit 0\) .*write circuit\.prepare_state\(\)"),
        ("if_else", r"Instruction 1 \(if_else on qubit 1\) .*without control flow"),
        ("nested", r"Instruction 1 \(.* on qubit 1\), within it Instruction 1 \(reset on qubit 0\)"),
        ("opaque", r"Instruction 1 \(mystery on qubit 1\) is an opaque gate"),
    ],
)
def test_what_is_not_unitary_is_refused(name: str, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        LayerCircuit(change(name), [], [])


def test_a_reset_that_comes_first_is_left_out() -> None:
    inner = QuantumCircuit(2)
    inner.reset([0, 1])
    inner.h(0)
    circuit = QuantumCircuit(3)
    circuit.x(0)
    circuit.barrier()
    circuit.reset(1)
    circuit.append(inner.to_instruction(), [1, 2])
    plain = QuantumCircuit(3)
    plain.x(0)
    plain.barrier()
    plain.h(1)
    assert LayerCircuit(circuit, [], []) == LayerCircuit(plain, [], [])
    prepared = QuantumCircuit(1)
    prepared.append(Initialize([0.6, 0.8j]), [0])
    state = Statevector(LayerCircuit(prepared, [], []).circuit)
    assert np.allclose(state.data, [0.6, 0.8j])


def test_a_measured_circuit_is_a_layer_after_the_advice_is_followed() -> None:
    circuit = small()
    circuit.measure_all()
    with pytest.raises(CircuitError, match="remove_final_measurements"):
        LayerCircuit(circuit, X, W)
    circuit.remove_final_measurements()
    assert LayerCircuit(circuit, X, W).num_observables == 2


def test_classical_variables_are_refused() -> None:
    circuit = small()
    circuit.add_var("flag", False)
    with pytest.raises(CircuitError, match="classical variables"):
        LayerCircuit(circuit, X, W)


@pytest.mark.parametrize("angle", [np.nan, np.inf, -np.inf])
def test_angles_that_are_not_finite_are_refused(angle: float) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.crx(angle, 1, 0)
    with pytest.raises(CircuitError, match=r"Instruction 1 \(crx on qubit 1, 0\) has the angle -?(nan|inf)"):
        LayerCircuit(circuit, [], [])
    composite = QuantumCircuit(2)
    composite.append(circuit.to_gate(), [0, 1])
    with pytest.raises(CircuitError, match=r"within it Instruction 1 \(crx"):
        LayerCircuit(composite, [], [])
    with pytest.raises(CircuitError, match="global phase"):
        LayerCircuit(QuantumCircuit(1, global_phase=angle), [], [])


@pytest.mark.parametrize(
    ("given", "message"), [("h q[0]", "needs a qiskit QuantumCircuit"), (QuantumCircuit(), "no qubits")]
)
def test_what_is_no_circuit_is_refused(given: object, message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        LayerCircuit(given, [], [])  # type: ignore[arg-type]
