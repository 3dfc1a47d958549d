"""The studies `noise` and `shots`: what noise, shots and mitigation change in the images of trained generators."""

from __future__ import annotations

from pathlib import Path

from qgen.studies.noise import tables, text
from qgen.studies.noise.analysis import NoiseResults as NoiseResults
from qgen.studies.noise.analysis import analyse as analyse
from qgen.studies.noise.figures import draw_figures
from qgen.studies.noise.page import page
from qgen.studies.noise.plan import NoiseStudy as NoiseStudy
from qgen.studies.noise.plan import make_noise_study as make_noise_study
from qgen.studies.study import Report, StudyKind


def report(folder: Path, study: NoiseStudy) -> Report:
    """Analyse the finished cells of a study; see `analyse`."""
    results = analyse(folder, study)
    return Report(
        data=results.to_dict(),
        markdown=tables.markdown(results),
        page=page(results),
        figures=draw_figures(results),
        tables=tuple(tables.main_tables(results)),
        warnings=tuple(text.warnings(results)),
        conclusions=(text.answer(results), *text.conclusions(results)),
    )


NOISE = StudyKind(NoiseStudy, report, "noise")
SHOTS = StudyKind(NoiseStudy, report, "shots")
