"""The task of `noise.py`'s growth: one method at one size, in a process of its own, so that memory is its own."""

from __future__ import annotations

import contextlib
import statistics
import time
from pathlib import Path
from typing import Any

from harness.noisy import Case
from harness.session import memory


class Growth:
    """One method at one size."""

    def __init__(self, case: dict[str, Any], options: dict[str, Any]) -> None:
        self.case = Case(**case)
        small = Case(4, self.case.batch, self.case.device)
        for what in (small.values, small.gradient):
            what(small.compiled(**options), 0)  # compiled kernels are loaded
        self.executable = self.case.compiled(**options)

    def __call__(self, calls: int, long: float) -> dict[str, Any]:
        """Medians of CPU seconds, a call each time at other weights; after a `long` one there is no further one."""
        with contextlib.suppress(OSError):  # VmHWM starts anew
            Path("/proc/self/clear_refs").write_text("5")
        before, answer = memory("VmRSS"), dict[str, Any]()
        for what in ("values", "gradient"):
            seconds: list[float] = []
            while len(seconds) < calls and sum(seconds) < long:
                self.case.elsewhere(self.executable)
                started = time.process_time()
                getattr(self.case, what)(self.executable, len(seconds))
                seconds.append(time.process_time() - started)
            answer[what] = statistics.median(seconds)
        peak = memory("VmHWM")
        return answer | {"peak_mib": None if peak is None or before is None else max(0.0, peak - before)}
