"""`qgen study`: several runs that are trained to be compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qgen.cli.output import check_folder, make_console, print_json
from qgen.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.studies import Comparison, Plan, Trained

EXAMPLES = """\b
Examples:
  qgen study compare gan-classical gan-quantum-g --images 64000
  qgen study compare gan-classical gan-quantum-g --seeds 5 --fraction 1
  qgen study compare unet my.yaml --images 20000 --dry-run"""

_COMPARE_EXAMPLES = """\b
Examples:
  qgen study compare gan-classical gan-quantum-g gan-quantum-d
  qgen study compare gan-classical gan-quantum-g --images 64000 --seeds 5
  qgen study compare gan-classical gan-quantum-g --fraction 1 --fraction 0.1
  qgen study compare unet qvunet-1hq --set data.limit=1000 --images 20000
  qgen study compare gan-classical gan-quantum-d --out studies/first
  qgen study compare gan-classical gan-quantum-g --dry-run --json"""

app = typer.Typer(rich_markup_mode=None, no_args_is_help=True)


@app.callback(epilog=EXAMPLES)
def study() -> None:
    """Train several runs to compare them, and say what they support."""


@app.command(epilog=_COMPARE_EXAMPLES)
def compare(
    presets: Annotated[list[str], typer.Argument(metavar="PRESET", help="Presets, or YAML files.")],
    seeds: Annotated[
        int, typer.Option(min=1, max=1000, help="How often each is trained; two or more make intervals.")
    ] = 3,
    fraction: Annotated[
        list[float] | None, typer.Option(metavar="PART", help="Of the images to learn from; default: 1. Repeatable.")
    ] = None,
    images: Annotated[
        int | None, typer.Option(min=1, help="Training images that each run sees; default: as the presets say.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(metavar="PRESET", help="What the others are compared with; default: the first.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a setting of all. Repeatable.")
    ] = None,
    jobs: Annotated[int | None, typer.Option(min=1, help="Runs at a time; default: one for each core.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="The study's folder; one that exists already goes on.")
    ] = None,
    data_dir: Annotated[
        Path | None, typer.Option(envvar="QGEN_DATA", metavar="FOLDER", help="Where data sets lie.")
    ] = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the classical layers run.")] = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Compare presets that are trained on the same budget.

    Each is trained for the same number of training images, one process a run.
    The folder then holds compare.html, compare.md and compare.json: means with
    95 % intervals, differences from the baseline, curves, and samples of every
    run. Ctrl-C ends it after the steps in hand; the same command with --out goes
    on.
    """
    from qgen.studies import make_plan

    study = _folder(out)
    if not dry_run:
        check_folder(study / "compare.json")
    console = make_console(as_json)
    plan = make_plan(presets, seeds, fraction or [1.0], images, baseline, set_ or [])
    if images is not None and plan.images != images:
        console.print(f"{images:,} images are no whole number of steps of all: each run sees {plan.images:,}")
    if dry_run:
        _show(console, plan, as_json)
        return
    _run(console, plan, study, jobs, data_dir, device, as_json)


def _folder(out: Path | None) -> Path:
    from datetime import datetime

    return out or Path("studies") / f"{datetime.now():%Y%m%d-%H%M%S}-compare"


def _show(console: Console, plan: Plan, as_json: bool) -> None:
    """What would be trained."""
    if as_json:
        typer.echo(json.dumps(plan.plain() | {"runs": [task.name for task in plan.tasks()]}, indent=2))
        return
    from rich.table import Table

    table = Table("model", box=None, pad_edge=False)
    for column in ("parameters", "in circuits", "steps", "images a step"):
        table.add_column(column, justify="right")
    for each in plan.contenders:
        counts = (each.parameters, each.quantum_parameters, each.steps, each.images_a_step)
        table.add_row(each.name, *(f"{count:,}" for count in counts))
    console.print(table)
    runs = len(list(plan.tasks()))
    console.print(f"{runs} runs, each of {plan.images:,} training images", soft_wrap=True)


def _run(
    console: Console,
    plan: Plan,
    study: Path,
    jobs: int | None,
    data_dir: Path | None,
    device: Literal["cpu", "cuda"],
    as_json: bool,
) -> None:
    """Trains what is not trained yet, then says what it came to."""
    from qgen.data import open_images
    from qgen.studies import compare as compare_runs
    from qgen.studies import train_all, write_plan
    from qgen.studies.writing import write_comparison

    write_plan(study, plan)
    runs = len(list(plan.tasks()))
    console.print(f"training {runs} runs of {plan.images:,} images each into {study}", soft_wrap=True)
    with progress(console, "fetching images") as told:  # once, rather than by several runs at a time
        open_images(plan.contenders[0].settings.data, data_dir, progress=told)
    options = ["--device", device, *(["--data-dir", str(data_dir)] if data_dir else [])]
    with progress(console, "training") as told:

        def say(line: str) -> None:
            console.print(line, soft_wrap=True)

        trained = train_all(study, plan, jobs or _cores(), options, told, say)
    if trained.stopped:
        _say_how_to_go_on(console, study, trained, runs)
        raise typer.Exit(130)
    found = compare_runs(study)
    page = write_comparison(study, found)
    if as_json:
        print_json(found.to_dict() | {"study": str(study), "page": str(page)})
    else:
        _print(console, found, page)
    if trained.failures:
        for failure in trained.failures:
            console.print(f"{failure.name} failed: {failure.line}", soft_wrap=True, style="red")
        console.print("the same command with this --out tries them again", soft_wrap=True)
        raise typer.Exit(1)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _say_how_to_go_on(console: Console, study: Path, trained: Trained, runs: int) -> None:
    console.print(
        f"stopped; {trained.finished} of {runs} runs are finished. Go on with the same command and --out {study}",
        soft_wrap=True,
    )


def _print(console: Console, found: Comparison, page: Path) -> None:
    from rich.table import Table

    from qgen.studies import tables, words

    for fraction in found.plan.fractions:
        rows = list(zip(tables.results_head(found), *tables.results(found, fraction), strict=True))
        table = Table(box=None, pad_edge=False)
        table.add_column(f"on {words.part(fraction)}", no_wrap=True)
        for name in rows[0][1:]:
            table.add_column(name, justify="right", overflow="fold")
        for row in rows[1:]:
            table.add_row(*row)
        console.print(table)
        console.print()
    for warning in words.warnings(found):
        console.print(f"warning: {warning}", soft_wrap=True, style="yellow")
    console.print(words.answer(found), soft_wrap=True)
    for line in words.verdict_lines(found):
        console.print(line, soft_wrap=True)
    console.print(f"page: {page}", soft_wrap=True)
