"""Parts of circuits written anew: the same unitary on the same couplers, the same angles, and fewer two-qubit gates."""

import math

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CXGate, RXGate
from qiskit.quantum_info import Operator

from qgen.transpilation.absorb_swaps import absorb_swaps
from qgen.transpilation.pauli_frames import simplified
from qgen.transpilation.resynthesis import resynthesize

QUBITS = 5
COUPLINGS = {
    "line": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "star": [(2, 0), (2, 1), (2, 3), (2, 4)],
    "junction": [(0, 1), (1, 2), (1, 3), (3, 4)],
    "ring": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)],
    "apart": [(0, 1), (2, 3), (3, 4)],
}
ONE = ("rx", "ry", "rz", "p", "h", "s", "sdg", "sx", "sxdg", "x", "y", "z", "t", "u", "r", "id")


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    return sum(len(step.qubits) == 2 for step in circuit.data)


def pairs_of(circuit: QuantumCircuit) -> set[frozenset[int]]:
    sites = [[circuit.find_bit(qubit).index for qubit in step.qubits] for step in circuit.data]
    return {frozenset(some) for some in sites if len(some) == 2}


def open_angles(circuit: QuantumCircuit) -> list[str]:
    angles = (angle for step in circuit.data for angle in step.operation.params)
    return sorted(str(parameter) for angle in angles for parameter in getattr(angle, "parameters", ()))


def matrix(circuit: QuantumCircuit, seed: int) -> np.ndarray:
    angles = np.random.default_rng(seed).uniform(-7, 7, circuit.num_parameters)
    names = sorted(circuit.parameters, key=lambda parameter: parameter.name)
    return Operator(circuit.assign_parameters(dict(zip(names, angles, strict=True)))).data


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    couplers = COUPLINGS[draw(st.sampled_from(sorted(COUPLINGS)))]
    circuit, steps = QuantumCircuit(QUBITS, global_phase=0.3), draw(st.integers(0, 40))
    for k in range(steps):
        pair = list(draw(st.permutations(draw(st.sampled_from(couplers)))))
        numbers = st.one_of(st.floats(-7, 7), st.integers(-4, 4).map(lambda turns: turns * math.pi / 2))
        angle = Parameter(f"p{k}") / 2 + 0.1 if draw(st.booleans()) else draw(numbers)
        name = draw(st.sampled_from(["cx", "cy", "cz", "swap", *ONE]))
        match name:
            case "swap":
                for control, target in (pair, pair[::-1], pair):
                    circuit.cx(control, target)
            case "cx" | "cy" | "cz":
                getattr(circuit, name)(*pair)
            case "rx" | "ry" | "rz" | "p":
                getattr(circuit, name)(angle, pair[0])
            case "u":
                circuit.u(draw(numbers), draw(numbers), 0.7, pair[0])
            case "r":
                circuit.r(draw(numbers), draw(numbers), pair[0])
            case _:
                getattr(circuit, name)(pair[0])
    return circuit


@examples(12)
@given(circuit=circuits(), seed=st.integers(0, 2**32 - 1))
def test_unitary_and_angles_stay_and_no_gate_is_added(circuit: QuantumCircuit, seed: int) -> None:
    anew = resynthesize(circuit, seed)
    np.testing.assert_allclose(matrix(anew, seed), matrix(circuit, seed), rtol=0, atol=1e-10)
    assert two_qubit_gates(anew) <= two_qubit_gates(circuit)
    assert pairs_of(anew) <= pairs_of(circuit)
    assert open_angles(anew) == open_angles(circuit)


@examples(40)
@given(circuit=circuits(), seed=st.integers(0, 2**32 - 1))
def test_simplified_circuits_do_the_same(circuit: QuantumCircuit, seed: int) -> None:
    simple = simplified(circuit)
    assert simple is not None
    np.testing.assert_allclose(matrix(simple, seed), matrix(circuit, seed), rtol=0, atol=1e-10)
    assert two_qubit_gates(simple) == two_qubit_gates(circuit)


def controlled_rotation(circuit: QuantumCircuit, angle: Parameter, control: int, target: int) -> None:
    """CRX, with two gates."""
    circuit.cz(control, target)
    circuit.rx(-angle / 2, target)
    circuit.cz(control, target)
    circuit.rx(angle / 2, target)


def test_a_swap_of_a_qubit_that_was_a_control_since_is_absorbed() -> None:
    circuit = QuantumCircuit(3)
    controlled_rotation(circuit, Parameter("a"), 0, 1)
    controlled_rotation(circuit, Parameter("b"), 1, 2)
    for pair in ((0, 1), (1, 0), (0, 1)):
        circuit.cx(*pair)
    anew = resynthesize(circuit, 0)
    assert (two_qubit_gates(absorb_swaps(circuit)), two_qubit_gates(anew)) == (7, 5)
    np.testing.assert_allclose(matrix(anew, 1), matrix(circuit, 1), rtol=0, atol=1e-10)


@pytest.mark.parametrize("kind", ["open control", "own gate", "open u"])
def test_what_is_not_known_stays(kind: str) -> None:
    class Own(RXGate):
        """Called `rx`, too."""

    circuit = QuantumCircuit(2)
    for _ in range(4):
        circuit.cx(0, 1)
    match kind:
        case "open control":
            circuit.append(CXGate(ctrl_state=0), [0, 1])
        case "own gate":
            circuit.append(Own(0.3), [0])
        case _:
            circuit.u(Parameter("a"), 0.1, 0.2, 0)
    assert resynthesize(circuit, 0) is circuit
