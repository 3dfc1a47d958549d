"""The thread that runs jobs, one after the other, in the order of submission."""

from __future__ import annotations

import time
from datetime import timedelta
from threading import Thread

from qgen.devserver.device import JobRefusedError
from qgen.devserver.faults import Fault
from qgen.devserver.jobs import CANCELLED, COMPLETED, FAILED, QUEUED, RUNNING, TIMED_OUT, Job, now
from qgen.devserver.service import MAX_SECONDS, Service

POLL_SECONDS = 0.2  # between two checks whether a device is online again


class Worker(Thread):
    """Runs the jobs of a service until it is stopped.

    Args:
        service: the service whose jobs run.
        seed: seed of all results.
        queue_seconds: the least time that a job waits.
        run_seconds: the least time that it runs.
    """

    def __init__(self, service: Service, seed: int, queue_seconds: float, run_seconds: float) -> None:
        super().__init__(name="devserver-worker")
        self._service, self._seed = service, seed
        self._queue, self._run = timedelta(seconds=queue_seconds), timedelta(seconds=run_seconds)
        self._stopping = False

    def stop(self) -> None:
        """Stop after the current job."""
        with self._service.changed:
            self._stopping = True
            self._service.changed.notify_all()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        """See `Thread.run`."""
        while (job := self._next()) is not None:
            self._run_job(job, self._service.faults.for_job())

    def _next(self) -> Job | None:
        """Wait for the first job that may run, and put it into the state RUNNING; None: the worker stops."""
        changed = self._service.changed
        with changed:
            while not self._stopping:
                job = self._first_runnable()
                if job is None:
                    changed.wait(POLL_SECONDS)
                    continue
                left = (job.created + self._queue - now()).total_seconds()
                if left <= 0:
                    job.state, job.started = RUNNING, now()
                    return job
                changed.wait(left)
        return None

    def _first_runnable(self) -> Job | None:
        if self._service.usage()["usage_limit_reached"]:
            return None
        devices = self._service.devices
        return next((job for job in self._service.queue() if job.state == QUEUED and devices[job.backend].online), None)

    def _run_job(self, job: Job, fault: Fault | None) -> None:
        service, refusal, result = self._service, None, ""
        limit = min(job.limit or MAX_SECONDS, MAX_SECONDS)
        if fault is not None and fault.job == "slow":
            job.estimate, fault = fault.factor * job.estimate, None
        timed_out = job.estimate > limit or (fault is not None and fault.job == "too_long")
        if fault is None and not timed_out:
            try:
                result = self._result(job)
            except JobRefusedError as error:
                refusal = error
        self._wait_run_time(job)
        with service.changed:
            if job.done:  # cancelled meanwhile
                return
            if timed_out:
                service.bill(job, min(job.estimate, limit))
                job.end(CANCELLED, "Job ran longer than maximum execution time", TIMED_OUT)
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
            raise JobRefusedError(1002, "The job has no program.")
        return job.program.run(self._service.devices[job.backend], self._seed)

    def _wait_run_time(self, job: Job) -> None:
        """Wait until the job has run for `run_seconds`."""
        changed, started = self._service.changed, time.monotonic()
        with changed:
            while not (job.done or self._stopping):
                left = self._run.total_seconds() - (time.monotonic() - started)
                if left <= 0:
                    return
                changed.wait(left)
