"""The one file that knows IBM's client: which primitives run circuits, and what the service's answers mean.

Circuits run through the client-side primitives of qiskit-ibm-runtime (`executor_sampler`, `executor_estimator`, since
0.45), not through `SamplerV2` and `EstimatorV2`, which are deprecated since 0.50. They check nothing before they
submit: `check_isa` does.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from qiskit import QuantumCircuit

from qgen.backends.ibm.account import open_service, scrubbed
from qgen.backends.ibm.options import HardwareOptions
from qgen.errors import BackendError, HardwareError
from qgen.transpilation.figures import read_steps

if TYPE_CHECKING:
    from qiskit_ibm_runtime import IBMBackend as Machine
    from qiskit_ibm_runtime import QiskitRuntimeService

Value = TypeVar("Value")
Primitive = Literal["sampler", "estimator"]
#: States of a job in which it goes on, and those in which it has ended. The service may come to know others.
ON_ITS_WAY = ("INITIALIZING", "QUEUED", "RUNNING")
ENDED = ("DONE", "ERROR", "CANCELLED")
#: The state, by our own name, of a job that the service does not know.
GONE = "GONE"
#: How often a request is tried that fails for a reason that may pass, and the longest wait between two of them.
TRIES, MOST_WAIT = 7, 60.0
#: IBM's own longest time for a job, in QPU seconds.
LONGEST = 3 * 3600
_UNKNOWN = -1  # no answer at all


class TransientError(HardwareError):
    """Something that may pass: the service is busy or failing, or the network is.

    Attributes:
        done_nothing: whether the request was certainly not carried out.
    """

    done_nothing = False


class BusyError(TransientError):
    """Too many requests: this one was turned away."""

    done_nothing = True


class RefusedError(HardwareError):
    """The service will not do what it was asked for, and has done nothing."""


class ExpiredError(TransientError):
    """The access token is no longer accepted: with a new one it may be."""


#: What an answer of the service, or none, makes of a request.
_KINDS: dict[int, type[HardwareError]] = {
    **dict.fromkeys((400, 402, 403, 405, 406, 409, 410, 413, 415, 422), RefusedError),
    429: BusyError,
    **dict.fromkeys((_UNKNOWN, *range(500, 600)), TransientError),
}


@dataclass(frozen=True)
class JobView:
    """A job as IBM sees it.

    Attributes:
        job_id: its number.
        status: as Qiskit calls it, see `ON_ITS_WAY` and `ENDED`; `GONE`; or a word that nobody knows yet.
        reason: why it failed; None otherwise.
        position: how many wait before it and itself, if IBM says so.
        seconds: QPU seconds that are billed; None as long as that is not final, or is no number of seconds.
    """

    job_id: str
    status: str
    reason: str | None
    position: int | None
    seconds: float | None


@dataclass
class Client:
    """IBM's service for one device.

    Args:
        name: of the device, as in `ibm_fez`, or `least_busy`.
        options: how circuits run.
        pace: seconds to wait after a first failure; twice as long after each further one.

    Raises:
        HardwareError: see `open_service`; or there is no such device.
    """

    name: str
    options: HardwareOptions
    pace: float = 1.0
    _service: QiskitRuntimeService = field(init=False, repr=False)
    _mode: Any = field(init=False, default=None, repr=False)
    _machine: Machine | None = field(init=False, default=None, repr=False)

    @property
    def machine(self) -> Machine:
        """The device, looked up when it is first needed: results of one that was retired can still be fetched.

        Raises:
            NoDeviceError: the account has none of that name.
        """
        if self._machine is None:
            self._machine = self._patiently(self._find_machine)
            self.name = str(self._machine.name)  # `least_busy` is decided once
        return self._machine

    def check_online(self) -> None:
        """Refuses to submit to a device that does not run.

        Raises:
            HardwareError: it is offline.
        """
        if not self._patiently(lambda: self.machine.status()).operational:
            raise HardwareError(
                f"{self.machine.name} is offline just now: nothing was submitted. Run the same command later; what was "
                "done is kept"
            )

    def __post_init__(self) -> None:
        self._connect()

    def close(self) -> None:
        """Closes the batch, if there is one."""
        if self._mode is not None:
            mode, self._mode = self._mode, None
            self._patiently(mode.close)

    def submit(
        self, kind: Literal["sampler", "estimator"], pubs: Sequence[Any], shots: int, tag: str, limit: int
    ) -> str:
        """Submits a job once, and returns its number.

        Args:
            kind: the primitive.
            pubs: what it takes.
            shots: of each circuit.
            tag: by which the job can be found again.
            limit: QPU seconds after which IBM ends it.

        Raises:
            TransientError: it may or may not have been submitted: look for the tag.
            HardwareError: it was refused.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the machine's state: it was looked at
            job = self._once(lambda: self._primitive(kind, shots, tag, limit).run(pubs, **_amount(kind, shots)))
        return str(job.job_id())

    def find(self, tag: str) -> list[str]:
        """The numbers of the jobs with this tag, the oldest first."""
        found = self._patiently(lambda: self._service.jobs(limit=None, job_tags=[tag], descending=False))
        return [str(job.job_id()) for job in found]

    def look(self, job_id: str) -> JobView:
        """How a job is doing."""
        return self._patiently(lambda: self._look(job_id))

    def fetch(self, job_id: str) -> Any:
        """The result of a job that is done, as its primitive has it."""
        return self._patiently(lambda: self._service.job(job_id).result())

    def cancel(self, job_id: str) -> None:
        """Takes a job out of the queue, or off the device; nothing where it has ended."""
        from qiskit_ibm_runtime import RuntimeInvalidStateError

        def cancel() -> None:
            with suppress(RuntimeInvalidStateError):
                self._service.job(job_id).cancel()

        self._patiently(cancel)

    @property
    def instance(self) -> str:
        """A mark of the account's instance that jobs go to: those of one are not seen from another."""
        return sha256(str(self._service.active_instance()).encode()).hexdigest()[:16]

    def queue(self) -> int:
        """How many jobs wait for the device."""
        return int(self._patiently(lambda: self.machine.status()).pending_jobs)

    def allowance(self) -> float | None:
        """QPU seconds that the account has left; None where IBM does not say, or there is no limit."""
        try:
            left = self._patiently(lambda: self._service.usage()).get("usage_remaining_seconds")
        except HardwareError:
            return None
        return None if left is None else float(left)

    def _connect(self) -> None:
        self._service = open_service()
        if not self._patiently(self._live):  # the client takes an instance that does not answer for an empty one
            self.wait(0)
            self._service = open_service()
        _post_once(self._service)
        self._machine, self._mode = None, None

    def _live(self) -> list[str]:
        return sorted(one.name for one in self._service.backends(simulator=False))

    def _find_machine(self) -> Any:
        from qiskit.providers.exceptions import QiskitBackendNotFoundError

        try:
            if self.name == "least_busy":
                chosen = self._service.least_busy(operational=True, simulator=False)
                return self._service.backend(chosen.name, use_fractional_gates=self.options.fractional)
            return self._service.backend(self.name, use_fractional_gates=self.options.fractional)
        except QiskitBackendNotFoundError:
            raise NoDeviceError(", ".join(self._live()) or "none just now") from None

    def _look(self, job_id: str) -> JobView:
        from qiskit_ibm_runtime import RuntimeJobNotFound

        try:
            job = self._service.job(job_id)
        except RuntimeJobNotFound:
            return JobView(job_id, GONE, None, None, None)
        status, facts = job.status(), job.metrics()
        seconds = _billed(facts.get("usage"))
        reason = job.error_message() if status == "ERROR" else None
        return JobView(job_id, status, reason, facts.get("position_in_queue"), seconds)

    def _primitive(self, kind: str, shots: int, tag: str, limit: int) -> Any:
        from qiskit_ibm_runtime.executor_estimator import Estimator
        from qiskit_ibm_runtime.executor_sampler import Sampler

        options = primitive_options(kind, self.options) | {"max_execution_time": limit}
        options["environment"] = {"job_tags": ["qgen", tag]}
        return {"sampler": Sampler, "estimator": Estimator}[kind](self._where(), options=options)

    def _where(self) -> Any:
        from qiskit_ibm_runtime import Batch

        if self.options.mode == "job":
            return self.machine
        if self._mode is None:
            self._mode = self._patiently(lambda: Batch(self.machine))
        return self._mode

    def _token(self) -> str:
        return str((self._service.active_account() or {}).get("token", ""))

    def _once(self, call: Callable[[], Value]) -> Value:
        """The call, with the client's errors told apart: those that may pass, and those that will not."""
        from qiskit_ibm_runtime.exceptions import IBMNotAuthorizedError

        with scrubbed(self._token()):
            try:
                return call()
            except Exception as error:
                kind = ExpiredError if isinstance(error, IBMNotAuthorizedError) else _KINDS.get(_status(error) or 0)
                if kind is None:
                    raise
                words = " ".join(str(getattr(error, "message", None) or error).split())
                raise kind(words.replace(self._token(), "***")) from None

    def _patiently(self, call: Callable[[], Value]) -> Value:
        """The same, for what may be asked again without harm."""
        return self._again(lambda: self._once(call))

    def _again(self, call: Callable[[], Value]) -> Value:
        for attempt in range(TRIES):
            try:
                return call()
            except TransientError as error:
                if attempt == TRIES - 1:
                    raise HardwareError(
                        f"IBM's service does not answer as it should: {error}. Try again later"
                    ) from None
                self.wait(attempt)
                if isinstance(error, ExpiredError):
                    self._connect()
        raise AssertionError("unreachable")

    def wait(self, attempt: int) -> None:
        """Sleeps between two tries, longer after each."""
        time.sleep(min(self.pace * 2**attempt, MOST_WAIT))


