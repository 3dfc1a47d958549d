"""A gate means its matrix: at every width, with its time bound or open, on every backend, and in gradients."""

from __future__ import annotations

import inspect
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from meanings import TIME, Matrix, Meaning, OwnRotation, evolution, library_table, meanings
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, library
from qiskit.circuit.library import HamiltonianGate, PauliEvolutionGate, RVGate
from qiskit.quantum_info import Operator, Pauli, SparsePauliOp
from qiskit.synthesis import SuzukiTrotter
from scipy.linalg import expm

from qgen import QuantumLayer
from qgen.backends import Backend, open_backend
from qgen.circuits import LayerCircuit
from qgen.errors import CircuitError, ProductFormulaWarning

TABLE = {meaning.name: meaning for meaning in meanings()}
EXACT = ["reference", "statevector", "aer"]
#: Qiskit's transpiler takes a matrix for a special one within a fidelity of 1e-9: amplitudes are 3e-5 off.
PLACED = {"aer:fake_lagos": 1e-4, "noisy:fake_lagos": 1e-4}
LEFT, RIGHT = Parameter("left"), Parameter("right")

OTHERS = {meaning.name: meaning for meaning in library_table()}


@lru_cache
def opened(name: str) -> Backend:
    return open_backend(name, noise_scale=0.0) if ":" in name else open_backend(name)


def layer(meaning: Meaning, time: Any, observables: list[str], rng: np.random.Generator) -> LayerCircuit:
    """Turns, the gate on its qubits in any order, and turns again; `time` is a weight where it is open."""
    circuit = QuantumCircuit(meaning.qubits)
    for qubit in range(meaning.qubits):
        circuit.ry(LEFT + qubit, qubit)
    circuit.append(meaning.gate(time), range(meaning.qubits))
    for qubit in range(meaning.qubits):
        circuit.rx(RIGHT - qubit, qubit)
    used = [TIME] if TIME in circuit.parameters else []
    return LayerCircuit(circuit, [LEFT], [RIGHT, *used], observables)


def wanted(matrix: Matrix, left: float, right: float, observables: list[str]) -> np.ndarray:
    """The values by products of matrices."""
    qubits = int(np.log2(len(matrix)))
    before, after = np.ones((1, 1)), np.ones((1, 1))
    for qubit in range(qubits):
        y, x = np.array([[0, -1j], [1j, 0]]), np.array([[0, 1], [1, 0]])
        before = np.kron(expm(-0.5j * (left + qubit) * y), before)
        after = np.kron(expm(-0.5j * (right - qubit) * x), after)
    state = (after @ matrix @ before)[:, 0]
    return np.array([(state.conj() @ Pauli(label).to_matrix() @ state).real for label in observables])


def drawn_observables(qubits: int, rng: np.random.Generator) -> list[str]:
    return ["Z" * qubits, "X" * qubits, "".join(rng.choice(list("IXYZ"), qubits)), "I" * (qubits - 1) + "Y"]


@pytest.mark.parametrize("backend", [*EXACT, *PLACED])
@pytest.mark.filterwarnings("ignore::qgen.errors.ProductFormulaWarning")
def test_values_are_those_of_the_matrix(backend: str, rng: np.random.Generator) -> None:
    """Of some rows of each table; `slow` has them all."""
    for name in (*rng.choice([*TABLE], 5, replace=False), *rng.choice([*OTHERS], 4, replace=False)):
        check_values(backend, str(name), rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", [*TABLE, *OTHERS])
@pytest.mark.parametrize("backend", [*EXACT, *PLACED])
@pytest.mark.filterwarnings("ignore::qgen.errors.ProductFormulaWarning")
def test_values_of_all_are_those_of_the_matrix(backend: str, name: str, rng: np.random.Generator) -> None:
    check_values(backend, name, rng)


def check_values(backend: str, name: str, rng: np.random.Generator) -> None:
    meaning = {**TABLE, **OTHERS}[name]
    left, right, time = rng.uniform(-3, 3, 3)
    observables = drawn_observables(meaning.qubits, rng)
    values = wanted(meaning.matrix(time), left, right, observables)
    for given in (float(time), TIME):
        circuit = layer(meaning, given, observables, rng)
        weights = [right, time][: circuit.num_weights]
        if backend in PLACED and name == "any-4":  # beyond what a device is given as a matrix
            with pytest.warns(ProductFormulaWarning, match="LieTrotter, order 1, 1 step, for . terms .* on 4 qubits"):
                opened(backend).compile(circuit)
            continue
        found = opened(backend).compile(circuit).expectations(np.array([left]), np.array(weights))
        np.testing.assert_allclose(found, values, rtol=0, atol=PLACED.get(backend, 1e-10), err_msg=name)


METHODS = {
    "adjoint": list(TABLE),
    "parameter-shift": [name for name in TABLE if TABLE[name].qubits < 4],
    "placed": ["any-1", "any-2", "anticommuting-2", "control", "rv"],
}


@pytest.mark.parametrize("method", METHODS)
def test_gradients_are_those_of_the_matrix(method: str, rng: np.random.Generator) -> None:
    """Of some rows of the table; `slow` has them all."""
    for name in rng.choice(METHODS[method], 2 if method == "placed" else 8, replace=False):
        check_gradients(method, str(name), rng)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "name"), [(method, name) for method, names in METHODS.items() for name in names])
