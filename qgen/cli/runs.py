"""`qgen runs`: the runs that there are, two side by side, and their curves."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from qgen.cli import options
from qgen.cli.output import check_outputs, make_console, print_json
from qgen.cli.tables import print_table
from qgen.errors import counted

if TYPE_CHECKING:
    from qgen.runs import Run
    from qgen.runs.overview import RunOverview
    from qgen.runs.rows import EvaluationValues

EXAMPLES = """\b
Examples:
  qgen runs
  qgen runs --sort loss
  qgen runs --in exports --json
  qgen runs diff runs/first-try runs/first-try
  qgen runs plot runs/first-try --out curves.html"""

_DIFF_EXAMPLES = """\b
Examples:
  qgen runs diff runs/first-try runs/first-try
  qgen runs diff runs/first-try runs/first-try --json"""

_PLOT_EXAMPLES = """\b
Examples:
  qgen runs plot runs/first-try
  qgen runs plot runs/first-try --metric loss --out loss.svg
  qgen runs plot runs/first-try --out curves.html"""

app = typer.Typer(rich_markup_mode=None)


@app.callback(invoke_without_command=True, epilog=EXAMPLES)
def runs(
    context: typer.Context,
    sort: Annotated[
        str | None,
        typer.Option(metavar="METRIC", help="The best first, by a value that --json lists: loss, fid, steps, ..."),
    ] = None,
    folder: Annotated[Path, typer.Option("--in", metavar="FOLDER", help="Where they lie.")] = Path("runs"),
    as_json: options.AsJson = False,
) -> None:
    """List runs, those last trained first: kind, steps, the last metrics, and the newest evaluation.

    The preset is the one that the settings differ least from, with the number
    of settings that differ.
    """
    if context.invoked_subcommand is not None:
        if sort or as_json:
            raise typer.BadParameter("--sort and --json of the list go without `diff` and `plot`.")
        return
    from qgen.runs.overview import list_runs, sort_runs

    found = list_runs(folder)
    if sort is not None:
        found = sort_runs(found, sort)
    if as_json:
        print_json([each.plain() for each in found])
        return
    console = make_console()
    if not found:
        console.print(f"no runs in {folder.resolve()}: `qgen train` makes one", soft_wrap=True)
        return
    headings = ("run", "kind", "preset", "steps", "training", "evaluation")
    more = () if sort is None else (sort,)
    rows = ((*_cells(each), *(_number(each.values().get(name)) for name in more)) for each in found)
    print_table(console, (*headings, *more), rows)
    for each in found:
        if each.problem is not None:
            console.print(f"{each.run.path}: {each.problem}", soft_wrap=True, style="yellow")


@app.command(epilog=_DIFF_EXAMPLES)
def diff(
    first: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run.")],
    second: Annotated[Path, typer.Argument(metavar="RUN", help="Another one.")],
    as_json: options.AsJson = False,
) -> None:
    """Show the settings in which two runs differ, and their metrics side by side.

    Metrics are of the last row of metrics.jsonl, and of the newest evaluation.
    """
    from qgen.runs import find_run
    from qgen.runs.overview import RunOverview, comparability, differing_settings

    pair = [RunOverview.of(find_run(path)) for path in (first, second)]
    settings, warning = differing_settings(*pair), comparability(*pair)
    if as_json:
        changed = {each.key: [each.first, each.second] for each in settings}
        print_json({"runs": [each.plain() for each in pair], "settings": changed, "warning": warning})
        return
    console, names = make_console(), _labels([each.run for each in pair])
    if settings:
        print_table(console, ("setting", *names), ((d.key, _plain(d.first), _plain(d.second)) for d in settings))
    else:
        console.print("no setting differs")
    console.print()
    print_table(console, ("metric", *names), _metric_rows(*pair))
    if warning is not None:
        console.print(f"warning: {warning}", soft_wrap=True, style="yellow")
    console.print(f"with intervals of the difference: qgen evaluate {first} --compare {second}", soft_wrap=True)


@app.command(epilog=_PLOT_EXAMPLES)
def plot(
    paths: Annotated[list[Path], typer.Argument(metavar="RUN...", help="The folders of runs.")],
    metric: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A metric; default: losses, accuracies and distances. Repeatable."),
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The figure: .png, .svg, .pdf or .html.")] = Path(
        "curves.png"
    ),
    as_json: options.AsJson = False,
) -> None:
    """Draw the curves of metrics.jsonl and quality.jsonl: a panel for each metric, a line for each run."""
    from qgen.reports.curves import ENDINGS, save_curves
    from qgen.runs import find_run, writing
    from qgen.runs.overview import chosen_curves, curves

    if out.suffix.lower() not in ENDINGS:
        raise typer.BadParameter(f"{str(out)!r} does not end in one of {', '.join(ENDINGS)}.", param_hint="--out")
    check_outputs(out)
    found = [find_run(path) for path in paths]
    by_run = {name: curves(run) for name, run in zip(_labels(found), found, strict=True)}
    known = list(dict.fromkeys(name for own in by_run.values() for name in own))
    names = chosen_curves(metric or (), known)
    drawn = {name: {run: own[name] for run, own in by_run.items() if name in own} for name in names}
    with writing(out):
        save_curves(drawn, out)
    if as_json:
        print_json({"figure": str(out), "runs": [str(run.path) for run in found], "curves": drawn})
        return
    make_console().print(f"curves of {', '.join(names)}: {out}", soft_wrap=True)


def _cells(each: RunOverview) -> tuple[str, ...]:
    preset = each.preset
    near = "" if preset is None else f"{preset[0]}{f' +{len(preset[1])}' if preset[1] else ''}"
    steps = f"{each.run.steps_taken:,}{' (export)' if each.run.is_export else ''}"
    training = ", ".join(f"{name} {_number(value)}" for name, value in each.telling.items())
    return each.run.name, each.kind or "?", near, steps, training, _evaluation(each.evaluation)


def _evaluation(found: EvaluationValues | None) -> str:
    first = next(iter(found.metrics.values()), None) if found else None
    return "" if first is None else f"{first.get('label', '')} {_number(first['value'])}".strip()


def _metric_rows(first: RunOverview, second: RunOverview) -> Iterator[tuple[str, ...]]:
    pair = (first, second)
    yield "steps", *(f"{each.run.steps_taken:,}" for each in pair)
    for noted in ("metrics", "quality"):
        for name in dict.fromkeys(name for each in pair for name in getattr(each, noted)):
            yield name, *(_number(getattr(each, noted).get(name)) for each in pair)
    found = [each.evaluation for each in pair]
    if any(found):
        yield "evaluated", *("" if one is None else f"{counted(one.count, 'image')}, {one.features}" for one in found)
    for name in dict.fromkeys(name for one in found if one is not None for name in one.metrics):
        measured = [{} if one is None else one.metrics.get(name, {}) for one in found]
        label = next(str(each["label"]) for each in measured if each.get("label")) if any(measured) else name
        yield label, *(_with_interval(each) for each in measured)


def _with_interval(each: Mapping[str, Any]) -> str:
    low, high = each.get("low"), each.get("high")
    ends = "" if low is None or high is None else f" ({_number(low)} to {_number(high)})"
    return _number(each.get("value")) + ends


def _labels(found: list[Run]) -> list[str]:
    """Return the names of runs, or where two have the same their paths."""
    names = [run.path.resolve().name for run in found]
    return names if len(set(names)) == len(names) else [str(run.path) for run in found]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:,}" if isinstance(value, int) else f"{value:.4g}"


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
