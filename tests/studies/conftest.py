"""Studies without training: plans of settings that are never built, and folders that hold what runs leave."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from fake_training import write_run

from qgen.runs import read_config
from qgen.studies import Plan, write_plan
from qgen.studies.plan import Contender

STEPS, BATCH = 20, 10
Values = Callable[[str, float, int], Mapping[str, Any]]


def make(
    names: Sequence[str], seeds: int = 3, fractions: Sequence[float] = (1.0,), baseline: str | None = None
) -> Plan:
    changes = [f"training.steps={STEPS}", f"training.batch={BATCH}", "training.judged=50"]
    settings = read_config("gan-classical", changes)
    contenders = [
        Contender(name=name, settings=settings, parameters=1000 + place, quantum_parameters=place)
        for place, name in enumerate(names)
    ]
    return Plan(
        contenders=tuple(contenders),
        fractions=tuple(fractions),
        seeds=tuple(range(seeds)),
        baseline=baseline or names[0],
        images=STEPS * BATCH,
    )


def fill(study: Path, plan: Plan, values: Values) -> None:
    """Writes the plan, and every run with the quality that `values` says of (model, fraction, seed)."""
    write_plan(study, plan)
    for task in plan.tasks():
        folder = task.run(study).path
        write_run(folder, STEPS, BATCH, values(task.contender.name, task.fraction, task.seed), f"of {task.fraction}")


@pytest.fixture
def make_plan_of() -> Callable[..., Plan]:
    return make


@pytest.fixture
def filled(tmp_path: Path) -> Callable[..., Path]:
    """The folder of a finished study, by its plan and values."""

    def write(plan: Plan, values: Values) -> Path:
        fill(tmp_path / "study", plan, values)
        return tmp_path / "study"

    return write
