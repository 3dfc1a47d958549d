"""`qgen export`: a run as a folder to give to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qgen.cli import options
from qgen.cli.output import check_folder, make_console, print_json

EXAMPLES = """\b
Examples:
  qgen export  # the latest run, into exports/NAME
  qgen export runs/first-try --out shared/digits
  qgen export runs/first-try --out shared/again --json"""


def export(
    run: Annotated[
        Path | None, typer.Argument(metavar="[RUN]", help="The folder of a run; default: the latest.")
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A new folder; default: exports/NAME.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Export a run: averaged weights (safetensors), settings, metrics and a model card, README.md.

    The folder is sampled, evaluated and described as the run is, to the same
    images; training does not go on from it, but can begin from it (--from).
    """
    from qgen.runs import find_run

    found = find_run(run)
    if out is not None:
        check_folder(out)

    from qgen.runs.exporting import export_run

    made = export_run(found, out)
    if as_json:
        print_json({"run": str(found.path)} | made.plain())
        return
    console = make_console()
    folder = made.run.path
    console.print(
        f"exported: {folder}, the weights after {made.step:,} steps, {made.size / 1e6:.1f} MB", soft_wrap=True
    )
    for line in made.needs:
        console.print(f"it needs {line}", soft_wrap=True)
    console.print(f"samples of it: qgen sample {folder}", soft_wrap=True)
