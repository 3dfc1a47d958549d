"""What a transpilation report says, as data: the command, the page and the pictures only show it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Success:
    """The probability that nothing goes wrong in one execution, and its three independent parts, each in [0, 1].

    Attributes:
        gates: the product of 1 - error over all gates.
        readout: the product of 1 - error over all measured qubits.
        idle: the product over qubits of exp(-idle time / min(T1, T2)); 1 where the device gives no times.
    """

    gates: float
    readout: float
    idle: float

    @property
    def total(self) -> float:
        """All three."""
        return self.gates * self.readout * self.idle


@dataclass(frozen=True)
class Figures:
    """What a circuit has become on a device.

    Attributes:
        two_qubit_gates: how many.
        two_qubit_depth: layers of them.
        depth: layers of all gates that take time.
        gates: how many of each name.
        extra_two_qubit_gates: beyond the fewest that were found where every qubit is coupled to every other; below 0
            where a device's own gates do with fewer.
        duration_us: of the scheduled circuit, without measurement; None where the device gives no times.
        idle_us: physical qubit -> microseconds in which it waits, between its first gate and its measurement at the end
            (or its last gate, where it is not measured), everything being scheduled as late as possible.
        success: see `Success`.
        worst_coupler: the pair with the largest error in use, and that error; None without two-qubit gates.
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


@dataclass(frozen=True)
class Candidate:
    """One way to transpile, and what came of it.

    Attributes:
        level: the transpiler's optimisation level, 0 to 3.
        seed: its seed.
        layout_method, routing_method: as Qiskit calls them; "default" where its preset chose.
        replaced: the result was moved afterwards to better qubits of the same form.
        seconds: how long it took.
        layout: the physical qubit on which each logical qubit starts.
        figures: the result.
    """

    level: int
    seed: int
    layout_method: str
    routing_method: str
    replaced: bool
    seconds: float
    layout: tuple[int, ...]
    figures: Figures


@dataclass(frozen=True)
class DeviceReport:
    """All that was tried on one device, the best first.

    Attributes:
        device: its name.
        qubits: how many it has.
        processor: family and revision, if known.
        calibrated: when its errors were measured, if known.
        candidates: sorted by success probability, the best first.
        default: what Qiskit's level 3 makes of it with seed 0, for comparison.
        warnings: sentences that a reader has to see, such as the age of a snapshot.
    """

    device: str
    qubits: int
    processor: str | None
    calibrated: datetime | None
    candidates: tuple[Candidate, ...]
    default: Candidate
    warnings: tuple[str, ...] = ()

    @property
    def best(self) -> Candidate:
        """The candidate with the highest success probability."""
        return self.candidates[0]


@dataclass(frozen=True)
class TranspilationReport:
    """A circuit on one or several devices.

    Attributes:
        circuit: what it is called.
        qubits: how many it has.
        parameters: how many angles are open.
        two_qubit_bound: the fewest two-qubit gates that were found without any constraint of coupling.
        devices: in the order asked for.
    """

    circuit: str
    qubits: int
    parameters: int
    two_qubit_bound: int
    devices: tuple[DeviceReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain values, ready for JSON; dates in ISO format, totals of success beside their parts."""
        return _plain(self)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, Success):
        return dataclasses.asdict(value) | {"total": value.total}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value
