"""The process of the command: streams, signals and exit code. Imports nothing heavy."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from typing import Any

from qgen.interrupts import interrupts, listening

_STREAMS = ("stdin", "stdout", "stderr")


def run() -> int:
    """Run the command line of this process, and return its exit code: 130 after any Ctrl-C, 143 after a SIGTERM."""
    _open_streams()
    sys.unraisablehook = _on_unraisable
    with listening() as received:
        try:
            code = _run()
        except KeyboardInterrupt:
            code = _interrupted()
        except BaseException:
            # An interrupted import may raise anything: ImportError, SystemError, a library's own errors.
            if received.code is None:
                raise
            code = _interrupted()
        code = _flush(code)
        code = code if received.code is None else received.code
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # from here on, end without a traceback
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
    """Make all streams usable: characters that an encoding lacks are escaped.

    A closed stream (`>&-`) is opened on the null device, so that no other file gets its descriptor.
    """
    for number, name in enumerate(_STREAMS):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != number:
                os.dup2(null, number)
                os.close(null)
            setattr(sys, name, os.fdopen(number, "w" if number else "r", encoding="utf-8"))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _flush(code: int) -> int:
    """Flush the streams, and return the exit code: at least 1 if that fails, which a command that failed has said."""
    for stream in (sys.stderr, sys.stdout):
        try:
            stream.flush()
        except OSError as error:
            # Otherwise Python would flush again at exit, and print a traceback.
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
            if stream is sys.stdout and code == 0 and not isinstance(error, BrokenPipeError):
                with suppress(OSError):
                    sys.stderr.write(f"qgen: cannot write the output: {(error.strerror or str(error)).lower()}\n")
                    sys.stderr.flush()
            code = code or 1
    return code


def _on_unraisable(hook: Any) -> None:
    """End the process on a Ctrl-C in a destructor, where Python would ignore it."""
    if isinstance(hook.exc_value, KeyboardInterrupt):
        interrupts.end()
    sys.__unraisablehook__(hook)
