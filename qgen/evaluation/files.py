"""Evaluations as files: a page, the results as JSON beside it, and what they are called in the folder of a run."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

from qgen import storage
from qgen.evaluation.compare import plain
from qgen.evaluation.page import page as make_page
from qgen.evaluation.results import Evaluation
from qgen.runs.folder import Run, writing
from qgen.runs.rows import EVALUATIONS


def evaluation_page(
    run: Run,
    samples: str,
    features: str,
    others: Iterable[Run] = (),
    *,
    baselines: bool = False,
    controls: bool = True,
    held_out: bool = False,
    weights: Path | None = None,
    protocol: str = "default",
) -> Path:
    """Return the file of a page, whose name says what the results depend on.

    Args:
        run: the run, in whose folder it is.
        samples: what its samples are called, see `sample_name`.
        features: what they are compared by.
        others: runs that stand beside it.
        baselines: whether baselines do.
        controls: whether controls do.
        held_out: whether real images are those kept from training.
        weights: of the features; None: those of their name.
        protocol: name of the way of measuring.
    """
    parts = [samples, features, *(other.name for other in others)]
    parts += ["baselines"] * baselines + ["no-controls"] * (not controls) + ["held-out"] * held_out
    if weights is not None:
        parts.append(weights.stem)
    if protocol != "default":
        parts.append(protocol)
    return run.home / EVALUATIONS / f"{'-'.join(parts).replace(':', '-').replace('/', '-')}.html"


def write_evaluations(evaluations: Sequence[Evaluation], page: Path) -> dict[str, str]:
    """Write the page, and the results as JSON beside it; return both paths, as `page` and `file`.

    Raises:
        RunError: a file cannot be written.
    """
    results = page.with_suffix(".json")
    with writing(page):
        page.parent.mkdir(parents=True, exist_ok=True)
        storage.write_text(results, json.dumps(plain(evaluations), indent=2, ensure_ascii=False) + "\n")
        storage.write_text(page, make_page(evaluations))
    return {"page": str(page), "file": str(results)}