def test_gradients_of_all_are_those_of_the_matrix(method: str, name: str, rng: np.random.Generator) -> None:
    check_gradients(method, name, rng)


def check_gradients(method: str, name: str, rng: np.random.Generator) -> None:
    meaning = TABLE[name]
    left, right, time = rng.uniform(-3, 3, 3)
    observables = drawn_observables(meaning.qubits, rng)
    circuit = layer(meaning, TIME, observables, rng)
    point = np.array([left, right, time][: 1 + circuit.num_weights])

    def value(at: np.ndarray) -> np.ndarray:
        return wanted(meaning.matrix(at[2] if len(at) > 2 else time), at[0], at[1], observables)

    upstream, step = rng.normal(size=len(observables)), 1e-5
    slopes = [upstream @ (value(point + move) - value(point - move)) / (2 * step) for move in step * np.eye(len(point))]
    backend = opened("aer:fake_lagos") if method == "placed" else opened("statevector")
    gradient = "parameter-shift" if method != "adjoint" else "adjoint"
    quantum = QuantumLayer(circuit, backend=backend, gradient=gradient).double()
    inputs = torch.tensor([left], requires_grad=True)
    with torch.no_grad():
        quantum.weight.copy_(torch.from_numpy(point[1:]))
    quantum(inputs).backward(torch.from_numpy(upstream))
    found = np.concatenate([inputs.grad.numpy(), quantum.weight.grad.numpy()])
    np.testing.assert_allclose(found, slopes, rtol=0, atol=1e-4 if method == "placed" else 1e-7, err_msg=name)


def test_the_published_specimens() -> None:
    """RY(.4), exp(-i 2 (X + Z / 2)), RX(.7), then Z; and ZZ - 0.1 XI for t = 2 on two qubits."""
    one = evolution("x", SparsePauliOp(["X", "Z"], [1, 0.5]))
    two = evolution("zz", SparsePauliOp(["ZZ", "XI"], [1, -0.1]))
    for backend in (*EXACT, *PLACED):
        for time in (2.0, TIME):
            circuit = QuantumCircuit(1)
            circuit.ry(LEFT, 0)
            circuit.append(one.gate(time), [0])
            circuit.rx(RIGHT, 0)
            weights = [RIGHT, TIME] if time is TIME else [RIGHT]
            executable = opened(backend).compile(LayerCircuit(circuit, [LEFT], weights, ["Z"]))
            found = executable.expectations(np.array([0.4]), np.array([0.7, 2.0][: len(weights)]))
            assert found == pytest.approx([0.56079], abs=5e-6)
            pair = QuantumCircuit(2)
            pair.append(two.gate(time), [0, 1])
            weights = [TIME] if time is TIME else []
            found = (
                opened(backend).compile(LayerCircuit(pair, [], weights, ["ZI"])).expectations([], [2.0][: len(weights)])
            )
            assert found == pytest.approx(wanted_alone(two.matrix(2.0), "ZI"), abs=1e-8)


def wanted_alone(matrix: Matrix, label: str) -> float:
    state = matrix[:, 0]
    return float((state.conj() @ Pauli(label).to_matrix() @ state).real)


