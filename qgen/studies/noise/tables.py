"""Tables of a noise study, as rows of text and in Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from qgen.noise.model import KINDS
from qgen.studies.formatting import (
    UNKNOWN,
    format_difference,
    format_mean,
    format_p_value,
    heading,
    markdown_list,
    markdown_table,
)
from qgen.studies.noise import text
from qgen.studies.noise.analysis import NoiseResults
from qgen.studies.noise.cell_results import CHANGES
from qgen.studies.noise.curves import Curve, Difference
from qgen.studies.noise.ranking import LOSS, Ranking
from qgen.studies.results import Metric
from qgen.studies.statistics import Estimate, estimate
from qgen.studies.study import REAL, Row, Table


def quality_head(results: NoiseResults, source: str) -> Row:
    """Return the head of `quality`."""
    scales = [f"scale {scale:g}" for scale in results.study.scales if scale]
    return (f"{source}: loss of quality, %", *scales, *_half_column(results, "half lost at scale"))


def quality(results: NoiseResults, source: str) -> Iterator[tuple[str, list[tuple[str, str]], tuple[str, ...]]]:
    """Yield each condition with (loss of quality, verdict) by scale, and where half of it is lost, if that is a column.

    Conditions are those of all kinds of errors, where the study has them.
    """
    found = results.curves_of(source, results.cells.main(source).key)
    for curve in [curve for curve in found if curve.like.kinds == KINDS] or found:
        noisy = [point for point in curve.points if point.condition.scale]
        cells: list[tuple[str, str]] = []
        for point in noisy:
            cells.append((format_mean(point.lost, share=True), point.change.verdict or ""))
        yield text.condition_label(curve.like), cells, _half_column(results, text.half_label(curve.half))


def _half_column(results: NoiseResults, content: str) -> tuple[str, ...]:
    """Return a cell of the last column, which is there if the study has the ideal circuit among its scales."""
    return (content,) if 0 in results.study.scales else ()


def measures(results: NoiseResults, source: str) -> Iterator[Table]:
    """Yield a table against the scale of the noise for every metric, and for changes from the ideal cell."""
    for metric in (*results.cells.metrics, *CHANGES):
        found = _against_scale(results, source, metric, half=metric not in CHANGES)
        if found is not None:
            yield found


def _against_scale(results: NoiseResults, source: str, metric: Metric, half: bool) -> Table | None:
    found = results.curves_of(source, metric.key)
    if not found:
        return None
    scales = [f"scale {point.condition.scale:g}" for point in found[0].points]
    head = (f"{source}: {heading(metric)}", *scales, *(("half lost at scale",) if half else ()))
    rows = [
        (
            text.condition_label(curve.like),
            *(format_mean(point.estimate, metric.share) for point in curve.points),
            *((text.half_label(curve.half),) if half else ()),
        )
        for curve in found
    ]
    real = results.cells.real(source, metric.key)
    if real is not None:
        filled = (format_mean(estimate([real]), metric.share), *("" for _ in head[2:]))
        rows.append((REAL, *filled))
    return Table(head, tuple(rows))


def changes_head() -> Row:
    """Return the head of `changes`."""
    return ("condition", "scale", "measure", "change from the ideal images", "p", "adjusted p", "verdict")


def changes(results: NoiseResults, source: str) -> Iterator[Row]:
    """Yield a row for each change of a metric from the ideal cell."""
    for curve in results.curves:
        if curve.source == source and curve.metric not in CHANGES:
            yield from _changes_of(curve)


def _changes_of(curve: Curve) -> Iterator[Row]:
    for point in curve.points:
        if not point.condition.ideal:
            where = text.condition_label(curve.like), f"{point.condition.scale:g}", heading(curve.metric)
            yield (*where, *_difference(point.change, curve.metric.share))


def ranking_head(ranking: Ranking) -> Row:
    """Return the head of `ranking_rows`."""
    subject = {"sources": "source", "devices": "device", "kinds": "kind of error"}[ranking.question]
    of = "" if ranking.source is None else f" ({ranking.source})"
    measure = text.measure_name(ranking.measure)
    return (f"{subject}{of}", f"{measure}, %" if ranking.measure == LOSS else measure, "resolved to be less than")


def ranking_rows(ranking: Ranking) -> Iterator[Row]:
    """Yield a row for each item, the most robust one first."""
    for name, mean in ranking.items:
        below = ", ".join(ranking.resolved_below(name))
        yield name, format_mean(mean, ranking.measure == LOSS), below or "none"


def mitigation_head() -> Row:
    """Return the head of `mitigation`."""
    return ("mitigation", "of", "measure", "scale", "shots", "without", "with", "removed, %", "change", "verdict")


def mitigation(results: NoiseResults) -> Iterator[Row]:
    """Yield a row for each mitigation, scale and number of shots."""
    for row in results.mitigated:
        share = row.measure == LOSS
        change = UNKNOWN if row.change.estimate is None else format_difference(row.change.estimate, share)
        yield (
            row.mitigation,
            row.source or "all",
            text.measure_name(row.measure),
            f"{row.scale:g}",
            text.shots_label(row.shots),
            format_mean(row.without, share),
            format_mean(row.mitigated, share),
            format_mean(row.recovered, share=True),
            change,
            row.change.verdict or UNKNOWN,
        )


def along_shots(results: NoiseResults, source: str) -> Table | None:
    """Return the quality of a source against shots, exact values last: a row for each other condition."""
    metric = results.cells.main(source)
    kinds = KINDS, results.study.kinds[0]
    own = [
        row for row in results.sampled if (row.source, row.metric) == (source, metric) and row.condition.kinds in kinds
    ]
    rows: dict[str, dict[int | None, Estimate | None]] = {}
    for row in own:
        line = rows.setdefault(text.without_shots(row.condition), {})
        line[row.condition.shots], line[None] = row.estimate, row.exact
    head = (f"{source}: {heading(metric)}", *map(text.shots_label, results.study.shots))
    means = (
        (name, *(format_mean(line.get(n), metric.share) for n in results.study.shots)) for name, line in rows.items()
    )
    return Table(head, tuple(means)) if rows else None


def shots_head() -> Row:
    """Return the head of `shots`."""
    return ("source", "condition", "scale", "measure", "value", "against exact values", "p", "adjusted p", "verdict")


def shots(results: NoiseResults) -> Iterator[Row]:
    """Yield a row for each condition with shots, and metric."""
    for row in results.sampled:
        where = row.source, text.condition_label(row.condition), f"{row.condition.scale:g}", heading(row.metric)
        share = row.metric.share
        yield (*where, format_mean(row.estimate, share), *_difference(row.change, share))


def aware_head() -> Row:
    """Return the head of `aware`."""
    return (
        "source",
        "trained at",
        "judged at",
        "measure",
        "as usual",
        "under noise",
        "change",
        "p",
        "adj. p",
        "verdict",
    )


def aware(results: NoiseResults) -> Iterator[Row]:
    """Yield a row for each training under noise, condition and metric."""
    for row in results.aware:
        share = row.metric.share
        where = row.source, row.trained_at.name, row.judged_at.name, heading(row.metric)
        values = format_mean(row.usual, share), format_mean(row.aware, share)
        yield (*where, *values, *_difference(row.change, share))


def layers_head() -> Row:
    """Return the head of `layers`."""
    return ("layer", "qubits", "circuits", "condition", "scale", "error, rms", "largest", "ideal values, rms")


def layers(results: NoiseResults, source: str) -> Iterator[Row]:
    """Yield a row for each layer and condition: errors of expectation values, rms over seeds and the largest of all."""
    cells = results.cells
    for condition in results.study.conditions:
        found = (cells.result(source, condition, seed) for seed in results.study.seeds)
        rows = [layer for cell in found if cell is not None for layer in cell.layers]
        if condition.ideal:
            continue
        for name, group in groupby(sorted(rows, key=lambda layer: str(layer["name"])), lambda layer: layer["name"]):
            own = list(group)
            rms, ideal = ((sum(layer[key] ** 2 for layer in own) / len(own)) ** 0.5 for key in ("rms", "ideal_rms"))
            counts = f"{own[0]['qubits']}", f"{own[0]['circuits']}"
            where = text.condition_label(condition), f"{condition.scale:g}"
            largest = max(layer["largest"] for layer in own)
            yield name, *counts, *where, f"{rms:.2g}", f"{largest:.2g}", f"{ideal:.2g}"


def main_tables(results: NoiseResults) -> Iterator[Table]:
    """Yield the tables for a terminal: quality against noise, and rankings over all sources."""
    for source in results.study.sources:
        found = _losses(results, source.name)
        if found.rows:
            yield found
    for ranking in results.rankings:
        if ranking.source is None and ranking.measure == LOSS:
            yield Table(ranking_head(ranking), tuple(ranking_rows(ranking)))
    if results.sampled:
        yield from filter(None, (along_shots(results, source.name) for source in results.study.sources))


def _losses(results: NoiseResults, source: str) -> Table:
    """Return `quality` as text: a star stands where a change is resolved."""
    stars = {"worse": " *", "better": " *"}
    rows = (
        (name, *(f"{loss}{stars.get(verdict, '')}" for loss, verdict in cells), *half)
        for name, cells, half in quality(results, source)
    )
    first, *others = quality_head(results, source)
    return Table((f"{first} (* resolved)", *others), tuple(rows))


def markdown(results: NoiseResults) -> str:
    """Return the whole study, without pictures, as Markdown."""
    names = ", ".join(source.name for source in results.study.sources)
    parts = [f"# {names} under noise", text.answer(results), markdown_list(text.conclusions(results))]
    parts.append(markdown_list(text.warnings(results)))
    for source in results.study.sources:
        parts.append(f"## {source.name}")
        for each in (_losses(results, source.name), *measures(results, source.name)):
            parts.append(markdown_table(each.head, each.rows, 1) if each.rows else "")
        parts += ["Changes from the ideal images:", markdown_table(changes_head(), changes(results, source.name), 3)]
        parts += ["Expectation values:", markdown_table(layers_head(), layers(results, source.name), 1)]
    if results.rankings:
        parts.append("## Rankings")
        parts += [markdown_table(ranking_head(each), ranking_rows(each), 1) for each in results.rankings]
    for title, head, rows in (
        ("Mitigation", mitigation_head(), list(mitigation(results))),
        ("Shots", shots_head(), list(shots(results))),
        ("Training under noise", aware_head(), list(aware(results))),
    ):
        if rows:
            parts += [f"## {title}", markdown_table(head, rows, 3)]
    parts += ["## Method", *text.method(results)]
    parts.append(markdown_list(f"{metric.name}: {metric.meaning}" for metric in (*results.cells.metrics, *CHANGES)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _difference(change: Difference, share: bool) -> Row:
    if change.estimate is None:
        return (UNKNOWN,) * 4
    chances = format_p_value(change.p_value), format_p_value(change.adjusted)
    return (format_difference(change.estimate, share), *chances, change.verdict or UNKNOWN)
