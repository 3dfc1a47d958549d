"""Synthesise the evolution exp(-i time H) exactly, for a bound or an open time.

Terms that anticommute, directly or through others, form a group; groups commute with one another, so that the evolution
is the product of theirs. Each group has one of four forms:

1.  A single Pauli string: a rotation, at any width.
2.  Strings that anticommute pair by pair. With P and Q two of them and R = i P Q, another string, the rotation
    exp(-i phi R / 2) takes cos(phi) P + sin(phi) Q to P. Such rotations by fixed angles merge all strings into one, on
    which form 1 acts: exact at any width (unitary partitioning: Izmaylov, Yen, Lang and Verteletskyi, 2019,
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

from qgen.circuits.expressions import is_unbound

Time: TypeAlias = ParameterExpression | float
Matrix: TypeAlias = npt.NDArray[np.complex128]

#: What rounding leaves of a coefficient after sums that cancel, relative to the largest one.
_ZERO = 1e-14


@dataclass
class EvolutionCircuit:
    """An evolution in gates.

    Attributes:
        circuit: on the qubits of the operator, with its global phase.
        formula: the product formula of groups of form 4; "" if there are none and the circuit is exact.
    """

    circuit: QuantumCircuit
    formula: str = field(default="")


def synthesize_evolution(gate: PauliEvolutionGate, max_qubits: int) -> EvolutionCircuit:
    """Synthesise an evolution gate, with form 3 of the module for groups on at most `max_qubits` qubits."""
    operator = gate.operator
    if isinstance(operator, SparseObservable) and len(operator) == 1:  # controlled by projectors: one rotation as it is
        return EvolutionCircuit(_one_gate_circuit(PauliEvolutionGate(operator, gate.time)))
    return synthesize_pauli_sum(_pauli_sum(operator), gate.time, max_qubits, gate.synthesis)


def synthesize_pauli_sum(
    operator: SparsePauliOp, time: Time, max_qubits: int, synthesis: Any = None
) -> EvolutionCircuit:
    """Synthesise the evolution under a sum of Pauli strings with real coefficients; see `synthesize_evolution`."""
    operator = operator.simplify(atol=_ZERO * float(np.abs(operator.coeffs).max(initial=0)), rtol=0)
    evolution = EvolutionCircuit(QuantumCircuit(operator.num_qubits))
    for group in _groups(operator):
        _append_group(evolution, group, time, max_qubits, synthesis)
    return evolution


def synthesize_hamiltonian(hamiltonian: Matrix, time: Time) -> QuantumCircuit:
    """Synthesise the evolution under a Hermitian matrix, by form 3 of the module."""
    qubits = int(np.log2(len(hamiltonian)))
    energies, vectors = np.linalg.eigh(hamiltonian)
    if not is_unbound(time):
        return _one_gate_circuit(UnitaryGate(vectors * np.exp(-1j * float(time) * energies) @ vectors.conj().T))
    circuit = _one_gate_circuit(UnitaryGate(vectors.conj().T))
    circuit.compose(_diagonal_evolution(energies, time), inplace=True)
    circuit.append(UnitaryGate(vectors), range(qubits))
    return circuit


def _diagonal_evolution(energies: npt.NDArray[np.float64], time: Time) -> QuantumCircuit:
    """Return the evolution under diag(energies), a sum of products of Z."""
    qubits = int(np.log2(len(energies)))
    signs = np.array([[(-1.0) ** (z & k).bit_count() for k in range(len(energies))] for z in range(len(energies))])
    coefficients = signs @ energies / len(energies)
    labels = ["".join("IZ"[z >> q & 1] for q in reversed(range(qubits))) for z in range(len(energies))]
    return synthesize_pauli_sum(SparsePauliOp(labels, coefficients), time, 0).circuit


def _append_group(
    evolution: EvolutionCircuit, group: SparsePauliOp, time: Time, max_qubits: int, synthesis: Any
) -> None:
    if len(group) == 1:
        _append_rotation(evolution.circuit, group.paulis[0], float(group.coeffs[0].real), time)
        return
    qubits = np.flatnonzero((group.paulis.x | group.paulis.z).any(axis=0)).tolist()
    if _anticommuting(group.paulis).sum() == len(group) * (len(group) - 1):
        _append_partitioned(evolution.circuit, group, time)
        return
    local = SparsePauliOp(_restrict(group.paulis, qubits), group.coeffs)
    if len(qubits) <= max_qubits:
        evolution.circuit.compose(synthesize_hamiltonian(local.to_matrix(), time), qubits, inplace=True)
        return
    gate = PauliEvolutionGate(local, time, synthesis=synthesis)
    evolution.circuit.compose(gate.definition, qubits, inplace=True)
    evolution.formula = (
        f"{_formula(gate.synthesis)}, for {len(group)} terms that do not commute on {len(qubits)} qubits"
    )


def _append_partitioned(circuit: QuantumCircuit, group: SparsePauliOp, time: Time) -> None:
    """Form 2: fixed rotations merge the strings one by one into the first, which rotates; then they are undone."""
    first, strength = group.paulis[0], float(group.coeffs[0].real)
    rotations: list[tuple[Pauli, float]] = []
    for pauli, coefficient in zip(group.paulis[1:], group.coeffs[1:].real, strict=True):
        product = first.dot(pauli)  # a string times i or -i
        sign = (1j * (-1j) ** product.phase).real
        bare = Pauli((product.z, product.x))
        rotations.append((bare, sign * atan2(coefficient, strength)))
        strength = hypot(strength, coefficient)
    for pauli, angle in rotations:
        _append_rotation(circuit, pauli, angle / 2, 1.0)
    _append_rotation(circuit, first, strength, time)
    for pauli, angle in reversed(rotations):
        _append_rotation(circuit, pauli, -angle / 2, 1.0)


def _append_rotation(circuit: QuantumCircuit, pauli: Pauli, coefficient: float, time: Time) -> None:
    """exp(-i time coefficient pauli)."""
    qubits = np.flatnonzero(pauli.x | pauli.z).tolist()
    if not qubits:
        circuit.global_phase -= time * coefficient
        return
    operator = SparsePauliOp(_restrict(PauliList([pauli]), qubits), [coefficient])
    circuit.append(PauliEvolutionGate(operator, time), qubits)


def _groups(operator: SparsePauliOp) -> list[SparsePauliOp]:
    """Group terms that are linked by anticommuting; zero terms are left out."""
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
    """Return which pairs of the T strings anticommute: (T, T)."""
    crossings = paulis.x.astype(np.int64) @ paulis.z.T.astype(np.int64)
    linked: npt.NDArray[np.bool_] = (crossings + crossings.T) % 2 == 1
    return linked


def _restrict(paulis: PauliList, qubits: Sequence[int]) -> PauliList:
    """Return the strings on these qubits alone."""
    return PauliList.from_symplectic(paulis.z[:, qubits], paulis.x[:, qubits])


def _pauli_sum(operator: Any) -> SparsePauliOp:
    """Return a gate's operator, or the sum of its operators, as a sum of Pauli strings."""
    parts = operator if isinstance(operator, list) else [operator]
    sums = [SparsePauliOp.from_sparse_observable(p) if isinstance(p, SparseObservable) else p for p in parts]
    return SparsePauliOp.sum(sums)


def _formula(synthesis: Any) -> str:
    """Describe a product formula: its name, and its order and steps if it has them."""
    order, steps = getattr(synthesis, "order", None), getattr(synthesis, "reps", None)
    parts = [type(synthesis).__name__]
    parts += [f"order {order}"] if order is not None else []
    parts += [f"{steps} step{'s' if steps != 1 else ''}"] if steps is not None else []
    return ", ".join(parts)


def _one_gate_circuit(gate: Any) -> QuantumCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    return circuit
