"""A circuit as rotations about Pauli operators and one Clifford operator, and back with given two-qubit gates.

Every gate of a circuit in CX, CY, CZ and one-qubit gates is a Clifford gate or a rotation about a Pauli operator of its
qubit, by an angle that may be open. Seen from the circuit's beginning, a rotation is about the Pauli operator that the
Clifford gates before make of its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Statevector
from qiskit.synthesis import OneQubitEulerDecomposer

from qgen.transpilation.paulis import OF_AXIS, Paulis, X, Y, Z, pulled_back

_CLIFFORD = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap")
_NAMES = {X: "x", Z: "z", Y: "y"}
_AXES = {"rx": "X", "ry": "Y", "rz": "Z", "p": "Z"}
#: Rotations by multiples of a quarter turn, as Clifford gates in the order of time.
_QUARTERS = {
    "X": ((), ("sx",), ("x",), ("sxdg",)),
    "Y": ((), ("z", "h"), ("y",), ("h", "z")),
    "Z": ((), ("s",), ("z",), ("sdg",)),
}
#: Angles that are off a multiple of a quarter turn by less are one.
_TOLERANCE = 1e-12


@dataclass(frozen=True)
class PauliProgram:
    """Rotations, then a Clifford operator.

    Attributes:
        qubits: the circuit's, those with gates; they are numbered by their places here.
        paulis: the operators of the R rotations, seen from the beginning; then, for each qubit, the operators that all
            Clifford gates together make its X and its Z of.
        angles: (R,).
        operations: the circuit's gates and rotations, (N, 4), as in `kernels.parts`.
        measured: (K,), for each qubit the Pauli that is its Z behind these.
    """

    qubits: tuple[Any, ...]
    paulis: Paulis
    angles: tuple[Any, ...]
    operations: np.ndarray
    measured: np.ndarray


def simplified(circuit: QuantumCircuit) -> QuantumCircuit | None:
    """Write a circuit in Clifford gates, `rx`, `ry` and `rz` alone; None if some gate is none of Qiskit's.

    Args:
        circuit: in CX, CY, CZ, SWAP and one-qubit gates.
    """
    plain = circuit.copy_empty_like()
    for step in circuit.data:
        name, operation, qubits = step.operation.name, step.operation, step.qubits
        library = get_standard_gate_name_mapping().get(name)
        if library is None or library.base_class is not getattr(operation, "base_class", None):
            return None
        if name in _CLIFFORD:
            plain.append(step)
        elif name in _AXES:
            _append_rotation(plain, _AXES[name], operation.params[0], qubits)
            if name == "p":
                plain.global_phase += operation.params[0] / 2
        elif len(qubits) == 1 and not any(isinstance(angle, ParameterExpression) for angle in operation.params):
            euler = OneQubitEulerDecomposer("ZYZ")(operation.to_matrix())
            plain.global_phase += euler.global_phase
            for one in euler.data:
                _append_rotation(plain, _AXES[one.operation.name], one.operation.params[0], qubits)
        else:
            return None
    return plain


def _append_rotation(circuit: QuantumCircuit, axis: str, angle: Any, qubits: Sequence[Any]) -> None:
    quarters = None if isinstance(angle, ParameterExpression) else float(angle) / (math.pi / 2)
    if quarters is None or abs(quarters - round(quarters)) > _TOLERANCE:
        getattr(circuit, f"r{axis.lower()}")(angle, qubits[0])
        return
    gates = _QUARTERS[axis][round(quarters) % 4]
    for gate in gates:
        getattr(circuit, gate)(qubits[0])
    circuit.global_phase += _phase(axis, float(angle), gates)


@cache
def _phase(axis: str, angle: float, gates: tuple[str, ...]) -> float:
    """Return the phase of a rotation over that of its gates."""
    rotation, others = QuantumCircuit(1), QuantumCircuit(1)
    getattr(rotation, f"r{axis.lower()}")(angle, 0)
    for gate in gates:
        getattr(others, gate)(0)
    return float(np.angle(np.vdot(Statevector(others).data, Statevector(rotation).data)))


def pauli_program(circuit: QuantumCircuit) -> PauliProgram:
    """Read a `simplified` circuit."""
    used = {qubit for step in circuit.data for qubit in step.qubits}
    qubits = tuple(qubit for qubit in circuit.qubits if qubit in used)
    index = {qubit: k for k, qubit in enumerate(qubits)}
    steps = [(step.operation, [index[qubit] for qubit in step.qubits]) for step in circuit.data]
    angles = tuple(operation.params[0] for operation, _ in steps if operation.params)
    paulis = Paulis(len(angles) + 2 * len(qubits), len(qubits))
    for qubit in range(len(qubits)):
        for pauli in (X, Z):
            paulis.set(len(angles) + 2 * qubit + pauli - 1, qubit, pauli)
    left = len(angles)
    for operation, places in reversed(steps):
        if operation.params:
            left -= 1
            paulis.set(left, places[0], OF_AXIS[_AXES[operation.name]])
        elif len(places) == 1:
            paulis.pull_back(operation.name, places[0])
        else:
            for first, p, second, q in reversed(_controls(operation.name, places)):
                paulis.conjugate(first, p, second, q)
    return PauliProgram(qubits, paulis, angles, *_operations(steps, len(qubits)))


def _operations(steps: Sequence[tuple[Any, list[int]]], qubits: int) -> tuple[np.ndarray, np.ndarray]:
    """Move all one-qubit gates to the end, which exchange the Paulis of what they pass; return these of Z, too."""
    before = [[0, X, Z, Y] for _ in range(qubits)]  # for each qubit, what its Paulis are before those gates
    rows, rotations = list[tuple[int, int, int, int]](), 0
    for operation, places in steps:
        one = before[places[0]]
        if operation.params:
            rows.append((places[0], -1, one[OF_AXIS[_AXES[operation.name]]], rotations))
            rotations += 1
        elif len(places) == 1:
            x, z = (one[pauli] for pauli, _ in pulled_back(operation.name))
            before[places[0]] = [0, x, z, x ^ z]
        else:
            controls = _controls(operation.name, places)
            rows += [(first, second, before[first][p], before[second][q]) for first, p, second, q in controls]
    return np.array(rows, np.int32).reshape(-1, 4), np.array([one[Z] for one in before], np.int64)


def _controls(name: str, places: Sequence[int]) -> list[tuple[int, int, int, int]]:
    """Return a two-qubit gate as Paulis that control each other: qubit, Pauli, qubit, Pauli."""
    a, b = places
    if name == "swap":
        return [(a, Z, b, X), (a, X, b, Z), (a, Z, b, X)]
    return [(a, Z, b, OF_AXIS[name[1].upper()])]


def emit(program: PauliProgram, operations: np.ndarray) -> QuantumCircuit:
    """Write a program with other operations, one-qubit gates between them; up to its phase.

    Args:
        program: on K qubits.
        operations: see `kernels.parts`.

    Raises:
        ValueError: it cannot be done with these.
    """
    circuit, paulis = QuantumCircuit(len(program.qubits)), program.paulis.copy()
    left = np.arange(len(paulis.power)) < len(program.angles)  # rotations that are to come
    for first, second, p, q in operations.tolist():
        if second >= 0:
            _append_controlled(circuit, first, p, second, q)
            paulis.conjugate(first, p, second, q)
            continue
        place, angle, earlier = paulis.place(q), program.angles[q], np.flatnonzero(left[:q])
        if not left[q] or place is None or place[:2] != (first, p) or not paulis.commutes(q, earlier):
            raise ValueError("these operations lead to another unitary")
        left[q] = False
        getattr(circuit, f"r{_NAMES[p]}")(-angle if place.negative else angle, first)
    for qubit in range(circuit.num_qubits):
        x, z = (paulis.place(len(program.angles) + 2 * qubit + k) for k in range(2))
        if left.any() or x is None or z is None or not x.qubit == z.qubit == qubit:
            raise ValueError("these operations lead to another unitary")
        for name in _local_cliffords()[x[1:], z[1:]]:
            getattr(circuit, name)(qubit)
    return circuit


#: Gates in the order of time that make a Pauli Z; those that undo them.
_TO_Z = {X: (("h",), ("h",)), Y: (("sx",), ("sxdg",)), Z: ((), ())}


def _append_controlled(circuit: QuantumCircuit, first: int, p: int, second: int, q: int) -> None:
    if q == Z:
        first, second, p, q = second, first, q, p
    there, back = _TO_Z[p]
    for name in there:
        getattr(circuit, name)(first)
    getattr(circuit, f"c{_NAMES[q]}")(first, second)
    for name in back:
        getattr(circuit, name)(first)


@cache
def _local_cliffords() -> dict[tuple[tuple[int, bool], tuple[int, bool]], tuple[str, ...]]:
    """What X and Z were before -> gates in the order of time that lead back to them."""
    found: dict[tuple[tuple[int, bool], tuple[int, bool]], tuple[str, ...]] = {}
    words = sorted(
        product(("", "h", "s", "sdg", "sx", "sxdg"), ("", "h", "s", "sx"), ("", "x", "y", "z")),
        key=lambda word: sum(map(bool, word)),
    )
    for word in words:
        gates, paulis = tuple(one for one in word if one), Paulis(2, 1)
        paulis.set(0, 0, X)
        paulis.set(1, 0, Z)
        for gate in reversed(gates):
            paulis.pull_back(gate, 0)
        x, z = paulis.place(0), paulis.place(1)
        if x is not None and z is not None:
            found.setdefault((x[1:], z[1:]), gates)
    return found
