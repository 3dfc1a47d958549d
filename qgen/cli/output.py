"""Output of commands: text and JSON for any terminal encoding, errors, and checks of output files."""

from __future__ import annotations

import errno
import json
import logging
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


def make_console(stderr: bool = False, quiet: bool = False) -> Console:
    """Return the console of a command; a quiet one prints nothing."""
    from qgen.console import LiteralConsole

    return LiteralConsole(stderr=stderr, quiet=quiet)


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
    print_note(f"qgen: {cut}")


def print_note(line: str) -> None:
    """Print a line on the standard error."""
    with suppress(OSError):  # nobody can be told; of an error, the exit code says it
        sys.stderr.write(f"{on_terminal(line)}\n")


class NoteFormatter(logging.Formatter):
    """Formats what is logged as a note."""

    def format(self, record: logging.LogRecord) -> str:
        return on_terminal(super().format(record))


def on_terminal(line: str) -> str:
    """Return a line for the standard error; what takes long to import is imported for a terminal only."""
    if not sys.stderr.isatty():
        return line
    from qgen import console

    return console.on_terminal(line, sys.stderr)


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
