"""The page of an evaluation: one self-contained HTML file with the samples and their nearest training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from torch import Tensor

from qgen.data import paired_rows, save_grid
from qgen.evaluation import control_text, text
from qgen.evaluation.compare import differences
from qgen.evaluation.results import Difference, Evaluation
from qgen.reports.html.document import asset, document
from qgen.reports.html.images import embedded_png
from qgen.reports.html.markup import Markup, element, table

#: Samples in a grid; pairs of samples and training images, and how many in a row.
_SHOWN, _PAIRS, _COLUMNS = 64, 24, 12


def page(evaluations: Sequence[Evaluation]) -> str:
    """Return the page as text: of one evaluation, or of several, of which the first is compared with the others."""
    first = evaluations[0]
    several = len(evaluations) > 1
    main = element(
        "main",
        element("section", *(element("p", text.answer(each, several)) for each in evaluations), class_="answer"),
        _warnings(evaluations),
        element("h2", "Measured"),
        *(element("section", _results(each, several), class_="card") for each in evaluations),
        *_controlled(evaluations),
        *_compared(evaluations),
        *_pictures(evaluations),
        element("h2", "How this was measured"),
        _method(first),
    )
    names = ", ".join(evaluation.name for evaluation in evaluations)
    header = element(
        "header",
        element("p", "Evaluation of generated images", class_="eyebrow"),
        element("h1", names),
        element("p", " · ".join(text.facts(first)), class_="soft"),
    )
    return document(f"{names}: evaluation", header, main, asset("page.css", "qgen.evaluation"))


def _warnings(evaluations: Sequence[Evaluation]) -> Markup:
    signs = [(each.name, each.collapse) for each in evaluations if each.collapse]
    items = [element("li", f"{name}: {sign}." if len(evaluations) > 1 else text.sentence(sign)) for name, sign in signs]
    return element("ul", *items, class_="warnings", aria_label="Warnings") if items else Markup()


def _results(evaluation: Evaluation, named: bool) -> Markup:
    what = f"{len(evaluation.images):,} samples and as many real images, each against {evaluation.real_count:,} others"
    caption = f"{evaluation.name}: {what}" if named else f"{what[0].upper()}{what[1:]}"
    return table(caption, ("", *text.HEADINGS), text.rows(evaluation))


def _controlled(evaluations: Sequence[Evaluation]) -> Iterator[Markup]:
    hybrids = [each for each in evaluations if each.controls is not None]
    if not hybrids:
        return
    yield element("h2", "Controls of the circuits")
    yield element("p", control_text.ABOUT, class_="soft")
    for each in hybrids:
        assert each.controls is not None
        caption = f"{each.name}: differences from the samples as they are, paired by seed, with their 95 % intervals"
        columns = ("", "as they are", *control_text.headings(each.controls))
        shown = [table(caption, columns, control_text.rows(each))] if each.controls.samples else []
        lines = (element("p", line) for line in each.controls.summary)
        yield element("section", *shown, *lines, class_="card results")


def _compared(evaluations: Sequence[Evaluation]) -> Iterator[Markup]:
    first, *others = evaluations
    if not others:
        return
    yield element("h2", f"Differences from {first.name}")
    found = [differences(first, other) for other in others]
    rows = (
        (text.label(first, result.measure), *(_difference(first, name, each.get(name)) for each in found))
        for name, result in first.results.items()
    )
    caption = "Differences with their 95 % intervals, each for itself"
    yield element(
        "section",
        table(caption, ("", *(other.name for other in others)), rows),
        element("p", text.pairing(evaluations), class_="soft"),
        class_="card results",
    )


def _difference(evaluation: Evaluation, name: str, difference: Difference | None) -> Markup | str:
    if difference is None:
        return "\u2013"
    shown = text.difference(evaluation.results[name].measure, difference)
    kind = difference.verdict if difference.verdict in ("better", "worse") else None
    return element("div", shown, element("small", difference.verdict or "", class_=kind))


def _pictures(evaluations: Sequence[Evaluation]) -> Iterator[Markup]:
    if evaluations[0].space.shape[1:] == (1, 1):  # samples of a distribution are no pictures
        return
    yield element("h2", "Samples")
    figures = (
        _figure(each.images[:_SHOWN], f"{each.name}: the first {len(each.images[:_SHOWN])}; none was chosen", 8)
        for evaluation in evaluations
        for each in _with_controls(evaluation)
    )
    yield element("section", element("div", *figures, class_="pictures"), class_="card")
    yield element("h2", "Nearest training images")
    yield element("p", text.NEAREST, class_="soft")
    yield element("section", *(_nearest(each, len(evaluations) > 1) for each in evaluations), class_="card")


def _with_controls(evaluation: Evaluation) -> list[Evaluation]:
    controls = evaluation.controls.samples if evaluation.controls else ()
    return [evaluation, *(each.evaluation for each in controls)]


def _nearest(evaluation: Evaluation, named: bool) -> Markup:
    """Make a picture of the samples that are nearest to a training image, each above that image."""
    distances, indices = evaluation.nearest
    chosen = np.argsort(distances, kind="stable")[:_PAIRS]
    samples = evaluation.images[torch.from_numpy(chosen)]
    training = evaluation.reference.train.scaled(torch.from_numpy(indices[chosen]))
    images = paired_rows(samples, training, _COLUMNS)
    what = f"the {len(chosen)} samples nearest to a training image, each above that image"
    caption = f"{evaluation.name}: {what}" if named else f"{what[0].upper()}{what[1:]}"
    return _figure(images, caption, _COLUMNS)


def _figure(images: Tensor, caption: str, columns: int) -> Markup:
    with TemporaryDirectory() as folder:
        path = Path(folder, "grid.png")
        save_grid(images, path, columns)
        picture = embedded_png(path, caption)
    return element("figure", picture, element("figcaption", caption))


def _method(evaluation: Evaluation) -> Markup:
    lines = (element("p", line) for line in text.notes(evaluation))
    meanings = (
        element(
            "li", element("b", text.label(evaluation, measure)), f": {measure.about}. {text.sentence(measure.bias)}"
        )
        for measure in (result.measure for result in evaluation.results.values())
    )
    return element("section", *lines, element("p", text.INTERVALS), element("ul", *meanings), class_="card")