class NoDeviceError(HardwareError):
    """The account sees no device of this name.

    Attributes:
        live: those that it does see, in words.
    """

    def __init__(self, live: str) -> None:
        super().__init__(f"the account has no such device; it has {live}")
        self.live = live


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
        read_steps(circuit, machine.target)
        try:
            machine.check_faulty(circuit)
        except ValueError as error:
            raise BackendError(f"{machine.name} cannot run this circuit now: {error}. Pin it anew") from error


def _amount(kind: str, shots: int) -> dict[str, Any]:
    if kind == "sampler":
        return {"shots": shots}
    return {"precision": (shots - 0.5) ** -0.5}  # the client takes the next whole number above its inverse square


def _billed(usage: Any) -> float | None:
    """QPU seconds by what the service says of a job's usage; None: not final, or nothing that can be a bill."""
    if not isinstance(usage, Mapping) or usage.get("status", "pending") == "pending":
        return None
    said = [usage[name] for name in ("qpu_charge_time_seconds", "quantum_seconds") if usage.get(name) is not None]
    if not said:
        return 0.0
    wrong = any(isinstance(one, bool) or not isinstance(one, int | float) or not 0 <= one <= LONGEST for one in said)
    return None if wrong else float(next((one for one in said if one), 0.0))


def _status(error: BaseException) -> int | None:
    """The HTTP status behind an error; -1 where no answer came; None where it is of another kind."""
    seen: BaseException | None = error
    while seen is not None:
        found = getattr(seen, "status_code", None)
        if isinstance(found, int):
            return found
        seen = seen.__cause__ or seen.__context__
    return None


def _post_once(service: Any) -> None:
    """Keeps the client from repeating a POST that was answered 5xx: the job may have been made, and would run twice.

    The client has no public switch for that. Should its inside change, jobs that were made twice are still found by
    their tag and the second one is cancelled.
    """
    from requests.adapters import HTTPAdapter
    from urllib3.util.retry import Retry

    retry = Retry(total=5, connect=3, backoff_factor=0.5, status_forcelist=(500, 502, 503, 504, 520, 521, 522, 524))
    clients = [getattr(service, "_active_api_client", None), *getattr(service, "_api_clients", {}).values()]
    for session in filter(None, (getattr(client, "_session", None) for client in clients)):
        session.mount(f"{session.base_url}/jobs", HTTPAdapter(max_retries=retry))
