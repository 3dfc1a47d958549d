"""The journal's file: readable by the user alone, and locked while a process submits jobs."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from qgen.errors import HardwareError

#: Suffixes of the files that SQLite keeps beside a database; it gives them the database's own mode.
_SUFFIXES = ("", "-wal", "-shm", "-journal")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(path: Path) -> None:
    """Create the file where it is missing; restrict it, and those that SQLite keeps beside it, to the user.

    Raises:
        HardwareError: it cannot be created or written, or is no regular file.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600))
        if not path.is_file():
            raise HardwareError(f"{path} is no file: the journal of jobs cannot be kept there")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HardwareError(f"the journal {path} cannot be used ({reason}): nothing is submitted without it") from error
    for suffix in _SUFFIXES:
        with suppress(OSError):  # it does not exist, or belongs to somebody else, who has to see to it
            _restrict_to_owner(Path(f"{path}{suffix}"))


@contextmanager
def exclusive_lock(path: Path) -> Iterator[None]:
    """Keep other processes from submitting jobs of this journal (where the system has file locks).

    Raises:
        HardwareError: another process holds the lock, or the folder cannot be written.
    """
    try:
        import fcntl
    except ImportError:  # not on Windows
        yield
        return
    lock = path.with_suffix(".lock")
    make_private(lock)
    with open(lock, "r+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise HardwareError(f"another process submits jobs of {path}: wait for it, or end it") from error
        yield


def _restrict_to_owner(path: Path) -> None:
    if not hasattr(os, "fchmod"):  # not on Windows, where a user's files are the user's
        return
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        if mode & _OTHERS:
            os.fchmod(file, mode & ~_OTHERS)
    finally:
        os.close(file)
