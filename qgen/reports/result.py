"""What a transpilation report says, as data: the command, the page and the pictures only show it."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from qgen.reports.simulation import PredictionCheck
from qgen.reports.workload import Workload
from qgen.transpilation.result import Candidate, Success


@dataclass(frozen=True)
class DecouplingFigures:
    """What dynamical decoupling would cost the best candidate, and how much of its waiting it would cover.

    What it gains shows on the machine alone; see `qgen.transpilation.decoupling`.

    Attributes:
        sequence: XX, XpXm or XY4.
        pulses: how many.
        coverage: the part of all waiting that lies within sequences, in [0, 1].
        gates: the probability that no pulse fails.
    """

    sequence: str
    pulses: int
    coverage: float
    gates: float


@dataclass(frozen=True)
class TileFigures:
    """How often the best candidate fits on the device, side by side.

    Attributes:
        count: how many copies, on qubits that do not touch; so many settings of the angles run in one execution.
        best, mean, worst: their success.
    """

    count: int
    best: float
    mean: float
    worst: float


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
        workloads: what it costs to sample or train with the best candidate.
        check: what a simulation of its noise says of the prediction for the best candidate.
        decoupling: see `DecouplingFigures`.
        tiles: see `TileFigures`.
    """

    device: str
    qubits: int
    processor: str | None
    calibrated: datetime | None
    candidates: tuple[Candidate, ...]
    default: Candidate
    warnings: tuple[str, ...] = ()
    workloads: tuple[Workload, ...] = ()
    check: PredictionCheck | None = None
    decoupling: DecouplingFigures | None = None
    tiles: TileFigures | None = None

    @property
    def best(self) -> Candidate:
        """The candidate with the highest success probability."""
        return self.candidates[0]

    @property
    def gain(self) -> float | None:
        """Its success divided by that of `default`; None where that is 0."""
        before = self.default.figures.success.total
        return self.best.figures.success.total / before if before else None


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
