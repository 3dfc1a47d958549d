"""LocalExecutor: processes on this machine, each of which runs many tasks."""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

from qgen.interrupts import on_forced_exit
from qgen.processes import exit_with_parent, isolated
from qgen.studies.executor import Batch, Ended, MessageCallback, Outcome, StatusCallback
from qgen.studies.session import Session
from qgen.studies.tasks import Task
from qgen.studies.worker import ONE_THREAD, TaskEnd, run_task
from qgen.training.interrupt import StopRequest

#: Signals that the command handles for its workers: they end their tasks because the session does.
SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass(frozen=True)
class LocalExecutor:
    """Runs tasks in processes on this machine.

    A process that ends, killed or out of memory, is replaced, and its task is tried again. The processes end with this
    one, even where it is killed.

    Attributes:
        workers: number of processes, and of tasks at a time.
        data_dir: where data sets lie; None: the usual places.
        device: where classical layers run.
    """

    workers: int
    data_dir: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"

    def run(self, folder: Path, tasks: Sequence[Task], progress: StatusCallback, message: MessageCallback) -> Outcome:
        """Run the tasks that are not done yet; see `Executor.run`."""
        folder = folder.resolve()
        batch = Batch(folder, tasks, progress, message)
        session = Session(folder)
        data_dir = None if self.data_dir is None else str(self.data_dir.resolve())
        processes = _Processes(self.workers, (session.name, data_dir, self.device), str(folder))
        with ExitStack() as stack:
            stop = stack.enter_context(StopRequest())
            stack.callback(processes.kill_and_wait)
            stack.enter_context(on_forced_exit(processes.kill))
            session.begin()
            outcome = batch.run(processes, session, stop)
            processes.close()
            return outcome


@dataclass
class _Processes:
    """Worker processes, each a pool of its own: one that ends takes no other with it."""

    capacity: int
    arguments: tuple[str, str | None, Literal["cpu", "cuda"]]
    folder: str
    _before: list[BaseProcess] = field(default_factory=multiprocessing.active_children)
    _pools: list[ProcessPoolExecutor] = field(default_factory=list)
    _idle: list[ProcessPoolExecutor] = field(default_factory=list)
    _ended: SimpleQueue[tuple[str, ProcessPoolExecutor, Future[TaskEnd]]] = field(default_factory=SimpleQueue)

    def submit(self, name: str) -> None:
        pool, future = self._hand_over(name)
        future.add_done_callback(lambda future: self._ended.put((name, pool, future)))

    def _hand_over(self, name: str) -> tuple[ProcessPoolExecutor, Future[TaskEnd]]:
        with isolated(SIGNALS, ONE_THREAD):  # the process starts with its first task
            while self._idle:
                pool = self._idle.pop()
                try:
                    return pool, pool.submit(run_task, self.folder, name, *self.arguments)
                except BrokenProcessPool:  # it ended while it had nothing to do
                    continue
            context = multiprocessing.get_context("spawn")  # a fork would leave threads behind
            pool = ProcessPoolExecutor(1, mp_context=context, initializer=exit_with_parent)
            self._pools.append(pool)
            return pool, pool.submit(run_task, self.folder, name, *self.arguments)

    def wait(self, seconds: float) -> list[Ended]:
        ended: list[Ended] = []
        while True:
            try:
                name, pool, future = self._ended.get(timeout=0 if ended else seconds)
            except Empty:
                return ended
            try:
                ended.append(Ended(name, *future.result()))
                self._idle.append(pool)
            except BrokenProcessPool:
                ended.append(Ended(name, "lost"))

    def close(self) -> None:
        """End the processes, none of which has a task in hand."""
        for pool in self._idle:
            pool.shutdown()
        self._idle.clear()

    def kill(self) -> None:
        """End the processes without waiting for their end."""
        for process in self._own():
            process.kill()

    def kill_and_wait(self) -> None:
        """End what is left of the processes after an error, and wait for all that ended.

        A pool waits for its own process: waiting here, too, would race with it, and the loser takes the process for
        one that still runs.
        """
        self.kill()
        for pool in self._pools:
            pool.shutdown()

    def _own(self) -> list[BaseProcess]:
        return [process for process in multiprocessing.active_children() if process not in self._before]
