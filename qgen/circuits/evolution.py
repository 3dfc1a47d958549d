"""The evolution exp(-i time H) in gates that are exactly it, whatever the time, be it a number or open.

Terms that anticommute, directly or through others, form a group; groups commute with one another, so that the evolution
is the product of theirs. Each group has one of four forms:

1.  A single Pauli string: a rotation, at any width.
2.  Strings that anticommute pair by pair. With P and Q two of them and R = i P Q, another string, the turn
    exp(-i phi R / 2) takes cos(phi) P + sin(phi) Q to P. Such turns by fixed angles join all strings into one, on which
    form 1 acts: exact at any width (unitary partitioning: Izmaylov, Yen, Lang and Verteletskyi, 2019,
    arXiv:1907.09040).
3.  Any strings on few qubits: H = V diag(e) V^+. V is a constant matrix, and diag(e) a sum of products of Z, each of
    which is form 1.
4.  Any strings on many qubits: only a product formula can run, the one that the gate itself names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import atan2, hypot
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.circuit.library import PauliEvolutionGate, UnitaryGate
from qiskit.quantum_info import Pauli, PauliList, SparseObservable, SparsePauliOp

Time: TypeAlias = ParameterExpression | float
Matrix: TypeAlias = npt.NDArray[np.complex128]

#: Of what is left of a coefficient after sums that cancel, relative to the largest one.
_NOTHING = 1e-14


@dataclass
class Evolution:
    """An evolution in gates.

    Attributes:
        circuit: on the qubits of the operator, with its global phase.
        formula: what stands for groups of terms of form 4; "" where there are none and the circuit is exact.
    """

    circuit: QuantumCircuit
    formula: str = field(default="")


def evolve(gate: PauliEvolutionGate, most_qubits: int) -> Evolution:
    """The evolution of a gate; form 3 of the module is for groups on at most so many qubits."""
    operator = gate.operator
    if isinstance(operator, SparseObservable) and len(operator) == 1:  # controlled by projectors: one rotation as it is
        return Evolution(_alone(PauliEvolutionGate(operator, gate.time)))
    return evolve_terms(_pauli_sum(operator), gate.time, most_qubits, gate.synthesis)


def evolve_terms(operator: SparsePauliOp, time: Time, most_qubits: int, synthesis: Any = None) -> Evolution:
    """The evolution under a sum of Pauli strings with real coefficients; see `evolve`."""
    operator = operator.simplify(atol=_NOTHING * float(np.abs(operator.coeffs).max(initial=0)), rtol=0)
    found = Evolution(QuantumCircuit(operator.num_qubits))
    for group in _groups(operator):
        _add_group(found, group, time, most_qubits, synthesis)
    return found


def evolve_matrix(hamiltonian: Matrix, time: Time) -> QuantumCircuit:
    """The evolution under a Hermitian matrix, by form 3 of the module."""
    qubits = int(np.log2(len(hamiltonian)))
    energies, vectors = np.linalg.eigh(hamiltonian)
    if not _is_open(time):
        return _alone(UnitaryGate(vectors * np.exp(-1j * float(time) * energies) @ vectors.conj().T))
    circuit = _alone(UnitaryGate(vectors.conj().T))
    circuit.compose(_evolve_diagonal(energies, time), inplace=True)
    circuit.append(UnitaryGate(vectors), range(qubits))
    return circuit


def _evolve_diagonal(energies: npt.NDArray[np.float64], time: Time) -> QuantumCircuit:
    """The evolution under diag(energies), a sum of products of Z."""
    qubits = int(np.log2(len(energies)))
    signs = np.array([[(-1.0) ** (z & k).bit_count() for k in range(len(energies))] for z in range(len(energies))])
    coefficients = signs @ energies / len(energies)
    labels = ["".join("IZ"[z >> q & 1] for q in reversed(range(qubits))) for z in range(len(energies))]
    return evolve_terms(SparsePauliOp(labels, coefficients), time, 0).circuit


def _add_group(found: Evolution, group: SparsePauliOp, time: Time, most_qubits: int, synthesis: Any) -> None:
    if len(group) == 1:
        _append_rotation(found.circuit, group.paulis[0], float(group.coeffs[0].real), time)
        return
    qubits = np.flatnonzero((group.paulis.x | group.paulis.z).any(axis=0)).tolist()
    if _anticommuting(group.paulis).sum() == len(group) * (len(group) - 1):
        _append_joined(found.circuit, group, time)
        return
    local = SparsePauliOp(_on(group.paulis, qubits), group.coeffs)
    if len(qubits) <= most_qubits:
        found.circuit.compose(evolve_matrix(local.to_matrix(), time), qubits, inplace=True)
        return
    gate = PauliEvolutionGate(local, time, synthesis=synthesis)
    found.circuit.compose(gate.definition, qubits, inplace=True)
    found.formula = f"{_formula(gate.synthesis)}, for {len(group)} terms that do not commute on {len(qubits)} qubits"


def _append_joined(circuit: QuantumCircuit, group: SparsePauliOp, time: Time) -> None:
    """Form 2: fixed turns join the strings one by one into the first, whose rotation follows, then the turns back."""
    first, strength = group.paulis[0], float(group.coeffs[0].real)
    turns: list[tuple[Pauli, float]] = []
    for pauli, coefficient in zip(group.paulis[1:], group.coeffs[1:].real, strict=True):
        product = first.dot(pauli)  # a string times i or -i
        sign = (1j * (-1j) ** product.phase).real
        bare = Pauli((product.z, product.x))
        turns.append((bare, sign * atan2(coefficient, strength)))
        strength = hypot(strength, coefficient)
    for pauli, angle in turns:
        _append_rotation(circuit, pauli, angle / 2, 1.0)
    _append_rotation(circuit, first, strength, time)
    for pauli, angle in reversed(turns):
        _append_rotation(circuit, pauli, -angle / 2, 1.0)


def _append_rotation(circuit: QuantumCircuit, pauli: Pauli, coefficient: float, time: Time) -> None:
    """exp(-i time coefficient pauli)."""
    qubits = np.flatnonzero(pauli.x | pauli.z).tolist()
    if not qubits:
        circuit.global_phase -= time * coefficient
        return
    operator = SparsePauliOp(_on(PauliList([pauli]), qubits), [coefficient])
    circuit.append(PauliEvolutionGate(operator, time), qubits)


def _groups(operator: SparsePauliOp) -> list[SparsePauliOp]:
    """The terms that are linked by anticommuting, group by group; terms that are zero are left out."""
    linked = _anticommuting(operator.paulis)
    left, groups = dict.fromkeys(np.flatnonzero(operator.coeffs).tolist()), []
    while left:
        group, frontier = [], [next(iter(left))]
        while frontier:
            term = frontier.pop()
            if term in left:
                del left[term]
                group.append(term)
                frontier += np.flatnonzero(linked[term]).tolist()
        groups.append(operator[sorted(group)])
    return groups


def _anticommuting(paulis: PauliList) -> npt.NDArray[np.bool_]:
    """Which of the strings (T) anticommute with which, (T, T)."""
    crossings = paulis.x.astype(np.int64) @ paulis.z.T.astype(np.int64)
    linked: npt.NDArray[np.bool_] = (crossings + crossings.T) % 2 == 1
    return linked


def _on(paulis: PauliList, qubits: Sequence[int]) -> PauliList:
    """The strings on these qubits alone."""
    return PauliList.from_symplectic(paulis.z[:, qubits], paulis.x[:, qubits])


def _pauli_sum(operator: Any) -> SparsePauliOp:
    """A gate's operator, or the sum of its operators, as a sum of Pauli strings."""
    parts = operator if isinstance(operator, list) else [operator]
    sums = [SparsePauliOp.from_sparse_observable(p) if isinstance(p, SparseObservable) else p for p in parts]
    return SparsePauliOp.sum(sums)


def _formula(synthesis: Any) -> str:
    """A product formula in words: its name, order and steps, as far as it says so."""
    order, steps = getattr(synthesis, "order", None), getattr(synthesis, "reps", None)
    words = [type(synthesis).__name__]
    words += [f"order {order}"] if order is not None else []
    words += [f"{steps} step{'s' if steps != 1 else ''}"] if steps is not None else []
    return ", ".join(words)


def _alone(gate: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit


def _is_open(time: Time) -> bool:
    return isinstance(time, ParameterExpression) and bool(time.parameters)
