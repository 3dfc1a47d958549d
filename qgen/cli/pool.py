"""`qgen pool`: codes of a Born machine, drawn once and kept in a file."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from qgen.cli import confirmation, options
from qgen.cli.option_groups import flatten_groups
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.run_argument import RunArgument, named_run
from qgen.progress import progress_bar

EXAMPLES = """\b
Examples:
  qgen pool draw runs/iqp --count 1e5 --out iqp.pool
  qgen pool show iqp.pool
  qgen train gan.yaml --set model.generator.noise=pool:iqp.pool"""

_DRAW_EXAMPLES = """\b
Examples:
  qgen pool draw --count 1000 --out iqp.pool  # of the latest run
  qgen pool draw --backend ibm_fez --count 1e6 --out fez.pool --dry-run
  qgen pool draw --backend ibm_fez --count 1e4 --out fez.pool --yes"""

_SHOW_EXAMPLES = """\b
Examples:
  qgen pool show iqp.pool
  qgen pool show iqp.pool --json"""

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Draw bit strings of a Born machine once, and keep them, as the noise of a GAN (arXiv:2507.01886).",
    epilog=EXAMPLES,
)


def _count(text: str) -> int:
    """Read a number of codes such as 100000 or 1e6.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        number = float(text)
    except ValueError:
        number = 0.5
    if not 1 <= number <= 1e9 or number != int(number):
        raise typer.BadParameter(f"{text!r} is no whole number from 1 to 1e9, such as 100000 or 1e6.")
    return int(number)


def draw(
    *,
    run: RunArgument = None,
    backend: options.BackendArgs,
    spending: confirmation.SpendingArgs,
    count: Annotated[int, typer.Option(parser=_count, metavar="NUMBER", help="How many codes: 100000, 1e6, ...")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The pool; a call that was interrupted goes on.")],
    seed: Annotated[int, typer.Option(min=0, help="Of all codes.")] = 0,
    as_json: options.AsJson = False,
) -> None:
    """Draw codes of a run's prior, on any backend: all are shots of one circuit."""
    trained_run = named_run(run)
    check_outputs(None if spending.dry_run else out, makes_folders=True)
    changes = backend.settings()

    from qgen.sampling import check_request, sampling_config

    config = sampling_config(trained_run, changes)
    check_request(trained_run, config, None, False)
    options.check_backend(config.backend)
    confirmation.check_args(spending, config.backend.name)

    from qgen.sampling import open_trained
    from qgen.sampling.pool import check_pool, draw_pool

    console, trained = make_console(as_json), open_trained(trained_run, changes)
    with closing(trained.backend):
        check_pool(trained, count)
        if not confirmation.confirm_sampling(console, trained, count, seed, spending, as_json):
            return
        with progress_bar(console, "drawing") as bar:
            confirmation.show_job_status(console, trained.backend, bar)
            pool = draw_pool(trained, out, count, seed, bar)
    facts = {"file": str(out), "codes": len(pool.bits), "bits": pool.bits.shape[1], **pool.facts}
    if as_json:
        print_json(facts)
        return
    console.print(f"pool: {len(pool.bits):,} codes of {pool.bits.shape[1]} bits in {out}", soft_wrap=True)


def show(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A pool.")], as_json: options.AsJson = False
) -> None:
    """Say what is in a pool, and where it came from."""
    from qgen.models.born.pool import PriorPool

    pool = PriorPool.read(file)
    if as_json:
        print_json({"file": str(file), "codes": len(pool.bits), "bits": pool.bits.shape[1], **pool.facts})
        return
    console = make_console(False)
    ones = pool.bits.float().mean(0)
    console.print(f"{len(pool.bits):,} codes of {pool.bits.shape[1]} bits, 1 in {ones.min():.3f} to {ones.max():.3f}")
    where = pool.facts["backend"]["name"]
    console.print(
        f"drawn on {where} from the {pool.facts['prior']} prior of {pool.facts['run']} after {pool.facts['step']:,} "
        f"steps, seed {pool.facts['seed']}",
        soft_wrap=True,
    )


app.command(epilog=_DRAW_EXAMPLES)(flatten_groups(draw))
app.command(epilog=_SHOW_EXAMPLES)(show)
