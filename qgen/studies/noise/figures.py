"""Figures of a noise study for a paper, as PNG, SVG and PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from qgen.figures import COLOURS, ENDINGS, WIDTH, add_legend, encoded, figure_style, make_panels
from qgen.noise.model import KINDS
from qgen.studies.charts import seeds_shown
from qgen.studies.formatting import heading
from qgen.studies.noise import text
from qgen.studies.noise.analysis import NoiseResults
from qgen.studies.noise.cell_results import EXPECTATIONS, PIXELS
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.curves import Curve
from qgen.studies.noise.ranking import LOSS, Ranking
from qgen.studies.results import Metric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_MARKERS = "osD^vPX"


def draw_figures(results: NoiseResults) -> dict[str, bytes]:
    """Return the figures by file name; none where nothing is finished."""
    if not results.cells.results:
        return {}
    found = {}
    with figure_style(f"qgen-{results.study.kind}"):
        for name, figure in _figures(results):
            for ending in ENDINGS:
                found[f"{name}{ending}"] = encoded(figure, ending.lstrip("."))
    return found


def _figures(results: NoiseResults) -> Iterator[tuple[str, Figure]]:
    sources = [source.name for source in results.study.sources]
    if results.curves:
        yield "quality", _against_noise(results, [(name, results.cells.main(name)) for name in sources], lost=True)
        yield "pixels", _against_noise(results, [(name, PIXELS) for name in sources])
        yield "expectations", _against_noise(results, [(name, EXPECTATIONS) for name in sources])
        yield "images", _images(results)
    for question in ("sources", "devices", "kinds"):
        own = [each for each in results.rankings if each.question == question and each.source is None]
        if own:
            yield question, _rankings(own)
    if results.mitigated:
        yield "mitigation", _mitigation(results)
    if results.sampled:
        yield "shots", _shots(results)


def _against_noise(results: NoiseResults, panels: Sequence[tuple[str, Metric]], lost: bool = False) -> Figure:
    """A panel for each source: its loss of quality in a metric, or a change from the ideal cell."""
    figure, axes = make_panels(len(panels))
    for place, (source, metric) in zip(axes, panels, strict=True):
        found = results.curves_of(source, metric.key)
        whole = [curve for curve in found if curve.like.kinds == KINDS] or list(found)
        for number, curve in enumerate(whole):
            _line(place, number, text.condition_label(curve.like), _points(curve, lost), lost)
        place.set(title=source, xlabel="scale of the noise")
        place.set_ylabel(f"loss of quality, %\n({metric.name})" if lost else metric.name)
    add_legend(figure, axes[0])
    return figure


def _points(curve: Curve, lost: bool) -> list[tuple[float, Any]]:
    found = ((point.condition.scale, point.lost if lost else point.estimate) for point in curve.points)
    return [(scale, mean) for scale, mean in found if mean is not None]


def _line(place: Axes, number: int, label: str, points: Sequence[tuple[float, Any]], share: bool = False) -> None:
    """Draw a line of means with a band of intervals."""
    factor, colour = 100 if share else 1, COLOURS[number % len(COLOURS)]
    across = [x for x, _ in points]
    place.plot(
        across,
        [factor * mean.mean for _, mean in points],
        color=colour,
        marker=_MARKERS[number % len(_MARKERS)],
        label=label,
    )
    few = [(x, factor * value) for x, mean in points for value in seeds_shown(mean)]
    if few:
        place.scatter([x for x, _ in few], [y for _, y in few], s=9, color=colour, alpha=0.55, linewidths=0)
    elif all(mean.low is not None for _, mean in points):
        low, high = ([factor * getattr(mean, end) for _, mean in points] for end in ("low", "high"))
        place.fill_between(across, low, high, color=colour, alpha=0.15, linewidth=0)


def _rankings(rankings: Sequence[Ranking]) -> Figure:
    longest = max(len(ranking.items) for ranking in rankings)
    figure, axes = make_panels(len(rankings), 0.8 + 0.25 * longest)
    for place, ranking in zip(axes, rankings, strict=True):
        factor = 100 if ranking.measure == LOSS else 1
        for position, mean in enumerate(mean for _, mean in reversed(ranking.items)):
            seeds = [factor * value for value in seeds_shown(mean)]
            place.scatter(seeds, [position] * len(seeds), s=9, color=COLOURS[0], alpha=0.55, linewidths=0)
            ends = [] if seeds else [end for end in (mean.low, mean.high) if end is not None]
            error = [[factor * abs(end - mean.mean)] for end in ends] or None
            place.errorbar(factor * mean.mean, position, xerr=error, fmt="o", color=COLOURS[0], capsize=2)
        place.set_yticks(range(len(ranking.items)), [name for name, _ in reversed(ranking.items)])
        place.margins(y=0.25)
        place.set_xlabel(text.measure_name(ranking.measure) + (", %" if factor == 100 else ""))
    return figure


def _mitigation(results: NoiseResults) -> Figure:
    """Error of expectation values for each mitigation against shots; a panel for each scale."""
    whole = None if len(results.study.sources) > 1 else results.study.sources[0].name
    rows = [row for row in results.mitigated if row.source == whole and row.measure == EXPECTATIONS.key]
    scales = list(dict.fromkeys(row.scale for row in rows))
    shots = list(results.study.shots)
    figure, axes = make_panels(len(scales))
    for place, scale in zip(axes, scales, strict=True):
        own = [row for row in rows if row.scale == scale]
        lines: dict[str, list[tuple[float, Any]]] = {"none": []}
        for row in own:
            position = float(shots.index(row.shots))
            if row.without is not None and position not in [x for x, _ in lines["none"]]:
                lines["none"].append((position, row.without))
            if row.mitigated is not None:
                lines.setdefault(row.mitigation, []).append((position, row.mitigated))
        for number, (name, points) in enumerate(lines.items()):
            _line(place, number, name, sorted(points, key=lambda point: point[0]))
        place.set_xticks(range(len(shots)), ["exact" if n is None else f"{n}" for n in shots])
        place.set(title=f"scale {scale:g}", xlabel="shots", ylabel=EXPECTATIONS.name)
    add_legend(figure, axes[0])
    return figure


def _shots(results: NoiseResults) -> Figure:
    """Quality against shots, exact values last; a panel for each source."""
    sources, shots = [source.name for source in results.study.sources], list(results.study.shots)
    figure, axes = make_panels(len(sources))
    for place, source in zip(axes, sources, strict=True):
        metric = results.cells.main(source)
        lines: dict[str, list[tuple[float, Any]]] = {}
        for row in results.sampled:
            if row.source == source and row.metric == metric and row.estimate is not None:
                name = text.without_shots(row.condition)
                lines.setdefault(name, []).append((float(shots.index(row.condition.shots)), row.estimate))
        for number, (name, points) in enumerate(lines.items()):
            _line(place, number, name, points, metric.share)
        place.set_xticks(range(len(shots)), ["exact" if n is None else f"{n}" for n in shots])
        place.set(title=source, xlabel="shots", ylabel=heading(metric).replace("\u00a0", " "))
    add_legend(figure, axes[0])
    return figure


def _images(results: NoiseResults) -> Figure:
    """The same seeds under rising noise on the first device: a row for each scale, a column for each source."""
    import matplotlib.image
    from matplotlib.figure import Figure

    study, seed = results.study, results.study.seeds[0]
    device = study.devices[0].name
    rows = [
        Condition() if scale == 0 else Condition(device, scale)
        for scale in study.scales
        if scale == 0 or Condition(device, scale) in study.conditions
    ]
    figure = Figure(figsize=(WIDTH * len(study.sources), 0.75 * len(rows)), layout="constrained")
    grid = figure.subplots(len(rows), len(study.sources), squeeze=False)
    for down, condition in enumerate(rows):
        for across, source in enumerate(study.sources):
            place, cell = grid[down][across], results.cells.result(source.name, condition, seed)
            place.set(xticks=[], yticks=[])
            for side in place.spines.values():
                side.set_visible(False)
            if cell is not None and cell.picture.exists():
                drawn = matplotlib.image.imread(cell.picture)
                place.imshow(drawn, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
            if across == 0:
                place.set_ylabel(
                    "ideal" if condition.ideal else f"{condition.scale:g}", rotation=0, ha="right", va="center"
                )
            if down == 0:
                place.set_title(source.name)
    figure.supylabel(f"scale of the noise of {Condition(device).device}", fontsize=8)
    return figure
