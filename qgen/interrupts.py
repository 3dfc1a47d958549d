"""Ctrl-C and SIGTERM, also while native code runs: a thread is notified of signals at once.

Python calls signal handlers between two bytecode instructions, and a training step, a transpilation or an import can be
one instruction for minutes. The C handler, however, writes the signal's number into a pipe at once
(`signal.set_wakeup_fd`), and native code lets other threads run.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

#: Seconds that a SIGTERM leaves to the current step; batch systems and containers wait longer before they kill.
GRACE = 5.0
#: Seconds after a Ctrl-C until a message says how to end the process at once.
PATIENCE = 2.0


@dataclass
class Interrupts:
    """The signals that this process received.

    Attributes:
        first: number of the first SIGINT or SIGTERM; None without one.
        count: number of these signals.
        listening: whether a thread is notified of them.
        ignored: whether they are ignored, because a child process handles them.
        ending: whether the process ends at once.
        cleanups: called in reverse order before the process ends at once, to kill children or clean the terminal.
    """

    first: int | None = None
    count: int = 0
    listening: bool = False
    ignored: bool = False
    ending: bool = False
    cleanups: list[Callable[[], object]] = field(default_factory=list)

    @property
    def code(self) -> int | None:
        """Exit code: 130 after Ctrl-C, 143 after SIGTERM; None without a signal."""
        return None if self.first is None else 128 + self.first

    def receive(self, number: int) -> None:
        """Record a signal, in the thread. A second one, or a SIGTERM after `GRACE`, ends the process."""
        if self.ignored:
            return
        self.count += 1
        self.first = self.first or number
        if self.count > 1:
            self.end()
        if number == signal.SIGTERM:
            _call_later(GRACE, self.end)
        else:
            _call_later(PATIENCE, self._hint)

    def end(self) -> None:
        """End the process now, whatever it is doing. Files are safe, since they are written atomically."""
        self.ending = True
        for cleanup in reversed(self.cleanups):
            with suppress(Exception):
                cleanup()
        _print_line("ended at once; what was written before is whole")
        os._exit(self.code or 128 + signal.SIGINT)  # a KeyboardInterrupt may come before the thread has the signal

    def _hint(self) -> None:
        _print_line("Ctrl-C: ends after what is in hand; once more ends it at once")


#: The signals of this process.
interrupts = Interrupts()


@contextmanager
def listening() -> Iterator[Interrupts]:
    """Let a second Ctrl-C end the process at once, within this block of the main thread.

    A first one raises KeyboardInterrupt as usual, or calls the handler that was set with `signal.signal`.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(reader,), name="interrupts", daemon=True).start()
    interrupts.listening = True
    try:
        yield interrupts
    finally:
        if interrupts.ending:  # a cleanup may have ended what this thread waited for: the exit code is that of a signal
            threading.Event().wait()
        interrupts.listening = False
        signal.set_wakeup_fd(before)
        os.close(writer)  # the thread reads the end of the pipe, and ends


@contextmanager
def on_forced_exit(clean: Callable[[], object]) -> Iterator[None]:
    """Call `clean` if the process ends at once within this block; in another thread, so it must not block."""
    interrupts.cleanups.append(clean)
    try:
        yield
    finally:
        interrupts.cleanups.remove(clean)


@contextmanager
def leave_signals_to_child() -> Iterator[None]:
    """Ignore signals within this block, while a child process that owns the terminal handles them."""
    interrupts.ignored = True
    try:
        yield
    finally:
        interrupts.ignored = False


def _listen(reader: int) -> None:
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while numbers := pipe.read(64):
            for number in numbers:
                if number in (signal.SIGINT, signal.SIGTERM):
                    interrupts.receive(number)


def _call_later(seconds: float, callback: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, callback)
    timer.daemon = True
    timer.start()


def _print_line(line: str) -> None:
    """Write a line to the standard error, without waiting for buffers or locks of the main thread."""
    # Clear a progress bar, and show the cursor again.
    terminal = "\r\x1b[J\x1b[?25h" if sys.stderr is not None and sys.stderr.isatty() else ""
    with suppress(OSError):
        os.write(2, f"{terminal}qgen: {line}\n".encode())
