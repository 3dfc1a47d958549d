"""Trains the runs of a study: each in a process of its own, so many at a time, going on where one ended before."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from qgen.interrupts import on_end_at_once
from qgen.runs import Run, writing
from qgen.storage import write_text
from qgen.studies.plan import Plan, Task
from qgen.training.interrupt import StopRequest

#: What trains a run. `-P`: a file `yaml.py` where the study was started from is not imported for Python's own.
TRAIN = (sys.executable, "-P", "-m", "qgen", "train")
#: One thread a run: as many runs as there are cores use them better, and a run's numbers do not depend on how many run.
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_PAUSE = 0.2
#: Of a file of metrics, so much of its end is read.
_END = 4096

Told = Callable[[int, int], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Failure:
    """A run that could not be trained.

    Attributes:
        name: of its folder.
        line: the last that its process said.
    """

    name: str
    line: str


@dataclass(frozen=True)
class Trained:
    """How the training of a study ended.

    Attributes:
        finished: how many of its runs are.
        failures: those that are not, for a reason of their own.
        stopped: whether somebody asked it to stop before.
    """

    finished: int
    failures: tuple[Failure, ...]
    stopped: bool


@dataclass
class _Child:
    """A process that trains a run."""

    task: Task
    process: subprocess.Popen[bytes]
    log: Path

    def last_line(self) -> str:
        text = self.log.read_text(encoding="utf-8", errors="replace")
        lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
        return lines[-1].removeprefix("qgen: ") if lines else f"it ended with code {self.process.returncode}"


def is_finished(study: Path, task: Task) -> bool:
    """Whether the run of a task has taken all its steps, and its last samples were looked at."""
    run = task.run(study)
    return run.steps_taken >= task.contender.steps and run.grid(task.contender.steps).exists()


def train_all(
    study: Path,
    plan: Plan,
    jobs: int,
    options: Sequence[str] = (),
    told: Told | None = None,
    say: Say = lambda line: None,
    command: Sequence[str] = TRAIN,
) -> Trained:
    """Trains what is not finished yet.

    SIGINT and SIGTERM let each run end after its step in hand; a second one ends them at once. Those that are killed
    go on from their last checkpoint at the next call.

    Args:
        study: its folder, which holds the plan.
        plan: what to train.
        jobs: runs at a time.
        options: further words for `qgen train`.
        told: how many steps are done, of all.
        say: a line for each run that ends.
        command: what trains, to which settings, folder and options are added.

    Raises:
        RunError: another process trains this study, or its folder cannot be written.
    """
    with ExitStack() as stack:
        stack.enter_context(Run(study).alone())
        stop = stack.enter_context(StopRequest())
        crew = _Crew(study, plan, [*command], [*options], told or _unseen, say)
        stack.callback(crew.kill)
        stack.enter_context(on_end_at_once(crew.end))
        return crew.work(jobs, stop)


@dataclass
class _Crew:
    """The processes of a study that run now, and what is left to do."""

    study: Path
    plan: Plan
    command: list[str]
    options: list[str]
    told: Told
    say: Say
    running: list[_Child] = field(default_factory=list)
    steps: dict[str, int] = field(default_factory=dict)
    failures: list[Failure] = field(default_factory=list)

    def work(self, jobs: int, stop: StopRequest) -> Trained:
        waiting = [task for task in self.plan.tasks() if not is_finished(self.study, task)]
        self.steps = {task.name: self._steps(task) for task in self.plan.tasks()}
        interrupted = False
        while self.running or (waiting and not interrupted):
            while waiting and len(self.running) < jobs and not stop.wanted:
                self.running.append(self._start(waiting.pop(0)))
            if stop.wanted and not interrupted:
                interrupted = True
                for child in self.running:
                    child.process.send_signal(signal.SIGINT)
            self._collect(interrupted)
            self._tell()
            if self.running:
                time.sleep(_PAUSE)
        finished = sum(is_finished(self.study, task) for task in self.plan.tasks())
        return Trained(finished, tuple(self.failures), interrupted)

    def kill(self) -> None:
        """Ends what still runs, after an error."""
        self.end()
        for child in self.running:
            child.process.wait()

    def end(self) -> None:
        """The same without waiting: somebody asked twice."""
        for child in self.running:
            child.process.kill()

    def _start(self, task: Task) -> _Child:
        run = task.run(self.study)
        settings, log = (
            self.study / folder / f"{task.name}.{end}" for folder, end in (("settings", "yaml"), ("logs", "txt"))
        )
        with writing(self.study):
            for file in (settings, log, run.path):
                file.parent.mkdir(parents=True, exist_ok=True)
            if run.path.exists() and not run.path.joinpath("config.yaml").exists():
                shutil.rmtree(run.path)  # killed before it was a run
            write_text(settings, yaml.safe_dump(task.config.plain(), sort_keys=False, allow_unicode=True))
            output = open(log, "wb")  # noqa: SIM115
        where = [str(run.path), "--resume"] if run.path.exists() else [str(settings), "--out", str(run.path)]
        with output:
            # In a session of its own: Ctrl-C in the terminal reaches it through this process, and once.
            process = subprocess.Popen(
                [*self.command, *where, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=os.environ | dict.fromkeys(_THREADS, "1"),
                start_new_session=True,
            )
        return _Child(task, process, log)

    def _collect(self, interrupted: bool) -> None:
        """Notes what has ended."""
        for child in [child for child in self.running if child.process.poll() is not None]:
            self.running.remove(child)
            name = child.task.name
            self.steps[name] = self._steps(child.task)
            if is_finished(self.study, child.task):
                self.say(f"trained {name}")
            elif not interrupted:
                self.failures.append(Failure(name, child.last_line()))
                self.say(f"{name} failed: {self.failures[-1].line}")

    def _tell(self) -> None:
        for child in self.running:
            self.steps[child.task.name] = self._steps(child.task)
        total = sum(task.contender.steps for task in self.plan.tasks())
        self.told(sum(self.steps.values()), total)

    def _steps(self, task: Task) -> int:
        return task.contender.steps if is_finished(self.study, task) else last_step(task.run(self.study).metrics)


def last_step(metrics: Path) -> int:
    """The step of the last whole row of a file of metrics; 0 without one."""
    try:
        with open(metrics, "rb") as file:
            file.seek(max(0, metrics.stat().st_size - _END))
            lines = file.read().splitlines()
    except OSError:
        return 0
    for line in reversed(lines):
        try:
            return int(json.loads(line)["step"])
        except (ValueError, KeyError, TypeError):
            continue
    return 0


def _unseen(done: int, total: int) -> None:
    """Nobody looks."""
