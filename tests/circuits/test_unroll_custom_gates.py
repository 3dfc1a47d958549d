"""Gates of a user's own mean what they are made of, whatever they are called."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from own_gates import NAMES, own_gates
from qiskit import QuantumCircuit
from qiskit.circuit import AnnotatedOperation, ControlModifier, Gate, InverseModifier, Parameter
from qiskit.quantum_info import Operator

from qgen.circuits.custom_gates import is_library_gate, unroll_custom_gates
from qgen.errors import CircuitError


def names_in(circuit: QuantumCircuit) -> set[str]:
    return {step.operation.name for step in circuit.data if not is_library_gate(step.operation)}


@given(seed=st.integers(0, 2**32 - 1), name=st.sampled_from(NAMES))
def test_the_unitary_stays_and_no_name_is_left(seed: int, name: str) -> None:
    rng = np.random.default_rng(seed)
    circuit, right = QuantumCircuit(3, global_phase=0.4), QuantumCircuit(3, global_phase=0.4)
    for gate, meaning in own_gates(name, *rng.uniform(-3, 3, 2)):
        qubits = rng.permutation(3)[: gate.num_qubits].tolist()
        circuit.append(gate, qubits)
        right.compose(meaning, qubits, inplace=True)
    written = unroll_custom_gates(circuit)
    assert not names_in(written)
    assert np.allclose(Operator(written).data, Operator(right).data, atol=1e-9)


def test_what_is_controlled_is_the_gate_and_not_its_name() -> None:
    """Qiskit's own `control()` takes a gate called `rx` for an RX."""
    inner, circuit, right = QuantumCircuit(1), QuantumCircuit(2), QuantumCircuit(2)
    inner.ry(0.7, 0)
    gate = Gate("rx", 1, [0.7])
    gate.definition = inner
    circuit.append(gate.control(1), [0, 1])
    circuit.append(AnnotatedOperation(gate, [ControlModifier(1, 0), InverseModifier()]), [0, 1])
    right.cry(0.7, 0, 1)
    right.cry(-0.7, 0, 1, ctrl_state=0)
    written = unroll_custom_gates(circuit)
    for step in written.data:
        assert getattr(step.operation, "base_op", step.operation).name != "rx"
    assert np.allclose(Operator(written).data, Operator(right).data, atol=1e-9)


def test_angles_stay_open() -> None:
    a, inner, circuit = Parameter("a"), QuantumCircuit(1, global_phase=0.2), QuantumCircuit(2)
    inner.ry(2 * a, 0)
    gate = Gate("rz", 1, [a])
    gate.definition = inner
    circuit.append(gate, [1])
    circuit.append(gate.control(1, ctrl_state=0), [1, 0])
    written = unroll_custom_gates(circuit)
    assert set(written.parameters) == {a}
    right = QuantumCircuit(2, global_phase=0.2)
    right.ry(0.6, 1)
    right.cry(0.6, 1, 0, ctrl_state=0)
    right.append(QuantumCircuit(1, global_phase=0.2).to_gate().control(1, ctrl_state=0), [1, 0])
    assert np.allclose(Operator(written.assign_parameters({a: 0.3})).data, Operator(right).data, atol=1e-9)


def test_a_circuit_of_the_library_stays_the_same_object() -> None:
    circuit = QuantumCircuit(3)
    circuit.ccx(0, 1, 2)
    circuit.crx(0.3, 0, 1, ctrl_state=0)
    circuit.barrier()
    circuit.append(AnnotatedOperation(circuit.data[1].operation, [InverseModifier()]), [0, 1])
    assert unroll_custom_gates(circuit) is circuit


@pytest.mark.parametrize("depth", [1, 3])
def test_names_within_blocks_are_left_behind_too(depth: int) -> None:
    circuit = QuantumCircuit(2)
    circuit.append(own_gates("cx", 0.4, 0.5)[1][0], [0, 1])
    for _ in range(depth):
        outer = QuantumCircuit(2)
        outer.append(circuit.to_gate(), [1, 0])
        circuit = outer
    assert not names_in(unroll_custom_gates(circuit))


@pytest.mark.parametrize(("name", "refused"), [("own", False), ("ry", True)])
def test_angles_that_were_bound_under_a_control(name: str, refused: bool) -> None:
    """Qiskit binds them in the definition of the whole, and leaves that of what is controlled open."""
    a, inner, circuit, right = Parameter("a"), QuantumCircuit(1), QuantumCircuit(2), QuantumCircuit(2)
    inner.ry(2 * a, 0)
    gate = Gate(name, 1, [2 * a])
    gate.definition = inner
    circuit.append(gate.control(1), [0, 1])
    bound = circuit.assign_parameters({a: 0.3})
    if refused:
        with pytest.raises(CircuitError, match=r"a gate called `ry` that is not Qiskit's .*give it another name"):
            unroll_custom_gates(bound)
        return
    right.cry(0.6, 0, 1)
    assert np.allclose(Operator(unroll_custom_gates(bound)).data, Operator(right).data, atol=1e-9)
