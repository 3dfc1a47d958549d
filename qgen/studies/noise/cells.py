"""Cells of a noise study: a trained generator, and the condition under which its images are sampled."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from qgen.backends.settings import BackendSettings
from qgen.runs import Run, RunConfig
from qgen.studies.noise.conditions import Condition
from qgen.studies.noise.sources import Source
from qgen.studies.tasks import cell_run


@dataclass(frozen=True)
class Generation:
    """A trained generator and the seeds of its images: what the cells of a pair of differences share.

    Attributes:
        source: what was trained.
        seed: of its training, if the study trains it, and of its images.
        trained_at: the noise that it is trained under; None: as the source says.
    """

    source: Source
    seed: int
    trained_at: Condition | None = None

    @property
    def name(self) -> str:
        """Its name, and that of its run's folder."""
        noise = "" if self.trained_at is None else f"-at-{self.trained_at.name}"
        return f"{self.source.name}{noise}-seed{self.seed}"

    @cached_property
    def config(self) -> RunConfig:
        """The settings of its run."""
        settings = self.source.settings
        changes = {"training": settings.training.plain() | {"seed": self.seed}}
        if self.trained_at is not None:
            gradient = settings.backend.gradient
            changes["backend"] = BackendSettings.read({"gradient": gradient, **self.trained_at.settings()}).plain()
        return RunConfig.read(settings.plain() | changes)

    def run(self, folder: Path) -> Run:
        """Return its run.

        Raises:
            RunError: it was trained further since the study began.
        """
        return cell_run(folder, self) if self.source.run is None else self.source.run.open()


@dataclass(frozen=True)
class NoiseCell:
    """A cell of the grid: images of a generator under a condition."""

    generation: Generation
    condition: Condition

    @property
    def name(self) -> str:
        """Its name, unique in the study."""
        return f"{self.generation.name}-{self.condition.name}"
