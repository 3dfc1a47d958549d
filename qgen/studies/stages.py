"""Stages of what a study trains: models that others build upon, each trained once for all that share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from qgen.runs import read_config, with_absolute_paths
from qgen.runs.stages import pending_stages, stage_settings, with_stage
from qgen.studies.tasks import Cell, TaskContext, TrainTask, cell_run

if TYPE_CHECKING:
    from qgen.runs import RunConfig


@dataclass(frozen=True)
class StageCell:
    """The run of a stage: the model of a preset, with the data, the backend and the seed of what builds upon it.

    Attributes:
        preset: its name.
        upper: the settings of what builds upon it.
    """

    preset: str
    upper: RunConfig

    @cached_property
    def config(self) -> RunConfig:
        """The settings of its run."""
        return with_absolute_paths(read_config(self.preset, [stage_settings(self.upper)]))

    @cached_property
    def name(self) -> str:
        """Its name, the same for all that share it: with the digest of its settings."""
        settings = json.dumps(self.config.plain(), sort_keys=True)
        return f"stage-{self.preset}-{hashlib.sha256(settings.encode()).hexdigest()[:8]}"


@dataclass(frozen=True)
class _Staged:
    """A cell whose stages are the runs of the study."""

    name: str
    config: RunConfig


@dataclass(frozen=True)
class StagedTrainTask(TrainTask):
    """Trains the run of a cell upon stages that the study has trained."""

    def run(self, folder: Path, context: TaskContext) -> None:
        """Train the run, or resume it.

        Raises:
            QgenError: see `TrainTask.run`.
        """
        config = self.cell.config
        for key, stage in stages(self.cell).items():
            config = with_stage(config, key, cell_run(folder, stage).path)
        TrainTask(_Staged(self.name, with_absolute_paths(config))).run(folder, context)


def stages(cell: Cell) -> dict[str, StageCell]:
    """Return the runs that a cell's builds upon and the study has to train, by the setting that names them."""
    return {key: StageCell(preset, cell.config) for key, preset in pending_stages(cell.config).items()}


def training_tasks(cell: Cell, begun: set[str]) -> Iterator[TrainTask]:
    """Yield the trainings of a cell: its stages, but for those that have begun, then its own.

    Args:
        cell: the cell.
        begun: names of stages that were yielded before; those of this cell are added.
    """
    below = stages(cell)
    for stage in below.values():
        if stage.name not in begun:
            begun.add(stage.name)
            yield TrainTask(stage)
    yield StagedTrainTask(cell, tuple(stage.name for stage in below.values())) if below else TrainTask(cell)
