"""The study `compare`: a few models on the same budget, and which differences between them are resolved."""

from __future__ import annotations

from pathlib import Path

from qgen.studies.comparison import tables, text
from qgen.studies.comparison.analysis import Comparison as Comparison
from qgen.studies.comparison.analysis import compare as compare
from qgen.studies.comparison.page import page
from qgen.studies.comparison.plan import ComparisonStudy as ComparisonStudy
from qgen.studies.comparison.plan import make_comparison as make_comparison
from qgen.studies.study import Report, StudyKind, Table


def report(folder: Path, study: ComparisonStudy) -> Report:
    """Compare the finished runs of a study; see `compare`."""
    comparison = compare(folder, study)
    return Report(
        data=comparison.to_dict(),
        markdown=tables.markdown(comparison),
        page=page(comparison),
        tables=tuple(_table(comparison, fraction) for fraction in study.fractions),
        warnings=tuple(text.warnings(comparison)),
        conclusions=(text.answer(comparison), *text.verdict_lines(comparison)),
    )


def _table(comparison: Comparison, fraction: float) -> Table:
    """Return a table with a column for each arm."""
    head, *rows = zip(tables.results_head(comparison), *tables.results(comparison, fraction), strict=True)
    return Table((f"on {text.fraction_label(fraction)}", *head[1:]), tuple(rows))


KIND = StudyKind(ComparisonStudy, report, "compare")
