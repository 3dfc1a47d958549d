"""Studies without training: plans of settings that are never built, and folders that hold what runs leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_training import write_run

from qgen.runs import read_config
from qgen.studies import write_study
from qgen.studies.comparison import ComparisonStudy
from qgen.studies.comparison.plan import Arm
from qgen.studies.tasks import cell_run

STEPS, BATCH = 20, 10
Values = Callable[[str, float, int], Mapping[str, Any]]


def make(
    names: Sequence[str], seeds: int = 3, fractions: Sequence[float] = (1.0,), baseline: str | None = None
) -> ComparisonStudy:
    changes = [f"training.steps={STEPS}", f"training.batch={BATCH}", "training.judged=50"]
    settings = read_config("gan-classical", changes)
    arms = [
        Arm(name=name, settings=settings, parameters=1000 + place, quantum_parameters=place)
        for place, name in enumerate(names)
    ]
    return ComparisonStudy(
        contenders=tuple(arms),
        fractions=tuple(fractions),
        seeds=tuple(range(seeds)),
        baseline=baseline or names[0],
        images=STEPS * BATCH,
    )


def fill(folder: Path, study: ComparisonStudy, values: Values) -> None:
    """Writes the study, and every run with the quality that `values` says of (model, fraction, seed)."""
    write_study(folder, study)
    for cell in study.cells():
        quality = values(cell.arm.name, cell.fraction, cell.seed)
        write_run(cell_run(folder, cell).path, STEPS, BATCH, quality, f"of {cell.fraction}")


@pytest.fixture
def make_study_of() -> Callable[..., ComparisonStudy]:
    return make


@pytest.fixture
def filled(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a finished study, by the study and its values."""

    def write(study: ComparisonStudy, values: Values) -> Path:
        fill(tmp_path / "study", study, values)
        return tmp_path / "study"

    return write
