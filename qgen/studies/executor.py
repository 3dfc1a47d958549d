"""Executors of tasks: local processes, so many at a time."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from qgen.interrupts import on_forced_exit
from qgen.progress import ProgressCallback
from qgen.runs import writing
from qgen.studies.tasks import Task
from qgen.training.interrupt import StopRequest

#: The command `qgen`. With `-P`, Python does not import a file `yaml.py` of the current folder in place of its own.
QGEN = (sys.executable, "-P", "-m", "qgen")
#: One thread per task: several tasks use the cores better, and results do not depend on how many run at a time.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_POLL = 0.2  # seconds

MessageCallback = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """A task that failed.

    Attributes:
        name: the name of the task.
        line: the last line of its output.
    """

    name: str
    line: str


@dataclass(frozen=True)
class Outcome:
    """How the execution of tasks ended.

    Attributes:
        finished: number of tasks that are done.
        failures: the tasks that failed.
        stopped: whether the user stopped the execution.
    """

    finished: int
    failures: tuple[Failure, ...]
    stopped: bool


class Executor(Protocol):
    """Runs tasks somewhere: on this machine, or on others that see the study's folder."""

    def run(self, folder: Path, tasks: Sequence[Task], progress: ProgressCallback, message: MessageCallback) -> Outcome:
        """Run the tasks that are not done yet.

        SIGINT and SIGTERM let each running task end after its current step; a second one ends them at once. A later
        call continues tasks that were stopped or killed.

        Args:
            folder: the study's folder.
            tasks: the tasks, in the order in which to start them.
            progress: called with the progress of all tasks, and its total.
            message: called with a line for each task that ends.

        Raises:
            RunError: the folder cannot be written.
        """


@dataclass(frozen=True)
class ProcessPool:
    """Runs each task in a process of its own on this machine.

    Attributes:
        workers: number of tasks at a time.
        options: arguments appended to every task's command.
        command: the command that takes the arguments of tasks.
    """

    workers: int
    options: tuple[str, ...] = ()
    command: tuple[str, ...] = QGEN

    def run(self, folder: Path, tasks: Sequence[Task], progress: ProgressCallback, message: MessageCallback) -> Outcome:
        """Run the tasks that are not done yet; see `Executor.run`."""
        with ExitStack() as stack:
            stop = stack.enter_context(StopRequest())
            batch = _Batch(self, folder, tasks, progress, message)
            stack.callback(batch.kill_and_wait)
            stack.enter_context(on_forced_exit(batch.kill))
            return batch.run(stop)


@dataclass
class _Process:
    """A running task."""

    task: Task
    popen: subprocess.Popen[bytes]
    log: Path

    def last_line(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        return lines[-1].removeprefix("qgen: ") if lines else f"it ended with code {self.popen.returncode}"


@dataclass
class _Batch:
    """The state of one call of `ProcessPool.run`."""

    pool: ProcessPool
    folder: Path
    tasks: Sequence[Task]
    progress: ProgressCallback
    message: MessageCallback
    running: list[_Process] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def run(self, stop: StopRequest) -> Outcome:
        waiting = [task for task in self.tasks if not task.is_done(self.folder)]
        self.done = {task.name: task.progress(self.folder) for task in self.tasks}
        stopped = False
        while self.running or (waiting and not stopped):
            while waiting and len(self.running) < self.pool.workers and not stop.requested:
                self.running.append(self._start(waiting.pop(0)))
            if stop.requested and not stopped:
                stopped = True
                for process in self.running:
                    process.popen.send_signal(signal.SIGINT)
            self._collect(stopped)
            self._report_progress()
            if self.running:
                time.sleep(_POLL)
        finished = sum(task.is_done(self.folder) for task in self.tasks)
        return Outcome(finished, tuple(self.failures), stopped)

    def kill_and_wait(self) -> None:
        """Kill running tasks after an error."""
        self.kill()
        for process in self.running:
            process.popen.wait()

    def kill(self) -> None:
        """Kill running tasks without waiting for their end."""
        for process in self.running:
            process.popen.kill()

    def _start(self, task: Task) -> _Process:
        log = self.folder / "logs" / f"{task.name}.txt"
        arguments = task.prepare(self.folder)
        with writing(self.folder):
            log.parent.mkdir(parents=True, exist_ok=True)
            output = open(log, "wb")  # noqa: SIM115
        with output:
            # In a session of its own: a Ctrl-C in the terminal reaches it through this process, and only once.
            popen = subprocess.Popen(
                [*self.pool.command, *arguments, *self.pool.options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict.fromkeys(_THREADS, "1"),
                start_new_session=True,
            )
        return _Process(task, popen, log)

    def _collect(self, stopped: bool) -> None:
        """Record the processes that have ended."""
        for process in [process for process in self.running if process.popen.poll() is not None]:
            self.running.remove(process)
            task = process.task
            self.done[task.name] = task.progress(self.folder)
            if task.is_done(self.folder):
                self.message(f"finished {task.name}")
            elif not stopped:
                self.failures.append(Failure(task.name, process.last_line()))
                self.message(f"{task.name} failed: {self.failures[-1].line}")

    def _report_progress(self) -> None:
        for process in self.running:
            self.done[process.task.name] = process.task.progress(self.folder)
        self.progress(sum(self.done.values()), sum(task.size for task in self.tasks))
