"""The service behind the addresses: devices, jobs, sessions and the account, and the rules between them."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import timedelta
from threading import Condition
from typing import Any

from qgen.devserver.billing import Ledger, Plan, Tariff
from qgen.devserver.checks import RefusedError
from qgen.devserver.faults import Faults
from qgen.devserver.identity import Identity
from qgen.devserver.jobs import CANCELLED, FAILED, QUEUED, RUNNING, Job, now
from qgen.devserver.machine import Machine
from qgen.devserver.messages import ApiError
from qgen.devserver.program import Program
from qgen.devserver.sessions import Session

LONGEST = 10_800  # seconds of a job, a session or a batch


class Service:
    """All state, and what may be done to it; every method may be called from any thread.

    Args:
        machines: by name.
        identity: who may come in.
        plan: of the account.
        tariff: what jobs cost.
        faults: what goes wrong.
        instances: the CRNs of the account's instances by their names; jobs of one are not seen from another.
        lag: seconds after which a job is in the lists of jobs.
    """

    def __init__(
        self,
        machines: Sequence[Machine],
        identity: Identity,
        plan: Plan,
        tariff: Tariff,
        faults: Faults,
        instances: Mapping[str, str],
        lag: float = 0.0,
    ) -> None:
        both = [twin for machine in machines for twin in (machine, machine.twin())]
        self.machines = {machine.name: machine for machine in both}
        self.identity, self.plan, self.tariff, self.faults = identity, plan, tariff, faults
        self.instances, self._lag = instances, timedelta(seconds=lag)
        self.changed = Condition()
        self._jobs: dict[str, Job] = {}
        self._sessions: dict[str, Session] = {}
        self._since = now()

    def machine(self, name: str) -> Machine:
        """The device of that name.

        Raises:
            ApiError: there is none, or it is retired.
        """
        found = self.machines.get(name)
        if found is None or found.retired:
            raise ApiError(404, 1007, f"Backend {name} not found.")
        return found

    def queue(self, machine: Machine | None = None) -> list[Job]:
        """Jobs that wait or run, first come first: of one device, or of all."""
        with self.changed:
            pending = [job for job in self._jobs.values() if not job.done]
        return [job for job in pending if machine is None or job.backend == machine.name]

    def position(self, job: Job) -> int | None:
        """Which one in the queue of its device a waiting job is, from 1; None for others."""
        waiting = [one for one in self.queue(self.machines.get(job.backend)) if one.state == QUEUED]
        return waiting.index(job) + 1 if job in waiting else None

    def submit(self, request: dict[str, Any], instance: str) -> Job:
        """A new job, waiting, or failed already where it cannot run.

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
        machine = self.machine(str(request.get("backend")))
        tags = [str(tag) for tag in request.get("tags") or []]
        session, limit = request.get("session_id"), request.get("cost")
        self._check_session(session, machine)
        name = secrets.token_hex(10)
        job = Job(name, machine.name, request, tags, session, float(limit) if limit else None, now())
        job.instance = instance
        try:
            self._read(job, machine)
        except RefusedError as refusal:
            job.end(FAILED, str(refusal), refusal.code)
        with self.changed:
            self._jobs[job.id] = job
            self.changed.notify_all()
        return job

    def job(self, name: str, instance: str) -> Job:
        """The job of that id.

        Raises:
            ApiError: this instance has none.
        """
        with self.changed:
            found = self._jobs.get(name)
        if found is None or found.deleted or found.instance != instance:
            raise ApiError(404, 1291, f"Job not found. Job ID: {name}")
        return found

    def jobs(self) -> list[Job]:
        """All jobs that were not deleted, oldest first."""
        with self.changed:
            return [job for job in self._jobs.values() if not job.deleted]

    def listed(self, instance: str) -> list[Job]:
        """Those of them that the lists of an instance have: the youngest may be missing."""
        return [job for job in self.jobs() if job.instance == instance and now() - job.created >= self._lag]

    def cancel(self, job: Job) -> None:
        """Take a job out of the queue, or off the device; what ran is billed.

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

    def bill(self, job: Job, most: float) -> None:
        """Charge for a job that ran, so many quantum seconds at most."""
        if self.machines[job.backend].mock:
            return
        job.seconds = min(job.estimate, most)
        job.executions = min(job.asked, self.tariff.executions_within(job.seconds, job.rep_delay))

    def delete(self, job: Job) -> None:
        """Forget a job; the ledger does not."""
        with self.changed:
            if not job.done:
                raise ApiError(409, 1293, f"Job {job.id} cannot be deleted: it is in the state {job.state}.")
            job.deleted, job.result = True, ""

    def open_session(self, request: dict[str, Any]) -> Session:
        """A new session or batch.

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
        machine = self.machine(str(request.get("backend")))
        longest = min(int(request.get("max_ttl") or LONGEST), LONGEST)
        session = Session(secrets.token_hex(10), mode, machine.name, longest, now())
        with self.changed:
            self._sessions[session.id] = session
        return session

    def session(self, name: str) -> Session:
        """The session or batch of that id.

        Raises:
            ApiError: there is none.
        """
        with self.changed:
            found = self._sessions.get(name)
        if found is None:
            raise ApiError(404, 1216, f"Session not found. Session ID: {name}")
        return found

    def jobs_of(self, session: Session) -> list[Job]:
        """The jobs of a session, oldest first."""
        return [job for job in self.jobs() if job.session == session.id]

    def close_session(self, session: Session, cancel: bool) -> None:
        """No more jobs for it; `cancel`: those that wait are cancelled."""
        session.accepting = False
        if not cancel:
            return
        session.closed = now()
        for job in self.jobs_of(session):
            if job.state == QUEUED:
                self.cancel(job)

    @property
    def ledger(self) -> Ledger:
        """What was billed until now."""
        with self.changed:
            return Ledger(tuple(job.entry() for job in self._jobs.values()))

    def usage(self) -> dict[str, Any]:
        """What `GET /instances/usage` answers."""
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

    def _check_session(self, name: str | None, machine: Machine) -> None:
        if name is None:
            return
        session = self.session(name)
        if not session.accepting:
            raise ApiError(400, 1217, f"Session has been closed. Session ID: {name}")
        if session.backend != machine.name:
            raise ApiError(400, 1218, f"Session {name} is on {session.backend}, not on {machine.name}.")

    def _read(self, job: Job, machine: Machine) -> None:
        """Take in what a job asks for.

        Raises:
            RefusedError: it is nothing that the machine, or the plan, runs.
        """
        job.program = Program.read(job.request.get("params") or {})
        job.circuits, job.shots = job.program.circuits, job.program.shots
        job.rep_delay = machine.rep_delay if job.program.rep_delay is None else job.program.rep_delay
        if job.asked > self.plan.executions:
            raise RefusedError(
                8054,
                f"The job has {job.asked:,} executions, and {self.plan.executions:,} are the most: "
                "use fewer circuits or shots, or split it.",
            )
        job.program.check(machine)
        job.estimate = self.tariff.seconds(job.asked, job.rep_delay)
