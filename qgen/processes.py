"""Worker processes: how they start, and that they end with the process that started them."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from multiprocessing.process import BaseProcess

#: With this variable set, Python does not import modules of the current folder in place of others.
_SAFE_PATH = "PYTHONSAFEPATH"


@contextmanager
def isolated(
    signals: Sequence[signal.Signals] = (signal.SIGINT,), environ: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Let processes that this thread starts within the block ignore signals, and modules of the working directory.

    Args:
        signals: those that this process handles for them; Ctrl-C in a terminal reaches every process in it.
        environ: further environment variables of theirs; OMP_NUM_THREADS counts before a library is imported only.
    """
    # Threads and processes that are started here inherit the mask.
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, signals) if hasattr(signal, "pthread_sigmask") else None
    try:
        with restored_environ():
            os.environ.update(environ or {}, **{_SAFE_PATH: "1"})
            yield
    finally:
        if blocked is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


@contextmanager
def restored_environ() -> Iterator[None]:
    """Give the environment variables the values back that they had before the block."""
    before = dict(os.environ)
    try:
        yield
    finally:
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def exit_with_parent() -> None:
    """End this process as soon as the one that started it by `multiprocessing` has ended, however it ended."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with, args=(parent,), name="exit with parent", daemon=True).start()


def _exit_with(parent: BaseProcess) -> None:
    parent.join()  # waits on its sentinel, a pipe that the system closes
    os._exit(1)
