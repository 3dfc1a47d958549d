"""Restrict a transpiled circuit to the qubits that it uses, with relaxation of idle qubits, for simulation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from qiskit import QuantumCircuit
from qiskit.quantum_info import SuperOp
from qiskit.transpiler import Target

from qgen.noise.model import aer_noise
from qgen.transpilation.schedule import MIN_IDLE, NON_GATES, DeviceInstruction, device_instructions, idle_after


@dataclass(frozen=True, eq=False)
class CompactCircuit:
    """A transpiled circuit on the qubits that it uses.

    Args:
        isa: in the device's own gates, on its physical qubits, without measurements.
        target: the device.
        measured: the physical qubits that are read at the end.

    Raises:
        BackendError: (of every method) the device does not have one of the gates on its qubits.
    """

    isa: QuantumCircuit
    target: Target
    measured: tuple[int, ...]

    @cached_property
    def instructions(self) -> list[DeviceInstruction]:
        """The instructions with their durations and errors."""
        return device_instructions(self.isa, self.target)

    @cached_property
    def wires(self) -> dict[int, int]:
        """Physical qubit in use -> its wire in the simulation."""
        gates = [one for one in self.instructions if one.name not in NON_GATES]
        used = sorted({qubit for gate in gates for qubit in gate.qubits} | set(self.measured))
        return {qubit: wire for wire, qubit in enumerate(used)}

    def plain(self) -> QuantumCircuit:
        """Return the gates alone."""
        return self._build([{}] * len(self.instructions))

    def with_idle_relaxation(self) -> QuantumCircuit:
        """Return the gates, with relaxation of idle qubits."""
        return self._build(_idle_after(self.instructions, self.measured))

    def _build(self, idle_after: Sequence[Mapping[int, float]]) -> QuantumCircuit:
        compact = QuantumCircuit(len(self.wires), global_phase=self.isa.global_phase)
        for instruction, timed, idle in zip(self.isa.data, self.instructions, idle_after, strict=True):
            if timed.name not in NON_GATES:
                compact.append(instruction.operation, [self.wires[qubit] for qubit in timed.qubits])
            for qubit in idle.keys() & self.wires.keys():
                channel = relaxation(self.target, qubit, idle[qubit])
                if channel is not None:
                    compact.append(channel, [self.wires[qubit]])
        return compact


def _idle_after(instructions: Sequence[DeviceInstruction], measured: Iterable[int]) -> list[dict[int, float]]:
    """For each instruction, the idle seconds of its qubits after it; none if the duration of an instruction is unknown.

    A delay of the circuit itself counts as such, too.
    """
    idle = idle_after(instructions, measured)
    if idle is None:
        return [{}] * len(instructions)
    own = [(one.duration or 0.0) if one.name == "delay" else 0.0 for one in instructions]
    return [{q: more + seconds for q, seconds in after.items()} for after, more in zip(idle, own, strict=True)]


def relaxation(target: Target, qubit: int, seconds: float) -> Any:
    """Return the relaxation of an idle qubit as an instruction; None for no time, or if T1 and T2 are unknown."""
    properties = target.qubit_properties[qubit] if target.qubit_properties else None
    t1 = getattr(properties, "t1", None) or inf
    t2 = min(getattr(properties, "t2", None) or inf, 2 * t1)  # some snapshots have an impossible T2
    if seconds < MIN_IDLE or (t1 == inf and t2 == inf):
        return None
    return SuperOp(aer_noise().thermal_relaxation_error(t1, t2, seconds)).to_instruction()
