"""Executors of tasks: what they are, and what all of them have in common; `local` and `cluster` say where tasks run."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from qgen.studies.layout import log_file
from qgen.studies.session import Session
from qgen.studies.tasks import Task
from qgen.training.interrupt import StopRequest

#: Times that a task is tried again after its worker ended, if it gets no further.
RETRIES = 2
_POLL = 0.2  # seconds
#: Largest share of the time that is spent on looking how far running tasks are.
_WATCHING = 0.05


@dataclass(frozen=True)
class Failure:
    """A task that failed.

    Attributes:
        name: the name of the task.
        line: why, in one line.
        log: the file of what it printed, with a traceback; it may be missing.
    """

    name: str
    line: str
    log: Path


@dataclass(frozen=True)
class Outcome:
    """How the execution of tasks ended.

    Attributes:
        finished: number of tasks that are done.
        failures: the tasks that failed.
        stopped: whether the user stopped the execution.
        not_started: names of the tasks that need one that failed.
    """

    finished: int
    failures: tuple[Failure, ...] = ()
    stopped: bool = False
    not_started: tuple[str, ...] = ()


@dataclass(frozen=True)
class Status:
    """How far the execution of tasks is.

    Attributes:
        work: amount of work that is done, in the tasks' own units.
        total: amount of work in all.
        finished: number of tasks that are done.
        failed: number of tasks that failed, or were not started because of one that failed.
        tasks: number of tasks in all.
    """

    work: int
    total: int
    finished: int
    failed: int
    tasks: int

    def __str__(self) -> str:
        failed = f", {self.failed:,} failed" if self.failed else ""
        return f"{self.finished:,} of {self.tasks:,} tasks{failed}"


StatusCallback = Callable[[Status], None]
MessageCallback = Callable[[str], None]


class Executor(Protocol):
    """Runs tasks somewhere: on this machine, or on others that see the study's folder."""

    def run(self, folder: Path, tasks: Sequence[Task], progress: StatusCallback, message: MessageCallback) -> Outcome:
        """Run the tasks that are not done yet, each after those that it needs.

        SIGINT and SIGTERM let each running task end after its current step; a second one ends them at once. A later
        call continues tasks that were stopped or killed. A task whose worker ends before it is tried again.

        Args:
            folder: the study's folder, which holds study.json.
            tasks: the tasks of that study, in the order in which to start them.
            progress: called when something has changed.
            message: called with a line for each task that ends.

        Raises:
            RunError: the folder cannot be written, or there is nowhere to run tasks.
        """


@dataclass(frozen=True)
class Ended:
    """The end of a task at a worker.

    Attributes:
        name: the name of the task.
        how: see `run_task`; "lost" if the worker ended before the task.
        line: why it failed.
    """

    name: str
    how: Literal["done", "stopped", "failed", "lost"]
    line: str = ""


class Workers(Protocol):
    """Where tasks run: what an executor of its own kind has to say."""

    @property
    def capacity(self) -> int:
        """Number of tasks to hand over at a time."""

    def submit(self, name: str) -> None:
        """Hand a task over, by its name."""

    def wait(self, seconds: float) -> list[Ended]:
        """Return the tasks that have ended; wait for one for so long."""


