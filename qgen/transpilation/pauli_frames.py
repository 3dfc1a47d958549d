"""A circuit as rotations about Pauli operators and one Clifford operator, and back with given two-qubit gates.

Every gate of a circuit in CX, CY, CZ and one-qubit gates is a Clifford gate or a rotation about a Pauli operator of its
qubit, by an angle that may be open. Seen from the circuit's beginning, a rotation is about the Pauli operator that the
Clifford gates before make of its own.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, ParameterExpression
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.quantum_info import Clifford, Pauli, PauliList, Statevector
from qiskit.synthesis import OneQubitEulerDecomposer

_CLIFFORD = ("id", "x", "y", "z", "h", "s", "sdg", "sx", "sxdg", "cx", "cy", "cz", "swap")
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
        rotations: their operators, seen from the beginning, with signs.
        angles: one each.
        clifford: all Clifford gates together.
    """

    rotations: PauliList
    angles: tuple[Any, ...]
    clifford: Clifford


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


def pauli_program(steps: Iterable[CircuitInstruction], index: dict[Any, int]) -> PauliProgram:
    """Read the gates of a `simplified` circuit.

    Args:
        steps: the gates.
        index: qubit -> its number.
    """
    clifford = Clifford(np.eye(2 * len(index), dtype=bool))
    rotations, angles = [], []
    for step in steps:
        qubits = [index[qubit] for qubit in step.qubits]
        if step.operation.params:
            label = ["I"] * len(index)
            label[-1 - qubits[0]] = _AXES[step.operation.name]
            rotations.append(Pauli("".join(label)).evolve(clifford, frame="h"))
            angles.append(step.operation.params[0])
        else:
            clifford = clifford.compose(step.operation, qubits)
    empty = PauliList(["I" * len(index)])[:0]
    return PauliProgram(PauliList(rotations) if rotations else empty, tuple(angles), clifford)


def goals(clifford: Clifford) -> PauliList:
    """For each qubit the operators that a Clifford operator makes its X and its Z of."""
    labels = ["I" * (clifford.num_qubits - 1 - k) + axis + "I" * k for k in range(clifford.num_qubits) for axis in "XZ"]
    return PauliList(labels).evolve(clifford, frame="h")


def emit(
    program: PauliProgram, before: Sequence[Sequence[int]], gates: Sequence[tuple[tuple[int, int], str]]
) -> QuantumCircuit:
    """Write a program with given two-qubit gates, one-qubit gates between them; up to its phase.

    Args:
        program: on K qubits.
        before: for each rotation, those before it.
        gates: two qubits, and the Paulis, of "XYZ", that control each other there.

    Raises:
        ValueError: it cannot be done with these gates.
    """
    circuit = QuantumCircuit(program.clifford.num_qubits)
    rotations, last = program.rotations.copy(), goals(program.clifford)
    left = dict(enumerate(before))

    def turn() -> None:
        for k, others in list(left.items()):
            place = _place(rotations[k])
            if place is not None and not any(one in left for one in others):
                sign = -1 if place.negative else 1
                getattr(circuit, f"r{place.axis.lower()}")(sign * program.angles[k], place.qubit)
                del left[k]

    turn()
    for pair, paulis in gates:
        for name, qubits in _controlled(pair, paulis):
            gate = get_standard_gate_name_mapping()[name]
            circuit.append(gate, qubits)
            rotations, last = (some.evolve(gate, qubits, frame="s") for some in (rotations, last))
        turn()
    for qubit in range(circuit.num_qubits):
        x, z = (_place(last[2 * qubit + k]) for k in range(2))
        if left or x is None or z is None or not x.qubit == z.qubit == qubit:
            raise ValueError("these gates lead to another unitary")
        for name in _local_cliffords()[x.axis, x.negative, z.axis, z.negative]:
            getattr(circuit, name)(qubit)
    return circuit


class _Place(NamedTuple):
    """A Pauli operator of one qubit."""

    qubit: int
    axis: str
    negative: bool


def _place(pauli: Pauli) -> _Place | None:
    """Return where a Pauli operator is; None if it is on several qubits."""
    support = np.flatnonzero(pauli.x | pauli.z)
    if len(support) != 1:
        return None
    label = pauli.to_label()
    return _Place(int(support[0]), label.strip("-I"), label.startswith("-"))


#: Gates in the order of time that make a Pauli Z; those that undo them.
_TO_Z = {"X": (("h",), ("h",)), "Y": (("sx",), ("sxdg",)), "Z": ((), ())}


def _controlled(pair: tuple[int, int], paulis: str) -> list[tuple[str, list[int]]]:
    (first, second), p, q = pair, paulis[0], paulis[1]
    if q == "Z":
        first, second, p, q = second, first, q, p
    there, back = _TO_Z[p]
    name = f"c{q.lower()}"
    return [*((one, [first]) for one in there), (name, [first, second]), *((one, [first]) for one in back)]


@cache
def _local_cliffords() -> dict[tuple[str, bool, str, bool], tuple[str, ...]]:
    """Images of X and Z (axis and whether it is negative) -> gates in the order of time that lead back to X and Z."""
    found: dict[tuple[str, bool, str, bool], tuple[str, ...]] = {}
    words = sorted(
        product(("", "h", "s", "sdg", "sx", "sxdg"), ("", "h", "s", "sx"), ("", "x", "y", "z")),
        key=lambda word: sum(map(bool, word)),
    )
    for word in words:
        gates = tuple(one for one in word if one)
        x, z = Pauli("X"), Pauli("Z")
        for gate in reversed(gates):
            x, z = (one.evolve(get_standard_gate_name_mapping()[gate], frame="h") for one in (x, z))
        of_x, of_z = (one.to_label() for one in (x, z))
        found.setdefault((of_x[-1], of_x.startswith("-"), of_z[-1], of_z.startswith("-")), gates)
    return found


def phase_between(circuit: QuantumCircuit, other: QuantumCircuit) -> float:
    """Return the phase of the second circuit over the first, with all angles at 0.

    Raises:
        ValueError: they differ by more than a phase.
    """
    one, two = (Statevector(_at_zero(some)) for some in (circuit, other))
    overlap = np.vdot(one.data, two.data)
    if abs(abs(overlap) - 1) > 1e-9:
        raise ValueError("the two circuits differ")
    return float(np.angle(overlap))


def _at_zero(circuit: QuantumCircuit) -> QuantumCircuit:
    clifford = QuantumCircuit(circuit.num_qubits)
    for step in circuit.data:
        if not step.operation.params:
            clifford.append(step.operation, [circuit.find_bit(qubit).index for qubit in step.qubits])
    return clifford
