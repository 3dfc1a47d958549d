"""A transpilation report as data, which the command and the page show."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qgen.reports.transpilation.simulability import Simulability
from qgen.reports.transpilation.simulation import PredictionCheck
from qgen.reports.transpilation.workload import Workload
from qgen.transpilation import Success, TranspileResult


@dataclass(frozen=True)
class DecouplingSummary:
    """The cost of dynamical decoupling for the best candidate, and the idle time that it covers.

    Its gain is seen on the machine only; see `DecoupledCircuit`.

    Attributes:
        sequence: XX, XpXm or XY4.
        pulses: number of pulses.
        coverage: the share of the idle time within sequences, in [0, 1].
        gates: the probability that no pulse fails.
    """

    sequence: str
    pulses: int
    coverage: float
    gates: float


@dataclass(frozen=True)
class TilingSummary:
    """Copies of the best candidate that fit on the device side by side.

    Attributes:
        count: number of copies, on qubits that do not touch; each runs another setting of the angles.
        best, mean, worst: success of the copies.
    """

    count: int
    best: float
    mean: float
    worst: float


@dataclass(frozen=True)
class DeviceReport:
    """A circuit on one device.

    Attributes:
        device: name of the device.
        qubits: of the device.
        processor: family and revision, if known.
        calibrated: when the errors of the device were measured, if known.
        candidates: all transpilations, by falling success.
        default: that of Qiskit's level 3 with seed 0, for comparison.
        warnings: sentences for the reader, such as the age of a snapshot.
        workloads: the cost of sampling and training with the best candidate.
        check: the predicted success of the best candidate beside the simulated one.
        decoupling: see `DecouplingSummary`.
        tiles: see `TilingSummary`.
    """

    device: str
    qubits: int
    processor: str | None
    calibrated: datetime | None
    candidates: tuple[TranspileResult, ...]
    default: TranspileResult
    warnings: tuple[str, ...] = ()
    workloads: tuple[Workload, ...] = ()
    check: PredictionCheck | None = None
    decoupling: DecouplingSummary | None = None
    tiles: TilingSummary | None = None

    @property
    def best(self) -> TranspileResult:
        """The candidate with the highest success probability."""
        return self.candidates[0]

    @property
    def by_level(self) -> dict[int, list[TranspileResult]]:
        """The candidates of each optimisation level, by falling success; levels ascending."""
        levels = sorted({candidate.options.level for candidate in self.candidates})
        return {level: [one for one in self.candidates if one.options.level == level] for level in levels}

    @property
    def gain(self) -> float | None:
        """The success of the best candidate divided by that of `default`; None if that is 0."""
        before = self.default.metrics.success.total
        return self.best.metrics.success.total / before if before else None


@dataclass(frozen=True)
class TranspilationReport:
    """A circuit on one or several devices.

    Attributes:
        circuit: name of the circuit.
        qubits: of the circuit.
        parameters: number of open angles.
        two_qubit_bound: the fewest two-qubit gates that were reached with all-to-all coupling.
        devices: in the requested order.
        simulability: whether it is easy to simulate; None: that was not asked.
    """

    circuit: str
    qubits: int
    parameters: int
    two_qubit_bound: int
    devices: tuple[DeviceReport, ...]
    simulability: Simulability | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return plain values for JSON, with the keys of docs/transpilation-report.md; dates in ISO format."""
        return _plain(self)  # type: ignore[no-any-return]


def _plain(value: Any) -> Any:
    if isinstance(value, Success):
        return dataclasses.asdict(value) | {"total": value.total}
    if isinstance(value, TranspileResult):
        return _plain(_result_fields(value))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(inner) for inner in value]
    return value.isoformat() if isinstance(value, datetime) else value


def _result_fields(result: TranspileResult) -> dict[str, Any]:
    options = result.options
    return {
        "level": options.level,
        "seed": options.seed,
        "layout_method": options.layout_method,
        "routing_method": options.routing_method,
        "joined": options.merge_rotations,
        "absorbed": options.absorb_swaps,
        "replaced": result.moved,
        "seconds": result.seconds,
        "layout": result.layout,
        "figures": result.metrics,
    }
