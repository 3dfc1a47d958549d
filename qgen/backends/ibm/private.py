"""Files for the user alone, from the moment that they exist."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path

from qgen.errors import HardwareError

#: What SQLite keeps beside a file; it gives them the file's own mode as it makes them.
_BESIDE = ("", "-wal", "-shm", "-journal")
_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def make_private(path: Path) -> None:
    """Makes the file where it is missing; takes it, and those that SQLite keeps beside it, from group and others.

    Raises:
        HardwareError: it cannot be made or written, or is no file.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NONBLOCK", 0), 0o600))
        if not path.is_file():
            raise HardwareError(f"{path} is no file: the journal of jobs cannot be kept there")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise HardwareError(f"the journal {path} cannot be used ({reason}): nothing is submitted without it") from error
    for one in (Path(f"{path}{end}") for end in _BESIDE):
        with suppress(OSError):  # it is not there, or somebody else's, who has to see to it
            _take_from_others(one)


def _take_from_others(path: Path) -> None:
    if not hasattr(os, "fchmod"):  # not on Windows, where a user's files are the user's
        return
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        mode = stat.S_IMODE(os.fstat(file).st_mode)
        if mode & _OTHERS:
            os.fchmod(file, mode & ~_OTHERS)
    finally:
        os.close(file)
