"""The one file that knows IBM's client: which primitives run circuits, and what the service's answers mean.

Circuits run through the client-side primitives of qiskit-ibm-runtime (`executor_sampler`, `executor_estimator`, since
0.45), not through `SamplerV2` and `EstimatorV2`, which are deprecated since 0.50. They check nothing before they
submit: `check_isa` does.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, NoReturn, TypeVar

from qiskit import QuantumCircuit

from qgen.backends.ibm.account import open_service
from qgen.backends.ibm.counting import counting
from qgen.backends.ibm.door import Door
from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.ibm.trouble import Patience, RefusedError, TransientError
from qgen.backends.ibm.views import GONE, JobView, billed, seconds_of
from qgen.backends.ibm.wording import MOST_OF_NAME, clean
from qgen.errors import BackendError, HardwareError
from qgen.transpilation.schedule import device_instructions

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend as Machine
    from qiskit_ibm_runtime import QiskitRuntimeService

Value = TypeVar("Value")
Primitive = Literal["sampler", "estimator"]
#: How patient every request is; tests are less so.
PATIENCE = Patience()
#: How often a submission is tried that fails for a reason that may pass.
TRIES = PATIENCE.tries
#: How often IBM is asked for a result that cannot be read.
_LOOKS = 4
_JOB_ID = re.compile(r"[\w-]{1,100}", re.ASCII)


@dataclass
class Client:
    """IBM's service for one device.

    Args:
        name: of the device, as in `ibm_fez`, or `least_busy`.
        options: how circuits run.
        pace: seconds to wait after a first failure, twice as long after each further one.
        brief: try everything twice only, where somebody waits for a list.

    Attributes:
        patience: how patient every request is.
        about_to_submit: called before a job is submitted.

    Raises:
        HardwareError: see `open_service`; or there is no such device.
    """

    name: str
    options: HardwareOptions
    pace: float = field(default_factory=lambda: PATIENCE.pace)
    brief: bool = False
    patience: Patience = field(init=False)
    about_to_submit: Callable[[], None] | None = field(init=False, default=None, repr=False)
    _door: Door = field(init=False, repr=False)
    _service: QiskitRuntimeService = field(init=False, repr=False)
    _mode: Any = field(init=False, default=None, repr=False)
    _machine: Machine | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        longest = PATIENCE.most_wait * self.pace / PATIENCE.pace
        self.patience = replace(PATIENCE, pace=self.pace, most_wait=longest)
        if self.brief:
            self.patience = replace(self.patience, tries=2, first_tries=2, most_wait=min(longest, 5.0), answer=20.0)
        self._door = Door(self.patience)
        self._service = open_service(self._door)

    @property
    def machine(self) -> Machine:
        """The device with its calibration, found when it is first needed: one that was retired still has results.

        Raises:
            NoDeviceError: the account has none of that name.
        """
        if self._machine is None:
            self._machine = self._ask(self._find_machine)
            self.name = str(self._machine.name)  # `least_busy` is decided once
        return self._machine

    def beside(self, name: str) -> Client:
        """Another device of the same account, over the same connection."""
        other = copy(self)
        vars(other).update(name=name, _machine=None, _mode=None)
        return other

    def devices(self) -> list[str]:
        """The names of the account's devices."""
        return self._ask(self._names)

    def check_online(self) -> None:
        """Refuses to submit to a device that does not run.

        Raises:
            HardwareError: it is offline.
        """
        if not self.status()[0]:
            raise HardwareError(
                f"{self.machine.name} is offline just now: nothing was submitted. Run the same command later; what was "
                "done is kept"
            )

    def calibrated(self) -> datetime | None:
        """When the device was last calibrated; None where IBM does not say."""
        found = self._ask(lambda: self.machine.properties())
        return None if found is None else found.last_update_date

    def status(self) -> tuple[bool, int]:
        """Whether the device runs, and how many jobs wait for it."""

        def look() -> tuple[bool, int]:
            found = self.machine.status()
            return bool(found.operational), max(0, int(found.pending_jobs))

        return self._ask(look)

    def close(self) -> None:
        """Closes the batch, if there is one; one that cannot be closed ends by itself."""
        if self._mode is not None:
            mode, self._mode = self._mode, None
            with suppress(HardwareError):
                self._ask(mode.close)

    def submit(self, kind: Primitive, pubs: Sequence[Any], shots: int, tags: Sequence[str], limit: int) -> str:
        """Submits a job once, and returns its number.

        Args:
            kind: the primitive.
            pubs: what it takes.
            shots: of each circuit.
            tags: by which the job can be found again.
            limit: QPU seconds after which IBM ends it.

        Raises:
            TransientError: it may or may not have been submitted: look for the tag.
            RefusedError: it was not submitted.
        """

        def run() -> str:
            where = self._where()
            if self.about_to_submit is not None:
                self.about_to_submit()
            primitive = _primitive(kind, where, self.options, tags, limit)
            job_id = str(primitive.run(pubs, **_amount(kind, shots)).job_id())
            if _JOB_ID.fullmatch(job_id) is None:
                raise HardwareError(f"IBM's service gives a job the number {clean(job_id, MOST_OF_NAME)!r}")
            return job_id

        try:
            return self._ask(run)
        except HardwareError as error:
            if not self._door.posted:  # it was tried with patience, and came to no job
                raise RefusedError(f"{error}. Nothing was submitted") from None
            if isinstance(error, TransientError | RefusedError):
                raise
            raise TransientError(str(error)) from None

    def find(self, tag: str) -> list[str]:
        """The numbers of the jobs with this tag, the oldest first."""
        return list(self.tagged(tag))

    def tagged(self, tag: str) -> dict[str, tuple[str, ...]]:
        """The same, with all tags of each."""

        def find() -> dict[str, tuple[str, ...]]:
            found = self._service.jobs(limit=None, job_tags=[tag], descending=False)
            tags = {str(job.job_id()): tuple(map(str, job.tags)) for job in found}
            return {job_id: each for job_id, each in tags.items() if _JOB_ID.fullmatch(job_id)}

        return self._ask(find)

    def look(self, job_id: str) -> JobView:
        """How a job is doing."""
        return self._ask(lambda: self._look(job_id))

    def fetch(self, job_id: str) -> Any:
        """The result of a job that is done, as its primitive has it, with the number of its `executions`.

        Raises:
            HardwareError: IBM has none that can be read; the job is asked for again some times first.
        """

        def fetch() -> Any:
            job, count = self._service.job(job_id), counting()
            # Between the bits as they came and what the primitive makes of them.
            found = job.result(decoder=[job._result_decoders[0], count, *job._result_decoders[1:]])  # noqa: SLF001
            if found is None:
                raise HardwareError(f"IBM's service has no result of job {job_id}, though it is done: try again later")
            found.executions = count.executions
            return found

        for attempt in range(_LOOKS - 1):
            try:
                return self._ask(fetch)
            except TransientError:
                raise
            except HardwareError:
                self.wait(attempt)
        return self._ask(fetch)

    def cancel(self, job_id: str) -> None:
        """Takes a job out of the queue, or off the device; nothing where it has ended."""
        from qiskit_ibm_runtime import RuntimeInvalidStateError

        def cancel() -> None:
            with suppress(RuntimeInvalidStateError):
                self._service.job(job_id).cancel()

        self._ask(cancel)

    @property
    def instance(self) -> str:
        """A mark of the account's instance that jobs go to: those of one are not seen from another."""
        return sha256(str(self._service.active_instance()).encode()).hexdigest()[:16]

    def queue(self) -> int:
        """How many jobs wait for the device."""
        return self.status()[1]

    def allowance(self) -> float | None:
        """QPU seconds that the account has left; None where IBM does not say, or there is no limit."""
        try:
            return self._ask(lambda: seconds_of(self._service.usage().get("usage_remaining_seconds")))
        except HardwareError:
            return None

    def wait(self, attempt: int) -> None:
        """Sleeps between two tries, longer after each."""
        time.sleep(self.patience.wait(attempt))

    def _ask(self, call: Callable[[], Value]) -> Value:
        """A call of the client; what it and the service say is in the door's words."""
        with self._door.open():
            try:
                value = call()
            except Exception as error:
                self._door.explain(error)
            self._door.check()
        return value

    def _find_machine(self) -> Machine:
        from qiskit.providers.exceptions import QiskitBackendNotFoundError

        fractional = self.options.fractional
        try:
            if self.name == "least_busy":
                found = self._service.least_busy(use_fractional_gates=fractional)
            else:
                found = self._service.backend(self.name, use_fractional_gates=fractional)
        except QiskitBackendNotFoundError:
            self._refuse_device()
        if clean(found.name, MOST_OF_NAME) != found.name:
            raise HardwareError(f"IBM's service calls a device {clean(found.name, MOST_OF_NAME)!r}, which is no name")
        _ = found.target  # asks for the calibration too, here where it is waited for
        return found

    def _refuse_device(self) -> NoReturn:
        """Says why there is no such device for the client."""
        self._door.check()
        refusal = self._door.refusal
        names = self._names()
        if self.name in names:
            why = refusal.words if refusal else "what IBM's service says of its gates cannot be read"
            raise HardwareError(f"{self.name} cannot be used just now: {why}. Try again later")
        raise NoDeviceError(", ".join(names) or "none just now")

    def _names(self) -> list[str]:
        # The client's public list leaves out those whose configuration it could not get, and asks for all of them.
        found = self._service._resolve_cloud_instances(None)  # noqa: SLF001
        names = sorted({str(name) for _, devices in found for name, mock in devices if not mock})
        if not names and self._door.refusal is not None:  # the client takes a refusal for an account without devices
            raise RefusedError(self._door.refusal.words)
        return [clean(name, MOST_OF_NAME) for name in names]

    def _look(self, job_id: str) -> JobView:
        from qiskit_ibm_runtime import RuntimeJobNotFound

        try:
            job = self._service.job(job_id)
        except RuntimeJobNotFound:
            return JobView(job_id, GONE, None, None, None)
        status, facts = self._status(job), job.metrics()
        reason = job.error_message() or getattr(job, "_reason", None) if status == "ERROR" else None
        place = facts.get("position_in_queue")
        return JobView(
            job_id,
            self._door.safe(status, MOST_OF_NAME),
            None if reason is None else self._door.safe(reason),
            place if isinstance(place, int) else None,
            billed(facts.get("usage")),
        )

    def _status(self, job: Any) -> str:
        try:
            return str(job.status())
        except Exception:
            self._door.check()
            return str(job.status())  # it has one by now, if all that was missing is the text of a job that failed

    def _where(self) -> Any:
        from qiskit_ibm_runtime import Batch

        if self.options.mode == "job":
            return self.machine
        if self._mode is None:
            self._mode = self._ask(lambda: Batch(self.machine))
        return self._mode


