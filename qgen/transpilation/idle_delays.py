"""Delays wherever a qubit waits, so that a noise model that knows relaxation in delays has it in waiting, too."""

from __future__ import annotations

from collections.abc import Iterable

from qiskit import QuantumCircuit
from qiskit.circuit import Delay
from qiskit.transpiler import Target

from qgen.errors import BackendError
from qgen.transpilation.schedule import MIN_IDLE, DeviceInstruction, device_instructions, idle_after


def insert_idle_delays(isa: QuantumCircuit, target: Target, measured: Iterable[int]) -> QuantumCircuit:
    """Schedule a circuit as late as possible, and put a delay, in seconds, wherever a qubit waits.

    Qubits wait between their gates and, if they are measured, from their last gate until all are measured: the time
    that is `CircuitMetrics.idle_us`. Nothing is inserted before the first gate of a qubit, which is in its ground
    state, nor after the last gate of one that is not measured.

    Args:
        isa: in the device's own gates, on its physical qubits, without measurements.
        target: the device.
        measured: the physical qubits that are read at the end.

    Returns:
        A circuit with the same gates, parameters and layout.

    Raises:
        BackendError: the length of a delay is a parameter, the device does not say how long a gate takes, or does not
            have it.
    """
    instructions = device_instructions(isa, target)
    check_durations(instructions)
    idle = idle_after(instructions, measured) or []
    padded, begun = isa.copy_empty_like(), set[int]()
    for instruction, timed, waits in zip(isa.data, instructions, idle, strict=True):
        padded.append(instruction)
        if timed.takes_time:
            begun.update(timed.qubits)
        for qubit, seconds in waits.items():
            if qubit in begun and seconds >= MIN_IDLE:
                padded.append(Delay(seconds, "s"), [isa.qubits[qubit]])
    return padded


def check_durations(instructions: Iterable[DeviceInstruction]) -> None:
    """Refuse to schedule what takes a time that is not known.

    Raises:
        BackendError: there is such an instruction.
    """
    unknown = next((one for one in instructions if one.duration is None), None)
    if unknown is None:
        return
    where = f"on qubit{'s' if len(unknown.qubits) > 1 else ''} {', '.join(map(str, unknown.qubits))}"
    why = (
        "the length of a delay is a parameter: give it a number"
        if unknown.name == "delay"
        else f"the device does not say how long `{unknown.name}` takes {where}: take another device"
    )
    raise BackendError(f"how long qubits wait is not known, {why}, or leave idle noise off")
