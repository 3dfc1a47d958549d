"""Tasks of a noise study beside training: features of the real images, once for all, and the cells."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from qgen import storage
from qgen.data import DataSettings
from qgen.runs import writing
from qgen.studies.noise.cells import NoiseCell
from qgen.studies.noise.conditions import Condition

if TYPE_CHECKING:
    from qgen.studies.tasks import TaskContext


def cell_file(folder: Path, name: str, suffix: str) -> Path:
    """Return a file of a cell: `json`, `png` or `safetensors`."""
    return folder / "cells" / f"{name}.{suffix}"


@dataclass(frozen=True)
class FeaturesTask:
    """Learns the features by which all cells with these images are judged, so that they are the same everywhere."""

    number: int
    data: DataSettings
    needs: tuple[str, ...] = ()
    size: int = 1

    @property
    def name(self) -> str:
        """Its name, with the number of the data set."""
        return f"features{self.number}"

    def file(self, folder: Path) -> Path:
        """Return the file of the network that was learned."""
        return cell_file(folder, self.name, "safetensors")

    def is_done(self, folder: Path) -> bool:
        """Return whether the file is there."""
        return self.file(folder).exists()

    def progress(self, folder: Path) -> int:
        """Return 1 if it is done, else 0."""
        return int(self.is_done(folder))

    def run(self, folder: Path, context: TaskContext) -> None:
        """Learn the features.

        Raises:
            DataError: the images cannot be opened.
            RunError: the folder cannot be written.
        """
        from qgen.data import open_images
        from qgen.metrics import open_fitted_space, save_fitted_space

        images = open_images(self.data, context.data_dir)
        with writing(folder):
            self.file(folder).parent.mkdir(parents=True, exist_ok=True)
            if images.shape[1:] == (1, 1):  # a distribution: there is nothing to learn
                self.file(folder).touch()
            else:
                save_fitted_space(open_fitted_space(images), self.file(folder))


@dataclass(frozen=True)
class CellTask:
    """Samples images under a condition, judges them, and compares them and the layers' values with the ideal cell."""

    cell: NoiseCell
    count: int
    features: FeaturesTask
    size: int = 1

    @property
    def name(self) -> str:
        """The name of the cell."""
        return self.cell.name

    @property
    def ideal(self) -> NoiseCell:
        """The ideal cell of the same generator."""
        return NoiseCell(self.cell.generation, Condition())

    @property
    def needs(self) -> tuple[str, ...]:
        """The features, the training, and the ideal cell."""
        generation = self.cell.generation
        trained = () if generation.source.run is not None else (generation.name,)
        ideal = () if self.cell.condition.ideal else (self.ideal.name,)
        return (self.features.name, *trained, *ideal)

    def is_done(self, folder: Path) -> bool:
        """Return whether its results are written."""
        return cell_file(folder, self.name, "json").exists()

    def progress(self, folder: Path) -> int:
        """Return 1 if it is done, else 0."""
        return int(self.is_done(folder))

    def run(self, folder: Path, context: TaskContext) -> None:
        """Sample, judge and write `cells/NAME.png`, `.safetensors` and, last, `.json`.

        Raises:
            RunError: the run has changed, or the folder cannot be written.
            BackendError: the backend cannot serve the generator.
        """
        from qgen.studies.noise.measure import measure_cell

        ideal = None if self.cell.condition.ideal else cell_file(folder, self.ideal.name, "safetensors")
        found = measure_cell(
            self.cell, self.count, self.cell.generation.run(folder), ideal, self.features.file(folder), context
        )
        files = {suffix: cell_file(folder, self.name, suffix) for suffix in ("safetensors", "png", "json")}
        with writing(folder):
            files["json"].parent.mkdir(parents=True, exist_ok=True)
            found.write(files["safetensors"], files["png"])
            storage.write_text(files["json"], json.dumps(found.facts, indent=2, ensure_ascii=False) + "\n")
