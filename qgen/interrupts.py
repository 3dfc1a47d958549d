"""Ctrl-C and SIGTERM, also while native code runs: a thread hears of a signal at once, the main thread only later.

Python runs a signal's handler between two of its own instructions, and a step of training, a transpilation or an import
can be one instruction for minutes. The system's own handler, however, writes the signal's number into a pipe at once
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

#: Seconds that a SIGTERM leaves to the step in hand: less than batch systems and containers wait before they kill.
GRACE = 5.0
#: Seconds after which somebody who pressed Ctrl-C is told how to end it at once.
PATIENCE = 2.0


@dataclass
class Interrupts:
    """What this process was asked by signals.

    Attributes:
        first: the first SIGINT or SIGTERM; None: there was none.
        count: how many there were.
        listening: whether a thread hears of them.
        deaf: whether they are another's business for now.
        at_once: what is done before the process ends at once, the last one first: end children, clean the terminal.
    """

    first: int | None = None
    count: int = 0
    listening: bool = False
    deaf: bool = False
    at_once: list[Callable[[], object]] = field(default_factory=list)

    @property
    def code(self) -> int | None:
        """The exit code that says so: 130 after Ctrl-C, 143 after SIGTERM."""
        return None if self.first is None else 128 + self.first

    def heard(self, number: int) -> None:
        """In the thread: a signal came. A second one, and a SIGTERM whose grace is over, end the process."""
        if self.deaf:
            return
        self.count += 1
        self.first = self.first or number
        if self.count > 1:
            self.end()
        if number == signal.SIGTERM:
            _later(GRACE, self.end)
        else:
            _later(PATIENCE, self._hint)

    def end(self) -> None:
        """Ends the process now, whatever it is doing. What is committed is safe: files are written whole or not."""
        for clean in reversed(self.at_once):
            with suppress(Exception):
                clean()
        _say("ended at once; what was written before is whole")
        os._exit(self.code or 1)

    def _hint(self) -> None:
        _say("Ctrl-C: ends after what is in hand; once more ends it at once")


#: Of this process.
interrupts = Interrupts()


@contextmanager
def listening() -> Iterator[Interrupts]:
    """Within this block (in the main thread) a second Ctrl-C ends the process at once, whatever it is doing.

    A first one raises KeyboardInterrupt as always, or does what `signal.signal` says within.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    threading.Thread(target=_listen, args=(reader,), name="interrupts", daemon=True).start()
    interrupts.listening = True
    try:
        yield interrupts
    finally:
        interrupts.listening = False
        signal.set_wakeup_fd(before)
        os.close(writer)  # the thread reads the end, and ends


@contextmanager
def on_end_at_once(clean: Callable[[], object]) -> Iterator[None]:
    """Within this block, a process that ends at once does this before; in another thread, so it may not wait."""
    interrupts.at_once.append(clean)
    try:
        yield
    finally:
        interrupts.at_once.remove(clean)


@contextmanager
def left_to_a_child() -> Iterator[None]:
    """Within this block signals are for a child that has the terminal: it may take any number of Ctrl-C."""
    interrupts.deaf = True
    try:
        yield
    finally:
        interrupts.deaf = False


def _listen(reader: int) -> None:
    with os.fdopen(reader, "rb", buffering=0) as pipe:
        while numbers := pipe.read(64):
            for number in numbers:
                if number in (signal.SIGINT, signal.SIGTERM):
                    interrupts.heard(number)


def _later(seconds: float, do: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, do)
    timer.daemon = True
    timer.start()


def _say(line: str) -> None:
    """To the terminal, as its own line: neither buffers nor locks of the main thread are waited for."""
    # What is left of a bar goes, and the cursor is shown again.
    terminal = "\r\x1b[J\x1b[?25h" if sys.stderr is not None and sys.stderr.isatty() else ""
    with suppress(OSError):
        os.write(2, f"{terminal}qgen: {line}\n".encode())
