"""`qgen study`: tasks over a grid of cells, run by an executor and analysed in a report."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from qgen.cli import options
from qgen.cli.output import check_folder, make_console, print_json
from qgen.cli.progress import progress

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.studies import Report, Study
    from qgen.studies.comparison import ComparisonStudy

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
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Seeds of each preset; two or more give intervals.")] = 3,
    fraction: Annotated[
        list[float] | None, typer.Option(metavar="PART", help="Part of the images to train on; default: 1. Repeatable.")
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
        Path | None, typer.Option(metavar="FOLDER", help="The study's folder; an existing study is resumed.")
    ] = None,
    data_dir: options.DataDir = None,
    device: Annotated[Literal["cpu", "cuda"], typer.Option(help="Where the classical layers run.")] = "cpu",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be trained, and stop.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Compare presets that are trained on the same budget.

    Each is trained for the same number of training images, one process a run.
    The folder then holds compare.html, compare.md and compare.json: means with
    95 % intervals, differences from the baseline, curves, and samples of every
    run. Ctrl-C stops it after the current steps; the same command with --out
    resumes it.
    """
    from qgen.studies.comparison import make_comparison

    folder = _folder(out, "compare")
    if not dry_run:
        check_folder(folder / "compare.json")
    console = make_console(as_json)
    study = make_comparison(presets, seeds, fraction or [1.0], images, baseline, set_ or [])
    if images is not None and study.images != images:
        console.print(f"{images:,} images are no whole number of steps of all: each run sees {study.images:,}")
    if dry_run:
        _print_comparison(console, study, as_json)
        return
    _run(console, study, folder, jobs, data_dir, device, as_json)


def _folder(out: Path | None, kind: str) -> Path:
    from datetime import datetime

    return out or Path("studies") / f"{datetime.now():%Y%m%d-%H%M%S}-{kind}"


def _print_comparison(console: Console, study: ComparisonStudy, as_json: bool) -> None:
    """Print what would be trained."""
    names = [cell.name for cell in study.cells()]
    if as_json:
        typer.echo(json.dumps(study.plain() | {"runs": names}, indent=2))
        return
    from rich.table import Table

    table = Table("model", box=None, pad_edge=False)
    for column in ("parameters", "in circuits", "steps", "images a step"):
        table.add_column(column, justify="right")
    for arm in study.arms:
        counts = (arm.parameters, arm.quantum_parameters, arm.steps, arm.images_per_step)
        table.add_row(arm.name, *(f"{count:,}" for count in counts))
    console.print(table)
    console.print(f"{len(names)} runs, each of {study.images:,} training images", soft_wrap=True)


def _run(
    console: Console,
    study: Study,
    folder: Path,
    jobs: int | None,
    data_dir: Path | None,
    device: Literal["cpu", "cuda"],
    as_json: bool,
) -> None:
    """Run the tasks of any study that are not done yet, then write and print its report."""
    from qgen.data import open_images
    from qgen.studies import ProcessPool, make_report, run_study, write_report, write_study

    write_study(folder, study)
    console.print(f"{study.description} into {folder}", soft_wrap=True)
    with progress(console, "fetching images") as bar:  # once, rather than by several tasks at a time
        open_images(study.data, data_dir, progress=bar)
    options = ("--device", device, *(("--data-dir", str(data_dir)) if data_dir else ()))
    executor = ProcessPool(jobs or _cores(), options)
    with progress(console, "training") as bar:
        outcome = run_study(folder, study, executor, bar, lambda line: console.print(line, soft_wrap=True))
    if outcome.stopped:
        tasks = len(list(study.tasks()))
        state = f"stopped; {outcome.finished} of {tasks} runs are finished"
        console.print(f"{state}. Go on with the same command and --out {folder}", soft_wrap=True)
        raise typer.Exit(130)
    report = make_report(folder)
    page = write_report(folder, report)
    if as_json:
        print_json(report.data | {"study": str(folder), "page": str(page)})
    else:
        _print_report(console, report, page)
    if outcome.failures:
        for failure in outcome.failures:
            console.print(f"{failure.name} failed: {failure.line}", soft_wrap=True, style="red")
        console.print("the same command with this --out tries them again", soft_wrap=True)
        raise typer.Exit(1)


def _cores() -> int:
    import os

    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _print_report(console: Console, report: Report, page: Path) -> None:
    from rich.table import Table

    for each in report.tables:
        table = Table(box=None, pad_edge=False)
        table.add_column(each.head[0], no_wrap=True)
        for name in each.head[1:]:
            table.add_column(name, justify="right", overflow="fold")
        for row in each.rows:
            table.add_row(*row)
        console.print(table)
        console.print()
    for warning in report.warnings:
        console.print(f"warning: {warning}", soft_wrap=True, style="yellow")
    for line in report.conclusions:
        console.print(line, soft_wrap=True)
    console.print(f"page: {page}", soft_wrap=True)
