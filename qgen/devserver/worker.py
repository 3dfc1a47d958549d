"""The one place where jobs run: one after the other, in the order in which they came."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread

from qgen.devserver.checks import RefusedError
from qgen.devserver.faults import Fault
from qgen.devserver.jobs import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, TOO_LONG, Job, now
from qgen.devserver.service import LONGEST, Service

IDLE = 0.2  # seconds after which a device may have come back online


class Worker(Thread):
    """Runs the jobs of a service until it is stopped.

    Args:
        service: whose.
        seed: of all results.
        queue_seconds: that a job waits at least.
        run_seconds: that it runs at least.
    """

    def __init__(self, service: Service, seed: int, queue_seconds: float, run_seconds: float) -> None:
        super().__init__(name="devserver-worker")
        self._service, self._seed = service, seed
        self._queue, self._run = timedelta(seconds=queue_seconds), timedelta(seconds=run_seconds)
        self._stopping = False

    def stop(self) -> None:
        """End after the job in hand."""
        with self._service.changed:
            self._stopping = True
            self._service.changed.notify_all()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """See `Thread.run`."""
        while (job := self._next()) is not None:
            self._work_on(job, self._service.faults.for_job())

    def _next(self) -> Job | None:
        """The first job that may run, once it has waited long enough; it is running from then on."""
        changed = self._service.changed
        with changed:
            while not self._stopping:
                job = self._first()
                if job is None:
                    changed.wait(IDLE)
                    continue
                left = (job.created + self._queue - now()).total_seconds()
                if left <= 0:
                    job.state, job.started = RUNNING, now()
                    return job
                changed.wait(left)
        return None

    def _first(self) -> Job | None:
        if self._service.usage()["usage_limit_reached"]:
            return None
        machines = self._service.machines
        return next(
            (job for job in self._service.queue() if job.state == QUEUED and machines[job.backend].online), None
        )

    def _work_on(self, job: Job, fault: Fault | None) -> None:
        service, refusal, result = self._service, None, ""
        limit = min(job.limit or LONGEST, LONGEST)
        if fault is not None and fault.job == "slow":
            job.estimate, fault = fault.factor * job.estimate, None
        short = job.estimate > limit or (fault is not None and fault.job == "too_long")
        if fault is None and not short:
            try:
                result = self._result(job)
            except RefusedError as found:
                refusal = found
        self._hold(job)
        with service.changed:
            if job.done:  # cancelled meanwhile
                return
            if short:
                service.bill(job, min(job.estimate, limit))
                job.end(CANCELLED, "Job ran longer than maximum execution time", TOO_LONG)
            elif fault is not None:
                service.bill(job, job.estimate if fault.billed else 0.0)
                job.end(CANCELLED if fault.job == "cancel" else FAILED, fault.reason, fault.code or 1500)
            elif refusal is not None:
                job.end(FAILED, str(refusal), refusal.code)
            else:
                service.bill(job, job.estimate)
                job.result = result
                job.end(COMPLETED)
            service.changed.notify_all()

    def _result(self, job: Job) -> str:
        if job.program is None:
            raise RefusedError(1002, "The job has no program.")
        return job.program.run(self._service.machines[job.backend], self._seed)

    def _hold(self, job: Job) -> None:
        """Let it run for as long as jobs are to run here."""
        changed, started = self._service.changed, time.monotonic()
        with changed:
            while not (job.done or self._stopping):
                left = self._run.total_seconds() - (time.monotonic() - started)
                if left <= 0:
                    return
                changed.wait(left)
