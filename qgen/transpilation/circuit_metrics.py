"""Metrics of a transpiled circuit on its device: counts, times, and what is left of its result."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import TypeVar

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.transpilation.schedule import (
    MICROSECONDS,
    NON_GATES,
    DeviceInstruction,
    device_instructions,
    reported_error,
    schedule,
)
from qgen.transpilation.state_fidelity import predict_fidelity

Location = TypeVar("Location", int, tuple[int, int])


@dataclass(frozen=True)
class Success:
    """What is left of the ideal result in one execution, and its three factors, each in [0, 1].

    Attributes:
        gates: the fidelity that gates leave of the state; see `predict_fidelity`.
        readout: the product of 1 - error over all measured qubits.
        idle: the fidelity that waiting leaves of it; 1 if the device gives no durations.
    """

    gates: float
    readout: float
    idle: float

    @property
    def total(self) -> float:
        """The product of the three factors."""
        return self.gates * self.readout * self.idle


@dataclass(frozen=True)
class CircuitMetrics:
    """Metrics of a circuit on a device.

    Attributes:
        two_qubit_gates: their number.
        two_qubit_depth: the depth in two-qubit gates alone.
        depth: the depth in gates that take time.
        gates: name of a gate -> number of such gates.
        extra_two_qubit_gates: `two_qubit_gates` minus the fewest that were reached with all-to-all coupling; negative
            if the device's own gates need fewer.
        duration_us: microseconds of the scheduled circuit, without measurement; None if the device gives no durations.
        idle_us: physical qubit -> idle microseconds between its first gate and its measurement at the end (or its last
            gate, if it is not measured), everything being scheduled as late as possible.
        success: see `Success`.
        worst_coupler: the pair in use with the largest error, and that error; None without two-qubit gates.
        worst_readout: the measured qubit with the largest readout error, and that error.
    """

    two_qubit_gates: int
    two_qubit_depth: int
    depth: int
    gates: dict[str, int]
    extra_two_qubit_gates: int
    duration_us: float | None
    idle_us: dict[int, float]
    success: Success
    worst_coupler: tuple[tuple[int, int], float] | None
    worst_readout: tuple[int, float] | None


def compute_metrics(
    isa: QuantumCircuit, target: Target, measured: Sequence[int], two_qubit_bound: int = 0
) -> CircuitMetrics:
    """Compute the metrics of a circuit that is in a device's own gates, on its physical qubits.

    A number that the device does not report, such as an unmeasured T1, counts as no loss; an error of 1 makes success
    impossible.

    Args:
        isa: the transpiled circuit.
        target: the device.
        measured: the physical qubits that are read at the end.
        two_qubit_bound: the two-qubit gates with all-to-all coupling; see `CircuitMetrics.extra_two_qubit_gates`.

    Raises:
        BackendError: the device does not have one of the gates on its qubits.
    """
    instructions = device_instructions(isa, target)
    gates = [instruction for instruction in instructions if instruction.name not in NON_GATES]
    pairs = [gate for gate in gates if len(gate.qubits) == 2]
    times = schedule(instructions, measured)
    readout = {qubit: readout_error(target, qubit) for qubit in measured}
    state = predict_fidelity(isa, instructions, target, measured)
    read = math.prod(1 - error for error in readout.values() if error is not None)
    success = Success(gates=state.gates, readout=read, idle=state.idle)
    return CircuitMetrics(
        two_qubit_gates=len(pairs),
        two_qubit_depth=_depth(pairs),
        depth=_depth(gate for gate in gates if gate.takes_time),
        gates=dict(sorted(Counter(gate.name for gate in gates).items())),
        extra_two_qubit_gates=len(pairs) - two_qubit_bound,
        duration_us=MICROSECONDS * times.duration if times else None,
        idle_us={qubit: MICROSECONDS * time for qubit, time in sorted(times.idle.items())} if times else {},
        success=success,
        worst_coupler=_worst({(min(gate.qubits), max(gate.qubits)): gate.error for gate in _by_error(pairs)}),
        worst_readout=_worst(readout),
    )


def readout_error(target: Target, qubit: int) -> float | None:
    """Return the probability of a wrong readout, averaged over the prepared state; None if the device gives none."""
    return reported_error((target.get("measure") or {}).get((qubit,)))


def _by_error(gates: Iterable[DeviceInstruction]) -> list[DeviceInstruction]:
    """Sort by error, the largest last: it is kept if several gates share a coupler."""
    return sorted(gates, key=lambda gate: -1.0 if gate.error is None else gate.error)


def _depth(gates: Iterable[DeviceInstruction]) -> int:
    depth: dict[int, int] = {}
    for gate in gates:
        depth.update(dict.fromkeys(gate.qubits, 1 + max(depth.get(qubit, 0) for qubit in gate.qubits)))
    return max(depth.values(), default=0)


def _worst(errors: Mapping[Location, float | None]) -> tuple[Location, float] | None:
    """Return the location with the largest error; of equal ones the first."""
    reported = {location: error for location, error in sorted(errors.items()) if error is not None}
    return max(reported.items(), key=itemgetter(1), default=None)
