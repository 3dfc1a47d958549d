"""A line about the qubit that most errors of a placed circuit happen on, if there is one."""

from __future__ import annotations

from collections.abc import Iterator

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Delay, ParameterExpression

from qgen.backends.device.routing import RoutedCircuit
from qgen.noise import LocalNoise
from qgen.noise.dominance import Dominance, dominant_wire, expected_errors
from qgen.transpilation.schedule import SECONDS_PER_UNIT


def dominant_qubit(routed: RoutedCircuit, noise: LocalNoise) -> tuple[int, Dominance] | None:
    """Return the physical qubit that dominates the errors of a circuit in its first basis; None if none does.

    Delays of open length do not count.

    Args:
        routed: the placed circuit.
        noise: of its wires.
    """
    if not routed.circuits:
        return None
    circuit = routed.circuits[0]
    found = dominant_wire(expected_errors(_gates(circuit), noise, _waits(circuit, noise.dt)))
    return None if found is None else (routed.physical[found.wire], found)


def dominance_warning(routed: RoutedCircuit, noise: LocalNoise) -> str | None:
    """Return a line that names the qubit which dominates, and the way out; None if none does."""
    found = dominant_qubit(routed, noise)
    if found is None:
        return None
    qubit, errors = found
    return (
        f"qubit {qubit} makes {errors.share:.0%} of the errors of this circuit: none happens with probability "
        f"{errors.no_error:.2g}, and would with {errors.without:.2g} if that qubit made none. `qgen transpile --pin` "
        "searches for a better place, and `--layout` takes it"
    )


def _gates(circuit: QuantumCircuit) -> Iterator[tuple[str, tuple[int, ...]]]:
    for one in circuit.data:
        if not isinstance(one.operation, Barrier | Delay):
            yield one.operation.name, tuple(circuit.find_bit(bit).index for bit in one.qubits)


def _waits(circuit: QuantumCircuit, dt: float | None) -> Iterator[tuple[int, float]]:
    for one in circuit.data:
        delay = one.operation
        if isinstance(delay, Delay) and not isinstance(delay.duration, ParameterExpression):
            unit = dt if delay.unit == "dt" else SECONDS_PER_UNIT.get(delay.unit)
            yield circuit.find_bit(one.qubits[0]).index, float(delay.duration) * (unit or 0.0)
