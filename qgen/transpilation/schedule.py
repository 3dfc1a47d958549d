"""Schedule a circuit on a device: durations and errors of its instructions, and their times, as late as possible."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from qiskit import QuantumCircuit
from qiskit.circuit import Delay, ParameterExpression
from qiskit.transpiler import InstructionProperties, Target

from qgen.errors import BackendError

MICROSECONDS = 1e6
#: Instructions that are not gates. A barrier orders, a delay waits, a measurement is counted by `Success.readout`.
NON_GATES = ("barrier", "delay", "measure")
#: Gates that are changes of a qubit's frame; they take no time even if the device gives no duration.
_VIRTUAL = ("rz", "p", "u1", "id")
#: Idle seconds below which they are rounding errors.
MIN_IDLE = 1e-12
SECONDS_PER_UNIT = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


class DeviceInstruction(NamedTuple):
    """An instruction of a circuit on a device.

    Attributes:
        name: of the gate, "barrier", "delay" or "measure".
        qubits: physical qubits.
        duration: in seconds; None if the device gives none.
        error: in [0, 1]; None if the device gives no usable number.
    """

    name: str
    qubits: tuple[int, ...]
    duration: float | None
    error: float | None

    @property
    def takes_time(self) -> bool:
        """Whether this is a gate that is more than a change of frame."""
        if self.name in NON_GATES:
            return False
        return self.name not in _VIRTUAL if self.duration is None else self.duration > 0


class Schedule(NamedTuple):
    """An ALAP schedule.

    Attributes:
        duration: seconds from the start of the first gate to the end of the last one.
        idle: physical qubit -> idle seconds; see `CircuitMetrics.idle_us`.
    """

    duration: float
    idle: dict[int, float]


def device_instructions(isa: QuantumCircuit, target: Target) -> list[DeviceInstruction]:
    """Read the duration and error of each instruction from the device.

    Args:
        isa: a circuit in the device's own gates, on its physical qubits.
        target: the device.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    cache: dict[tuple[str, tuple[int, ...]], DeviceInstruction] = {}
    index = {qubit: k for k, qubit in enumerate(isa.qubits)}
    instructions = []
    for instruction in isa.data:
        name, qubits = instruction.name, tuple([index[qubit] for qubit in instruction.qubits])
        if name in NON_GATES:
            duration = _delay_seconds(instruction.operation, target) if name == "delay" else 0.0
            instructions.append(DeviceInstruction(name, qubits, duration, None))
            continue
        if (name, qubits) not in cache:
            properties = gate_properties(target, name, qubits)
            duration = None if properties is None else properties.duration
            if duration is None and name in _VIRTUAL:
                duration = 0.0
            cache[name, qubits] = DeviceInstruction(name, qubits, duration, reported_error(properties))
        instructions.append(cache[name, qubits])
    return instructions


def gate_properties(target: Target, name: str, qubits: tuple[int, ...]) -> InstructionProperties | None:
    """Return what the device reports of a gate on these qubits; None if it reports nothing.

    Raises:
        BackendError: the device does not have the gate there.
    """
    by_qubits = target.get(name) or {}
    if qubits in by_qubits:
        return by_qubits[qubits]
    if None in by_qubits:  # a global gate
        return None
    raise BackendError(f"the device has no gate `{name}` on qubits {list(qubits)}: transpile the circuit for it first")


def reported_error(properties: InstructionProperties | None) -> float | None:
    """Return a reported error as a probability; None if it is missing or not a number."""
    error = None if properties is None else properties.error
    return None if error is None or not math.isfinite(error) else min(max(float(error), 0.0), 1.0)


def alap_ends(instructions: Sequence[DeviceInstruction]) -> list[float] | None:
    """Compute the seconds from the end of each instruction to the end of the circuit, all as late as possible.

    None if the duration of an instruction is unknown.
    """
    start: dict[int, float] = {}  # qubit -> seconds from the start of its next instruction to the end of the circuit
    ends: list[float] = []
    for instruction in reversed(instructions):
        if instruction.duration is None:
            return None
        end = max((start.get(qubit, 0.0) for qubit in instruction.qubits), default=0.0)
        start.update(dict.fromkeys(instruction.qubits, end + instruction.duration))
        ends.append(end)
    return ends[::-1]


def schedule(instructions: Sequence[DeviceInstruction], measured: Iterable[int]) -> Schedule | None:
    """Compute the duration and the idle times of an ALAP schedule; None if the duration of an instruction is unknown.

    As late as possible, because a qubit cannot lose what it does not hold yet: before its first gate it is in its
    ground state.

    Args:
        instructions: of the circuit.
        measured: the physical qubits that are read at the end.
    """
    ends = alap_ends(instructions)
    if ends is None:
        return None
    read = set(measured)
    start: dict[int, float] = {}  # qubit -> seconds from the start of its first gate to the end of the circuit
    busy: dict[int, float] = {}
    tail: dict[int, float] = {}  # seconds after the last gate of a qubit that is not read
    for instruction, end in zip(reversed(instructions), reversed(ends), strict=True):
        if not instruction.takes_time or instruction.duration is None:
            continue
        for qubit in instruction.qubits:
            start[qubit] = end + instruction.duration
            busy[qubit] = busy.get(qubit, 0.0) + instruction.duration
            if qubit not in read:
                tail.setdefault(qubit, end)
    idle = {qubit: max(start[qubit] - busy[qubit] - tail.get(qubit, 0.0), 0.0) for qubit in busy}
    return Schedule(max(start.values(), default=0.0), idle)


def idle_after(instructions: Sequence[DeviceInstruction], measured: Iterable[int]) -> list[dict[int, float]] | None:
    """For each instruction, the seconds that its qubits wait after it, everything as late as in `schedule`.

    Until their next instruction, or until the end of the circuit if they are measured. A qubit that is not measured has
    nothing to lose after its last gate, and is left out there. A delay of the circuit itself is no such time.

    Args:
        instructions: of the circuit.
        measured: the physical qubits that are read at the end.

    Returns:
        qubit -> seconds, for each instruction; None if the duration of an instruction is unknown.
    """
    ends = alap_ends(instructions)
    if ends is None:
        return None
    idle: list[dict[int, float]] = []
    following: dict[int, float] = {}  # qubit -> seconds from the start of its next instruction to the circuit's end
    relevant = set(measured)
    for one, end in zip(reversed(instructions), reversed(ends), strict=True):
        idle.append({qubit: end - following.get(qubit, 0.0) for qubit in one.qubits if qubit in relevant})
        following.update(dict.fromkeys(one.qubits, end + (one.duration or 0.0)))
        if one.takes_time:
            relevant.update(one.qubits)
    return idle[::-1]


def _delay_seconds(delay: Delay, target: Target) -> float | None:
    """Return the length of a delay; None if it is a parameter, or in device units of unknown length."""
    unit = target.dt if delay.unit == "dt" else SECONDS_PER_UNIT.get(delay.unit)
    if unit is None or isinstance(delay.duration, ParameterExpression):
        return None
    return float(delay.duration * unit)
