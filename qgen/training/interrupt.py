"""Ctrl-C, or a cluster's warning, ends training after the step in hand."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType
from typing import Any, Self

from qgen.interrupts import interrupts

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """Within this block a first SIGINT or SIGTERM sets `requested`.

    In the command a second one, and a SIGTERM whose grace is over, end the process even in the middle of native code
    (`qgen.interrupts`); elsewhere a second one acts as it always does.
    """

    def __init__(self) -> None:
        self.requested = False
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():  # Python delivers signals there only
            self._before = {number: signal.signal(number, self._request) for number in _SIGNALS}
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._restore()

    def _request(self, _number: int, _frame: FrameType | None) -> None:
        self.requested = True
        if not interrupts.listening:
            self._restore()

    def _restore(self) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before = {}
