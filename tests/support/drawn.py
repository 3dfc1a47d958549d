"""Random circuits for the tests: every gate that Qiskit names, parameters inside expressions, random observables."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Operation, Parameter, ParameterExpression
from qiskit.circuit.library import (
    DiagonalGate,
    HamiltonianGate,
    PauliEvolutionGate,
    PauliGate,
    UGate,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp, random_clifford, random_unitary

from qgen.circuits import LayerCircuit, ansatz

MOST_QUBITS = 8


def small_ansatz(name: str, layers: int = 1) -> LayerCircuit:
    """An ansatz of the catalogue at its default size, or at 8 qubits where that is larger."""
    circuit = ansatz(name, layers=layers)
    return circuit if circuit.qubits <= MOST_QUBITS else ansatz(name, qubits=MOST_QUBITS, layers=layers)


INPUTS = [Parameter(f"x{k}") for k in range(3)]
WEIGHTS = [Parameter(f"w{k}") for k in range(3)]
STANDARD = {
    name: gate
    for name, gate in get_standard_gate_name_mapping().items()
    if isinstance(gate, Gate) and name not in ("delay",)
}

KINDS = ["unitary", "controlled", "wrapped", "pauli", "evolution", "hamiltonian", "clifford", "diagonal"]

numbers = st.floats(-4, 4).map(lambda value: round(value, 3))


def expressions() -> st.SearchStrategy[ParameterExpression | float]:
    """A bound angle, a bare parameter, an affine expression of two, or a curved one."""
    parameter = st.sampled_from(INPUTS + WEIGHTS)
    pair = st.tuples(parameter, parameter, numbers)
    return st.one_of(
        numbers,
        parameter,
        pair.map(lambda t: t[2] * t[0] - 0.5 * t[1] + 0.3),
        pair.map(lambda t: 2 * (np.pi - t[0]) * (1.5 - t[1])),
        pair.map(lambda t: t[0].arctan() + t[2] * t[1].sin()),
        pair.map(lambda t: t[0].sign() * t[1] - abs(t[0])),
        pair.map(lambda t: (t[0] * t[0] + 1.0) ** 0.5 * t[1].cos() - (0.3 * t[0]).exp()),
    )


def _standard(draw: Callable[..., object], name: str) -> Gate:
    gate = STANDARD[name]
    return gate.base_class(*[draw(expressions()) for _ in gate.params]) if gate.params else gate.copy()


def _special(draw: Callable[..., object], qubits: int) -> Operation:
    """Operations that carry a matrix, a definition, a control state, or an operator."""
    seed = draw(st.integers(0, 10**6))
    kind = draw(st.sampled_from(KINDS))
    size = draw(st.integers(1, min(qubits, 3)))
    rng = np.random.default_rng(seed)
    if kind == "controlled" and qubits > 1:
        controls = draw(st.integers(1, min(qubits - 1, 3)))
        state = draw(st.integers(0, 2**controls - 1))
        names = sorted(name for name, gate in STANDARD.items() if gate.num_qubits == 1)
        base = _standard(draw, draw(st.sampled_from(names)))
        return base.control(controls, ctrl_state=state, annotated=False)
    if kind == "wrapped":
        inner = QuantumCircuit(size, global_phase=0.7)
        inner.append(UGate(draw(expressions()), 0.2, draw(expressions())), [size - 1])
        if size > 1:
            inner.swap(0, 1)
            inner.rxx(draw(expressions()), 1, 0)
            inner.append(_evolution(draw(expressions()), 2, rng), [1, 0])
        return inner.to_gate()
    if kind == "pauli":
        return PauliGate("".join(rng.choice(list("IXYZ"), size)))
    if kind == "evolution":
        return _evolution(draw(expressions()), size, rng)
    if kind == "hamiltonian":
        return HamiltonianGate(_hermitian(2 ** min(size, 2), rng), draw(expressions()))
    if kind == "clifford":
        return random_clifford(size, seed=seed)
    if kind == "diagonal":
        return DiagonalGate(list(np.exp(1j * rng.normal(size=2**size))))
    return UnitaryGate(random_unitary(2**size, seed=seed))


def _evolution(time: ParameterExpression | float, qubits: int, rng: np.random.Generator) -> PauliEvolutionGate:
    """Under one to three terms that need not commute; three of them on two qubits at most."""
    terms = rng.integers(1, 4 if qubits <= 2 else 3)
    labels = ["".join(rng.choice(list("XYZ"), qubits)) for _ in range(terms)]
    return PauliEvolutionGate(SparsePauliOp(labels, rng.choice([-1, -0.5, 0.3, 0.7], terms)), time)


def _hermitian(size: int, rng: np.random.Generator) -> np.ndarray:
    matrix = rng.normal(size=(size, size)) + 1j * rng.normal(size=(size, size))
    return matrix + matrix.conj().T


@st.composite
def layer_circuits(draw: Callable[..., object], most_qubits: int = 7, most_gates: int = 14) -> LayerCircuit:
    """A circuit on up to `most_qubits` qubits with 1 to 4 observables of up to 3 Pauli strings each."""
    qubits = draw(st.integers(1, most_qubits))
    circuit = QuantumCircuit(qubits, global_phase=draw(numbers))
    fitting = sorted(name for name, gate in STANDARD.items() if gate.num_qubits <= qubits)
    for _ in range(draw(st.integers(0, most_gates))):
        if draw(st.integers(0, 5)) == 0:
            gate = _special(draw, qubits)
        else:
            gate = _standard(draw, draw(st.sampled_from(fitting)))
        places = draw(st.permutations(range(qubits)))
        circuit.append(gate, places[: gate.num_qubits])
    return LayerCircuit(
        circuit,
        [parameter for parameter in INPUTS if parameter in circuit.parameters],
        [parameter for parameter in WEIGHTS if parameter in circuit.parameters],
        draw(observables(qubits)),
    )


def observables(qubits: int) -> st.SearchStrategy[list[SparsePauliOp]]:
    """1 to 4 sums of up to 3 Pauli strings."""
    label = st.text("IXYZ", min_size=qubits, max_size=qubits)
    coefficient = st.floats(-2, 2).map(lambda value: round(value, 3) or 1.0)
    term = st.tuples(label, coefficient)
    operator = st.lists(term, min_size=1, max_size=3).map(SparsePauliOp.from_list)
    return st.lists(operator, min_size=1, max_size=4)
