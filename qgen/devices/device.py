"""Devices as their snapshots describe them; Qiskit's view of a device is built when it is needed."""

from __future__ import annotations

import dataclasses
import math
import warnings
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from functools import cached_property, lru_cache
from importlib import import_module
from statistics import median
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from qiskit.transpiler import InstructionProperties, Target

PREFIX = "fake_"
Coupler = tuple[int, int]
Values = tuple[float | None, ...]
Status = Literal["live", "retired", "unknown"]


class MachineStatus(NamedTuple):
    """Whether a machine still runs.

    Attributes:
        status: of the physical machine.
        retired: its last day for users; None if it is not retired, or the day is not known.
        note: a remark, or "".
    """

    status: Status
    retired: date | None = None
    note: str = ""


UNKNOWN_STATUS = MachineStatus("unknown")


@dataclass(frozen=True)
class DeviceSummary:
    """A row in a list of devices.

    Errors are probabilities, and medians over what is calibrated (`is_calibrated`); None if the snapshot has no such
    value.

    Attributes:
        name: of the snapshot, as in `fake_brisbane`.
        qubits: number of qubits.
        processor: family and revision, as in "Heron r2"; None in old snapshots.
        basis: basis gates.
        two_qubit_gates: basis gates on two qubits.
        couplers: number of pairs of qubits that share such a gate.
        faulty_couplers: number of couplers without a calibrated gate.
        two_qubit_error: of the best gate of a coupler.
        sx_error: of the gate sx.
        readout_error: of a measurement, averaged over the prepared state.
        t1_us: relaxation time in microseconds.
        t2_us: dephasing time in microseconds.
        calibrated: when the snapshot's values were last updated.
        status: of the physical machine behind the snapshot.
        retired: its last day, if that is known.
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
        """Return plain values for JSON, dates as ISO 8601."""
        fields = dataclasses.asdict(self)
        return {key: value.isoformat() if isinstance(value, date) else value for key, value in fields.items()}


@dataclass(frozen=True, eq=False)
class Device:
    """A device: a published snapshot of a machine, or a live one.

    Everything but `backend` and `target` was read from the snapshot's JSON. Values by qubit are in the order of the
    physical qubits, and None if the snapshot has none. Errors are probabilities; 1 means that a gate could not be
    calibrated.

    Attributes:
        name: of the snapshot, as in `fake_brisbane`.
        qubits: number of qubits.
        processor: family and revision, as in "Eagle r3"; None in old snapshots.
        basis: basis gates.
        two_qubit_gates: basis gates on two qubits.
        calibrated: when the values were last updated, with its time zone.
        coupler_errors: the error of the best two-qubit gate of each coupler (a, b), a < b; None if none is listed.
        sx_errors, readout_errors, t1_us, t2_us: by qubit; times in microseconds.
        rep_delay_us: the default delay before each execution, in microseconds; None if the snapshot has none.
        readout_us: the longest measurement of a qubit, in microseconds; None if the snapshot has none.
        coordinates: (column, row) of each qubit from the top left; None if the snapshot has none.
        machine: the live backend of qiskit-ibm-runtime; None for a snapshot.
        machine_status: whether the physical machine still runs.
    """

    name: str
    qubits: int
    processor: str | None
    basis: tuple[str, ...]
    two_qubit_gates: tuple[str, ...]
    calibrated: datetime | None
    coupler_errors: Mapping[Coupler, float | None] = field(repr=False)
    sx_errors: Values = field(repr=False)
    readout_errors: Values = field(repr=False)
    t1_us: Values = field(repr=False)
    t2_us: Values = field(repr=False)
    coordinates: tuple[tuple[int, int], ...] | None = field(repr=False)
    rep_delay_us: float | None = field(default=None, repr=False)
    readout_us: float | None = field(default=None, repr=False)
    machine: Any = field(default=None, repr=False)
    machine_status: MachineStatus = field(default=UNKNOWN_STATUS, repr=False)

    @property
    def city(self) -> str:
        """The bare name of the machine: `brisbane` of `fake_brisbane` and `ibm_brisbane`."""
        return self.name.removeprefix(PREFIX).removeprefix("ibm_")

    @cached_property
    def backend(self) -> Any:
        """The live backend, or the snapshot's `FakeBackendV2`, whose package takes a second to import."""
        return _fake_backend(self.name) if self.machine is None else self.machine

    @cached_property
    def target(self) -> Target:
        """The gates, couplers, errors and durations for Qiskit's transpiler.

        Two-qubit gates that could not be calibrated (error 1) are left out: routing ignores errors, and one such gate
        turns a circuit's values into noise.
        """
        return without_faulty_gates(self.backend.target)

    @cached_property
    def summary(self) -> DeviceSummary:
        """The medians, and the status of the machine."""
        errors = self.coupler_errors.values()
        return DeviceSummary(
            name=self.name,
            qubits=self.qubits,
            processor=self.processor,
            basis=self.basis,
            two_qubit_gates=self.two_qubit_gates,
            couplers=len(errors),
            faulty_couplers=sum(not is_calibrated(error) for error in errors),
            two_qubit_error=median_of(filter(is_calibrated, errors)),
            sx_error=median_of(filter(is_calibrated, self.sx_errors)),
            readout_error=median_of(filter(is_calibrated, self.readout_errors)),
            t1_us=median_of(self.t1_us),
            t2_us=median_of(self.t2_us),
            calibrated=self.calibrated,
            status=self.machine_status.status,
            retired=self.machine_status.retired,
            note=self.machine_status.note,
        )


@lru_cache(maxsize=32)
def _fake_backend(name: str) -> Any:
    """Return a snapshot's backend, made once in a process: to convert 156 qubits takes tenths of a second."""
    module = import_module(f"qiskit_ibm_runtime.fake_provider.backends.{name.removeprefix(PREFIX)}")
    kinds = [kind for kind in vars(module).values() if getattr(kind, "backend_name", None) == name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # FakeNighthawk warns that it is no machine, as its note says
        return kinds[0]()


def without_faulty_gates(target: Target, leave_out: Collection[str] = ()) -> Target:
    """Copy a target without two-qubit gates of error 1, and without the gates of these names."""
    from qiskit.transpiler import Target

    kept = Target(
        description=target.description,
        num_qubits=target.num_qubits,
        dt=target.dt,
        granularity=target.granularity,
        min_length=target.min_length,
        pulse_alignment=target.pulse_alignment,
        acquire_alignment=target.acquire_alignment,
        qubit_properties=target.qubit_properties,
    )
    for name in (name for name in target.operation_names if name not in leave_out):
        operation = target.operation_from_name(name)
        if isinstance(operation, type):  # control flow, which is global
            kept.add_instruction(operation, name=name)
            continue
        working = {qubits: about for qubits, about in target[name].items() if not _is_faulty(qubits, about)}
        if working:
            kept.add_instruction(operation, working, name=name)
    return kept


def is_calibrated(error: float | None) -> bool:
    """Return whether an error was measured: IBM writes 1 if a gate could not be calibrated."""
    return error is not None and 0 <= error < 1


def median_of(values: Iterable[float | None]) -> float | None:
    """Return the median of the finite numbers; None if there are none."""
    finite = [value for value in values if value is not None and math.isfinite(value)]
    return median(finite) if finite else None


def _is_faulty(qubits: tuple[int, ...] | None, about: InstructionProperties | None) -> bool:
    if qubits is None or len(qubits) != 2 or about is None or about.error is None:
        return False
    return not is_calibrated(about.error)