class NoDeviceError(HardwareError):
    """The account sees no device of this name.

    Attributes:
        live: those that it does see, in words.
    """

    def __init__(self, live: str) -> None:
        super().__init__(f"the account has no such device; it has {live}")
        self.live = live


def _primitive(kind: str, where: Any, options: HardwareOptions, tags: Sequence[str], limit: int) -> Any:
    from qiskit_ibm_runtime.executor_estimator import Estimator
    from qiskit_ibm_runtime.executor_sampler import Sampler

    chosen = primitive_options(kind, options) | {"max_execution_time": limit}
    chosen["environment"] = {"job_tags": ["qgen", *tags]}
    return {"sampler": Sampler, "estimator": Estimator}[kind](where, options=chosen)


def primitive_options(kind: str, options: HardwareOptions) -> dict[str, Any]:
    """What the primitives call our options."""
    chosen: dict[str, Any] = {"execution": {}}
    if options.rep_delay_us is not None:
        chosen["execution"]["rep_delay"] = options.rep_delay_us * 1e-6
    if options.decoupling is not None:
        chosen["dynamical_decoupling"] = {"enable": True, "sequence_type": options.decoupling}
    if options.twirling or options.measure_twirling:
        chosen["twirling"] = {"enable_gates": options.twirling, "enable_measure": options.measure_twirling}
    if kind == "estimator":
        chosen["resilience_level"] = options.resilience
    return chosen


def check_isa(circuits: Sequence[QuantumCircuit], machine: Any) -> None:
    """Refuses what the device cannot run, before anything is sent.

    Raises:
        BackendError: a gate that the device does not have there, or a qubit or coupler that is out of order.
    """
    for circuit in circuits:
        if circuit.num_qubits != machine.target.num_qubits:
            raise BackendError(f"{machine.name} has {machine.target.num_qubits} qubits, not {circuit.num_qubits}")
        device_instructions(circuit, machine.target)
        try:
            machine.check_faulty(circuit)
        except ValueError as error:
            raise BackendError(f"{machine.name} cannot run this circuit now: {error}. Pin it anew") from error


def _amount(kind: str, shots: int) -> dict[str, Any]:
    if kind == "sampler":
        return {"shots": shots}
    return {"precision": (shots - 0.5) ** -0.5}  # the client takes the next whole number above its inverse square
