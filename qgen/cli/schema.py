"""`qgen schema`: JSON schemas of files of settings, for editors."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli import options
from qgen.cli.output import check_outputs, make_console, print_json

if TYPE_CHECKING:
    from qgen.json_schema import Schema

EXAMPLES = """\b
Examples:
  qgen schema --out qgen.schema.json  # of runs: config.yaml and presets
  qgen schema noise --out noise.schema.json
  qgen schema  # print it

\b
The first line of a YAML file that an editor is to check:
  # yaml-language-server: $schema=qgen.schema.json"""


def schema(
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="`run`: settings of runs and presets; `noise`: a noise file; or a kind of models of your own, as "
            "package.module:Class: of runs with it.",
        ),
    ] = "run",
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it into a file.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Print the JSON schema (draft 7) of the settings of runs, or of a noise file.

    An editor checks a YAML file against it: unknown keys, types, bounds and listed
    words, with descriptions; rules that join several settings are those of `qgen
    train`. It wants numbers and booleans as YAML 1.2 has them: `1000`, `true`.
    """
    check_outputs(out)
    made = _schema(what)
    if out is None:
        print_json(made)
        return
    from qgen import storage
    from qgen.runs import writing

    with writing(out):
        storage.write_text(out, f"{json.dumps(made, indent=1, ensure_ascii=False)}\n")
    if as_json:
        print_json({"schema": str(out), "title": made["title"]})
        return
    console = make_console()
    console.print(f"schema: {out}", soft_wrap=True)
    console.print(
        f"the first line of a file that an editor is to check: # yaml-language-server: $schema={out}", soft_wrap=True
    )


def _schema(what: str) -> Schema:
    if what == "noise":
        from qgen.json_schema import json_schema
        from qgen.noise import NoiseSettings

        return json_schema(NoiseSettings, "qgen: a noise file")
    if what != "run" and ":" not in what:
        raise typer.BadParameter(f"{what!r} is none of run, noise, and package.module:Class.", param_hint="WHAT")
    from qgen.runs.schema import run_schema

    return run_schema(None if what == "run" else what)
