"""Rotations that turn the axes of a measurement basis onto Z, at the end of a routed circuit."""

from __future__ import annotations

from collections.abc import Sequence
from math import fsum

from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Gate
from qiskit.transpiler import Target

from qgen.backends.measurement import ONTO_Z, Basis
from qgen.transpilation.idle_delays import check_durations
from qgen.transpilation.schedule import MIN_IDLE, device_instructions
from qgen.transpilation.transpile import TranspileOptions, run_preset


class BasisChanges:
    """The rotations of some bases, in the gates of a device.

    Args:
        target: the device.
        bases: by logical qubits.
        wires: of each logical qubit.
        physical: the physical qubit of each wire.
        idle: a qubit that is read waits, in a `delay`, while others turn. It waits as long in all bases, for the
            longest turn in any of them: what is read of some qubits is then the same whatever is read of others.

    Raises:
        BackendError: with `idle`, the device does not say how long a rotation takes.
    """

    def __init__(
        self, target: Target, bases: Sequence[Basis], wires: Sequence[int], physical: Sequence[int], idle: bool = False
    ) -> None:
        self._turns, self._wires, self._physical = _Turns(target), wires, physical
        turned = [(wires[q], axis) for basis in bases for q, axis in enumerate(basis.axes) if axis in ONTO_Z]
        self._idle = idle
        self._longest = max((self._seconds(wire, axis) for wire, axis in turned), default=0.0) if idle else 0.0

    def append(self, body: QuantumCircuit, basis: Basis) -> QuantumCircuit:
        """Return the body followed by the rotations of a basis onto Z."""
        circuit = body.copy()
        for wire, axis in zip(self._wires, basis.axes, strict=True):
            if axis == "I":
                continue
            if self._idle:
                waits = self._longest - self._seconds(wire, axis)
                if waits >= MIN_IDLE:
                    circuit.append(Delay(waits, "s"), [wire])
            if axis in ONTO_Z:
                circuit.compose(self._turns.circuit(self._physical[wire], axis), [wire], inplace=True)
        return circuit

    def _seconds(self, wire: int, axis: str) -> float:
        return self._turns.seconds(self._physical[wire], axis) if axis in ONTO_Z else 0.0


class _Turns:
    """Rotations of an axis onto Z in a target's own gates, found once for every set of gates that its qubits have."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._known: dict[tuple[str, ...], QuantumCircuit] = {}

    def circuit(self, position: int, axis: str) -> QuantumCircuit:
        """On one qubit, for this physical qubit."""
        gates = self._gates(position)
        if (axis, *gates) not in self._known:
            alone = Target(num_qubits=1)
            for name, gate in gates.items():
                alone.add_instruction(gate, {(0,): None}, name=name)
            change = QuantumCircuit(1)
            for name in ONTO_Z[axis]:
                getattr(change, name)(0)
            self._known[axis, *gates] = run_preset(change, alone, TranspileOptions(level=1, seed=0))
        return self._known[axis, *gates]

    def seconds(self, position: int, axis: str) -> float:
        """How long it takes on this physical qubit."""
        wide = QuantumCircuit(position + 1).compose(self.circuit(position, axis), [position])
        instructions = device_instructions(wide, self._target)
        check_durations(instructions)
        return fsum(one.duration or 0.0 for one in instructions)

    def _gates(self, position: int) -> dict[str, Gate]:
        """The gates on this one qubit, by name."""
        try:
            names = sorted(self._target.operation_names_for_qargs((position,)))
        except KeyError:  # it has none
            return {}
        gates = {name: self._target.operation_from_name(name) for name in names}
        return {name: gate for name, gate in gates.items() if isinstance(gate, Gate) and gate.num_qubits == 1}
