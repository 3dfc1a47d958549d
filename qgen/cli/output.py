"""Output of commands: text and JSON for any terminal encoding, errors, and checks of output files."""

from __future__ import annotations

import errno
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from qgen.errors import QgenError

if TYPE_CHECKING:
    from rich.console import Console

#: Longest error that is printed, in characters: it may contain anything from a service or a file.
_MAX_LENGTH = 2000


def make_console(stderr: bool = False) -> Console:
    """Return a console that prints names literally: `[x]` is no markup, and `:x:` no emoji."""
    from rich.console import Console

    return Console(highlight=False, markup=False, emoji=False, stderr=stderr)


def print_json(value: object) -> None:
    """Print JSON; characters that the encoding of the output lacks are written as JSON escapes."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        text = json.dumps(value, indent=2)
    sys.stdout.write(f"{text}\n")


def print_rows(console: Console, rows: dict[str, str]) -> None:
    """Print names and values, one pair a line."""
    from qgen.cli.tables import print_pairs

    console.print()
    print_pairs(console, rows.items())


def print_error(message: str) -> None:
    """Print an error as one line of bounded length on the standard error, with control characters escaped."""
    line = " ".join(message.split())
    line = "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in line)
    cut = f"{line[:_MAX_LENGTH]}... ({len(line):,} characters)" if len(line) > _MAX_LENGTH else line
    with suppress(OSError):  # nobody can be told; the exit code says that it failed
        sys.stderr.write(f"qgen: {cut}\n")


def check_outputs(*paths: Path | None, makes_folders: bool = False) -> None:
    """Check before any work that output files can be written.

    Args:
        paths: the files; None is skipped.
        makes_folders: whether missing parent folders are made later.

    Raises:
        QgenError: one of them is a folder, or cannot be written where it is.
    """
    for path in paths:
        if path is not None:
            try:
                if path.is_dir():
                    raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
                _try_to_write(path, makes_folders)
            except (OSError, ValueError) as error:
                reason = getattr(error, "strerror", None) or str(error)
                raise QgenError(f"Cannot write {path}: {reason}; name another file.") from error


def check_folder(path: Path) -> None:
    """Check that a new folder can be made.

    Raises:
        QgenError: a parent is not a folder, or may not be written.
    """
    try:
        _try_to_write(path, makes_folders=True)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise QgenError(f"Cannot make the folder {path}: {reason}; name another one.") from error


def _try_to_write(path: Path, makes_folders: bool) -> None:
    """Create a file in the folder of the path, and remove it."""
    path.exists()  # raises for a name that is too long
    folder = path.parent
    while makes_folders and not folder.exists() and folder != folder.parent:
        folder = folder.parent
    trial = folder / f".{uuid4().hex}.tmp"
    with open(trial, "x", encoding="utf-8"):
        pass
    trial.unlink()
