"""The page of an evaluation: one self-contained HTML file with the samples and their nearest training images."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from markupsafe import Markup
from torch import Tensor

from qgen.data import paired_rows, save_grid
from qgen.evaluation import control_text, text
from qgen.evaluation.compare import differences
from qgen.evaluation.results import Difference, Evaluation
from qgen.reports.html.images import embedded_png
from qgen.reports.html.templates import Values, part, render, table

#: Samples in a grid; pairs of samples and training images, and how many in a row.
_SHOWN, _PAIRS, _COLUMNS = 64, 24, 12


def page(evaluations: Sequence[Evaluation]) -> str:
    """Return the page as text: of one evaluation, or of several, of which the first is compared with the others."""
    first, *others = evaluations
    several = bool(others)
    drawn = first.space.shape[1:] != (1, 1)  # samples of a distribution are no pictures
    return render(
        "qgen.evaluation/page.html",
        names=", ".join(each.name for each in evaluations),
        first=first.name,
        facts=text.facts(first),
        answers=[text.answer(each, several) for each in evaluations],
        warnings=list(_warnings(evaluations)),
        results=[_results(each, several) for each in evaluations],
        controls=[_controlled(each) for each in evaluations if each.controls is not None],
        about_controls=control_text.ABOUT,
        compared=_compared(evaluations) if several else None,
        samples=[_samples(each) for one in evaluations for each in _with_controls(one)] if drawn else [],
        nearest=[_nearest(each, several) for each in evaluations] if drawn else [],
        about_nearest=text.NEAREST,
        notes=text.notes(first),
        about_intervals=text.INTERVALS,
        meanings=list(_meanings(first)),
    )


def _warnings(evaluations: Sequence[Evaluation]) -> Iterator[str]:
    for each in evaluations:
        if each.collapse:
            yield f"{each.name}: {each.collapse}." if len(evaluations) > 1 else text.sentence(each.collapse)


def _results(evaluation: Evaluation, named: bool) -> Values:
    what = f"{len(evaluation.images):,} samples and as many real images, each against {evaluation.real_count:,} others"
    caption = f"{evaluation.name}: {what}" if named else f"{what[0].upper()}{what[1:]}"
    return table(caption, ("", *text.HEADINGS), list(text.rows(evaluation)))


def _controlled(evaluation: Evaluation) -> Values:
    controls = evaluation.controls
    assert controls is not None
    caption = f"{evaluation.name}: differences from the samples, paired by seed, with their 95 % intervals"
    rows = list(control_text.rows(evaluation)) if controls.samples else []
    head = ("", "samples", *control_text.headings(controls))
    return table(caption, head, rows) | {"summary": controls.summary}


def _compared(evaluations: Sequence[Evaluation]) -> Values:
    first, *others = evaluations
    found = [differences(first, other) for other in others]
    rows = (
        (text.label(first, result.measure), *(_difference(first, name, each.get(name)) for each in found))
        for name, result in first.results.items()
    )
    caption, head = "Differences with their 95 % intervals, each for itself", ("", *(other.name for other in others))
    return table(caption, head, rows) | {"pairing": text.pairing(evaluations)}


def _difference(evaluation: Evaluation, name: str, difference: Difference | None) -> Markup | str:
    if difference is None:
        return "\u2013"
    return part("verdict", text.difference(evaluation.results[name].measure, difference), difference.verdict)


def _with_controls(evaluation: Evaluation) -> list[Evaluation]:
    controls = evaluation.controls.samples if evaluation.controls else ()
    return [evaluation, *(each.evaluation for each in controls)]


def _samples(evaluation: Evaluation) -> Values:
    shown = evaluation.images[:_SHOWN]
    return _figure(shown, f"{evaluation.name}: the first {len(shown)}; none was chosen", 8)


def _nearest(evaluation: Evaluation, named: bool) -> Values:
    """Make a picture of the samples that are nearest to a training image, each above that image."""
    distances, indices = evaluation.nearest
    chosen = np.argsort(distances, kind="stable")[:_PAIRS]
    samples = evaluation.images[torch.from_numpy(chosen)]
    training = evaluation.reference.train.scaled(torch.from_numpy(indices[chosen]))
    images = paired_rows(samples, training, _COLUMNS)
    what = f"the {len(chosen)} samples nearest to a training image, each above that image"
    caption = f"{evaluation.name}: {what}" if named else f"{what[0].upper()}{what[1:]}"
    return _figure(images, caption, _COLUMNS)


def _figure(images: Tensor, caption: str, columns: int) -> Values:
    with TemporaryDirectory() as folder:
        path = Path(folder, "grid.png")
        save_grid(images, path, columns)
        return {"image": embedded_png(path, caption), "caption": caption}


def _meanings(evaluation: Evaluation) -> Iterator[tuple[str, str]]:
    for measure in (result.measure for result in evaluation.results.values()):
        yield text.label(evaluation, measure), f"{measure.about}. {text.sentence(measure.bias)}"
