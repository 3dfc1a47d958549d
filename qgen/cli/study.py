"""`qgen study`: tasks over a grid of cells, run by an executor and analysed in a report."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from qgen.cli import study_noise
from qgen.cli.option_groups import flatten_groups
from qgen.cli.output import make_console
from qgen.cli.study_options import StudyArgs, run_and_report
from qgen.cli.tables import print_table

if TYPE_CHECKING:
    from rich.console import Console

    from qgen.studies.comparison import ComparisonStudy

EXAMPLES = """\b
Examples:
  qgen study compare gan-classical gan-quantum-g --images 64000
  qgen study compare gan-classical gan-quantum-g --seeds 5 --fraction 1
  qgen study compare unet my.yaml --images 20000 --dry-run
  qgen study noise gan-quantum-g patch-gan --images 20000
  qgen study shots gan-quantum-g --shots 128,1024,exact --images 20000"""

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
    """Run and compare many trainings or samplings, and say what they support."""


def compare(
    *,
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
    common: StudyArgs,
) -> None:
    """Compare presets that are trained on the same budget.

    Each is trained for the same number of training images. The folder then
    holds compare.html, compare.md and compare.json: means with 95 % intervals,
    differences from the baseline, curves, and samples of every run. Ctrl-C
    stops it after the current steps; the same command with --out resumes it.
    """
    from qgen.studies.comparison import make_comparison

    folder, runner = common.prepare("compare")
    console = make_console(common.as_json)
    study = make_comparison(presets, seeds, fraction or [1.0], images, baseline, set_ or [])
    if images is not None and study.images != images:
        console.print(f"{images:,} images are no whole number of steps of all: each run sees {study.images:,}")
    if common.dry_run:
        _print_comparison(console, study, common.as_json)
        return
    run_and_report(console, study, folder, runner, common.data_dir, common.as_json)


for _command, _epilog in (
    (study_noise.noise, study_noise.NOISE_EXAMPLES),
    (study_noise.shots, study_noise.SHOTS_EXAMPLES),
    (compare, _COMPARE_EXAMPLES),
):
    app.command(epilog=_epilog)(flatten_groups(_command))


def _print_comparison(console: Console, study: ComparisonStudy, as_json: bool) -> None:
    """Print what would be trained."""
    names = [cell.name for cell in study.cells()]
    if as_json:
        typer.echo(
            json.dumps(
                study.plain()
                | {"runs": names, "stages": [task.name for task in study.tasks() if task.name not in names]},
                indent=2,
            )
        )
        return
    numbers, rows = ("parameters", "in circuits", "steps", "images a step"), []
    for arm in study.arms:
        counts = (arm.parameters, arm.quantum_parameters, arm.steps, arm.images_per_step)
        rows.append((arm.name, *(f"{count:,}" for count in counts)))
    print_table(console, ("model", *numbers), rows, numbers, gap=2)
    stages = len(list(study.tasks())) - len(names)
    before = f"; before them {stages} first stages, each for all runs that share it" if stages else ""
    console.print(f"{len(names)} runs, each of {study.images:,} training images{before}", soft_wrap=True)
