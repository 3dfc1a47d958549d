"""An executor without processes: a worker of its own would import everything anew, for seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qgen.studies import Failure, Outcome, Status, Task, TaskContext
from qgen.studies.executor import MessageCallback, StatusCallback
from qgen.studies.layout import log_file


class InThisProcess:
    """Runs the tasks that are not done, one after another, but for one that fails.

    Args:
        fails_at: the name of that task.
    """

    def __init__(self, fails_at: str = "") -> None:
        self.fails_at = fails_at

    def run(self, folder: Path, tasks: Sequence[Task], progress: StatusCallback, message: MessageCallback) -> Outcome:
        for task in tasks:
            if task.name != self.fails_at and not task.is_done(folder):
                task.run(folder, TaskContext())
            work = sum(each.progress(folder) for each in tasks)
            progress(Status(work, sum(each.size for each in tasks), work, 0, len(tasks)))
            message(task.name)
        failures = tuple(
            Failure(task.name, "why", log_file(folder, task.name)) for task in tasks if not task.is_done(folder)
        )
        return Outcome(sum(task.is_done(folder) for task in tasks), failures)
