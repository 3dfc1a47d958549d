"""A device as its snapshot describes it; Qiskit's view of it is built when it is asked for."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any

from qgen.devices.facts import DeviceFacts, median_of, works
from qgen.devices.fleet import Standing, standing

if TYPE_CHECKING:
    from qiskit.transpiler import InstructionProperties, Target

PREFIX = "fake_"
Coupler = tuple[int, int]
Values = tuple[float | None, ...]


@dataclass(frozen=True, eq=False)
class Device:
    """A published snapshot of a machine: what it can do, and how well it did on one day.

    Everything but `backend` and `target` was read from the snapshot's JSON. Values by qubit are in the order of the
    physical qubits, and None where the snapshot has none. Errors are probabilities; 1 says that a gate could not be
    calibrated.

    Attributes:
        name: of the snapshot, as in `fake_brisbane`.
        qubits: how many.
        processor: family and revision, as in "Eagle r3"; None in old snapshots.
        basis: the gates that it runs.
        two_qubit_gates: those of them that act on two qubits.
        calibrated: when the values were last updated, with its time zone.
        coupler_errors: the error of the best two-qubit gate of each coupler (a, b), a < b; None where none is listed.
        sx_errors, readout_errors, t1_us, t2_us: by qubit; times in microseconds.
        rep_delay_us: the usual wait before each execution, in microseconds; None where the snapshot does not say.
        readout_us: the longest measurement of a qubit, in microseconds; likewise.
        machine: the live one, as qiskit-ibm-runtime has it; None for a snapshot.
        places: where each qubit lies, as (column, row) from the top left; None where the snapshot does not say.
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
    places: tuple[tuple[int, int], ...] | None = field(repr=False)
    rep_delay_us: float | None = field(default=None, repr=False)
    readout_us: float | None = field(default=None, repr=False)
    machine: Any = field(default=None, repr=False)

    @property
    def city(self) -> str:
        """What the machine is called after: `brisbane` of `fake_brisbane` and `ibm_brisbane`."""
        return self.name.removeprefix(PREFIX).removeprefix("ibm_")

    @cached_property
    def backend(self) -> Any:
        """The live machine, or the snapshot's `FakeBackendV2`, whose package takes a second to import."""
        if self.machine is not None:
            return self.machine
        module = import_module(f"qiskit_ibm_runtime.fake_provider.backends.{self.city}")
        kinds = [kind for kind in vars(module).values() if getattr(kind, "backend_name", None) == self.name]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # FakeNighthawk's, that it is no machine: `facts.note` says so
            return kinds[0]()

    @cached_property
    def target(self) -> Target:
        """The gates, couplers, errors and durations as Qiskit's transpiler wants them.

        Two-qubit gates that could not be calibrated (error 1) are left out: routing does not look at errors, and one
        such gate turns a circuit's values into noise.
        """
        return without_broken(self.backend.target)

    @cached_property
    def facts(self) -> DeviceFacts:
        """The medians, and what has become of the machine."""
        known = standing(self.city) if self.machine is None else Standing("live")
        errors = self.coupler_errors.values()
        return DeviceFacts(
            name=self.name,
            qubits=self.qubits,
            processor=self.processor,
            basis=self.basis,
            two_qubit_gates=self.two_qubit_gates,
            couplers=len(errors),
            faulty_couplers=sum(not works(error) for error in errors),
            two_qubit_error=median_of(filter(works, errors)),
            sx_error=median_of(filter(works, self.sx_errors)),
            readout_error=median_of(filter(works, self.readout_errors)),
            t1_us=median_of(self.t1_us),
            t2_us=median_of(self.t2_us),
            calibrated=self.calibrated,
            status=known.status,
            retired=known.retired,
            note=known.note,
        )


def without_broken(target: Target, leave_out: Collection[str] = ()) -> Target:
    """The same without two-qubit gates of error 1, and without the gates of these names."""
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
        if isinstance(operation, type):  # control flow, which is everywhere
            kept.add_instruction(operation, name=name)
            continue
        places = {place: about for place, about in target[name].items() if not _is_broken(place, about)}
        if places:
            kept.add_instruction(operation, places, name=name)
    return kept


def _is_broken(place: tuple[int, ...] | None, about: InstructionProperties | None) -> bool:
    if place is None or len(place) != 2 or about is None or about.error is None:
        return False
    return not works(about.error)
