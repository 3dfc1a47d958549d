"""A circuit's identity is its content: equal circuits share a digest however they were made, others never do."""

import copy
import io
import os
import pickle
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

import numpy as np
import pytest
from described import build, change_one, describe_circuit
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, qpy
from qiskit.circuit import (
    AnnotatedOperation,
    ControlledGate,
    ControlModifier,
    Gate,
    Instruction,
    InverseModifier,
    Operation,
    Parameter,
    PowerModifier,
)
from qiskit.circuit.library import (
    DiagonalGate,
    HamiltonianGate,
    Isometry,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    QFTGate,
    RXGate,
    RYGate,
    StatePreparation,
    UnitaryGate,
    XGate,
)
from qiskit.quantum_info import Clifford, SparseObservable, SparsePauliOp, random_unitary
from qiskit.synthesis import LieTrotter, MatrixExponential, QDrift, SuzukiTrotter

from qgen.circuits import LayerCircuit, Mixture, ansatz, ansatz_names
from qgen.circuits.digest import circuit_digest
from qgen.errors import CircuitError

SEEDS = st.integers(0, 2**32 - 1)


def through_qpy(circuit: QuantumCircuit) -> QuantumCircuit:
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    buffer.seek(0)
    return qpy.load(buffer)[0]


@given(SEEDS)
def test_equal_circuits_share_a_digest(seed: int) -> None:
    described = describe_circuit(np.random.default_rng(seed))
    layer = build(described)
    again = [build(described), build(described, "cx"), pickle.loads(pickle.dumps(layer)), copy.deepcopy(layer)]
    again.append(LayerCircuit(layer.circuit, layer.inputs, layer.weights, layer.observables))
    with suppress(CircuitError):  # what QPY cannot hold is refused, and never comes back as another circuit
        again.append(LayerCircuit.from_json(layer.to_json()))
    assert {one.digest for one in again} == {layer.digest}
    assert {hash(one) for one in again} == {hash(layer)}
    assert all(one == layer for one in again)


@given(SEEDS)
def test_circuits_that_differ_in_one_thing_do_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    described = describe_circuit(rng)
    changed = change_one(described, rng)
    assert build(changed).digest != build(described).digest
    assert build(changed) != build(described)


@given(SEEDS, SEEDS)
def test_circuits_that_are_drawn_apart_do_not(one: int, other: int) -> None:
    both = [describe_circuit(np.random.default_rng(seed)) for seed in (one, other)]
    assert (build(both[0]) == build(both[1])) == (both[0] == both[1])


SCRIPT = """
import numpy as np
from described import build, describe_circuit
from qgen.circuits import ansatz, ansatz_names
print([ansatz(name).digest for name in ansatz_names()])
print([build(describe_circuit(np.random.default_rng(seed))).digest for seed in range(20)])
"""


def test_every_process_finds_the_same() -> None:
    path = os.pathsep.join([str(Path(__file__).parents[1] / "support"), *filter(None, sys.path)])
    own_seed = os.environ.get("PYTHONHASHSEED")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT],
        env=os.environ | {"PYTHONHASHSEED": "77" if own_seed == "0" else "0", "PYTHONPATH": path},
        capture_output=True,
        check=True,
        text=True,
    )
    with redirect_stdout(io.StringIO()) as own:
        exec(SCRIPT, {})
    assert done.stdout == own.getvalue()
    assert done.stdout.count("'") == 2 * (len(ansatz_names()) + 20)


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", ansatz_names())
def test_two_equal_calls_of_an_ansatz_are_equal(name: str) -> None:
    one, other = ansatz(name), ansatz(name)
    assert one == other
    assert hash(one) == hash(other)
    assert one.digest == other.digest
    assert one != ansatz(name, layers=one.num_weights and 2 * get_layers(name))
    assert one == pickle.loads(pickle.dumps(other)) == LayerCircuit.from_json(other.to_json())


def get_layers(name: str) -> int:
    from qgen.circuits import get_ansatz

    return get_ansatz(name).layers


def block(*gates: str, name: str = "block") -> Gate:
    inner = QuantumCircuit(2, name=name)
    for gate in gates:
        getattr(inner, gate)(0)
    return inner.to_gate()


def instruction(name: str) -> Instruction:
    made = Instruction(name, 2, 0, [])
    made.definition = QuantumCircuit(2)
    made.definition.cz(0, 1)
    return made


