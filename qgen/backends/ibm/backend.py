"""Backends `ibm_DEVICE` and `least_busy`: IBM's quantum computers, as long as they are in service."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from qiskit.transpiler import Target

from qgen.backends.api import Capabilities, Executable
from qgen.backends.billing import BilledBackend, BilledExecutable, JobStatus, StatusCallback
from qgen.backends.device.sampling import DEFAULT_SHOTS
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.device.transpiled import transpiled
from qgen.backends.ibm.account import LOGIN, has_account
from qgen.backends.ibm.bound import BoundHardwareExecutable, compile_for_hardware
from qgen.backends.ibm.client import Client, NoDeviceError
from qgen.backends.ibm.executable import HardwareExecutable
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.journal import JOURNAL, Journal
from qgen.backends.ibm.journal_file import exclusive_lock
from qgen.backends.ibm.layouts import PendingNotes, load_layouts, save_layout
from qgen.backends.ibm.options import HardwareOptions, check_mitigation
from qgen.backends.ibm.runner import JobRunner
from qgen.backends.mitigation.method import Mitigation
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit
from qgen.devices import device_names
from qgen.devices.device import without_faulty_gates
from qgen.devices.snapshots import machine_status
from qgen.errors import BackendError, HardwareError
from qgen.storage import user_folder
from qgen.transpilation.cost import REP_DELAY_US

PREFIX = "ibm_"
LEAST_BUSY = "least_busy"
#: Twirling: minimum shots per randomization, and maximum number of randomizations.
_MIN_SHOTS, _MAX_RANDOMIZATIONS = 64, 32


class IBMBackend(Hardware):
    """One of IBM's quantum computers.

    Nothing is submitted before `allow` has said how many QPU seconds may be spent. All jobs go through a journal: equal
    circuits, angles, shots and seeds are never run twice.

    Args:
        client: IBM's service.
        journal: the file of the journal.
        shots: shots per circuit; None: 1,024.
        saved: layouts that the user chose; None: the best ones by today's calibration.
        mitigation: what is done against errors of the bits, as `check_mitigation` allows; None: nothing.

    Raises:
        HardwareError: another process works with this journal.
        BackendError: layouts of another device.
    """

    def __init__(
        self,
        client: Client,
        journal: Path,
        shots: int | None = None,
        saved: SavedLayouts | None = None,
        mitigation: Mitigation | None = None,
    ) -> None:
        self._saved, self.options = saved, client.options
        self.mitigation = None if mitigation == Mitigation() else mitigation
        self.shots = _round_shots(shots or DEFAULT_SHOTS, client.options)
        self.tiles = None if self.options.tiles == "auto" else self.options.tiles
        with ExitStack() as stack:
            stack.enter_context(exclusive_lock(journal))
            jobs = Journal(journal)
            stack.callback(jobs.close)
            self.notes = PendingNotes(jobs)
            client.before_submit = self.notes.write
            stack.callback(client.close)
            if client.name == LEAST_BUSY:
                client.name = _previous_device(jobs) or LEAST_BUSY
                self.notes.set(LEAST_BUSY, client.machine.name)
            self.machine, self.target = client.machine, _usable(client.machine.target)
            calibrated = client.calibration_time()
            self.calibrated = None if calibrated is None else f"{calibrated:%Y-%m-%d %H:%M %Z}".strip()
            _check_delay(self.machine, self.options.rep_delay_us)
            if saved is not None:
                saved.check_device(self.name)
            self._client, self.runner = client, JobRunner(client, jobs)
            self.runner.allow(None)
            self._stack = stack.pop_all()

    @property
    def name(self) -> str:
        return str(self.machine.name)

    @property
    def capabilities(self) -> Capabilities:
        qubits = self.target.num_qubits
        return Capabilities(exact=False, noisy=True, remote=True, billed=True, shots=self.shots, qubits=qubits)

    @property
    def rep_delay_us(self) -> float:
        """The wait before each execution, in microseconds."""
        if self.options.rep_delay_us is not None:
            return self.options.rep_delay_us
        default = getattr(self.machine.configuration(), "default_rep_delay", None)
        return REP_DELAY_US if default is None else 1e6 * float(default)

    def facts(self) -> dict[str, Any]:
        purpose = self.runner.purpose
        records = [one for one in self.runner.journal.records() if one.purpose == purpose and one.job_id]
        facts: dict[str, Any] = {
            "calibrated": None if self.calibrated is None else self.calibrated.partition(" ")[0],
            "options": self.options.plain(),
            "jobs": [record.job_id for record in records],
            "qpu_seconds": sum(record.cost for record in records),
        }
        return facts if self.mitigation is None else facts | {"mitigation": str(self.mitigation)}

    def allow(self, seconds: float | None) -> None:
        """Limit the QPU seconds that may be spent over all jobs of the journal; None: the limit noted there."""
        self.runner.allow(seconds)

    @property
    def limit(self) -> float | None:
        """See `BilledBackend`; likewise the methods that follow."""
        return self.runner.limit

    def authorize(self, limit: float, beyond_account: bool = False) -> None:
        self.runner.limit, self.runner.beyond_account = limit, beyond_account

    def spent(self) -> float:
        return self.runner.journal.spent()

    def begin(self, purpose: str) -> None:
        self.runner.purpose = purpose
        self.runner.reconcile()

    def estimates(self, purpose: str, since: datetime | None = None) -> list[float]:
        # As precise as the journal: what was submitted a moment before paid for steps that are saved.
        start = None if since is None else since.replace(microsecond=since.microsecond // 1000 * 1000)
        return [
            record.estimate
            for record in self.runner.journal.records()
            if record.purpose == purpose
            and record.state in ("planned", "submitted", "done")
            and (start is None or datetime.fromisoformat(record.created) >= start)
        ]

    def overrun(self) -> float:
        return self.runner.journal.overrun()

    def watch(self, on_status: StatusCallback) -> None:
        self.runner.on_status = lambda job, record, spent: on_status(
            JobStatus(job.job_id, job.status, job.position, spent)
        )

    def queue(self) -> tuple[int, float | None]:
        """Return the number of jobs in the device's queue, and the account's remaining QPU seconds, if IBM says so."""
        return self._client.queue_length(), self._client.remaining_seconds()

    @property
    def couplers(self) -> list[tuple[int, int]]:
        """See `Hardware.couplers`."""
        return [(int(a), int(b)) for a, b in self.machine.configuration().coupling_map or ()]

    def round_shots(self, shots: int) -> int:
        """See `Hardware.round_shots`."""
        return _round_shots(shots, self.options)

    def layouts(self, circuit: LayerCircuit) -> list[SavedLayouts]:
        """See `Hardware.layouts`, and `qgen.backends.ibm.layouts`."""
        return [self._saved] if self._saved is not None else load_layouts(self.notes, self.name, circuit)

    def place_anew(self, circuit: LayerCircuit) -> SavedLayouts:
        """See `Hardware.place_anew`."""
        if self._saved is not None:
            raise BackendError(
                f"{self._saved.source} pins this circuit to one place: pin it anew with "
                f"`qgen transpile RUN --backend {self.name} --pin FILE.json`"
            )
        isa = transpiled(circuit, self.target)
        number = len(self.layouts(circuit))
        return save_layout(self.notes, self.name, circuit, isa, number, self.calibrated)

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        return compile_for_hardware(circuit, self, weights, self._saved)

    def close(self) -> None:
        """Close the batch, if there is one, and the journal."""
        self._stack.close()


if TYPE_CHECKING:  # mypy checks that they follow the protocols
    _backend: type[BilledBackend] = IBMBackend
    _executables: tuple[type[BilledExecutable], ...] = HardwareExecutable, BoundHardwareExecutable


def open_hardware(
    name: str,
    shots: int | None = None,
    options: HardwareOptions | None = None,
    journal: Path | None = None,
    max_qpu_seconds: float | None = None,
    saved: SavedLayouts | None = None,
    pace: float | None = None,
    mitigation: Mitigation | None = None,
) -> IBMBackend:
    """Open IBM's device of that name, with the user's account.

    Args:
        name: as in `ibm_fez`, or `least_busy`.
        shots: shots per circuit; None: 1,024.
        options: how circuits run there.
        journal: the file of the journal; None: `jobs.sqlite` in the user's data folder.
        max_qpu_seconds: QPU seconds that may be spent, over all jobs of the journal; None: the limit noted there, else
            none.
        saved: layouts that the user chose; None: the best ones by today's calibration.
        pace: seconds to wait after a first failure, see `Client`; None: the default.
        mitigation: what is done against errors of the bits; None: nothing.

    Raises:
        BackendError: mitigation that there is not, see `check_mitigation`.
        HardwareError: no account, no such device, or one that was retired; what to do instead is in the message.
    """
    check_mitigation(name, mitigation, options or HardwareOptions())
    if not has_account():
        raise HardwareError(f"{_retirement(name)}there is no IBM account here: {LOGIN}. {_alternatives(name)}")
    try:
        chosen = options or HardwareOptions()
        client = Client(name, chosen) if pace is None else Client(name, chosen, pace)
    except HardwareError as error:
        raise HardwareError(
            f"{_retirement(name)}{error}. {_alternatives(name)}" if _retirement(name) else str(error)
        ) from None
    try:
        backend = IBMBackend(client, journal or default_journal(), shots, saved, mitigation)
    except NoDeviceError as error:
        raise HardwareError(
            f"{_retirement(name)}the account has no device {name}; it has {error.available}. {_alternatives(name)}"
        ) from None
    if max_qpu_seconds is not None:
        backend.allow(max_qpu_seconds)
    return backend


def open_ibm(settings: BackendSettings, journal: Path | None) -> IBMBackend:
    """Open the device that these settings name; see `qgen.backends.registry` and `open_hardware`."""
    saved = settings.saved_layouts()
    given = settings.name, settings.shots, settings.hardware, journal
    return open_hardware(*given, saved=saved, mitigation=settings.mitigated())


def default_journal() -> Path:
    """Return the path of the journal for jobs outside of runs.

    Raises:
        HardwareError: the user has no home folder to keep it in.
    """
    folder = user_folder(sys.platform, os.environ)
    if folder is None:
        raise HardwareError("there is no home folder to keep a journal of jobs in: name a file for it")
    folder.mkdir(parents=True, exist_ok=True)
    return folder / JOURNAL


def _previous_device(jobs: Journal) -> str | None:
    """Return the device that `least_busy` was when a job was submitted: resumed work stays there."""
    name = jobs.get_note(LEAST_BUSY)
    return name if any(record.backend == name for record in jobs.records()) else None


def _retirement(name: str) -> str:
    retired = machine_status(name.removeprefix(PREFIX)).retired
    return f"{name} was retired on {retired}; " if retired else ""


def _alternatives(name: str) -> str:
    city = name.removeprefix(PREFIX)
    snapshot = f"fake_{city}" if f"fake_{city}" in device_names() else "fake_kingston"
    return (
        f"`--backend {snapshot}` is a simulation with its published snapshot, `--backend noisy:{snapshot}` a faster "
        "one, and `qgen devserver` rehearses the whole path without an account"
    )


def _round_shots(shots: int, options: HardwareOptions) -> int:
    """Return shots as the client rounds them up for twirling: to whole randomizations, 32 or fewer."""
    if not (options.twirling or options.measure_twirling or options.resilience):
        return shots
    per_randomization = max(_MIN_SHOTS, -(-shots // _MAX_RANDOMIZATIONS))
    return -(-shots // per_randomization) * per_randomization


def _check_delay(machine: Any, delay_us: float | None) -> None:
    low, high = (1e6 * bound for bound in getattr(machine.configuration(), "rep_delay_range", None) or (0.0, 1.0))
    if delay_us is not None and not low <= delay_us <= high:
        raise HardwareError(f"rep_delay_us = {delay_us:g}: {machine.name} takes {low:g} to {high:g}")


def _usable(target: Target) -> Target:
    """Return the target without faulty gates, and without RZZ: it takes angles from 0 to pi/2 only."""
    return without_faulty_gates(target, leave_out=("rzz",))
