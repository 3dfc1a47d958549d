"""Controlled rotations that are merged compute the same, with half of the gates."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CRXGate
from qiskit.quantum_info import Operator

from qgen.circuits import ansatz
from qgen.transpilation.merge_rotations import merge_rotations

NAMES = ("crx", "cry", "crz", "rx", "cx", "h", "barrier", "open crx")


def pairs_of(circuit: QuantumCircuit) -> int:
    return sum(len(step.qubits) == 2 and step.operation.name != "barrier" for step in circuit.data)


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(3, global_phase=0.3)
    for k in range(draw(st.integers(0, 12))):
        name, angle = draw(st.sampled_from(NAMES)), Parameter(f"p{k}")
        first, second = draw(st.permutations(range(3)))[:2]
        match name:
            case "crx" | "cry" | "crz":
                getattr(circuit, name)(angle * draw(st.sampled_from([1, -2, 0.5])), first, second)
            case "open crx":
                circuit.append(CRXGate(angle, ctrl_state=0), [first, second])
            case "rx":
                circuit.rx(angle, first)
            case "cx":
                circuit.cx(first, second)
            case "h":
                circuit.h(first)
            case _:
                circuit.barrier(first, second)
    return circuit


@given(circuit=circuits(), seed=st.integers(0, 2**32 - 1))
def test_the_unitary_stays(circuit: QuantumCircuit, seed: int) -> None:
    merged = merge_rotations(circuit)
    angles = np.random.default_rng(seed).uniform(-7, 7, circuit.num_parameters)
    bound = [one.assign_parameters(dict(zip(circuit.parameters, angles, strict=True))) for one in (circuit, merged)]
    assert np.allclose(Operator(bound[0]).data, Operator(bound[1]).data, atol=1e-12)


@pytest.mark.parametrize("first", ["crx", "cry", "crz"])
@pytest.mark.parametrize("second", ["crx", "cry", "crz"])
def test_two_axes_take_two_gates(first: str, second: str) -> None:
    circuit, a, b = QuantumCircuit(2), Parameter("a"), Parameter("b")
    getattr(circuit, first)(a, 1, 0)
    getattr(circuit, second)(b, 1, 0)
    merged = merge_rotations(circuit)
    if first == second:  # Qiskit itself can add their angles
        assert merged == circuit
    else:
        assert merged.num_parameters == 2
        assert not {"crx", "cry", "crz"} & set(merged.count_ops())
        assert pairs_of(merged) == 2


def test_what_lies_between_keeps_them_apart() -> None:
    a, b = Parameter("a"), Parameter("b")
    for qubit in (0, 1):
        circuit = QuantumCircuit(3)
        circuit.crx(a, 0, 1)
        circuit.h(qubit)
        circuit.crz(b, 0, 1)
        assert merge_rotations(circuit) == circuit
    reversed_pair = QuantumCircuit(2)
    reversed_pair.crx(a, 0, 1)
    reversed_pair.crz(b, 1, 0)
    assert merge_rotations(reversed_pair) == reversed_pair


@pytest.mark.parametrize(("name", "pairs"), [("hqconv", 28), ("fqconv", 24)])
def test_the_published_convolutions_take_half(name: str, pairs: int) -> None:
    circuit = ansatz(name, qubits=12, layers=1).circuit
    controlled = sum(count for gate, count in circuit.count_ops().items() if gate in ("crx", "cry", "crz"))
    assert controlled == pairs
    assert pairs_of(merge_rotations(circuit)) == pairs  # two for two rotations; apart they would take four