def named(name: str, base: Gate, state: int = 1) -> Gate:
    inner = QuantumCircuit(2)
    inner.append(base.control(1, ctrl_state=state), [0, 1])
    return ControlledGate(name, 2, base.params, num_ctrl_qubits=1, base_gate=base, ctrl_state=state, definition=inner)


X, Z, XZ = SparsePauliOp("XI"), SparsePauliOp("ZZ"), SparsePauliOp(["XI", "ZZ"], [1, 0.5])
MATRIX = random_unitary(4, seed=3).data
#: On two qubits, and unequal, though some share a name, their qubits and their parameters.
UNEQUAL: dict[str, Operation] = {
    "block of h": block("h"),
    "block of x": block("x"),
    "block of x, h": block("x", "h"),
    "an instruction": instruction("cx"),
    "crx, base rx": named("crx", RXGate(0.3)),
    "crx, base ry": named("crx", RYGate(0.3)),
    "crx, base ry, on 0": named("crx", RYGate(0.3), 0),
    "evolution of X": PauliEvolutionGate(X, 0.3),
    "evolution of Z": PauliEvolutionGate(Z, 0.3),
    "evolution of both": PauliEvolutionGate(XZ, 0.3),
    "evolution of both, turned": PauliEvolutionGate(SparsePauliOp(["ZZ", "XI"], [0.5, 1]), 0.3),
    "evolution, one after the other": PauliEvolutionGate([X, Z], 0.3),
    "evolution, in 2 steps": PauliEvolutionGate(XZ, 0.3, synthesis=LieTrotter(reps=2)),
    "evolution, order 2": PauliEvolutionGate(XZ, 0.3, synthesis=SuzukiTrotter(2)),
    "evolution, order 4": PauliEvolutionGate(XZ, 0.3, synthesis=SuzukiTrotter(4)),
    "evolution by a matrix": PauliEvolutionGate(XZ, 0.3, synthesis=MatrixExponential()),
    "evolution of a projector": PauliEvolutionGate(SparseObservable("0X"), 0.3),
    "hamiltonian X": HamiltonianGate(X, 0.3),
    "hamiltonian Z": HamiltonianGate(Z, 0.3),
    "matrix": UnitaryGate(MATRIX),
    "matrix, last bit": UnitaryGate(np.nextafter(MATRIX.real, 2) + 1j * MATRIX.imag),
    "diagonal": DiagonalGate([1, 1, 1, -1]),
    "diagonal, i": DiagonalGate([1, 1, 1, 1j]),
    "pauli XY": PauliGate("XY"),
    "pauli YX": PauliGate("YX"),
    "state": StatePreparation([0.6, 0, 0, 0.8]),
    "state, 0.8i": StatePreparation([0.6, 0, 0, 0.8j]),
    "state, back": StatePreparation([0.6, 0, 0, 0.8]).inverse(),
    "state 01": StatePreparation("01"),
    "state 1": StatePreparation(1, num_qubits=2),
    "permutation": PermutationGate([1, 0]),
    "no permutation": PermutationGate([0, 1]),
    "isometry": Isometry(MATRIX, 0, 0),
    "fourier": QFTGate(2),
    "clifford": Clifford(QuantumCircuit(2)),
    "clifford, h": Clifford(block("h").definition),
    "modified": AnnotatedOperation(RXGate(0.3), [ControlModifier(1, 0)]),
    "modified on 1": AnnotatedOperation(RXGate(0.3), [ControlModifier(1, 1)]),
    "modified, inverse": AnnotatedOperation(RXGate(0.3), [ControlModifier(1, 1), InverseModifier()]),
    "modified, power": AnnotatedOperation(RXGate(0.3), [ControlModifier(1, 1), PowerModifier(2)]),
    "modified, other power": AnnotatedOperation(RXGate(0.3), [ControlModifier(1, 1), PowerModifier(3)]),
}


def alone(operation: Operation) -> QuantumCircuit:
    circuit = QuantumCircuit(operation.num_qubits)
    circuit.append(operation, circuit.qubits)
    return circuit


def test_operations_of_the_same_name_are_told_apart() -> None:
    digests = {name: LayerCircuit(alone(operation), [], []).digest for name, operation in UNEQUAL.items()}
    assert len(set(digests.values())) == len(UNEQUAL)


@pytest.mark.parametrize("name", UNEQUAL)
def test_an_operation_keeps_its_identity(name: str) -> None:
    layer = LayerCircuit(alone(UNEQUAL[name]), [], [])
    assert pickle.loads(pickle.dumps(layer)) == copy.deepcopy(layer) == layer
    try:
        loaded = through_qpy(layer.circuit)
    except Exception:
        loaded = None
    if loaded is not None and name != "state, back":  # QPY takes it for the way there
        assert LayerCircuit(loaded, [], []) == layer
    else:
        with pytest.raises(CircuitError, match="QPY"):
            layer.to_json()


