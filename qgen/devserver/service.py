"""The service behind the REST interface: devices, jobs, sessions and the account, and the rules between them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from threading import Condition
from typing import Any

from qgen.devserver.billing import Ledger, Plan, Tariff
from qgen.devserver.device import JobRefusedError, SimulatedDevice
from qgen.devserver.executor_program import ExecutorProgram
from qgen.devserver.faults import Faults
from qgen.devserver.http_server import ApiError
from qgen.devserver.identity import Identity
from qgen.devserver.jobs import CANCELLED, FAILED, QUEUED, RUNNING, Job, Session, now

MAX_SECONDS = 10_800  # seconds of a job, a session or a batch


class Service:
    """State of the service, and the operations on it; every method may be called from any thread.

    Args:
        devices: the devices.
        identity: issues and checks tokens.
        plan: plan of the account.
        tariff: cost of jobs.
        faults: faults that strike.
        instances: CRNs of the account's instances by name; jobs of one are not seen from another.
        lag: seconds after which a job appears in the lists of jobs.
    """

    def __init__(
        self,
        devices: Sequence[SimulatedDevice],
        identity: Identity,
        plan: Plan,
        tariff: Tariff,
        faults: Faults,
        instances: Mapping[str, str],
        lag: float = 0.0,
    ) -> None:
        with_mocks = [one for device in devices for one in (device, device.make_mock())]
        self.devices = {device.name: device for device in with_mocks}
        self.identity, self.plan, self.tariff, self.faults = identity, plan, tariff, faults
        self.instances, self._lag = instances, timedelta(seconds=lag)
        self.changed = Condition()
        self._jobs: dict[str, Job] = {}
        self._sessions: dict[str, Session] = {}
        self._since = now()

    def device(self, name: str) -> SimulatedDevice:
        """Return the device of that name.

        Raises:
            ApiError: there is none, or it is retired.
        """
        device = self.devices.get(name)
        if device is None or device.retired:
            raise ApiError(404, 1007, f"Backend {name} not found.")
        return device

    def queue(self, device: SimulatedDevice | None = None) -> list[Job]:
        """Return the queued and running jobs of one device, or of all, the oldest first."""
        with self.changed:
            pending = [job for job in self._jobs.values() if not job.done]
        return [job for job in pending if device is None or job.backend == device.name]

    def position(self, job: Job) -> int | None:
        """Return the position of a queued job in the queue of its device, from 1; None for others."""
        queued = [one for one in self.queue(self.devices.get(job.backend)) if one.state == QUEUED]
        return queued.index(job) + 1 if job in queued else None

    def submit(self, request: dict[str, Any], instance: str) -> Job:
        """Create a job, queued, or failed already where it cannot run.

        Raises:
            ApiError: an unknown program, device or session.
        """
        if request.get("program_id") != "executor":
            raise ApiError(
                404,
                1211,
                f"Program {request.get('program_id')} not found. The devserver runs `executor` alone, the program of "
                "the primitives in qiskit_ibm_runtime.executor_sampler and qiskit_ibm_runtime.executor_estimator.",
            )
        device = self.device(str(request.get("backend")))
        tags = [str(tag) for tag in request.get("tags") or []]
        session, limit = request.get("session_id"), request.get("cost")
        self._check_session(session, device)
        name = secrets.token_hex(10)
        job = Job(name, device.name, request, tags, session, float(limit) if limit else None, now())
        job.instance = instance
        try:
            self._parse(job, device)
        except JobRefusedError as refusal:
            job.end(FAILED, str(refusal), refusal.code)
        with self.changed:
            self._jobs[job.id] = job
            self.changed.notify_all()
        return job

    def job(self, name: str, instance: str) -> Job:
        """Return the job of that id.

        Raises:
            ApiError: this instance has none.
        """
        with self.changed:
            job = self._jobs.get(name)
        if job is None or job.deleted or job.instance != instance:
            raise ApiError(404, 1291, f"Job not found. Job ID: {name}")
        return job

    def jobs(self) -> list[Job]:
        """Return all jobs that were not deleted, the oldest first."""
        with self.changed:
            return [job for job in self._jobs.values() if not job.deleted]

    def listed(self, instance: str) -> list[Job]:
        """Return the jobs in the lists of an instance: the newest may be missing."""
        return [job for job in self.jobs() if job.instance == instance and now() - job.created >= self._lag]

    def cancel(self, job: Job) -> None:
        """Cancel a job, queued or running; what ran is billed.

        Raises:
            ApiError: it is done already.
        """
        with self.changed:
            if job.done:
                raise ApiError(409, 1293, f"Job {job.id} cannot be cancelled: it is in the state {job.state}.")
            if job.state == RUNNING:
                self.bill(job, job.estimate)
            job.end(CANCELLED)
            self.changed.notify_all()

    def bill(self, job: Job, max_seconds: float) -> None:
        """Bill a job that ran, for at most this many quantum seconds."""
        if self.devices[job.backend].mock:
            return
        job.seconds = min(job.estimate, max_seconds)
        job.executions = min(job.requested_executions, self.tariff.executions_within(job.seconds, job.rep_delay))

    def delete(self, job: Job) -> None:
        """Delete a job; the ledger keeps its entry."""
        with self.changed:
            if not job.done:
                raise ApiError(409, 1293, f"Job {job.id} cannot be deleted: it is in the state {job.state}.")
            job.deleted, job.result = True, ""

    def open_session(self, request: dict[str, Any]) -> Session:
        """Create a session or batch.

        Raises:
            ApiError: the plan has no sessions, or there is no such device.
        """
        mode = str(request.get("mode") or "dedicated")
        if mode == "dedicated" and not self.plan.sessions:
            raise ApiError(
                403,
                1352,
                "You are not authorized to run a session when using the open plan. "
                "Create an instance of a different plan type or use a different execution mode, such as batch or job.",
            )
        device = self.device(str(request.get("backend")))
        seconds = min(int(request.get("max_ttl") or MAX_SECONDS), MAX_SECONDS)
        session = Session(secrets.token_hex(10), mode, device.name, seconds, now())
        with self.changed:
            self._sessions[session.id] = session
        return session

    def session(self, name: str) -> Session:
        """Return the session or batch of that id.

        Raises:
            ApiError: there is none.
        """
        with self.changed:
            session = self._sessions.get(name)
        if session is None:
            raise ApiError(404, 1216, f"Session not found. Session ID: {name}")
        return session

    def jobs_of(self, session: Session) -> list[Job]:
        """Return the jobs of a session, the oldest first."""
        return [job for job in self.jobs() if job.session == session.id]

    def close_session(self, session: Session, cancel: bool) -> None:
        """Accept no more jobs for a session; with `cancel`, cancel its queued jobs too."""
        session.accepting = False
        if not cancel:
            return
        session.closed = now()
        for job in self.jobs_of(session):
            if job.state == QUEUED:
                self.cancel(job)

    @property
    def ledger(self) -> Ledger:
        """The ledger of what was billed so far."""
        with self.changed:
            return Ledger(tuple(job.ledger_entry() for job in self._jobs.values()))

    def usage(self) -> dict[str, Any]:
        """Return the response to `GET /instances/usage`."""
        consumed, limit = self.ledger.seconds, self.plan.seconds
        period = {"start_time": self._since.isoformat(), "end_time": (self._since + timedelta(days=28)).isoformat()}
        return {
            "instance_id": next(iter(self.instances.values())),
            "plan_id": "open",
            "usage_consumed_seconds": consumed,
            "usage_limit_seconds": limit,
            "usage_remaining_seconds": max(0.0, limit - consumed),
            "usage_limit_reached": consumed >= limit,
            "usage_period": period,
        }

    def _check_session(self, name: str | None, device: SimulatedDevice) -> None:
        if name is None:
            return
        session = self.session(name)
        if not session.accepting:
            raise ApiError(400, 1217, f"Session has been closed. Session ID: {name}")
        if session.backend != device.name:
            raise ApiError(400, 1218, f"Session {name} is on {session.backend}, not on {device.name}.")

    def _parse(self, job: Job, device: SimulatedDevice) -> None:
        """Parse and check the program of a job.

        Raises:
            JobRefusedError: the device or the plan does not allow it.
        """
        job.program = ExecutorProgram.parse(job.request.get("params") or {})
        job.circuits, job.shots = job.program.circuits, job.program.shots
        job.rep_delay = device.rep_delay if job.program.rep_delay is None else job.program.rep_delay
        if job.requested_executions > self.plan.executions:
            raise JobRefusedError(
                8054,
                f"The job has {job.requested_executions:,} executions, and {self.plan.executions:,} are the most: "
                "use fewer circuits or shots, or split it.",
            )
        job.program.check(device)
        job.estimate = self.tariff.seconds(job.requested_executions, job.rep_delay)
