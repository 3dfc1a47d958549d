"""DaskExecutor: the workers of a Dask cluster, on this machine or on others that share the study's folder."""

from __future__ import annotations

import logging
import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from qgen.errors import RunError
from qgen.extras import install_command
from qgen.interrupts import on_forced_exit
from qgen.processes import isolated, restored_environ
from qgen.studies.executor import Batch, Ended, MessageCallback, Outcome, StatusCallback
from qgen.studies.local import SIGNALS
from qgen.studies.session import Session
from qgen.studies.tasks import Task
from qgen.studies.worker import ONE_THREAD, TaskEnd, check_worker, run_task
from qgen.training.interrupt import StopRequest
from qgen.version import __version__

if TYPE_CHECKING:
    Client: TypeAlias = Any  # distributed is optional
    Future: TypeAlias = Any

#: Seconds to wait for the scheduler's answer.
_CONNECTING = 15
#: Tasks that the scheduler knows of at a time; a cluster that adapts its size looks at how many wait.
_SUBMITTED = 10_000
#: What Dask reports of a worker in these states is that it is there to stay.
_STAYING = ("init", "starting", "running", "paused")
_LOST = "the connection to the Dask scheduler was lost; the same command with --out goes on with the study"
_LOGGERS = ("distributed", "distributed.client")


def check_dask() -> None:
    """Check that Dask can be imported.

    Raises:
        RunError: it cannot; the message says what to install.
    """
    try:
        import distributed  # noqa: F401
    except ImportError as error:
        raise RunError(
            f"--executor dask needs an extra ({error}): {install_command('cluster')}; or take --executor local"
        ) from error


@dataclass(frozen=True)
class DaskExecutor:
    """Runs tasks at the workers of a Dask cluster (`dask.distributed`).

    A worker reads the study from its folder, which has the same path on every machine. It needs the same version of
    qgen; nothing but names is sent to it. A task whose worker is lost is tried again at another one.

    Attributes:
        scheduler: address of the scheduler, as `tcp://HOST:8786`; None: a cluster on this machine for this call.
        workers: number of workers of the cluster on this machine; a scheduler has its own.
        data_dir: where data sets lie, at every worker; None: the usual places.
        device: where classical layers run.
    """

    scheduler: str | None = None
    workers: int = 1
    data_dir: Path | None = None
    device: Literal["cpu", "cuda"] = "cpu"

    def run(self, folder: Path, tasks: Sequence[Task], progress: StatusCallback, message: MessageCallback) -> Outcome:
        """Run the tasks that are not done yet; see `Executor.run`.

        Workers elsewhere end their tasks after the step in hand, however this process ends but by a kill; and at the
        next start after one.

        Raises:
            RunError: Dask is not installed, the scheduler cannot be reached or is lost, or workers cannot run tasks.
        """
        check_dask()
        folder = folder.resolve()
        batch = Batch(folder, tasks, progress, message)
        session = Session(folder)
        data_dir = None if self.data_dir is None else str(self.data_dir.resolve())
        with ExitStack() as stack:
            stop = stack.enter_context(StopRequest())
            if batch.is_complete:
                return batch.run(_NoWorkers(), session, stop)
            stack.enter_context(_quiet())
            client = stack.enter_context(self._client())
            self._check_workers(client, folder, message)
            stack.callback(session.end)
            stack.enter_context(on_forced_exit(session.end))
            session.begin()
            arguments = (session.name, data_dir, self.device)
            return batch.run(_Workers(client, str(folder), arguments), session, stop)

    @contextmanager
    def _client(self) -> Iterator[Client]:
        """Connect to the scheduler, or to one of this process."""
        from distributed import Client

        if self.scheduler is None:
            with _local_cluster(self.workers) as cluster, Client(cluster, set_as_default=False) as client:
                yield client
            return
        try:
            client = Client(self.scheduler, timeout=_CONNECTING, set_as_default=False)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise RunError(
                f"no Dask scheduler answers at {self.scheduler} ({reason}): start one with `dask scheduler`, and give "
                "its address, as tcp://HOST:8786"
            ) from error
        with client:
            yield client

    def _check_workers(self, client: Client, folder: Path, message: MessageCallback) -> None:
        """Ask the workers that there are whether they can run tasks.

        Raises:
            RunError: one of them cannot.
        """
        answers = client.run(check_worker, str(folder), __version__, on_error="return")
        if not answers:
            message(f"no worker has joined {self.scheduler} yet: tasks wait for one")
        for address, answer in answers.items():
            if isinstance(answer, ImportError):
                raise RunError(f"the worker at {address} cannot import qgen ({answer}): install it there")
            if isinstance(answer, str):
                raise RunError(f"the worker at {address} cannot run tasks: {answer}")