def test_wide_evolutions_run_exactly_where_terms_commute_or_anticommute(rng: np.random.Generator) -> None:
    circuit = QuantumCircuit(9)
    for qubit in range(9):
        circuit.ry(0.3 + qubit, qubit)
    commuting = SparsePauliOp(["ZZZZZZZZZ", "ZIIIIIIIZ", "IZZIIIIII"], [0.4, 0.5, -0.6])
    anticommuting = SparsePauliOp(["ZXZXZXZXZ", "IIIIIIIIX", "IIIIIIIIY"], [0.4, 0.5, -0.6])
    circuit.append(PauliEvolutionGate(commuting, TIME), range(9))
    circuit.append(PauliEvolutionGate(anticommuting, TIME), range(9))
    whole = LayerCircuit(circuit, [TIME], [], ["ZIIIIIIIZ", "IIIIIIIIY", "IIIIXIIII"])
    reference, found = (opened(name).compile(whole).expectations([[0.8]], []) for name in ("reference", "statevector"))
    np.testing.assert_allclose(found, reference, rtol=0, atol=1e-10)


@pytest.mark.parametrize(("backend", "qubits"), [("statevector", 7), ("aer", 7), ("aer:fake_lagos", 4)])
def test_a_product_formula_is_told_at_compile_time(backend: str, qubits: int, rng: np.random.Generator) -> None:
    labels = ["I" * k + "ZZ" + "I" * (qubits - k - 2) for k in range(qubits - 1)]
    labels += ["I" * k + "X" + "I" * (qubits - k - 1) for k in range(qubits)]
    circuit = QuantumCircuit(qubits)
    circuit.append(PauliEvolutionGate(SparsePauliOp(labels), TIME, synthesis=SuzukiTrotter(2, reps=3)), range(qubits))
    told = rf"SuzukiTrotter, order 2, 3 steps, for {2 * qubits - 1} terms that do not commute on {qubits} qubits"
    with pytest.warns(ProductFormulaWarning, match=told):
        opened(backend).compile(LayerCircuit(circuit, [TIME], []))


class Liar(OwnRotation):
    """Its definition turns the other way."""

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.rz(-self.params[0], 0)


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (Liar(TIME), "a matrix that is not its definition"),
        (RVGate(TIME, 0.2, 0.1), "an axis that moves with open parameters"),
        (HamiltonianGate(np.eye(128), TIME), "PauliEvolutionGate"),
    ],
)
@pytest.mark.parametrize("backend", ["statevector", "aer", "aer:fake_lagos"])
def test_what_has_no_exact_form_is_refused_by_a_line(backend: str, gate: Gate, words: str) -> None:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    with pytest.raises(CircuitError, match=words) as refusal:
        opened(backend).compile(LayerCircuit(circuit, [TIME], []))
    assert "\n" not in str(refusal.value)


#: What the library's gates with a matrix are made of, where it is not as many numbers as they have parameters.
ARGUMENTS: dict[str, tuple[Any, ...]] = {
    "C3SXGate": (),
    "HamiltonianGate": (np.diag([1.0, 2.0, -0.5, 0.25]) + 0.3 * np.fliplr(np.eye(4)), 0.7),
    "PauliGate": ("XYZ",),
    "PauliProductRotationGate": (Pauli("XYZ"), 0.7),
    "PermutationGate": ([2, 0, 1],),
    "QFTGate": (3,),
    "UnitaryGate": (expm(0.3j * np.fliplr(np.eye(4))),),
}
#: The only one of the library whose definition is not its matrix.
DIFFERENT = {"PauliEvolutionGate"}


def with_matrix() -> list[str]:
    kinds = {name: kind for name, kind in vars(library).items() if inspect.isclass(kind) and issubclass(kind, Gate)}
    return sorted(
        name for name, kind in kinds.items() if hasattr(kind, "__array__") or kind.to_matrix is not Gate.to_matrix
    )


@pytest.mark.parametrize("name", sorted(set(with_matrix()) - DIFFERENT))
def test_all_other_gates_of_the_library_are_their_definitions(name: str) -> None:
    kind = getattr(library, name)
    given = ARGUMENTS.get(name)
    if given is None:
        needed = [p for p in inspect.signature(kind.__init__).parameters.values() if p.default is p.empty]
        given = tuple(0.3 + 0.5 * k for k in range(sum(p.kind is p.POSITIONAL_OR_KEYWORD for p in needed) - 1))
    gate = kind(*given)
    if gate.definition is not None:
        np.testing.assert_allclose(Operator(gate.definition).data, gate.to_matrix(), rtol=0, atol=1e-10)
