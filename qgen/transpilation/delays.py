"""Carry delays through Qiskit's transpiler, which drops them for most devices unless it schedules the circuit.

Each delay becomes a gate of its own until the circuit is routed, so that nothing moves across it. Then it is a delay
again: in whole steps of the device's clock, or in seconds if the device has no clock or the length is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from math import lcm
from typing import TypeAlias

from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Gate, Parameter, ParameterExpression
from qiskit.transpiler import InstructionProperties, Target

from qgen.errors import BackendError
from qgen.transpilation.schedule import SECONDS_PER_UNIT

#: The parameter of each placeholder gate, and the delay that it stands for.
Placeholders: TypeAlias = Mapping[Parameter, Delay]

_NAME = "wait"


def delays_to_gates(circuit: QuantumCircuit) -> tuple[QuantumCircuit, Placeholders]:
    """Replace each delay by a placeholder gate; the same object is returned if there is none."""
    if not any(isinstance(instruction.operation, Delay) for instruction in circuit.data):
        return circuit, {}
    replaced = circuit.copy_empty_like()
    placeholders: dict[Parameter, Delay] = {}
    for instruction in circuit.data:
        if not isinstance(instruction.operation, Delay):
            replaced.append(instruction)
            continue
        parameter = Parameter(f"wait{len(placeholders)}")
        placeholders[parameter] = instruction.operation
        replaced.append(Gate(_NAME, 1, [parameter]), instruction.qubits)
    return replaced, placeholders


def target_with_placeholders(target: Target, placeholders: Placeholders) -> Target:
    """Add the placeholder gate to each qubit of a target, without error; the same target if there are none."""
    if not placeholders:
        return target
    extended = deepcopy(target)
    qubits = None if target.num_qubits is None else {(k,): None for k in range(target.num_qubits)}
    free = InstructionProperties(duration=0.0, error=0.0)
    gate = Gate(_NAME, 1, [Parameter("length")])
    extended.add_instruction(gate, qubits and dict.fromkeys(qubits, free), name=_NAME)
    return extended


def gates_to_delays(isa: QuantumCircuit, placeholders: Placeholders, target: Target) -> QuantumCircuit:
    """Replace the placeholder gates of a transpiled circuit by their delays.

    Raises:
        BackendError: a delay in a unit that the device does not have.
    """
    if not placeholders:
        return isa
    restored = isa.copy_empty_like()
    for instruction in isa.data:
        operation = instruction.operation
        if operation.name == _NAME and operation.params[0] in placeholders:
            operation = _device_delay(placeholders[operation.params[0]], target)
        restored.append(operation, instruction.qubits, instruction.clbits)
    return restored


def delay_parameters(circuit: QuantumCircuit) -> list[Parameter]:
    """List the parameters that lengths of delays depend on."""
    delays = [instruction.operation for instruction in circuit.data if isinstance(instruction.operation, Delay)]
    lengths = [delay.duration for delay in delays if isinstance(delay.duration, ParameterExpression)]
    return [parameter for length in lengths for parameter in length.parameters]


def _device_delay(delay: Delay, target: Target) -> Delay:
    if delay.unit == "dt" and target.dt is None:
        raise BackendError(
            "a delay is given in `dt`, and the device does not say how long that is: give it in ns or us"
        )
    seconds = delay.duration * (target.dt if delay.unit == "dt" else SECONDS_PER_UNIT[delay.unit])
    if isinstance(seconds, ParameterExpression):
        if seconds.parameters:
            return Delay(seconds, "s")
        seconds = float(seconds.numeric())
    if target.dt is None:
        return Delay(seconds, "s")
    steps = lcm(target.granularity, target.pulse_alignment)
    return Delay(steps * round(seconds / target.dt / steps), "dt")
