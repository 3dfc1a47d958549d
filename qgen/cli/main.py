"""The `qgen` command: which commands there are, and what an error looks like in a terminal."""

from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from qgen import __version__
from qgen.cli import backends, data, describe, devserver, jobs, sample, study, train, transpile
from qgen.errors import QgenError


class _ErrorBoundary(TyperGroup):
    """An error that the user can mend becomes one line and exit code 1; `--debug` lets the traceback through."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except QgenError as error:
            if ctx.params["debug"]:
                raise
            typer.echo(f"qgen: {' '.join(str(error).split())}", err=True)
            raise typer.Exit(1) from error
        except OSError as error:
            if isinstance(error, BrokenPipeError) or ctx.params["debug"]:
                raise
            where = f"{error.filename}: " if error.filename else ""
            typer.echo(f"qgen: {where}{error.strerror or error}", err=True)
            raise typer.Exit(1) from error
        except KeyboardInterrupt:
            typer.echo("qgen: interrupted", err=True)
            raise typer.Exit(130) from None


# Plain help rather than rich panels: it starts sooner, and an example can be copied from it.
app = typer.Typer(
    name="qgen",
    cls=_ErrorBoundary,
    no_args_is_help=True,
    rich_markup_mode=None,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="\b\nExamples:\n  qgen train --backend aer\n  qgen sample\n  qgen describe qvunet-1hq\n  qgen train --help",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"qgen {__version__}")
        raise typer.Exit


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Hybrid quantum-classical image generators on Qiskit."""


app.command(epilog=train.EXAMPLES)(train.train)
app.command(epilog=sample.EXAMPLES)(sample.sample)
app.command(epilog=describe.EXAMPLES)(describe.describe)
app.command(epilog=data.EXAMPLES)(data.data)
app.add_typer(backends.app, name="backends")
app.command(epilog=transpile.EXAMPLES)(transpile.transpile)
app.add_typer(study.app, name="study")
app.command(epilog=jobs.EXAMPLES)(jobs.jobs)
app.command(epilog=devserver.EXAMPLES)(devserver.devserver)


def main() -> None:
    """Run the command line of this process."""
    app(prog_name="qgen")
