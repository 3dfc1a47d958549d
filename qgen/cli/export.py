"""`qgen export`: a run as a folder to give to others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from qgen.cli import options
from qgen.cli.output import check_folder, make_console, print_json
from qgen.cli.run_argument import RunArgument, named_run
from qgen.errors import counted

EXAMPLES = """\b
Examples:
  qgen export  # the latest run, into exports/NAME
  qgen export runs/first-try --out shared/digits
  qgen export runs/first-try --out shared/again --json"""


def export(
    run: RunArgument = None,
    out: Annotated[Path | None, typer.Option(metavar="FOLDER", help="A new folder; default: exports/NAME.")] = None,
    half: Annotated[
        bool, typer.Option("--half", help="Round weights to float16: half the size, and slightly other samples.")
    ] = False,
    push: Annotated[
        str | None,
        typer.Option(
            metavar="USER/NAME", help="Upload it to the Hugging Face hub as well, where only you see it (extra `hub`)."
        ),
    ] = None,
    public: Annotated[bool, typer.Option("--public", help="A new repository there is for everybody.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Export a run: averaged weights (safetensors), settings, metrics and a model card, README.md.

    The folder is sampled, evaluated and described as the run is, to the same
    images; training does not go on from it, but can begin from it (--from).
    """
    if public and push is None:
        raise typer.BadParameter("it is about a repository of --push.", param_hint="--public")
    found = named_run(run)
    if out is not None:
        check_folder(out)

    from qgen.runs.exporting import export_run
    from qgen.runs.hub import check_push, push_folder

    if push is not None:
        check_push(push)
    made = export_run(found, out, half)
    pushed = None if push is None else push_folder(made.run.path, push, public)
    if as_json:
        print_json({"run": found.address} | made.plain() | ({"pushed": pushed} if pushed else {}))
        return
    console = make_console()
    folder = made.run.path
    console.print(
        f"exported: {folder}, the weights after {counted(made.step, 'step')}, {made.size / 1e6:.1f} MB of {made.dtype}",
        soft_wrap=True,
    )
    for line in made.needs:
        console.print(f"it needs {line}", soft_wrap=True)
    console.print(f"samples of it: qgen sample {folder}", soft_wrap=True)
    if pushed:
        console.print(f'pushed: {pushed}; qgen.load("hf://{push}") loads it', soft_wrap=True)
