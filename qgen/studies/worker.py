"""run_task: what a worker does, whatever started it: it reads the study, finds the task by name, and runs it."""

from __future__ import annotations

import os
import socket
import sys
import threading
import traceback
from collections.abc import Callable
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TextIO, TypeAlias

from qgen.errors import RunError, user_message
from qgen.runs import writing
from qgen.storage import locked
from qgen.studies.folder import read_study
from qgen.studies.layout import FILE, lock_file, log_file
from qgen.studies.session import Session, StopRequested
from qgen.studies.tasks import Task, TaskContext
from qgen.version import __version__

#: One thread per task: several tasks use the cores better, and results do not depend on how many run at a time.
ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS", "RAYON_NUM_THREADS"), "1"
)
#: Seconds to wait for another worker that has the task in hand: one that lost its connection ends after its step, and
#: a file server lets go of the locks of a machine that vanished after 90.
_PATIENCE = 120.0
#: Torch's random state, its threads and the streams of output are of the process: one task at a time.
_in_hand = threading.Lock()

#: How a task ended at a worker, and why if it failed, in one line. Plain values: they cross between processes.
TaskEnd: TypeAlias = tuple[Literal["done", "stopped", "failed"], str]


def run_task(
    folder: str,
    name: str,
    session: str,
    data_dir: str | None = None,
    device: Literal["cpu", "cuda"] = "cpu",
    also_stop: Callable[[], bool] | None = None,
) -> TaskEnd:
    """Run a task of a study in this process, on one thread.

    Args:
        folder: the study's folder.
        name: the name of the task.
        session: the session that wants it; once it is over, the task ends after the step in hand.
        data_dir: see `TaskContext`.
        device: see `TaskContext`.
        also_stop: a further reason to stop, which is polled too.

    Returns:
        How it ended: "stopped" if something is left to do, for a later call.
    """
    place = Path(folder)
    stop = StopRequested(Session(place, session), also_stop)
    with _in_hand:
        try:
            context = TaskContext(None if data_dir is None else Path(data_dir), device, stop)
            is_done = not stop() and _run(place, name, context)
        except BaseException as error:  # whatever it is, it is the task's
            return "failed", error_line(error)
    # The word of the worker counts: the file system of the cluster may show its files to others some time later.
    return ("done" if is_done else "stopped"), ""


def check_worker(folder: str, version: str) -> str | None:
    """Return why tasks cannot be run on this machine, in one line; None if they can.

    Args:
        folder: the study's folder.
        version: the version of qgen that started the study.
    """
    host = socket.gethostname()
    if version != __version__:
        return f"{host} has qgen {__version__}, and the study was started by {version}: install the same version"
    if not (Path(folder) / FILE).exists():
        return (
            f"{host} sees no {Path(folder) / FILE}: workers need the study's folder at the same path, on a file system "
            "that all of them share"
        )
    return None


def error_line(error: BaseException) -> str:
    """Return an error as one line."""
    return " ".join((user_message(error) or f"{type(error).__name__}: {error}").split())


def _run(folder: Path, name: str, context: TaskContext) -> bool:
    """Run the task, unless it is done or stopped before; return whether it is done."""
    task, lock, log = _find(folder, name), lock_file(folder, name), log_file(folder, name)
    with ExitStack() as stack:
        with writing(folder):
            for file in (lock, log):
                file.parent.mkdir(parents=True, exist_ok=True)
        try:
            stack.enter_context(locked(lock, _PATIENCE, context.stop))
        except BlockingIOError as error:
            if context.stop():
                return False
            raise RunError(f"another worker has had {name} in hand for {_PATIENCE:g} s; try again later") from error
        if task.is_done(folder):
            return True
        with writing(folder):
            output = stack.enter_context(open(log, "w", encoding="utf-8", errors="backslashreplace", buffering=1))
        _run_logged(task, folder, context, output)
        return task.is_done(folder)


def _run_logged(task: Task, folder: Path, context: TaskContext, output: TextIO) -> None:
    """Run the task; what it prints and the traceback of its failure go to its log."""
    from threadpoolctl import threadpool_limits

    # Results must not depend on the cores of a worker: neither by what is imported nor by what will be.
    os.environ.update(ONE_THREAD)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    with threadpool_limits(1), redirect_stdout(output), redirect_stderr(output):
        try:
            task.run(folder, context)
        except BaseException:
            traceback.print_exc(file=output)
            raise


def _find(folder: Path, name: str) -> Task:
    """Return the task of that name.

    Raises:
        RunError: the study has none.
    """
    state = os.stat(folder / FILE)
    tasks = _tasks(folder, state.st_mtime_ns, state.st_ino)
    if name not in tasks:
        raise RunError(f"the study in {folder} has no task {name}: is this worker's version of qgen another one?")
    return tasks[name]


@lru_cache(maxsize=4)
def _tasks(folder: Path, *state: int) -> MappingProxyType[str, Task]:
    """Return the tasks of a study by name, read once for as long as its file stays as it is."""
    return MappingProxyType({task.name: task for task in read_study(folder).tasks()})
