"""The page of a noise study: one self-contained HTML file, conclusions first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from qgen.noise.model import KINDS
from qgen.reports.html.document import asset, document
from qgen.reports.html.images import embedded_png
from qgen.reports.html.line_chart import Line, LinePoint, legend, line_chart
from qgen.reports.html.markup import Markup, element, plural, table
from qgen.studies.formatting import UNKNOWN, heading
from qgen.studies.noise import tables, text
from qgen.studies.noise.analysis import NoiseResults
from qgen.studies.noise.cell_results import CHANGES
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import Curve
from qgen.studies.noise.ranking import Ranking
from qgen.studies.results import Metric
from qgen.studies.study import Table

_ACROSS = "scale of the noise"
#: Metrics of images that are shown as curves.
_CURVES = ("frechet", "coverage", "confident", "sliced_wasserstein")


def page(results: NoiseResults) -> str:
    """Return the page as text."""
    main = element(
        "main",
        _answer(results),
        _warnings(results),
        *_against_noise(results),
        *_pictures(results),
        *_rankings(results),
        *_effects(results),
        *_details(results),
        element("h2", "How this was measured"),
        _method(results),
    )
    names = ", ".join(source.name for source in results.study.sources)
    styles = asset("line_chart.css"), asset("page.css", "qgen.studies.noise")
    return document(f"{names}: {results.study.kind}", _header(results, names), main, *styles)


def _header(results: NoiseResults, names: str) -> Markup:
    study = results.study
    facts = (
        plural(len(study.seeds), "seed"),
        plural(len(study.devices), "device"),
        f"scales {', '.join(f'{scale:g}' for scale in study.scales)}",
        f"{plural(study.count, 'image')} a cell",
    )
    what = "shots" if study.kind == "shots" else "noise"
    return element(
        "header",
        element("p", "Robustness of image generators", class_="eyebrow"),
        element("h1", f"{plural(len(study.sources), 'generator')} under {what}"),
        element("p", names),
        element("p", " · ".join(facts), class_="soft"),
    )


def _answer(results: NoiseResults) -> Markup:
    lines = [element("li", line) for line in text.conclusions(results)]
    listed = element("ul", *lines) if lines else Markup()
    return element("section", element("p", text.answer(results)), listed, class_="answer")


def _warnings(results: NoiseResults) -> Markup:
    items = [element("li", line) for line in text.warnings(results)]
    return element("ul", *items, class_="warnings", aria_label="Warnings") if items else Markup()


def _against_noise(results: NoiseResults) -> Iterator[Markup]:
    """Charts and a table of quality against the scale of the noise, for each source."""
    if not results.curves:
        return
    yield element("h2", "Quality against noise")
    for source in results.study.sources:
        shown = [metric for metric in results.cells.metrics if metric.key in _CURVES]
        charts = [chart for metric in (*shown, *CHANGES) for chart in _chart(results, source.name, metric)]
        found = tables.quality(results, source.name)
        if found is not None:
            drawn = _drawn(results, source.name, results.cells.main(source.name))
            yield element(
                "section",
                element("h3", source.name),
                legend([text.condition_label(curve.like) for curve in drawn]),
                element("div", *charts, class_="small"),
                element("div", _table(found, "Means over seeds ± 95 % intervals"), class_="results"),
                class_="card",
            )


def _drawn(results: NoiseResults, source: str, metric: Metric) -> list[Curve]:
    """Return the curves of a chart: those of all kinds of errors, if there are any."""
    found = results.curves_of(source, metric.key)
    whole = [curve for curve in found if curve.like.kinds == KINDS]
    return list(whole or found)


def _chart(results: NoiseResults, source: str, metric: Metric) -> Iterator[Markup]:
    found = _drawn(results, source, metric)
    lines = [Line(text.condition_label(curve.like), _points(curve)) for curve in found]
    if any(line.points for line in lines):
        yield line_chart(heading(metric), lines, _ACROSS, metric.share)


def _points(curve: Curve) -> list[LinePoint]:
    return [
        LinePoint(point.condition.scale, point.estimate.mean, point.estimate.low, point.estimate.high)
        for point in curve.points
        if point.estimate is not None
    ]


def _pictures(results: NoiseResults) -> Iterator[Markup]:
    """A grid for each source: the same seeds under rising noise, a column for each device."""
    yield element("h2", "The same seeds under rising noise")
    for source in results.study.sources:
        yield element("section", element("div", _grid(results, source.name), class_="grids"), class_="card")


def _grid(results: NoiseResults, source: str) -> Markup:
    study, seed = results.study, results.study.seeds[0]
    columns = dict.fromkeys(
        (each.device, each.kinds, each.shots, each.mitigation)
        for each in study.conditions
        if each.kinds == KINDS and not each.ideal and each.mitigation is None
    )
    devices = list(dict.fromkeys(device for device, *_ in columns))
    shots = list(dict.fromkeys(number for _, _, number, _ in columns))
    head = [
        "",
        *(f"{device}, {text.shots_label(n)}" if len(shots) > 1 else device for device in devices for n in shots),
    ]
    rows = [("ideal", _picture(results, source, Condition(), seed), *[""] * (len(head) - 2))]
    for scale in study.scales:
        found = [
            next(
                (
                    each
                    for each in study.conditions
                    if (each.device, each.kinds, each.shots, each.mitigation, each.scale)
                    == (device, KINDS, number, None, scale)
                ),
                None,
            )
            for device in devices
            for number in shots
        ]
        if any(found):
            pictures = (_picture(results, source, each, seed) if each else "" for each in found)
            rows.append((f"scale {scale:g}", *pictures))
    return table(f"{source}, seed {seed}: the first images of each cell; none was chosen", head, rows, wide=True)


def _picture(results: NoiseResults, source: str, condition: Condition, seed: int) -> Markup:
    cell = results.cells.result(source, condition, seed)
    if cell is None or not cell.picture.exists():
        return element("span", UNKNOWN)
    return embedded_png(cell.picture, f"Images of {cell.cell.name}")


def _rankings(results: NoiseResults) -> Iterator[Markup]:
    whole = [ranking for ranking in results.rankings if ranking.source is None]
    if not whole:
        return
    yield element("h2", "Rankings")
    single = [ranking for ranking in results.rankings if ranking.source is not None]
    more = (
        element("details", element("summary", element("h3", "For each generator")), *map(_ranking, single))
        if single
        else ""
    )
    yield element("section", element("div", *map(_ranking, whole), class_="small"), more, class_="card results")


def _ranking(ranking: Ranking) -> Markup:
    title = f"{ranking.question.capitalize()}, by {text.measure_name(ranking.measure)}"
    return element("div", table(title, tables.ranking_head(ranking), tables.ranking_rows(ranking), words=(2,)))


def _effects(results: NoiseResults) -> Iterator[Markup]:
    for title, caption, head, rows, words in (
        ("Mitigation", "What mitigation changes", tables.mitigation_head(), tables.mitigation(results), (1, 2, 9)),
        ("Shots", "What shots change", tables.shots_head(), tables.shots(results), (1, 3, 8)),
        ("Training under noise", "What it changes", tables.aware_head(), tables.aware(results), (1, 2, 3, 9)),
    ):
        listed = list(rows)
        if listed:
            yield element("h2", title)
            yield element("section", table(caption, head, listed, words=words), class_="card results")


def _details(results: NoiseResults) -> Iterator[Markup]:
    yield element("h2", "Every measure and every test")
    for source in results.study.sources:
        name = source.name
        parts = [_table(each, "Means over seeds ± 95 % intervals") for each in tables.measures(results, name)]
        parts.append(table("Each change", tables.changes_head(), tables.changes(results, name), words=(2, 6)))
        parts.append(
            table("Expectation values by layer", tables.layers_head(), tables.layers(results, name), words=(3,))
        )
        yield element(
            "section",
            element("details", element("summary", element("h3", name)), *parts),
            class_="card results",
        )


def _table(found: Table, caption: str) -> Markup:
    return table(caption, found.head, found.rows)


def _method(results: NoiseResults) -> Markup:
    listed: Sequence[Metric] = (*results.cells.metrics, *CHANGES)
    meanings = (element("li", element("b", metric.name), f": {metric.meaning}.") for metric in listed)
    return element(
        "section",
        *(element("p", paragraph) for paragraph in text.method(results)),
        element("ul", *meanings),
        class_="card",
    )
