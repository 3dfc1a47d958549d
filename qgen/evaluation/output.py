"""Evaluations as plain values for JSON."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qgen.evaluation.compare import differences
from qgen.evaluation.control_text import sentences
from qgen.evaluation.results import Evaluation


def plain(evaluations: Sequence[Evaluation]) -> dict[str, Any]:
    """Return plain values for JSON: those of the first, and under `compare` those of the others."""
    first, *others = evaluations
    compared = [
        _with_summary(other) | {"differences": {name: each.plain() for name, each in differences(first, other).items()}}
        for other in others
    ]
    return _with_summary(first) | ({"compare": compared} if compared else {})


def _with_summary(evaluation: Evaluation) -> dict[str, Any]:
    found = evaluation.plain()
    if evaluation.controls is not None:
        found["controls"]["summary"] = sentences(evaluation.controls)
    return found