@dataclass
class Batch:
    """The state of one execution of tasks.

    Attributes:
        folder: the study's folder.
        tasks: the tasks, in the order in which to start them.
        progress: see `Executor.run`.
        message: see `Executor.run`.
    """

    folder: Path
    tasks: Sequence[Task]
    progress: StatusCallback
    message: MessageCallback
    _waiting: dict[str, Task] = field(default_factory=dict)
    _running: dict[str, Task] = field(default_factory=dict)
    _done: set[str] = field(default_factory=set)
    _work: dict[str, int] = field(default_factory=dict)
    _tries: dict[str, tuple[int, int]] = field(default_factory=dict)
    _failures: list[Failure] = field(default_factory=list)
    _not_started: list[str] = field(default_factory=list)
    _total: int = 0
    _shown: Status | None = None
    _look_again: float = 0.0

    def __post_init__(self) -> None:
        names = {task.name for task in self.tasks}
        check_needs({task.name: task.needs for task in self.tasks})
        self._done = {task.name for task in self.tasks if task.is_done(self.folder)}
        self._waiting = {task.name: task for task in self.tasks if task.name in names - self._done}
        self._work = {task.name: task.progress(self.folder) for task in self.tasks}
        self._total = sum(task.size for task in self.tasks)

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return not self._waiting and not self._running

    def run(self, workers: Workers, session: Session, stop: StopRequest) -> Outcome:
        """Run the tasks at these workers.

        Args:
            workers: where tasks run.
            session: has begun; ended at a stop.
            stop: whether the user asked for a stop.
        """
        stopped = False
        self._report()
        while self._running or (self._waiting and not stopped):
            if stop.requested and not stopped:
                stopped = True
                session.end()
            if not stopped:
                self._start(workers)
            for ended in workers.wait(_POLL):
                self._end(ended, workers, stopped)
            self._report()
        return Outcome(len(self._done), tuple(self._failures), stopped, tuple(self._not_started))

    def _start(self, workers: Workers) -> None:
        """Hand over tasks whose needs are done."""
        for task in list(self._waiting.values()):
            if len(self._running) >= workers.capacity:
                break
            if self._done.issuperset(task.needs):
                self._running[task.name] = self._waiting.pop(task.name)
                workers.submit(task.name)

    def _end(self, ended: Ended, workers: Workers, stopped: bool) -> None:
        """Record that a task has ended, or hand it over again."""
        name, task = ended.name, self._running[ended.name]
        if ended.how == "done" or task.is_done(self.folder):
            del self._running[name]
            self._done.add(name)
            self._work[name] = task.size
            self.message(f"finished {name}")
        elif ended.how == "failed":
            self._fail(task, ended.line)
        elif stopped:
            del self._running[name]
        elif self._may_try_again(task):
            workers.submit(name)
        elif ended.how == "lost":
            self._fail(task, "its worker was killed, or ran out of memory, each time that it was tried")
        else:
            self._fail(task, "it ended without a result each time that it was tried")

    def _may_try_again(self, task: Task) -> bool:
        """Return whether a task got further than at its last try, or has not been tried too often."""
        progress = task.progress(self.folder)
        before, tries = self._tries.get(task.name, (0, 0))
        tries = 1 if progress > before else tries + 1
        self._tries[task.name] = (progress, tries)
        return tries <= RETRIES

    def _fail(self, task: Task, line: str) -> None:
        del self._running[task.name]
        failure = Failure(task.name, line, log_file(self.folder, task.name))
        self._failures.append(failure)
        self.message(f"{failure.name} failed: {failure.line} ({failure.log})")
        without = {task.name}
        while found := [other for other in self._waiting.values() if without.intersection(other.needs)]:
            for other in found:
                without.add(other.name)
                self._not_started.append(other.name)
                del self._waiting[other.name]

    def _report(self) -> None:
        start = time.monotonic()
        if start >= self._look_again:
            for name, task in self._running.items():
                self._work[name] = task.progress(self.folder)
            end = time.monotonic()
            self._look_again = end + max(_POLL, (end - start) / _WATCHING)
        failed = len(self._failures) + len(self._not_started)
        status = Status(sum(self._work.values()), self._total, len(self._done), failed, len(self.tasks))
        if status != self._shown:
            self._shown = status
            self.progress(status)


def check_needs(needs: Mapping[str, Sequence[str]]) -> None:
    """Check that tasks can be put into an order in which each comes after those that it needs.

    Args:
        needs: the needs of each task, by its name.

    Raises:
        ValueError: a task needs one that there is not, or itself through others.
    """
    from graphlib import CycleError, TopologicalSorter

    unknown = [(name, need) for name, those in needs.items() for need in those if need not in needs]
    if unknown:
        name, need = unknown[0]
        raise ValueError(f"the task {name} needs {need}, which the study does not have")
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        raise ValueError(f"tasks need one another in a circle: {', '.join(error.args[1])}") from error
