"""SWAPs that are absorbed: the same unitary, one gate more each, and the same open angles."""

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CXGate
from qiskit.quantum_info import Operator

from qgen.transpilation.absorb_swaps import absorb_swaps

NAMES = ("cx", "cy", "cz", "swap", "swap", "ecr", "crz", "rx", "rz", "h", "barrier", "delay", "open cx")


def pairs_of(circuit: QuantumCircuit) -> int:
    return sum(len(step.qubits) == 2 and step.operation.name != "barrier" for step in circuit.data)


def price(circuit: QuantumCircuit) -> int:
    """Two-qubit gates once each SWAP that is left is three."""
    return pairs_of(circuit) + 2 * circuit.count_ops().get("swap", 0)


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(3, global_phase=0.3)
    for k in range(draw(st.integers(0, 14))):
        name, angle = draw(st.sampled_from(NAMES)), Parameter(f"p{k}")
        first, second = draw(st.permutations(range(3)))[:2]
        match name:
            case "rx" | "rz":
                getattr(circuit, name)(angle, first)
            case "crz":
                circuit.crz(angle, first, second)
            case "h":
                circuit.h(first)
            case "delay":
                circuit.delay(10, first)
            case "open cx":
                circuit.append(CXGate(ctrl_state=0), [first, second])
            case _:
                getattr(circuit, name)(first, second)
    return circuit


def matrix(circuit: QuantumCircuit, seed: int) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(-7, 7, circuit.num_parameters)
    names = sorted(circuit.parameters, key=lambda parameter: parameter.name)
    bound = circuit.assign_parameters(dict(zip(names, angles, strict=True)))
    bound.data = [step for step in bound.data if step.operation.name not in ("barrier", "delay")]
    return Operator(bound).data


@examples(60)
@given(circuit=circuits(), seed=st.integers(0, 2**32 - 1))
def test_the_unitary_and_its_phase_stay_and_no_gate_is_added(circuit: QuantumCircuit, seed: int) -> None:
    absorbed = absorb_swaps(circuit)
    np.testing.assert_allclose(matrix(absorbed, seed), matrix(circuit, seed), rtol=0, atol=1e-12)
    assert price(absorbed) <= price(circuit)
    assert absorbed.parameters == circuit.parameters
    rotations = [[step.operation.name for step in one.data if step.operation.params] for one in (circuit, absorbed)]
    assert sorted(rotations[0]) == sorted(rotations[1])


@pytest.mark.parametrize("gate", ["cx", "cy", "cz"])
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("before", [True, False])
def test_a_swap_beside_a_gate_costs_one(gate: str, order: tuple[int, int], before: bool) -> None:
    circuit, a, b = QuantumCircuit(2), Parameter("a"), Parameter("b")
    if before:
        circuit.swap(0, 1)
        circuit.rx(a, 0)
    getattr(circuit, gate)(*order)
    if not before:
        circuit.ry(b, 1)
        circuit.swap(1, 0)
    absorbed = absorb_swaps(circuit)
    assert price(absorbed) == 2
    assert "swap" not in absorbed.count_ops()
    np.testing.assert_allclose(matrix(absorbed, 1), matrix(circuit, 1), atol=1e-12)


def test_what_lies_between_keeps_a_swap() -> None:
    for between in ("barrier", "delay"):
        circuit = QuantumCircuit(2)
        circuit.cz(0, 1)
        if between == "barrier":
            circuit.barrier(1)
        else:
            circuit.delay(10, 0)
        circuit.swap(0, 1)
        assert absorb_swaps(circuit) == circuit


def test_two_swaps_cancel() -> None:
    circuit = QuantumCircuit(2)
    circuit.swap(0, 1)
    circuit.x(0)
    circuit.swap(1, 0)
    wanted = QuantumCircuit(2)
    wanted.x(1)
    assert absorb_swaps(circuit) == wanted
