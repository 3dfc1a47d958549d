"""Delays on their way through Qiskit's transpiler, which for most devices takes none outside of a schedule.

Each one is a gate of its own until the circuit is placed, so that nothing moves across it; then it is a delay again: in
whole steps of the device's clock, where it has one, or of an open length in seconds.
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

#: Each wait's own parameter, and the delay that it stands for.
Waits: TypeAlias = Mapping[Parameter, Delay]

_NAME = "wait"
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9, "ps": 1e-12}


def hide_delays(circuit: QuantumCircuit) -> tuple[QuantumCircuit, Waits]:
    """The circuit with a gate in place of each delay, and what these stand for; the same object where there is none."""
    if not any(isinstance(step.operation, Delay) for step in circuit.data):
        return circuit, {}
    hidden = circuit.copy_empty_like()
    waits: dict[Parameter, Delay] = {}
    for step in circuit.data:
        if not isinstance(step.operation, Delay):
            hidden.append(step)
            continue
        parameter = Parameter(f"wait{len(waits)}")
        waits[parameter] = step.operation
        hidden.append(Gate(_NAME, 1, [parameter]), step.qubits)
    return hidden, waits


def with_waits(target: Target, waits: Waits) -> Target:
    """A target that has that gate, without error, on each of its qubits; the same one where there are no waits."""
    if not waits:
        return target
    wider = deepcopy(target)
    places = None if target.num_qubits is None else {(k,): None for k in range(target.num_qubits)}
    free = InstructionProperties(duration=0.0, error=0.0)
    gate = Gate(_NAME, 1, [Parameter("length")])
    wider.add_instruction(gate, places and dict.fromkeys(places, free), name=_NAME)
    return wider


def show_delays(isa: QuantumCircuit, waits: Waits, target: Target) -> QuantumCircuit:
    """The placed circuit with its delays.

    Raises:
        BackendError: a delay in a unit that the device does not have.
    """
    if not waits:
        return isa
    shown = isa.copy_empty_like()
    for step in isa.data:
        operation = step.operation
        if operation.name == _NAME and operation.params[0] in waits:
            operation = _on_device(waits[operation.params[0]], target)
        shown.append(operation, step.qubits, step.clbits)
    return shown


def open_delays(circuit: QuantumCircuit) -> list[Parameter]:
    """The parameters of delays whose length is open."""
    lengths = [step.operation.duration for step in circuit.data if isinstance(step.operation, Delay)]
    return [p for length in lengths if isinstance(length, ParameterExpression) for p in length.parameters]


def _on_device(delay: Delay, target: Target) -> Delay:
    if delay.unit == "dt" and target.dt is None:
        raise BackendError(
            "a delay is given in `dt`, and the device does not say how long that is: give it in ns or us"
        )
    seconds = delay.duration * (target.dt if delay.unit == "dt" else _SECONDS[delay.unit])
    if isinstance(seconds, ParameterExpression):
        if seconds.parameters:
            return Delay(seconds, "s")
        seconds = float(seconds.numeric())
    if target.dt is None:
        return Delay(seconds, "s")
    steps = lcm(target.granularity, target.pulse_alignment)
    return Delay(steps * round(seconds / target.dt / steps), "dt")
