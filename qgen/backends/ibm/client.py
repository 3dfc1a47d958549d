"""IBM's client, wrapped: which primitives run circuits, and what the service says of devices and jobs.

Circuits run through the client-side primitives of qiskit-ibm-runtime (`executor_sampler`, `executor_estimator`, since
0.45), not through `SamplerV2` and `EstimatorV2`, which are deprecated since 0.50. They check nothing before they
submit: `qgen.backends.ibm.layouts.check_isa` does.
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

from qgen.backends.ibm.account import open_service
from qgen.backends.ibm.errors import RefusedError, RetryPolicy, TransientError
from qgen.backends.ibm.options import HardwareOptions
from qgen.backends.ibm.responses import GONE, MAX_NAME, JobInfo, parse_bill, parse_seconds, sanitize
from qgen.backends.ibm.results import execution_counter
from qgen.backends.ibm.transport import Transport
from qgen.errors import HardwareError

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend as Machine
    from qiskit_ibm_runtime import QiskitRuntimeService

Value = TypeVar("Value")
Primitive = Literal["sampler", "estimator"]
#: How every request is retried; tests retry less.
RETRY_POLICY = RetryPolicy()
#: Tries of a submission that fails transiently.
SUBMIT_TRIES = RETRY_POLICY.tries
#: Tries to fetch a result that cannot be read.
_FETCH_TRIES = 4
_JOB_ID = re.compile(r"[\w-]{1,100}", re.ASCII)


@dataclass
class Client:
    """IBM's service for one device.

    Args:
        name: name of the device, as in `ibm_fez`, or `least_busy`.
        options: how circuits run.
        pace: seconds to wait after a first failure, doubled after each further one.
        brief: try everything only twice, for a user who waits for a list.

    Attributes:
        retry: how every request is retried.
        before_submit: called before a job is submitted.

    Raises:
        HardwareError: see `open_service`; or there is no such device.
    """

    name: str
    options: HardwareOptions
    pace: float = field(default_factory=lambda: RETRY_POLICY.pace)
    brief: bool = False
    retry: RetryPolicy = field(init=False)
    before_submit: Callable[[], None] | None = field(init=False, default=None, repr=False)
    _transport: Transport = field(init=False, repr=False)
    _service: QiskitRuntimeService = field(init=False, repr=False)
    _batch: Any = field(init=False, default=None, repr=False)
    _machine: Machine | None = field(init=False, default=None, repr=False)

    def __post_init__(self) -> None:
        max_wait = RETRY_POLICY.max_wait * self.pace / RETRY_POLICY.pace
        self.retry = replace(RETRY_POLICY, pace=self.pace, max_wait=max_wait)
        if self.brief:
            self.retry = replace(self.retry, tries=2, first_tries=2, max_wait=min(max_wait, 5.0), answer=20.0)
        self._transport = Transport(self.retry)
        self._service = open_service(self._transport)

    @property
    def machine(self) -> Machine:
        """The device with its calibration, fetched on first use: results of a retired device need none.

        Raises:
            NoDeviceError: the account has none of that name.
        """
        if self._machine is None:
            self._machine = self._call(self._find_machine)
            self.name = str(self._machine.name)  # `least_busy` is decided once
        return self._machine

    def for_device(self, name: str) -> Client:
        """Return a client for another device of the same account, over the same connection."""
        other = copy(self)
        vars(other).update(name=name, _machine=None, _batch=None)
        return other

    def device_names(self) -> list[str]:
        """Return the names of the account's devices."""
        return self._call(self._list_names)

    def check_online(self) -> None:
        """Refuse to submit to a device that is offline.

        Raises:
            HardwareError: it is offline.
        """
        if not self.device_status()[0]:
            raise HardwareError(
                f"{self.machine.name} is offline just now: nothing was submitted. Run the same command later; what was "
                "done is kept"
            )

    def calibration_time(self) -> datetime | None:
        """Return when the device was last calibrated; None where IBM does not say."""
        properties = self._call(lambda: self.machine.properties())
        return None if properties is None else properties.last_update_date

    def device_status(self) -> tuple[bool, int]:
        """Return whether the device is online, and the number of jobs in its queue."""

        def fetch() -> tuple[bool, int]:
            status = self.machine.status()
            return bool(status.operational), max(0, int(status.pending_jobs))

        return self._call(fetch)

    def queue_length(self) -> int:
        """Return the number of jobs in the queue of the device."""
        return self.device_status()[1]

    def remaining_seconds(self) -> float | None:
        """Return the QPU seconds that the account has left; None where IBM does not say, or there is no limit."""
        try:
            return self._call(lambda: parse_seconds(self._service.usage().get("usage_remaining_seconds")))
        except HardwareError:
            return None

    @property
    def instance(self) -> str:
        """Hash of the account's instance that jobs go to: one instance does not see the jobs of another."""
        return sha256(str(self._service.active_instance()).encode()).hexdigest()[:16]

    def submit(self, kind: Primitive, pubs: Sequence[Any], shots: int, tags: Sequence[str], limit: int) -> str:
        """Submit a job once, and return its id.

        Args:
            kind: the primitive.
            pubs: its arguments.
            shots: shots of each circuit.
            tags: tags by which the job can be found again.
            limit: QPU seconds after which IBM ends it.

        Raises:
            TransientError: it may or may not have been submitted: search for the tag.
            RefusedError: it was not submitted.
        """

        def run() -> str:
            mode = self._execution_mode()
            if self.before_submit is not None:
                self.before_submit()
            primitive = _primitive(kind, mode, self.options, tags, limit)
            job_id = str(primitive.run(pubs, **_shots_argument(kind, shots)).job_id())
            if _JOB_ID.fullmatch(job_id) is None:
                raise HardwareError(f"IBM's service gives a job the number {sanitize(job_id, MAX_NAME)!r}")
            return job_id

        try:
            return self._call(run)
        except HardwareError as error:
            if not self._transport.job_posted:  # all retries were used up before the job was sent
                raise RefusedError(f"{error}. Nothing was submitted") from None
            if isinstance(error, TransientError | RefusedError):
                raise
            raise TransientError(str(error)) from None

    def find_by_tag(self, tag: str) -> list[str]:
        """Return the ids of the jobs with this tag, the oldest first."""
        return list(self.tags_of_jobs(tag))

    def tags_of_jobs(self, tag: str) -> dict[str, tuple[str, ...]]:
        """Return all tags of each job with this tag, by the job's id, the oldest first."""

        def fetch() -> dict[str, tuple[str, ...]]:
            jobs = self._service.jobs(limit=None, job_tags=[tag], descending=False)
            tags = {str(job.job_id()): tuple(map(str, job.tags)) for job in jobs}
            return {job_id: names for job_id, names in tags.items() if _JOB_ID.fullmatch(job_id)}

        return self._call(fetch)

    def job_status(self, job_id: str) -> JobInfo:
        """Return the status of a job."""
        return self._call(lambda: self._fetch_status(job_id))

    def fetch_result(self, job_id: str) -> Any:
        """Return the result of a finished job, as its primitive has it, with its number of `executions`.

        Raises:
            HardwareError: IBM has no readable result, after several tries.
        """

        def fetch() -> Any:
            job, counter = self._service.job(job_id), execution_counter()
            # Between the bits as they came and what the primitive makes of them.
            decoders = [job._result_decoders[0], counter, *job._result_decoders[1:]]  # noqa: SLF001
            result = job.result(decoder=decoders)
            if result is None:
                raise HardwareError(f"IBM's service has no result of job {job_id}, though it is done: try again later")
            result.executions = counter.executions
            return result

        for attempt in range(_FETCH_TRIES - 1):
            try:
                return self._call(fetch)
            except TransientError:
                raise
            except HardwareError:
                self.wait(attempt)
        return self._call(fetch)

    def cancel(self, job_id: str) -> None:
        """Cancel a job, queued or running; does nothing where it has ended."""
        from qiskit_ibm_runtime import RuntimeInvalidStateError

        def cancel() -> None:
            with suppress(RuntimeInvalidStateError):
                self._service.job(job_id).cancel()

        self._call(cancel)

    def wait(self, attempt: int) -> None:
        """Sleep between two tries, longer after each."""
        time.sleep(self.retry.wait(attempt))

    def close(self) -> None:
        """Close the batch, if there is one; one that cannot be closed ends by itself."""
        if self._batch is not None:
            batch, self._batch = self._batch, None
            with suppress(HardwareError):
                self._call(batch.close)

    def _call(self, function: Callable[[], Value]) -> Value:
        """Call the client; its exceptions become ours."""
        with self._transport.active():
            try:
                value = function()
            except Exception as error:
                self._transport.translate(error)
            self._transport.raise_for_failure()
        return value

    def _find_machine(self) -> Machine:
        from qiskit.providers.exceptions import QiskitBackendNotFoundError

        fractional = self.options.fractional
        try:
            if self.name == "least_busy":
                machine = self._service.least_busy(use_fractional_gates=fractional)
            else:
                machine = self._service.backend(self.name, use_fractional_gates=fractional)
        except QiskitBackendNotFoundError:
            self._refuse_device()
        if sanitize(machine.name, MAX_NAME) != machine.name:
            raise HardwareError(f"IBM's service calls a device {sanitize(machine.name, MAX_NAME)!r}, which is no name")
        _ = machine.target  # fetches the calibration too, while failures are handled
        return machine

    def _refuse_device(self) -> NoReturn:
        """Raise the reason why the client finds no such device."""
        self._transport.raise_for_failure()
        refusal = self._transport.refusal
        names = self._list_names()
        if self.name in names:
            reason = refusal.message if refusal else "what IBM's service says of its gates cannot be read"
            raise HardwareError(f"{self.name} cannot be used just now: {reason}. Try again later")
        raise NoDeviceError(", ".join(names) or "none just now")

    def _list_names(self) -> list[str]:
        # The client's public list leaves out those whose configuration it could not get, and asks for all of them.
        instances = self._service._resolve_cloud_instances(None)  # noqa: SLF001
        names = sorted({str(name) for _, devices in instances for name, mock in devices if not mock})
        refusal = self._transport.refusal
        if not names and refusal is not None:  # the client takes a refusal for an account without devices
            raise RefusedError(refusal.message)
        return [sanitize(name, MAX_NAME) for name in names]

    def _fetch_status(self, job_id: str) -> JobInfo:
        from qiskit_ibm_runtime import RuntimeJobNotFound

        try:
            job = self._service.job(job_id)
        except RuntimeJobNotFound:
            return JobInfo(job_id, GONE, None, None, None)
        status, metrics = self._status_name(job), job.metrics()
        reason = job.error_message() or getattr(job, "_reason", None) if status == "ERROR" else None
        position = metrics.get("position_in_queue")
        return JobInfo(
            job_id,
            self._transport.redact(status, MAX_NAME),
            None if reason is None else self._transport.redact(reason),
            position if isinstance(position, int) else None,
            parse_bill(metrics.get("usage")),
        )

    def _status_name(self, job: Any) -> str:
        try:
            return str(job.status())
        except Exception:
            self._transport.raise_for_failure()
            return str(job.status())  # it has one by now, if all that was missing is the text of a job that failed

    def _execution_mode(self) -> Any:
        from qiskit_ibm_runtime import Batch

        if self.options.mode == "job":
            return self.machine
        if self._batch is None:
            self._batch = self._call(lambda: Batch(self.machine))
        return self._batch


class NoDeviceError(HardwareError):
    """The account sees no device of this name.

    Attributes:
        available: names of those that it does see.
    """

    def __init__(self, available: str) -> None:
        super().__init__(f"the account has no such device; it has {available}")
        self.available = available


def _primitive(kind: str, mode: Any, options: HardwareOptions, tags: Sequence[str], limit: int) -> Any:
    from qiskit_ibm_runtime.executor_estimator import Estimator
    from qiskit_ibm_runtime.executor_sampler import Sampler

    chosen = primitive_options(kind, options) | {"max_execution_time": limit}
    chosen["environment"] = {"job_tags": ["qgen", *tags]}
    return {"sampler": Sampler, "estimator": Estimator}[kind](mode, options=chosen)


def primitive_options(kind: str, options: HardwareOptions) -> dict[str, Any]:
    """Return our options by the names that IBM's primitives have for them."""
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


def _shots_argument(kind: str, shots: int) -> dict[str, Any]:
    if kind == "sampler":
        return {"shots": shots}
    return {"precision": (shots - 0.5) ** -0.5}  # the client takes the next whole number above its inverse square
