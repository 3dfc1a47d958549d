"""Parts of circuits written anew: the same unitary on the same couplers, the same angles, and fewer two-qubit gates."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Parameter
from qiskit.circuit.library import CXGate, RXGate
from qiskit.quantum_info import Operator, Statevector

from qgen.transpilation.absorb_swaps import absorb_swaps
from qgen.transpilation.kernels.pricing import Prices
from qgen.transpilation.pauli_frames import emit, pauli_program, simplified
from qgen.transpilation.resynthesis import resynthesize

QUBITS, PATIENCE = 5, 100
COUPLINGS = {
    "line": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "star": [(2, 0), (2, 1), (2, 3), (2, 4)],
    "junction": [(0, 1), (1, 2), (1, 3), (3, 4)],
    "ring": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)],
    "apart": [(0, 1), (2, 3), (3, 4)],
}
#: All sites alike: a two-qubit gate, a one-qubit gate, and waiting for as long as the former takes.
PRICES = Prices(
    block_gates=np.zeros(0, np.int32),
    gate=np.full((QUBITS, QUBITS), 0.012),
    seconds=np.full((QUBITS, QUBITS), 1e-7),
    one=np.full(QUBITS, 0.001),
    one_seconds=np.full(QUBITS, 3e-8),
    waiting=np.full(QUBITS, 0.001 / 1e-7),
    reading=np.zeros(QUBITS),
)
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
    anew = resynthesize(circuit, PRICES, seed, PATIENCE)
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


@examples(40)
@given(circuit=circuits(), seed=st.integers(0, 2**32 - 1))
def test_its_own_operations_make_the_circuit_again(circuit: QuantumCircuit, seed: int) -> None:
    simple = simplified(circuit)
    assert simple is not None
    program = pauli_program(simple)
    anew = simple.copy_empty_like()
    anew.compose(emit(program, program.operations), program.qubits, inplace=True)
    one, other = matrix(anew, seed), matrix(circuit, seed)
    assert abs(np.vdot(one, other)) == pytest.approx(len(one), abs=1e-9)
    assert two_qubit_gates(anew) == two_qubit_gates(circuit)


def test_operations_of_another_unitary_are_refused() -> None:
    circuit = QuantumCircuit(3)
    controlled_rotation(circuit, Parameter("a"), 0, 1)
    controlled_rotation(circuit, Parameter("b"), 1, 2)
    program = pauli_program(circuit)
    for wrong in (program.operations[1:], program.operations[:-1], program.operations[::-1]):
        with pytest.raises(ValueError, match="another unitary"):
            emit(program, wrong)


@pytest.mark.parametrize("seed", range(2))
def test_long_circuits_on_more_qubits_than_a_part(seed: int) -> None:
    rng = np.random.default_rng(seed)
    circuit, couplers = QuantumCircuit(9), [(k, k + 1) for k in range(7)] + [(3, 8)]
    for k in range(120):
        pair = [int(qubit) for qubit in rng.permutation(couplers[rng.integers(8)])]
        getattr(circuit, rng.choice(["cx", "cy", "cz"]))(*pair)
        for name in rng.choice(["rx", "ry", "rz"], rng.integers(1, 5)):
            getattr(circuit, name)(Parameter(f"p{k}{len(circuit.data)}"), pair[0])
        if rng.random() < 0.3:
            circuit.swap(*pair)
    prices = Prices(*(np.resize(one, (9, 9) if one.ndim == 2 else one.shape if not one.size else 9) for one in PRICES))
    anew = resynthesize(circuit, prices, seed, PATIENCE)
    assert two_qubit_gates(anew) < sum(3 if step.name == "swap" else len(step.qubits) == 2 for step in circuit.data)
    assert pairs_of(anew) <= pairs_of(circuit)
    assert open_angles(anew) == open_angles(circuit)
    np.testing.assert_allclose(state(anew, seed), state(circuit, seed), rtol=0, atol=1e-10)


def state(circuit: QuantumCircuit, seed: int) -> np.ndarray:
    """The state from a product state that is drawn."""
    rng = np.random.default_rng(seed)
    whole = QuantumCircuit(circuit.num_qubits)
    for qubit in range(circuit.num_qubits):
        whole.u(*rng.uniform(-7, 7, 3), qubit)
    names = sorted(circuit.parameters, key=lambda parameter: parameter.name)
    whole.compose(
        circuit.assign_parameters(dict(zip(names, rng.uniform(-7, 7, len(names)), strict=True))), inplace=True
    )
    return np.asarray(Statevector(whole).data)


def pulses(circuit: QuantumCircuit) -> int:
    """One-qubit gates that take time, of Qiskit's translation for a device with CZ."""
    translated = transpile(circuit, basis_gates=["cz", "rz", "sx", "x"], optimization_level=1, seed_transpiler=0)
    return translated.count_ops().get("sx", 0)


def layers(circuit: QuantumCircuit) -> int:
    """Two-qubit gates one after the other."""
    return circuit.depth(lambda step: len(step.qubits) == 2)


@pytest.mark.parametrize(("what", "measure"), [("one", pulses), ("waiting", layers)])
def test_what_is_dear_is_less_afterwards(what: str, measure: Callable[[QuantumCircuit], int]) -> None:
    rng = np.random.default_rng(0)
    circuit, couplers = QuantumCircuit(QUBITS), [(0, 1), (1, 2), (1, 3), (3, 4)]
    for k in range(60):
        pair = [int(qubit) for qubit in rng.permutation(couplers[rng.integers(4)])]
        getattr(circuit, rng.choice(["cx", "cy", "cz"]))(*pair)
        getattr(circuit, rng.choice(["rx", "ry", "rz"]))(Parameter(f"p{k}"), pair[0])
    prices = PRICES._replace(**{what: 100 * getattr(PRICES, what)})
    assert measure(resynthesize(circuit, prices, 0, PATIENCE)) < measure(circuit)


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
    anew = resynthesize(circuit, PRICES, 0, PATIENCE)
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
    assert resynthesize(circuit, PRICES, 0, PATIENCE) is circuit
