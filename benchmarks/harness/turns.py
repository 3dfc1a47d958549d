"""Ways of doing one job, each in a process of its own, which sleeps while another has its turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent.parent
Answer = dict[str, Any]


class Way:
    """A process that answers requests to one of the functions in `harness.ways`.

    Args:
        name: of the class in `harness.ways`.
        verbose: whether to show what the libraries print.
        settings: what that class is built with.
    """

    def __init__(self, name: str, verbose: bool = False, **settings: Any) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "harness.turns", name, json.dumps(settings)],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=None if verbose else subprocess.DEVNULL,
            text=True,
        )

    def __enter__(self) -> Way:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def ask(self, **request: Any) -> Answer:
        """Have it done once, and wait for that.

        Raises:
            SystemExit: it failed, in its own words.
        """
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"a process of this benchmark ended with {self._process.wait()}; --verbose shows why")
        return json.loads(line)


def main() -> None:
    """The process: `python -m harness.turns NAME SETTINGS`, requests on stdin, answers on stdout."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print to stdout: theirs goes to stderr
    os.dup2(2, 1)
    from harness import ways

    way = getattr(ways, sys.argv[1])(**json.loads(sys.argv[2]))
    for line in sys.stdin:
        answers.write(json.dumps(way(**json.loads(line))) + "\n")


if __name__ == "__main__":
    main()
