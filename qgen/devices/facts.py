"""A device in one line: medians, dates, and whether the machine still runs."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime
from statistics import median
from typing import Any

from qgen.devices.fleet import Status


@dataclass(frozen=True)
class DeviceFacts:
    """What a list of devices says of one.

    Errors are probabilities, and medians over what works (see `works`); None where the snapshot has no such value.

    Attributes:
        name: of the snapshot, as in `fake_brisbane`.
        qubits: how many.
        processor: family and revision, as in "Heron r2"; None in old snapshots.
        basis: the gates that it runs.
        two_qubit_gates: those of them that act on two qubits.
        couplers: pairs of qubits that share such a gate.
        faulty_couplers: those of them on which no such gate works.
        two_qubit_error: of the best gate of a coupler.
        sx_error: of the gate sx.
        readout_error: of a measurement, averaged over what was prepared.
        t1_us: relaxation time in microseconds.
        t2_us: dephasing time in microseconds.
        calibrated: when the snapshot's values were last updated.
        status: of the physical machine behind the snapshot.
        retired: its last day, where that is known.
        note: a remark on the machine, or "".
    """

    name: str
    qubits: int
    processor: str | None
    basis: tuple[str, ...]
    two_qubit_gates: tuple[str, ...]
    couplers: int
    faulty_couplers: int
    two_qubit_error: float | None
    sx_error: float | None
    readout_error: float | None
    t1_us: float | None
    t2_us: float | None
    calibrated: datetime | None
    status: Status
    retired: date | None
    note: str

    def to_dict(self) -> dict[str, Any]:
        """All of it for JSON, dates as ISO 8601."""
        fields = dataclasses.asdict(self)
        return {key: value.isoformat() if isinstance(value, date) else value for key, value in fields.items()}


def works(error: float | None) -> bool:
    """Whether an error is one that was measured: IBM writes 1 where a gate could not be calibrated."""
    return error is not None and 0 <= error < 1


def median_of(values: Iterable[float | None]) -> float | None:
    """The median of the finite numbers; None without any."""
    known = [value for value in values if value is not None and math.isfinite(value)]
    return median(known) if known else None
