"""Curves of several runs: a panel for each metric, as a page that needs nothing, or a figure by matplotlib."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from qgen import figures, storage
from qgen.reports.html import line_chart as chart
from qgen.reports.html.templates import render

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Endings of files that `save_curves` writes.
ENDINGS = (*figures.ENDINGS, ".html")
#: By metric, by run: (step, value), rising in steps.
Curves = Mapping[str, Mapping[str, Sequence[tuple[int, float]]]]
_ACROSS = "step"
_DASHES = ("-", "--", ":", "-.")


def save_curves(curves: Curves, path: Path) -> None:
    """Write curves into a file, by its ending: .png, .svg, .pdf or .html.

    Raises:
        OSError: the file cannot be written.
    """
    if path.suffix.lower() == ".html":
        storage.write_text(path, page(curves))
        return
    with figures.figure_style("qgen-curves"):
        figures.save_figure(_figure(curves), path)


def page(curves: Curves) -> str:
    """Return a self-contained page with a chart for each metric."""
    runs = _runs(curves)
    charts = []
    for metric, by_run in curves.items():
        lines = [chart.Line(run, [chart.LinePoint(*point) for point in by_run.get(run, ())]) for run in runs]
        charts.append(chart.line_chart(metric, lines, _ACROSS))
    return render("qgen.reports/curves.html", names=", ".join(runs), legend=chart.legend(runs), charts=charts)


def _figure(curves: Curves) -> Figure:
    runs = _runs(curves)
    figure, axes = figures.make_panels(len(curves))
    for place, (metric, by_run) in zip(axes, curves.items(), strict=True):
        for number, run in enumerate(runs):
            steps, values = zip(*by_run.get(run) or [(0, float("nan"))], strict=True)
            colour = figures.COLOURS[number % len(figures.COLOURS)]
            dash = _DASHES[number // len(figures.COLOURS) % len(_DASHES)]
            marker = "o" if len(steps) == 1 else None
            place.plot(steps, values, color=colour, linestyle=dash, marker=marker, label=_literal(run))
        place.set(xlabel=_ACROSS, ylabel=_literal(metric))
    figures.add_legend(figure, axes[0])
    return figure


def _literal(name: str) -> str:
    """Return text in which matplotlib sees no formula; nor a label that it leaves out, which begins with `_`."""
    shown = name.replace("$", r"\$")
    return f" {shown}" if shown.startswith("_") else shown


def _runs(curves: Curves) -> list[str]:
    return list(dict.fromkeys(run for by_run in curves.values() for run in by_run))
