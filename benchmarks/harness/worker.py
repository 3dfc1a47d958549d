"""A task in a process of its own, which sleeps while others are measured.

The process is `python -m harness.worker MODULE:CLASS SETTINGS`. It runs under any Python from 3.10 on. It builds the
class with the settings (JSON), reads requests from stdin, a line of JSON each, and answers on stdout with what the
method returns.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import select
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")
Answer = dict[str, Any]


class WorkerError(Exception):
    """A task that cannot go on; the message is what the report says."""


class MissingError(WorkerError):
    """Its library is not installed in the Python it was given."""


class TooSlowError(WorkerError):
    """It was ended after the longest time that one request may take."""


class Worker(contextlib.AbstractContextManager["Worker"]):
    """The process, seen from outside; it is stopped by a signal between requests.

    Args:
        task: "module:class", importable from `benchmarks/`.
        python: the interpreter; default: this one.
        threads: cores that it may use; default: all, as the environment says.
        verbose: whether to show what the libraries print.
        settings: arguments of the class, plain values.
    """

    def __init__(
        self,
        task: str,
        python: str = sys.executable,
        threads: int | None = None,
        verbose: bool = False,
        **settings: Any,
    ) -> None:
        limits = {} if threads is None else dict.fromkeys(THREAD_VARIABLES, str(threads))
        self.process = subprocess.Popen(
            [python, "-m", "harness.worker", task, json.dumps(settings)],
            cwd=HERE,
            env=os.environ | limits,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if verbose else subprocess.DEVNULL,
        )
        # Also libraries that count the cores themselves use at most `threads`.
        if threads is not None and hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(self.process.pid, sorted(os.sched_getaffinity(0))[:threads])

    def __exit__(self, *_: object) -> None:
        """Ends the process."""
        with self.process:  # its pipes are closed
            self.process.kill()

    def ask(self, do: str = "__call__", timeout: float | None = None, **request: Any) -> Answer:
        """Wakes the process, has one method called, and puts it to sleep again.

        Raises:
            MissingError: its library is not installed.
            TooSlowError: there was no answer in `timeout` seconds; the process is ended.
            WorkerError: the library failed, or the process died.
        """
        line = b""
        with contextlib.suppress(BrokenPipeError):
            self.process.send_signal(signal.SIGCONT)
            self.process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self.process.stdin.flush()
            if not select.select([self.process.stdout], [], [], timeout)[0]:
                self.__exit__()
                raise TooSlowError(f"gave up after {timeout:.0f} s")
            line = self.process.stdout.readline()
        if not line:
            code = self.process.wait()
            raise WorkerError("killed, probably out of memory" if code == -9 else f"its process ended with {code}")
        self.process.send_signal(signal.SIGSTOP)
        answer = json.loads(line)
        if "missing" in answer:
            raise MissingError(answer["missing"])
        if "error" in answer:
            raise WorkerError(answer["error"])
        return answer


def main() -> None:
    """Serves requests, in the process."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print to stdout: theirs goes to stderr
    os.dup2(2, 1)
    with contextlib.suppress(OSError):  # where memory runs out, the kernel should end a worker and not whoever waits
        Path("/proc/self/oom_score_adj").write_text("1000")
    (module, _, name), settings = sys.argv[1].partition(":"), json.loads(sys.argv[2])
    task = getattr(importlib.import_module(module), name)(**settings)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = getattr(task, request.pop("do"))(**request)
        except ImportError as error:
            answer = {"missing": str(error)}
        except Exception as error:
            traceback.print_exc()
            answer = {"error": ": ".join([type(error).__name__, *str(error).strip().splitlines()[:1]])}
        answers.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
