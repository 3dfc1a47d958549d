"""One contender's worker process, seen from outside."""

from __future__ import annotations

import json
import os
import selectors
import signal
import subprocess
from pathlib import Path
from typing import Any, BinaryIO

HERE = Path(__file__).parent.parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class ContenderError(Exception):
    """A contender that cannot go on; the message is what the report says."""


class MissingError(ContenderError):
    """Its library is not installed in the Python it was given."""


class TooSlowError(ContenderError):
    """It was given up after the longest time that one call may take."""


class Contender:
    """A fresh process for one contender at one size; it is stopped by a signal while others are measured."""

    def __init__(self, peer: str, python: str, threads: int, log: BinaryIO | None) -> None:
        variables = {name: str(threads) for name in THREAD_VARIABLES}
        self.process = subprocess.Popen(
            [python, "-m", "peers.worker", peer],
            cwd=HERE,
            env={**os.environ, **variables},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        # At most `threads` cores, also for libraries that count the cores themselves.
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, sorted(os.sched_getaffinity(0))[:threads])

    def ask(self, do: str, timeout: float, **request: Any) -> dict[str, Any]:
        """Wake the worker, have it do one thing, and put it to sleep again.

        Raises:
            MissingError: its library is not installed.
            TooSlowError: there was no answer in `timeout` seconds; the process is ended.
            ContenderError: the library failed, or the process died.
        """
        self._signal(signal.SIGCONT)
        line = b""
        try:
            self.process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self.process.stdin.flush()
            with selectors.DefaultSelector() as selector:
                selector.register(self.process.stdout, selectors.EVENT_READ)
                if not selector.select(timeout):
                    self.close()
                    raise TooSlowError(f"gave up after {timeout:.0f} s")
            line = self.process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            code = self.process.wait()
            raise ContenderError("killed, probably out of memory" if code == -9 else f"its process ended with {code}")
        self._signal(signal.SIGSTOP)
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingError(f"not installed ({answer['missing']}): pip install {' '.join(answer['requires'])}")
        if not answer["ok"]:
            raise ContenderError(answer["error"])
        return answer

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process.poll() is None:
            self.process.send_signal(number)
