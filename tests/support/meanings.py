"""Gates with a matrix and a definition, and what they mean, worked out by SciPy and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Operation,
    Parameter,
    PowerModifier,
    library,
)
from qiskit.circuit.library import (
    HamiltonianGate,
    PauliEvolutionGate,
    RVGate,
    UnitaryGate,
    pauli_feature_map,
)
from qiskit.circuit.library.data_preparation.state_preparation import UniformSuperpositionGate
from qiskit.quantum_info import (
    Clifford,
    Operator,
    Pauli,
    SparseObservable,
    SparsePauliOp,
    random_clifford,
    random_unitary,
)
from qiskit.synthesis import LieTrotter, QDrift, SuzukiTrotter
from scipy.linalg import expm

TIME = Parameter("time")
Matrix = np.ndarray


class Meaning(NamedTuple):
    """A gate for a time, which may be open, and its matrix for a number."""

    name: str
    qubits: int
    gate: Callable[[Any], Operation]
    matrix: Callable[[float], Matrix]


def sums(qubits: int, rng: np.random.Generator) -> dict[str, SparsePauliOp]:
    """Operators of each form: one term, commuting, anticommuting, and any."""
    labels = ["".join(rng.choice(list("XYZ"), qubits)) for _ in range(4)]
    last = "I" * (qubits - 1)
    return {
        "term": SparsePauliOp(labels[:1], [0.7]),
        "commuting": SparsePauliOp(["Z" * qubits, "Z" + last, "I" * qubits], [0.7, -0.4, 0.3]),
        "anticommuting": SparsePauliOp(["Z" * qubits, last + "X", last + "Y"], [1.0, -0.1, 0.5]),
        "any": SparsePauliOp([*labels, "X" * qubits, "Z" + last], rng.uniform(0.3, 1, 6) * rng.choice([-1, 1], 6)),
    }


def evolution(name: str, operator: SparsePauliOp, **options: Any) -> Meaning:
    """A `PauliEvolutionGate`."""
    return Meaning(
        f"{name}-{operator.num_qubits}",
        operator.num_qubits,
        lambda time: PauliEvolutionGate(operator, time, **options),
        lambda time: expm(-1j * time * operator.to_matrix()),
    )


def controlled(matrix: Matrix, state: int = 1) -> Matrix:
    """Under a control on the first qubit."""
    whole = np.eye(2 * len(matrix), dtype=complex)
    whole[state::2, state::2] = matrix
    return whole


def meanings() -> list[Meaning]:
    """The table: see the module."""
    rng = np.random.default_rng(13)
    table = [evolution(form, operator) for n in (1, 2, 3, 4) for form, operator in sums(n, rng).items()]
    several = sums(2, rng)["any"]
    matrix = several.to_matrix()
    for name, synthesis in (("trotter", LieTrotter(3)), ("suzuki", SuzukiTrotter(4, 2)), ("qdrift", QDrift(2, seed=1))):
        table.append(evolution(name, several, synthesis=synthesis))

    def exact(time: float) -> Matrix:
        return expm(-1j * time * matrix)

    def inner(time: Any) -> QuantumCircuit:
        circuit = QuantumCircuit(2, global_phase=0.4)
        circuit.rx(0.3, 0)
        circuit.append(PauliEvolutionGate(several, time), [1, 0])
        return circuit

    swap = np.eye(4)[[0, 2, 1, 3]]

    def whole(time: float) -> Matrix:
        first = np.kron(np.eye(2), expm(-0.15j * np.array([[0, 1], [1, 0]])))
        return np.exp(0.4j) * swap @ exact(time) @ swap @ first

    def add(name: str, qubits: int, gate: Callable[[Any], Operation], wanted: Callable[[float], Matrix]) -> None:
        table.append(Meaning(name, qubits, gate, wanted))

    add("list", 2, lambda t: PauliEvolutionGate([several[:3], several[3:]], t), exact)
    add("sparse", 2, lambda t: PauliEvolutionGate(SparseObservable.from_sparse_pauli_op(several), t), exact)
    add("inverse", 2, lambda t: PauliEvolutionGate(several, t).inverse(), lambda t: exact(-t))
    add("power", 2, lambda t: PauliEvolutionGate(several, t).power(0.5), lambda t: exact(t / 2))
    add("control", 3, lambda t: PauliEvolutionGate(several, t).control(1), lambda t: controlled(exact(t)))
    add(
        "control-0",
        3,
        lambda t: PauliEvolutionGate(several, t).control(ctrl_state=0),
        lambda t: controlled(exact(t), 0),
    )
    projected = PauliEvolutionGate(SparsePauliOp(["XX"], [0.6]), TIME).control(2).operator
    xx = SparsePauliOp(["XX"], [0.6]).to_matrix()
    add("controls", 4, lambda t: PauliEvolutionGate(projected, t), lambda t: controlled(controlled(expm(-1j * t * xx))))
    add("composite", 2, lambda t: inner(t).to_gate(), whole)
    add("instruction", 2, lambda t: inner(t).to_instruction(), whole)
    add("composite-inverse", 2, lambda t: inner(t).to_gate().inverse(), lambda t: whole(t).conj().T)
    add("composite-control", 3, lambda t: inner(t).to_gate().control(1), lambda t: controlled(whole(t)))
    add("composite-control-0", 3, lambda t: inner(t).to_gate().control(ctrl_state=0), lambda t: controlled(whole(t), 0))
    add("annotated", 3, lambda t: inner(t).to_gate().control(annotated=True), lambda t: controlled(whole(t)))
    add(
        "modified",
        3,
        lambda t: AnnotatedOperation(
            PauliEvolutionGate(several, t), [InverseModifier(), PowerModifier(3), ControlModifier(1, 0)]
        ),
        lambda t: controlled(exact(-3 * t), 0),
    )
    add("hamiltonian", 2, lambda t: HamiltonianGate(matrix, t), exact)
    add("hamiltonian-inverse", 2, lambda t: HamiltonianGate(matrix, t).inverse(), lambda t: exact(-t))
    add(
        "hamiltonian-control",
        3,
        lambda t: HamiltonianGate(matrix, t).control(annotated=True),
        lambda t: controlled(exact(t)),
    )
    axis = SparsePauliOp(["X", "Y", "Z"], [0.5, -0.2, 0.4]).to_matrix()
    add("rv", 1, lambda t: RVGate(t, -0.4 * t, 0.8 * t), lambda t: expm(-1j * t * axis))
    add("rv-x", 1, lambda t: RVGate(t, 0, 0), lambda t: expm(-0.5j * t * np.array([[0, 1], [1, 0]])))
    pauli = Pauli("XYZ").to_matrix()
    if hasattr(library, "PauliProductRotationGate"):  # not in Qiskit 2.3
        rotation = library.PauliProductRotationGate
        add("product-rotation", 3, lambda t: rotation(Pauli("XYZ"), t), lambda t: expm(-0.5j * t * pauli))
    clifford: Clifford = random_clifford(3, seed=4)
    add("clifford", 3, lambda _: clifford, lambda _: Operator(clifford).data)
    # Qiskit's own synthesis takes this for the identity: its fidelity with it is within 1e-9 of 1.
    near = expm(-2e-5j * SparsePauliOp(["XX"]).to_matrix())
    add("nearly-nothing", 2, lambda _: UnitaryGate(near), lambda _: near)
    add("own", 2, lambda _: Own(), lambda _: Own.matrix)
    add("own-rotation", 1, lambda t: OwnRotation(t), lambda t: expm(-0.5j * t * np.array([[1, 0], [0, -1]])))
    return table


def library_table() -> list[Meaning]:
    """Other gates of Qiskit's library, which are made of others, for a time where they take an angle."""
    rng = np.random.default_rng(21)
    unitaries = [random_unitary(2, seed=k).data for k in range(4)]
    amplitudes = rng.normal(size=8) + 1j * rng.normal(size=8)
    state = amplitudes / np.linalg.norm(amplitudes)
    angles, phases = rng.uniform(-3, 3, 4).tolist(), np.exp(1j * rng.uniform(-3, 3, 8)).tolist()

    def feature_map(time: Any) -> Gate:
        circuit = pauli_feature_map(2, reps=1, paulis=["Z", "XY"])
        return circuit.assign_parameters([time, 0.4 * time]).to_gate()

    made: dict[str, Callable[[Any], Operation]] = {
        "mcx": lambda _: library.MCXGate(3, ctrl_state=5),
        "mcx-open": lambda _: library.XGate().control(2, ctrl_state=0, annotated=True),
        "c3sx": lambda _: library.C3SXGate(),
        "rc3x": lambda _: library.RC3XGate(),
        "mcphase": lambda t: library.MCPhaseGate(t, 3),
        "mcmt": lambda t: library.MCMTGate(library.RXGate(t), 2, 2),
        "ms": lambda t: library.MSGate(3, t),
        "mcrx": lambda t: library.RXGate(t).control(2, ctrl_state=1, annotated=False),
        "cu": lambda t: library.CUGate(t, 0.3, -0.7, 2 * t),
        "feature-map": feature_map,
        "diagonal": lambda _: library.DiagonalGate(phases),
        "uc": lambda _: library.UCGate(unitaries),
        "ucrx": lambda _: library.UCRXGate(angles),
        "ucry": lambda _: library.UCRYGate(angles),
        "ucrz": lambda _: library.UCRZGate(angles),
        "isometry": lambda _: library.Isometry(random_unitary(8, seed=9).data[:, :4], 0, 0),
        "preparation": lambda _: library.StatePreparation(state),
        "preparation-inverse": lambda _: library.StatePreparation(state).inverse(),
        "superposition": lambda _: UniformSuperpositionGate(5, 3),
        "unitary-1": lambda _: UnitaryGate(unitaries[0]),
        "unitary-2": lambda _: UnitaryGate(random_unitary(4, seed=2)),
        "unitary-3": lambda _: UnitaryGate(random_unitary(8, seed=3)),
        "unitary-4": lambda _: UnitaryGate(random_unitary(16, seed=4)),
        "unitary-control": lambda _: UnitaryGate(random_unitary(4, seed=5)).control(1, ctrl_state=0, annotated=False),
        "unitary-power": lambda _: UnitaryGate(random_unitary(4, seed=5)).power(0.3),
        "permutation": lambda _: library.PermutationGate([2, 0, 3, 1]),
        "pauli": lambda _: library.PauliGate("XYZI"),
        "linear-function": lambda _: library.LinearFunction([[1, 1, 0], [0, 1, 0], [1, 0, 1]]),
        "qft": lambda _: library.QFTGate(4),
        "qft-inverse": lambda _: library.QFTGate(3).inverse(),
        "adder": lambda _: library.ModularAdderGate(2),
        "and": lambda _: library.AndGate(3, [1, -1, 1]),
        "inner-product": lambda _: library.InnerProductGate(2),
        "graph-state": lambda _: library.GraphStateGate([[0, 1, 1], [1, 0, 0], [1, 0, 0]]),
        "linear-pauli-rotations": lambda _: library.LinearPauliRotationsGate(2, 0.4, 0.9),
        "reciprocal": lambda _: library.ExactReciprocalGate(2, 0.4),
        "power": lambda t: AnnotatedOperation(library.RYGate(t), [PowerModifier(3), ControlModifier(2)]),
    }
    return [
        Meaning(name, make(0.1).num_qubits, make, lambda time, make=make: Operator(make(time)).data)
        for name, make in made.items()
    ]


class Own(Gate):
    """A gate of a user's own whose definition is not its matrix."""

    matrix = expm(-0.8j * SparsePauliOp(["XX", "ZI"], [0.6, 0.8]).to_matrix())

    def __init__(self) -> None:
        super().__init__("rxx", 2, [])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Matrix:
        return np.array(self.matrix, dtype=dtype)

    def _define(self) -> None:
        self.definition = QuantumCircuit(2)
        self.definition.h(0)


class OwnRotation(Gate):
    """One whose definition is its matrix, with an angle that may be open."""

    def __init__(self, angle: Any) -> None:
        super().__init__("mine", 1, [angle])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Matrix:
        return np.diag(np.exp([-0.5j * float(self.params[0]), 0.5j * float(self.params[0])]))

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.rz(self.params[0], 0)