@pytest.mark.parametrize("text", ["XY", "ZZ", "IX"])
def test_a_pauli_gate_has_an_identity(text: str) -> None:
    circuit = QuantumCircuit(2)
    circuit.pauli(text, [0, 1])
    assert LayerCircuit(circuit, [], []).digest == LayerCircuit(circuit.copy(), [], []).digest


def test_names_labels_and_the_order_on_other_qubits_do_not_count() -> None:
    one, other = QuantumCircuit(3, name="one"), QuantumCircuit(3, name="other", metadata={"note": 1})
    one.append(block("h", name="cx"), [0, 1])
    one.append(XGate(label="flip"), [2])
    other.x(2)
    other.append(block("h", name="rz"), [0, 1])
    assert LayerCircuit(one, [], []) == LayerCircuit(other, [], [])
    other.x(1)
    assert LayerCircuit(one, [], []) != LayerCircuit(other, [], [])


def test_the_order_on_one_qubit_counts() -> None:
    one, other = QuantumCircuit(2), QuantumCircuit(2)
    one.cx(0, 1)
    one.h(1)
    other.h(1)
    other.cx(0, 1)
    assert LayerCircuit(one, [], []) != LayerCircuit(other, [], [])


def parametrised(**changed: object) -> LayerCircuit:
    given = {"names": ("a", "b"), "factor": 2.0, "inputs": 1, "points": None, "phase": 0.1} | changed
    a, b, m = map(Parameter, (*given["names"], "m"))
    circuit = QuantumCircuit(2, global_phase=given["phase"])
    circuit.ry(given["factor"] * a + b, 0)
    mixture = Mixture([m], given["points"]) if given["points"] else None
    if mixture:
        circuit.rx(m, 1)
    roles = [a, b][: given["inputs"]], [a, b][given["inputs"] :]
    return LayerCircuit(circuit, *roles, mixture=mixture)


def test_parameters_are_known_by_role_place_and_name() -> None:
    others = [
        parametrised(),
        parametrised(names=("b", "a")),
        parametrised(names=("c", "b")),
        parametrised(inputs=0),
        parametrised(inputs=2),
        parametrised(factor=float(np.nextafter(2.0, 3))),
        parametrised(phase=0.2),
        parametrised(points=[[0.0], [1.0]]),
        parametrised(points=[[0.0], [2.0]]),
    ]
    assert len({one.digest for one in others}) == len(others)
    assert parametrised() == parametrised()


def test_an_expression_is_its_value_not_its_text() -> None:
    a, b = Parameter("a"), Parameter("b")
    angles = [2 * a + b + 1, b + 1 + 2 * a, (a + b) + (a + 1)]
    circuits = [QuantumCircuit(1) for _ in angles]
    for circuit, angle in zip(circuits, angles, strict=True):
        circuit.rx(angle, 0)
    assert len({LayerCircuit(circuit, [a], [b]) for circuit in circuits}) == 1


class Opaque(Operation):
    """What Qiskit lets into a circuit, and nobody knows."""

    name, num_qubits, num_clbits = "opaque", 1, 0


def test_what_has_no_identity_is_refused_by_a_line() -> None:
    circuit = QuantumCircuit(1)
    circuit.append(Opaque(), [0])
    with pytest.raises(CircuitError, match=r"`opaque` \(Opaque\) has no identity"):
        circuit_digest(circuit)
    with pytest.raises(CircuitError, match=r"QDrift has no identity.*drawn anew each time"):
        circuit_digest(alone(PauliEvolutionGate(XZ, 0.3, synthesis=QDrift(seed=5))))
    controlled = QuantumCircuit(1, 1)
    with controlled.if_test((controlled.clbits[0], True)):
        controlled.x(0)
    with pytest.raises(CircuitError, match=r"`if_else` .* has no identity"):
        circuit_digest(controlled)


def test_what_is_measured_where_counts() -> None:
    circuits = [QuantumCircuit(2, 2) for _ in range(4)]
    circuits[0].measure(0, 0)
    circuits[1].measure(0, 1)
    circuits[2].measure(1, 0)
    circuits[3].delay(100, 0)
    assert len({circuit_digest(circuit) for circuit in circuits}) == 4
