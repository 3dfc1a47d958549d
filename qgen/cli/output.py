"""What a command prints: plain text, JSON that any terminal's letters can carry, and files that can be written."""

from __future__ import annotations

import errno
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from qgen.errors import QgenError

if TYPE_CHECKING:
    from rich.console import Console

#: Of an error so many characters are shown: a service or a file may put anything into one.
_LONGEST = 2000


def make_console(stderr: bool = False) -> Console:
    """A terminal to print to, in which names of files and circuits are text: `[x]` is no markup and `:x:` no emoji."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def print_json(value: object) -> None:
    """JSON on the standard output; letters that its encoding lacks are written as JSON's own escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    sys.stdout.write(f"{text}\n")


def print_error(message: str) -> None:
    """One line on the standard error, which no control character and no length of a name can spoil."""
    line = " ".join(message.split())
    line = "".join(letter if letter.isprintable() else letter.encode("unicode_escape").decode() for letter in line)
    cut = f"{line[:_LONGEST]}... ({len(line):,} characters)" if len(line) > _LONGEST else line
    sys.stderr.write(f"qgen: {cut}\n")


def check_outputs(*paths: Path | None, makes_folders: bool = False) -> None:
    """Refuses, before any work, what could not be written after it.

    Args:
        paths: of files; None is passed over.
        makes_folders: whether folders above are made where they are missing.

    Raises:
        QgenError: one of them is a folder, or cannot be written where it is.
    """
    for path in paths:
        if path is not None:
            try:
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                _try(path, makes_folders)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise QgenError(f"Cannot write {path}: {reason}; name another file.") from error


def check_folder(path: Path) -> None:
    """Refuses a new folder that could not be made.

    Raises:
        QgenError: something above it is no folder, or nothing can be made there.
    """
    try:
        _try(path, makes_folders=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise QgenError(f"Cannot make the folder {path}: {reason}; name another one.") from error


def _try(path: Path, makes_folders: bool) -> None:
    """Makes a file where the path would come to be, and removes it."""
    path.exists()  # refuses a name that is too long
    folder = path.parent
    while makes_folders and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    trial = folder / f".{uuid4().hex}.tmp"
    with open(trial, "x", encoding="utf-8"):
        pass
    trial.unlink()
