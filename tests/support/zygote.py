"""A process that has imported everything, and forks one for each command that it reads: a start that takes no seconds.

Reads a JSON list of arguments a line; prints the child's number, and, when it has ended, how.
"""

import json
import os
import sys
from importlib import import_module

NEEDED = (
    "qgen.cli.main",
    "qgen.costing.plan",
    "qgen.training",
    "qgen.backends.ibm",
    "qgen.backends.statevector",
    "qiskit_ibm_runtime.executor_sampler",
    "rich.table",
    "matplotlib",
)


def run(arguments: list[str]) -> None:
    """In the child: the command, and nothing after it."""
    from qgen.cli.main import app

    output = os.open("/dev/null", os.O_WRONLY)
    os.dup2(output, 1)
    try:
        app(arguments, prog_name="qgen")
    except SystemExit as end:
        os._exit(end.code if isinstance(end.code, int) else 0)
    os._exit(0)


def say(what: object) -> None:
    """To the process that asked."""
    sys.stdout.write(f"{what}\n")
    sys.stdout.flush()


def main() -> None:
    """Until there is nothing more to read."""
    for name in NEEDED:
        import_module(name)
    say("ready")
    for line in sys.stdin:
        child = os.fork()
        if not child:
            run(json.loads(line))
        say(child)
        _, status = os.waitpid(child, 0)
        say(os.waitstatus_to_exitcode(status))


if __name__ == "__main__":
    main()