@dataclass
class _Workers:
    """The workers of a cluster."""

    client: Client
    folder: str
    arguments: tuple[str, str | None, str]
    capacity: int = _SUBMITTED
    _submitted: int = 0
    _ended: SimpleQueue[tuple[str, Future]] = field(default_factory=SimpleQueue)
    _futures: dict[str, Future] = field(default_factory=dict)

    def submit(self, name: str) -> None:
        self._submitted += 1
        arguments = (self.folder, name, *self.arguments, __version__)
        key = (f"qgen-{self.arguments[0]}", self._submitted)  # one group of tasks for the scheduler
        future = self.client.submit(run_at_worker, *arguments, key=key, pure=False, priority=-self._submitted)
        self._futures[name] = future  # Dask forgets a task of which nobody holds the future
        future.add_done_callback(lambda future: self._ended.put((name, future)))

    def wait(self, seconds: float) -> list[Ended]:
        ended: dict[str, Future] = {}
        while True:
            try:
                name, future = self._ended.get(timeout=0 if ended else seconds)
            except Empty:
                break
            ended[name] = future
            del self._futures[name]
        finished = {name: future for name, future in ended.items() if future.status == "finished"}
        try:
            found: dict[str, TaskEnd] = self.client.gather(finished)  # together: each takes a question to the scheduler
        except (CancelledError, OSError) as error:
            raise RunError(_LOST) from error
        return [Ended(name, *found[name]) if name in found else self._lost(name, ended[name]) for name in ended]

    def _lost(self, name: str, future: Future) -> Ended:
        """Return the end of a task that returned nothing."""
        from distributed import KilledWorker

        if future.status != "error":
            raise RunError(_LOST)
        error = future.exception()
        if isinstance(error, KilledWorker):
            return Ended(name, "lost")
        if isinstance(error, ImportError):
            raise RunError(f"a worker cannot import qgen ({error}): install it there")
        return Ended(name, "failed", " ".join(f"{type(error).__name__}: {error}".split()))


class _NoWorkers:
    """For a study of which nothing is left to do."""

    capacity = 0

    def submit(self, name: str) -> None:
        raise AssertionError(f"{name} is done")

    def wait(self, seconds: float) -> list[Ended]:
        return []


def run_at_worker(
    folder: str, name: str, session: str, data_dir: str | None, device: Literal["cpu", "cuda"], version: str
) -> TaskEnd:
    """Run a task at a worker of Dask; see `run_task`. It stops too where the worker leaves the cluster."""
    from distributed import get_worker

    worker = get_worker()
    wrong = check_worker(folder, version)
    if wrong is not None:
        return "failed", wrong
    return run_task(folder, name, session, data_dir, device, lambda: worker.status.name not in _STAYING)


@contextmanager
def _local_cluster(workers: int) -> Iterator[Any]:
    """Start workers of Dask on this machine, each a process of one thread, without limits of memory."""
    import dask
    from distributed import LocalCluster

    before = multiprocessing.active_children()
    settings = {
        "distributed.nanny.pre-spawn-environ": ONE_THREAD | {"PYTHONSAFEPATH": "1"},
        # A task that waits at the scheduler rather than at a busy worker is not suspected of that worker's death.
        "distributed.scheduler.worker-saturation": 1.0,
        "distributed.worker.profile.enabled": False,  # it looks at every task a hundred times a second
    }
    options: dict[str, Any] = {"dashboard_address": "127.0.0.1:0", "memory_limit": 0, "silence_logs": logging.CRITICAL}
    with dask.config.set(settings), isolated(SIGNALS, ONE_THREAD):
        cluster = LocalCluster(
            n_workers=workers, threads_per_worker=1, scheduler_kwargs={"allowed_failures": 0}, **options
        )

    def kill() -> None:
        for process in multiprocessing.active_children():
            if process not in before:
                process.kill()

    try:
        # A nanny that replaces a worker sets variables in this process, and leaves them there.
        with restored_environ(), on_forced_exit(kill), cluster:
            yield cluster
    except BaseException:
        kill()
        raise


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off the terminal: what matters of it is in our messages."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
