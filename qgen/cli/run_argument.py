"""The run that a command is given: its folder or name, or a preset whose trained weights come with qgen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from qgen.runs import Run

_log = logging.getLogger(__name__)

HELP = (
    "The folder of a run, or its name in runs/; or a preset whose trained weights come with qgen "
    "(see `qgen train --list`), as digits; default: the latest run."
)
RunArgument = Annotated[Path | None, typer.Argument(metavar="[RUN]", help=HELP)]


def named_run(given: Path | None) -> Run:
    """Find a run, and say so where shipped weights have the same name.

    Raises:
        RunError: there is none.
    """
    from qgen.runs import find_run
    from qgen.runs.pretrained import SCHEME, hides_pretrained

    run = find_run(given)
    if hides_pretrained(given, run.preset):
        _log.warning("%s is a run here, %s; the weights that come with qgen are %s%s", given, run.path, SCHEME, given)
    return run
