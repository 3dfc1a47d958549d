"""How much of the machine others took while something was measured."""

from __future__ import annotations

import os
import time
from pathlib import Path


class Neighbours:
    """Counts from when it is made; children count as one's own once they have ended."""

    def __init__(self) -> None:
        self._started, self._busy, self._own = time.monotonic(), _busy_seconds(), _own_seconds()

    def cores(self) -> float | None:
        """Cores that other processes kept busy, on average; None where the system does not tell."""
        if self._busy is None:
            return None
        others = _busy_seconds() - self._busy - (_own_seconds() - self._own)
        return round(max(0.0, others / (time.monotonic() - self._started)), 2)


def _busy_seconds() -> float | None:
    """Seconds of processor time that were spent on any process since the machine was started."""
    try:
        fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]
    except OSError:
        return None
    user, nice, system, _, _, interrupts, soft = map(int, fields[:7])
    return (user + nice + system + interrupts + soft) / os.sysconf("SC_CLK_TCK")


def _own_seconds() -> float:
    return sum(os.times()[:4])
