"""The command as a process: its streams, its signals, and its exit code. Imports nothing that takes time."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from qgen.interrupts import interrupts, listening

_STREAMS = ("stdin", "stdout", "stderr")


def run() -> int:
    """Runs the command line of this process; its exit code, which after any Ctrl-C is 130, after a SIGTERM 143."""
    _open_streams()
    sys.unraisablehook = _unraisable
    with listening() as asked:
        try:
            code = _run()
        except KeyboardInterrupt:
            code = _interrupted()
        except BaseException:
            # An import that is interrupted may end in any error: ImportError, SystemError, a library's own.
            if asked.code is None:
                raise
            code = _interrupted()
        code = _flushed(code)
        code = code if asked.code is None else asked.code
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # all is done: an end without a traceback is left
    return code


def _run() -> int:
    from qgen.cli.main import app

    try:
        app(prog_name="qgen")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def _interrupted() -> int:
    with suppress(OSError, ValueError):
        sys.stderr.write("qgen: interrupted\n")
    return 130


def _open_streams() -> None:
    """Every stream can be written to, and every text can be written: what it has no letters for is escaped.

    A stream that was closed (`>&-`) is opened on nothing, lest another file take its number.
    """
    for number, name in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            nothing = os.open(os.devnull, os.O_RDWR)
            if nothing != number:
                os.dup2(nothing, number)
                os.close(nothing)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _flushed(code: int) -> int:
    """Writes what is still to be written; the exit code, 1 where that cannot be done."""
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            # Python would try again at its end, and say so with a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and not isinstance(error, BrokenPipeError):
                with suppress(OSError):
                    sys.stderr.write(f"qgen: cannot write the output: {(error.strerror or str(error)).lower()}\n")
                    sys.stderr.flush()
            code = code or 1
    return code


def _unraisable(hook: Any) -> None:
    """A Ctrl-C that arrives where Python swallows errors, in a destructor, would be lost."""
    if isinstance(hook.exc_value, KeyboardInterrupt):
        interrupts.end()
    sys.__unraisablehook__(hook)
