"""The page of a noise study: one self-contained HTML file, conclusions first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from qgen.noise.model import KINDS
from qgen.reports.html.document import asset, document
from qgen.reports.html.images import embedded_png
from qgen.reports.html.line_chart import Line, legend, line_chart
from qgen.reports.html.markup import Markup, element, plural, table
from qgen.studies.charts import line_point
from qgen.studies.formatting import UNKNOWN, heading
from qgen.studies.noise import tables, text
from qgen.studies.noise.analysis import NoiseResults
from qgen.studies.noise.cell_results import CHANGES, EXPECTATIONS
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import Curve, Point
from qgen.studies.noise.ranking import Ranking
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate
from qgen.studies.study import Table

_ACROSS = "scale of the noise"
#: Metrics of images that are shown as curves.
_CURVES = ("coverage", "confident", "correlation")


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
    styles = asset("line_chart.css"), asset("page.css", "qgen.studies"), asset("page.css", "qgen.studies.noise")
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
    """Charts and a table of what is lost against the scale of the noise, for each source."""
    shown = [source.name for source in results.study.sources if _drawn(results, source.name, EXPECTATIONS)]
    if not any(_is_line(curve) for curve in results.curves):
        return
    yield element("h2", "What noise changes")
    yield element("p", text.against_noise(results), class_="soft")
    for source in shown:
        names = [text.condition_label(curve.like) for curve in _drawn(results, source, EXPECTATIONS)]
        yield element(
            "section",
            element("h3", source),
            legend(names),
            element("div", *_charts(results, source), class_="small"),
            element("div", _losses(results, source), class_="results"),
            class_="card",
        )


def _is_line(curve: Curve) -> bool:
    return len(curve.points) > 1


def _losses(results: NoiseResults, source: str) -> Markup:
    rows = (
        (name, *(_verdict(*cell) for cell in cells), *half) for name, cells, half in tables.quality(results, source)
    )
    main = results.cells.main(source)
    caption = f"Loss of quality by the {main.name}, paired by seed{text.beside_real(results, source, main)}"
    return table(caption, tables.quality_head(results, source), rows)


def _verdict(loss: str, verdict: str) -> Markup:
    kind = verdict if verdict in ("better", "worse") else None
    return element("div", loss, element("small", verdict, class_=kind))


def _drawn(results: NoiseResults, source: str, metric: Metric) -> list[Curve]:
    """Return the curves of a chart: those of all kinds of errors, if there are any."""
    found = results.curves_of(source, metric.key)
    whole = [curve for curve in found if curve.like.kinds == KINDS]
    return list(whole or found)


def _charts(results: NoiseResults, source: str) -> Iterator[Markup]:
    """Yield charts of the loss of quality, of changes of other metrics, and of changes of images and values."""
    main = results.cells.main(source)
    yield from _chart(results, source, main, "loss of quality", lambda point: point.lost, True)
    for metric in results.cells.metrics:
        if metric.key in _CURVES and metric != main:
            title = f"{metric.name}: change{', points' * metric.share}"
            yield from _chart(results, source, metric, title, lambda point: point.change.estimate, metric.share)
    for metric in CHANGES:
        yield from _chart(results, source, metric, heading(metric), lambda point: point.estimate, False)


def _chart(
    results: NoiseResults,
    source: str,
    metric: Metric,
    title: str,
    value: Callable[[Point], Estimate | None],
    percent: bool,
) -> Iterator[Markup]:
    lines = []
    for curve in _drawn(results, source, metric):
        means = [(point.condition.scale, mean) for point in curve.points if (mean := value(point)) is not None]
        points = [line_point(scale, mean) for scale, mean in means]
        lines.append(Line(text.condition_label(curve.like), points))
    if any(point.y for line in lines for point in line.points):  # where nothing changes, tables say so
        yield line_chart(title, lines, _ACROSS, percent)


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
    rows = [("ideal", *[_picture(results, source, Condition(), seed)] * (len(head) - 1))]
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
        element(
            "details",
            element("summary", element("h3", "For each generator")),
            element("div", *map(_ranking, single), class_="ranks"),
        )
        if single
        else ""
    )
    yield element("section", element("div", *map(_ranking, whole), class_="ranks"), more, class_="card results")


def _ranking(ranking: Ranking) -> Markup:
    title = f"{ranking.question.capitalize()}, by {text.measure_name(ranking.measure)}"
    return element("div", table(title, tables.ranking_head(ranking), tables.ranking_rows(ranking), words=(2,)))


def _effects(results: NoiseResults) -> Iterator[Markup]:
    along = [found for source in results.study.sources if (found := tables.along_shots(results, source.name))]
    if along:
        yield element("h2", "Quality against shots")
        yield element(
            "section", *(_table(found, "Means over seeds ± 95 % intervals") for found in along), class_="card results"
        )
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
