"""A transpiled circuit on the qubits that it uses, and with relaxation where they wait: what a simulation runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import inf
from typing import Any

from qiskit import QuantumCircuit
from qiskit.quantum_info import SuperOp
from qiskit.transpiler import Target

from qgen.noise.source import aer_noise
from qgen.transpilation.figures import BESIDES, Step, read_steps

#: Seconds below which a wait is what rounding leaves.
_INSTANT = 1e-12


@dataclass(frozen=True, eq=False)
class CompactCircuit:
    """A circuit of a device on the qubits that it uses.

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
    def steps(self) -> list[Step]:
        """The instructions, with what the device says of each."""
        return read_steps(self.isa, self.target)

    @cached_property
    def wires(self) -> dict[int, int]:
        """Physical qubit in use -> its wire in the simulation."""
        gates = [step for step in self.steps if step.name not in BESIDES]
        used = sorted({qubit for step in gates for qubit in step.qubits} | set(self.measured))
        return {qubit: wire for wire, qubit in enumerate(used)}

    def plain(self) -> QuantumCircuit:
        """The gates alone."""
        return self._compact([{}] * len(self.steps))

    def waiting(self) -> QuantumCircuit:
        """The gates, and relaxation wherever a qubit waits."""
        return self._compact(_pauses(self.steps, self.measured))

    def _compact(self, pauses: Sequence[Mapping[int, float]]) -> QuantumCircuit:
        compact = QuantumCircuit(len(self.wires), global_phase=self.isa.global_phase)
        for instruction, step, pause in zip(self.isa.data, self.steps, pauses, strict=True):
            if step.name not in BESIDES:
                compact.append(instruction.operation, [self.wires[qubit] for qubit in step.qubits])
            for qubit in pause.keys() & self.wires.keys():
                channel = relaxation(self.target, qubit, pause[qubit])
                if channel is not None:
                    compact.append(channel, [self.wires[qubit]])
        return compact


def _pauses(steps: Sequence[Step], measured: Iterable[int]) -> list[dict[int, float]]:
    """After each step the seconds for which its qubits wait; none where the time of a step is not known.

    Everything is as late as in `qgen.transpilation.figures.schedule`; a qubit that is not measured has nothing to lose
    after its last gate.
    """
    pauses: list[dict[int, float]] = []
    left: dict[int, float] = {}  # qubit -> seconds from the start of its next step to the end of the circuit
    matter = set(measured)
    for step in reversed(steps):
        if step.duration is None:
            return [{}] * len(steps)
        end = max((left.get(qubit, 0.0) for qubit in step.qubits), default=0.0)
        own = step.duration if step.name == "delay" else 0.0
        pauses.append({qubit: end - left.get(qubit, 0.0) + own for qubit in step.qubits if qubit in matter})
        left.update(dict.fromkeys(step.qubits, end + step.duration))
        if step.takes_time:
            matter.update(step.qubits)
    return pauses[::-1]


def relaxation(target: Target, qubit: int, seconds: float) -> Any:
    """What waiting does to a qubit, as an instruction; None for no time, or where neither T1 nor T2 is known."""
    about = target.qubit_properties[qubit] if target.qubit_properties else None
    t1 = getattr(about, "t1", None) or inf
    t2 = min(getattr(about, "t2", None) or inf, 2 * t1)  # some snapshots have a T2 that cannot be
    if seconds < _INSTANT or (t1 == inf and t2 == inf):
        return None
    return SuperOp(aer_noise().thermal_relaxation_error(t1, t2, seconds)).to_instruction()
