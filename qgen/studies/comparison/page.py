"""The page of a comparison: one self-contained HTML file, conclusions first."""

from __future__ import annotations

from collections.abc import Iterator

from markupsafe import Markup

from qgen.reports.html.images import embedded_png
from qgen.reports.html.line_chart import Line, LinePoint, legend, line_chart
from qgen.reports.html.markup import plural
from qgen.reports.html.templates import Values, part, render, table
from qgen.studies.charts import line_point
from qgen.studies.comparison import tables, text
from qgen.studies.comparison.analysis import ArmResult, Comparison, Point
from qgen.studies.formatting import UNKNOWN, heading

_ACROSS = "training images seen"
#: Metrics that are shown as curves.
_CURVES = ("frechet", "coverage", "sliced_wasserstein")
_BALANCE = "discriminator_accuracy"


def page(comparison: Comparison) -> str:
    """Return the page as text."""
    study = comparison.study
    data, count = study.data[0].name, plural(len(study.seeds), "seed")
    return render(
        "qgen.studies.comparison/page.html",
        names=", ".join(arm.name for arm in study.arms),
        heading=plural(len(study.arms), "generator"),
        facts=(data, count, *map(text.fraction_label, study.fractions), text.budget(comparison)),
        answer=text.answer(comparison),
        verdicts=list(text.verdict_lines(comparison)),
        warnings=list(text.warnings(comparison)),
        results=[_results(comparison, fraction) for fraction in study.fractions],
        curves=_curves(comparison),
        balance=_card(comparison, list(_charts(comparison, _BALANCE, "discriminator is right", True))),
        grids=[_grids(comparison, fraction) for fraction in study.fractions],
        method=text.method(comparison),
        evaluation=text.evaluation(comparison),
        meanings=[(metric.name, f"{metric.meaning}.") for metric in comparison.metrics],
        data=text.data(comparison),
        settings=_settings(comparison),
    )


def _results(comparison: Comparison, fraction: float) -> Values:
    where = f"On {text.images_label(comparison.result(comparison.study.baseline, fraction))}"
    means = table(
        f"{where}: means over seeds ± 95 % intervals",
        tables.results_head(comparison),
        tables.results(comparison, fraction),
    )
    differences = list(tables.differences(comparison, fraction))
    tested = table("Each difference", tables.differences_head(comparison), differences, (1, 5))
    return {
        "means": means,
        "verdicts": _verdicts(comparison, fraction, where) if differences else None,
        "seeds": table("The value of every seed", tables.values_head(comparison), tables.values(comparison, fraction)),
        "tests": tested if differences else None,
    }


def _verdicts(comparison: Comparison, fraction: float, where: str) -> Values:
    rows = (
        (name, *(part("verdict", *cell) for cell in cells)) for name, cells in tables.verdicts(comparison, fraction)
    )
    caption = f"{where}: differences from {comparison.study.baseline}, paired by seed"
    return table(caption, tables.verdicts_head(comparison), rows)


def _curves(comparison: Comparison) -> Values | None:
    shown = [metric for metric in comparison.metrics if metric.key in _CURVES]
    charts = [chart for metric in shown for chart in _charts(comparison, metric.key, heading(metric), metric.share)]
    return _card(comparison, charts)


def _card(comparison: Comparison, charts: list[Markup]) -> Values | None:
    """Return charts with their legend; None without any."""
    return {"legend": legend([arm.name for arm in comparison.study.arms]), "charts": charts} if charts else None


def _charts(comparison: Comparison, key: str, title: str, share: bool) -> Iterator[Markup]:
    """Yield a chart for each part of the images, all with the same axes."""
    lines = {
        fraction: [_line(comparison.result(arm.name, fraction), key) for arm in comparison.study.arms]
        for fraction in comparison.study.fractions
    }
    every = [line for own in lines.values() for line in own]
    for fraction, own in lines.items():
        if any(line.points for line in own):
            where = f": {text.fraction_label(fraction)}" if len(lines) > 1 else ""
            yield line_chart(f"{title}{where}", own, _ACROSS, share, every)


def _line(result: ArmResult, key: str) -> Line:
    return Line(result.name, [_point(point) for point in result.curves.get(key, ())])


def _point(point: Point) -> LinePoint:
    return line_point(point.images, point.estimate)


def _grids(comparison: Comparison, fraction: float) -> Values:
    head = ("", *(f"seed {seed}" for seed in comparison.study.seeds))
    rows = ((arm.name, *_pictures(comparison, comparison.result(arm.name, fraction))) for arm in comparison.study.arms)
    return table(f"The last samples of each run, on {text.fraction_label(fraction)}; none was chosen", head, rows)


def _pictures(comparison: Comparison, result: ArmResult) -> Iterator[Markup | str]:
    for seed in comparison.study.seeds:
        run = result.runs.get(seed)
        yield embedded_png(run.grid, f"Samples of {run.name}") if run else UNKNOWN


def _settings(comparison: Comparison) -> Values:
    rows = (
        (arm.name, f"{arm.steps:,}", f"{arm.images_per_step:,}", arm.settings.backend.name)
        for arm in comparison.study.arms
    )
    return table("What each was given", ("model", "steps", "images a step", "circuits on"), rows, (3,))
