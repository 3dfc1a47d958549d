"""A comparison as one page that needs nothing else: the answer first, then all that it rests on."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from qgen.reports.document import document
from qgen.reports.lines import Line, LinePoint, legend, line_chart
from qgen.reports.markup import Markup, element, plural, scroller, table
from qgen.studies import tables, words
from qgen.studies.comparison import Comparison, Group, Point

_ACROSS = "training images seen"
#: What the curves show, of all that was measured.
_CURVES = ("frechet", "coverage", "sliced_wasserstein")
_BALANCE = "discriminator_accuracy"


def page(found: Comparison) -> str:
    """The page as text."""
    main = element(
        "main",
        _answer(found),
        _warnings(found),
        element("h2", "At the end of training"),
        *_per_fraction(found, _results),
        *_curves(found),
        *_balance(found),
        element("h2", "Samples"),
        *_per_fraction(found, _grids),
        element("h2", "How this was measured"),
        _method(found),
    )
    names = ", ".join(each.name for each in found.plan.contenders)
    return document(f"{names}: comparison", _header(found, names), main, ("page.css", "lines.css"))


def _header(found: Comparison, names: str) -> Markup:
    facts = (plural(len(found.plan.seeds), "seed"), *map(words.part, found.plan.fractions), words.budget(found))
    data = found.plan.contenders[0].settings.data.name
    return element(
        "header",
        element("p", "Comparison of image generators", class_="eyebrow"),
        element("h1", f"{plural(len(found.plan.contenders), 'generator')} on the same budget"),
        element("p", names),
        element("p", " · ".join((data, *facts)), class_="soft"),
    )


def _answer(found: Comparison) -> Markup:
    lines = [element("li", line) for line in words.verdict_lines(found)]
    listed = element("ul", *lines) if lines else Markup()
    return element("section", element("p", words.answer(found)), listed, class_="answer")


def _warnings(found: Comparison) -> Markup:
    items = [element("li", line) for line in words.warnings(found)]
    return element("ul", *items, class_="warnings", aria_label="Warnings") if items else Markup()


def _per_fraction(found: Comparison, section: Callable[[Comparison, float], Markup]) -> Iterator[Markup]:
    for fraction in found.plan.fractions:
        yield element("section", section(found, fraction), class_="card")


def _results(found: Comparison, fraction: float) -> Markup:
    where = f"On {words.learned_from(found.group(found.plan.baseline, fraction))}"
    results = table(
        f"{where}: means over seeds ± 95 % intervals", tables.results_head(found), tables.results(found, fraction)
    )
    one_by_one = list(tables.differences(found, fraction))
    verdicts = _verdicts(found, fraction, where) if one_by_one else Markup()
    tested = table("Each difference", tables.differences_head(found), one_by_one, words=(1, 5)) if one_by_one else ""
    values = table("The value of every seed", tables.values_head(found), tables.values(found, fraction))
    more = element("details", element("summary", element("h3", "Every value and every test")), values, tested)
    return element("div", results, verdicts, more, class_="results")


def _verdicts(found: Comparison, fraction: float, where: str) -> Markup:
    rows = ((name, *(_verdict(*cell) for cell in cells)) for name, cells in tables.verdicts(found, fraction))
    caption = f"{where}: differences from {found.plan.baseline}, paired by seed"
    return table(caption, tables.verdicts_head(found), rows)


def _verdict(difference: str, text: str) -> Markup:
    kind = text if text in ("better", "worse") else None
    return element("div", difference, element("small", text, class_=kind))


def _curves(found: Comparison) -> Iterator[Markup]:
    shown = [metric for metric in found.metrics if metric.key in _CURVES]
    charts = [chart for metric in shown for chart in _charts(found, metric.key, words.heading(metric), metric.share)]
    if charts:
        yield element("h2", "On the way there")
        yield _card(found, charts)


def _balance(found: Comparison) -> Iterator[Markup]:
    charts = list(_charts(found, _BALANCE, "discriminator is right", True))
    if charts:
        yield element("h2", "Balance of the players")
        about = (
            "How often the discriminator tells a real image from a generated one: at 50\u202f% it cannot, "
            "and at 100\u202f% a generator may have little to learn from."
        )
        yield element("p", about, class_="soft")
        yield _card(found, charts)


def _card(found: Comparison, charts: Sequence[Markup]) -> Markup:
    names = legend([each.name for each in found.plan.contenders])
    return element("section", names, element("div", *charts, class_="small"), class_="card")


def _charts(found: Comparison, key: str, title: str, share: bool) -> Iterator[Markup]:
    """One for each part of the images, with the same axes."""
    lines = {
        part: [_line(found.group(each.name, part), key) for each in found.plan.contenders]
        for part in found.plan.fractions
    }
    every = [line for each in lines.values() for line in each]
    for fraction, own in lines.items():
        if any(line.points for line in own):
            where = f": {words.part(fraction)}" if len(lines) > 1 else ""
            yield line_chart(f"{title}{where}", own, _ACROSS, share, every)


def _line(group: Group, key: str) -> Line:
    return Line(group.name, [_point(point) for point in group.curves.get(key, ())])


def _point(point: Point) -> LinePoint:
    known = point.estimate
    return LinePoint(point.images, known.mean, known.low, known.high)


def _grids(found: Comparison, fraction: float) -> Markup:
    head = ("", *(f"seed {seed}" for seed in found.plan.seeds))
    rows = ((each.name, *_pictures(found, found.group(each.name, fraction))) for each in found.plan.contenders)
    caption = f"The last samples of each run, on {words.part(fraction)}; none was chosen"
    return element("div", table(caption, head, rows, wide=True), class_="grids")


def _pictures(found: Comparison, group: Group) -> Iterator[Markup]:
    for seed in found.plan.seeds:
        run = group.runs.get(seed)
        yield _picture(run.grid, f"Samples of {run.task.name}") if run else element("span", words.UNKNOWN)


def _picture(path: Path, alt: str) -> Markup:
    content = base64.b64encode(path.read_bytes()).decode("ascii")
    return Markup(
        element("img", src=f"data:image/png;base64,{content}", alt=alt, loading="lazy").removesuffix("</img>")
    )


def _method(found: Comparison) -> Markup:
    meanings = (element("li", element("b", each.name), f": {each.meaning}.") for each in found.metrics)
    return element(
        "section",
        element("p", words.method(found)),
        element("p", words.judged(found)),
        element("ul", *meanings),
        element("p", words.data(found), class_="soft"),
        _settings(found),
        class_="card",
    )


def _settings(found: Comparison) -> Markup:
    rows = (
        (each.name, f"{each.steps:,}", f"{each.images_a_step:,}", each.settings.backend.name)
        for each in found.plan.contenders
    )
    head = ("model", "steps", "images a step", "circuits on")
    return scroller(table("What each was given", head, rows, words=(3,), wide=False), "What each was given")
