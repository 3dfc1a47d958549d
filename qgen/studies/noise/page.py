"""The page of a noise study: one self-contained HTML file, conclusions first."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from markupsafe import Markup

from qgen.noise.model import KINDS
from qgen.reports.html.images import embedded_png
from qgen.reports.html.line_chart import Line, legend, line_chart
from qgen.reports.html.markup import plural
from qgen.reports.html.templates import Values, part, render, table
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

_ACROSS = "scale of the noise"
_MEANS = "Means over seeds ± 95 % intervals"
#: Metrics of images that are shown as curves.
_CURVES = ("coverage", "confident", "correlation")


def page(results: NoiseResults) -> str:
    """Return the page as text."""
    study = results.study
    varied = "shots" if study.kind == "shots" else "noise"
    listed: Sequence[Metric] = (*results.cells.metrics, *CHANGES)
    return render(
        "qgen.studies.noise/page.html",
        names=", ".join(source.name for source in study.sources),
        kind=study.kind,
        heading=f"{plural(len(study.sources), 'generator')} under {varied}",
        facts=(
            plural(len(study.seeds), "seed"),
            plural(len(study.devices), "device"),
            f"scales {', '.join(f'{scale:g}' for scale in study.scales)}",
            f"{plural(study.count, 'image')} a cell",
        ),
        answer=text.answer(results),
        conclusions=list(text.conclusions(results)),
        warnings=list(text.warnings(results)),
        about_losses=text.against_noise(results),
        losses=_against_noise(results),
        grids=[_grid(results, source.name) for source in study.sources],
        rankings=[_ranking(each) for each in results.rankings if each.source is None],
        own_rankings=[_ranking(each) for each in results.rankings if each.source is not None],
        effects=list(_effects(results)),
        details=[(source.name, list(_details(results, source.name))) for source in study.sources],
        method=list(text.method(results)),
        meanings=[(metric.name, f"{metric.meaning}.") for metric in listed],
    )


def _against_noise(results: NoiseResults) -> list[Values] | None:
    """Return charts and a table of what is lost against the scale of the noise, for each source; None of one scale."""
    if not any(len(curve.points) > 1 for curve in results.curves):
        return None
    shown = [source.name for source in results.study.sources if _drawn(results, source.name, EXPECTATIONS)]
    return [
        {
            "source": source,
            "legend": legend([text.condition_label(curve.like) for curve in _drawn(results, source, EXPECTATIONS)]),
            "charts": list(_charts(results, source)),
            "table": _losses(results, source),
        }
        for source in shown
    ]


def _losses(results: NoiseResults, source: str) -> Values:
    rows = (
        (name, *(part("verdict", *cell) for cell in cells), *half)
        for name, cells, half in tables.quality(results, source)
    )
    main = results.cells.main(source)
    caption = f"Loss of quality by the {main.name}, paired by seed{text.beside_real(results, source, main)}"
    return table(caption, tables.quality_head(results, source), rows)


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


def _grid(results: NoiseResults, source: str) -> Values:
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
    rows: list[Sequence[Markup | str]] = [("ideal", *[_picture(results, source, Condition(), seed)] * (len(head) - 1))]
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
    return table(f"{source}, seed {seed}: the first images of each cell; none was chosen", head, rows)


def _picture(results: NoiseResults, source: str, condition: Condition, seed: int) -> Markup | str:
    cell = results.cells.result(source, condition, seed)
    if cell is None or not cell.picture.exists():
        return UNKNOWN
    return embedded_png(cell.picture, f"Images of {cell.cell.name}")


def _ranking(ranking: Ranking) -> Values:
    title = f"{ranking.question.capitalize()}, by {text.measure_name(ranking.measure)}"
    return table(title, tables.ranking_head(ranking), tables.ranking_rows(ranking), (2,))


def _effects(results: NoiseResults) -> Iterator[tuple[str, list[Values]]]:
    """Yield a title and tables for each thing but the scale that changes something."""
    along = [found for source in results.study.sources if (found := tables.along_shots(results, source.name))]
    if along:
        yield "Quality against shots", [table(_MEANS, found.head, found.rows) for found in along]
    for title, caption, head, rows, words in (
        ("Mitigation", "What mitigation changes", tables.mitigation_head(), tables.mitigation(results), (1, 2, 9)),
        ("Shots", "What shots change", tables.shots_head(), tables.shots(results), (1, 3, 8)),
        ("Training under noise", "What it changes", tables.aware_head(), tables.aware(results), (1, 2, 3, 9)),
    ):
        if listed := list(rows):
            yield title, [table(caption, head, listed, words)]


def _details(results: NoiseResults, source: str) -> Iterator[Values]:
    """Yield every measure and every test of a source."""
    yield from (table(_MEANS, each.head, each.rows) for each in tables.measures(results, source))
    yield table("Each change", tables.changes_head(), tables.changes(results, source), (2, 6))
    yield table("Expectation values by layer", tables.layers_head(), tables.layers(results, source), (3,))
