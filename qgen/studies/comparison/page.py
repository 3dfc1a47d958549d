"""The page of a comparison: one self-contained HTML file, conclusions first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qgen.reports.html.document import asset, document
from qgen.reports.html.images import embedded_png
from qgen.reports.html.line_chart import Line, LinePoint, legend, line_chart
from qgen.reports.html.markup import Markup, element, plural, scroller, table
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
    main = element(
        "main",
        _answer(comparison),
        _warnings(comparison),
        element("h2", "At the end of training"),
        *_per_fraction(comparison, _results),
        *_curves(comparison),
        *_balance(comparison),
        element("h2", "Samples"),
        *_per_fraction(comparison, _grids),
        element("h2", "How this was measured"),
        _method(comparison),
    )
    names = ", ".join(arm.name for arm in comparison.study.arms)
    styles = asset("line_chart.css"), asset("page.css", "qgen.studies")
    return document(f"{names}: comparison", _header(comparison, names), main, *styles)


def _header(comparison: Comparison, names: str) -> Markup:
    facts = (
        plural(len(comparison.study.seeds), "seed"),
        *map(text.fraction_label, comparison.study.fractions),
        text.budget(comparison),
    )
    data = comparison.study.data[0].name
    return element(
        "header",
        element("p", "Comparison of image generators", class_="eyebrow"),
        element("h1", f"{plural(len(comparison.study.arms), 'generator')} on the same budget"),
        element("p", names),
        element("p", " · ".join((data, *facts)), class_="soft"),
    )


def _answer(comparison: Comparison) -> Markup:
    lines = [element("li", line) for line in text.verdict_lines(comparison)]
    listed = element("ul", *lines) if lines else Markup()
    return element("section", element("p", text.answer(comparison)), listed, class_="answer")


def _warnings(comparison: Comparison) -> Markup:
    items = [element("li", line) for line in text.warnings(comparison)]
    return element("ul", *items, class_="warnings", aria_label="Warnings") if items else Markup()


def _per_fraction(comparison: Comparison, section: Callable[[Comparison, float], Markup]) -> Iterator[Markup]:
    for fraction in comparison.study.fractions:
        yield element("section", section(comparison, fraction), class_="card")


def _results(comparison: Comparison, fraction: float) -> Markup:
    where = f"On {text.images_label(comparison.result(comparison.study.baseline, fraction))}"
    results = table(
        f"{where}: means over seeds ± 95 % intervals",
        tables.results_head(comparison),
        tables.results(comparison, fraction),
    )
    differences = list(tables.differences(comparison, fraction))
    verdicts = _verdicts(comparison, fraction, where) if differences else Markup()
    tested = (
        table("Each difference", tables.differences_head(comparison), differences, words=(1, 5)) if differences else ""
    )
    values = table("The value of every seed", tables.values_head(comparison), tables.values(comparison, fraction))
    more = element("details", element("summary", element("h3", "Every value and every test")), values, tested)
    return element("div", results, verdicts, more, class_="results")


def _verdicts(comparison: Comparison, fraction: float, where: str) -> Markup:
    rows = ((name, *(_verdict(*cell) for cell in cells)) for name, cells in tables.verdicts(comparison, fraction))
    caption = f"{where}: differences from {comparison.study.baseline}, paired by seed"
    return table(caption, tables.verdicts_head(comparison), rows)


def _verdict(difference: str, verdict: str) -> Markup:
    kind = verdict if verdict in ("better", "worse") else None
    return element("div", difference, element("small", verdict, class_=kind))


def _curves(comparison: Comparison) -> Iterator[Markup]:
    shown = [metric for metric in comparison.metrics if metric.key in _CURVES]
    charts = [chart for metric in shown for chart in _charts(comparison, metric.key, heading(metric), metric.share)]
    if charts:
        yield element("h2", "On the way there")
        yield _card(comparison, charts)


def _balance(comparison: Comparison) -> Iterator[Markup]:
    charts = list(_charts(comparison, _BALANCE, "discriminator is right", True))
    if charts:
        yield element("h2", "Balance of the players")
        about = (
            "How often the discriminator tells a real image from a generated one: at 50\u202f% it cannot, "
            "and at 100\u202f% a generator may have little to learn from."
        )
        yield element("p", about, class_="soft")
        yield _card(comparison, charts)


def _card(comparison: Comparison, charts: Sequence[Markup]) -> Markup:
    names = legend([arm.name for arm in comparison.study.arms])
    return element("section", names, element("div", *charts, class_="small"), class_="card")


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


def _grids(comparison: Comparison, fraction: float) -> Markup:
    head = ("", *(f"seed {seed}" for seed in comparison.study.seeds))
    rows = ((arm.name, *_pictures(comparison, comparison.result(arm.name, fraction))) for arm in comparison.study.arms)
    caption = f"The last samples of each run, on {text.fraction_label(fraction)}; none was chosen"
    return element("div", table(caption, head, rows, wide=True), class_="grids")


def _pictures(comparison: Comparison, result: ArmResult) -> Iterator[Markup]:
    for seed in comparison.study.seeds:
        run = result.runs.get(seed)
        yield embedded_png(run.grid, f"Samples of {run.name}") if run else element("span", UNKNOWN)


def _method(comparison: Comparison) -> Markup:
    meanings = (element("li", element("b", metric.name), f": {metric.meaning}.") for metric in comparison.metrics)
    return element(
        "section",
        element("p", text.method(comparison)),
        element("p", text.evaluation(comparison)),
        element("ul", *meanings),
        element("p", text.data(comparison), class_="soft"),
        _settings(comparison),
        class_="card",
    )


def _settings(comparison: Comparison) -> Markup:
    rows = (
        (arm.name, f"{arm.steps:,}", f"{arm.images_per_step:,}", arm.settings.backend.name)
        for arm in comparison.study.arms
    )
    head = ("model", "steps", "images a step", "circuits on")
    return scroller(table("What each was given", head, rows, words=(3,), wide=False), "What each was given")
