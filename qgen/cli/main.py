"""The `qgen` command: its subcommands, and how errors are shown."""

import logging
import shlex
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qgen.cli import (
    backends,
    data,
    describe,
    devserver,
    evaluate,
    export,
    jobs,
    pool,
    runs,
    sample,
    schema,
    study,
    train,
    transpile,
)
from qgen.cli.option_groups import flatten_groups
from qgen.cli.output import NoteFormatter, on_terminal, print_error
from qgen.errors import QgenError, SettingsError, user_message
from qgen.figures import note_command
from qgen.launchers import ALONE, Place, find_place
from qgen.version import __version__


class _ErrorBoundary(TyperGroup):
    """Turns errors that the user can mend into a line each and exit code 1; `--debug` lets the traceback through."""

    def main(self, args: Sequence[str] | None = None, *more: Any, **others: Any) -> Any:
        """Note the command, for the metadata of figures; with --json or --quiet nothing is logged but errors."""
        words = list(sys.argv[1:] if args is None else args)
        note_command(shlex.join(["qgen", *words]))
        if logging.lastResort is not None:  # where nobody else shows what is logged
            logging.lastResort.setFormatter(NoteFormatter())
        logger = logging.getLogger("qgen")
        before = logger.level
        if not {"--json", "--quiet"}.isdisjoint(words):
            logger.setLevel(logging.ERROR)
        try:
            return super().main(args, *more, **others)
        finally:
            logger.setLevel(before)

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            print_error("interrupted")
            raise typer.Exit(130) from None
        except BaseException as error:
            line = None if ctx.params["debug"] else user_message(error)
            if line is None:
                _keep_words(error)
                raise
            for each in error.lines if isinstance(error, SettingsError) else (line,):
                _say(each)
            raise typer.Exit(1) from error


def _keep_words(error: BaseException) -> None:
    """Make what typer is to show of wrong usage, which it does by this method, fit for a terminal."""
    if hasattr(error, "format_message"):
        said = on_terminal(f"Error: {error.format_message()}").removeprefix("Error: ")
        vars(error)["format_message"] = lambda: said


def _say(line: str) -> None:
    """Print an error. Of several processes that train together, all but those that say the same before they meet."""
    place = _place()
    if place.rank == 0:
        print_error(line)
    elif place.local_rank == 0 or _have_met():
        print_error(f"{place.name}: {line}")


def _place() -> Place:
    try:
        return find_place()
    except QgenError:
        return ALONE


def _have_met() -> bool:
    distributed = getattr(sys.modules.get("torch"), "distributed", None)
    return distributed is not None and distributed.is_available() and distributed.is_initialized()


# Plain help rather than rich panels: it starts sooner, and examples can be copied.
app = typer.Typer(
    name="qgen",
    cls=_ErrorBoundary,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  qgen train --backend aer\n  qgen sample\n  qgen describe qvunet-1hq\n  qgen train --help",
)


def _print_version(requested: bool) -> None:
    if requested:
        typer.echo(f"qgen {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hybrid quantum-classical image generators on Qiskit."""


app.command(epilog=train.EXAMPLES)(flatten_groups(train.train))
app.command(epilog=sample.EXAMPLES)(flatten_groups(sample.sample))
app.command(epilog=evaluate.EXAMPLES)(flatten_groups(evaluate.evaluate))
app.add_typer(runs.app, name="runs")
app.command(epilog=export.EXAMPLES)(export.export)
app.command(epilog=describe.EXAMPLES)(describe.describe)
app.command(epilog=schema.EXAMPLES)(schema.schema)
app.command(epilog=data.EXAMPLES)(data.data)
app.add_typer(backends.app, name="backends")
app.command(epilog=transpile.EXAMPLES)(transpile.transpile)
app.add_typer(study.app, name="study")
app.add_typer(pool.app, name="pool")
app.command(epilog=jobs.EXAMPLES)(jobs.jobs)
app.command(epilog=devserver.EXAMPLES)(devserver.devserver)
