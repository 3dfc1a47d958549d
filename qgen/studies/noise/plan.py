"""NoiseStudy: images of trained generators under conditions that differ in noise, shots and mitigation."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, model_validator

from qgen.backends.settings import BackendSettings
from qgen.data import DataSettings
from qgen.devices.names import simulated
from qgen.errors import ConfigError, counted
from qgen.settings import Settings
from qgen.studies.noise.cells import Generation, NoiseCell
from qgen.studies.noise.conditions import Condition, conditions, device_label
from qgen.studies.noise.sources import Source, read_source
from qgen.studies.stages import training_tasks
from qgen.studies.tasks import Task

#: Default number of images of a cell.
COUNT = 500


class DeviceEntry(Settings):
    """A backend whose noise is varied."""

    name: str
    """As `open_backend` takes it."""
    sha256: str | None = None
    """Digest of its file of noise; None: it is a device."""


class NoiseStudy(Settings):
    """A study before it runs."""

    kind: Literal["noise", "shots"] = "noise"
    sources: tuple[Source, ...] = Field(min_length=1)
    devices: tuple[DeviceEntry, ...] = Field(min_length=1)
    scales: tuple[float, ...] = Field(min_length=1)
    """Of the noise, ascending."""
    kinds: tuple[tuple[str, ...], ...] = Field(min_length=1)
    """Kinds of errors that are on."""
    shots: tuple[int | None, ...] = Field(min_length=1)
    """Of each circuit; null: exact values."""
    mitigations: tuple[str | None, ...] = Field(min_length=1)
    seeds: tuple[int, ...] = Field(min_length=1)
    count: int = Field(COUNT, ge=2)
    """Images of each cell."""
    train: bool = False
    """Whether generators are also trained under noise."""

    @model_validator(mode="after")
    def _different_names(self) -> Self:
        for what, names in (
            ("source", [source.name for source in self.sources]),
            ("backend", [device_label(device.name) for device in self.devices]),
        ):
            if twice := [name for name, number in Counter(names).items() if number > 1]:
                raise ValueError(
                    f"two {what}s are called `{twice[0]}` here; a file is known by its name without ending"
                )
        return self

    @property
    def data(self) -> tuple[DataSettings, ...]:
        """The images that samples of the sources are compared with; they learn from these or a part of them."""
        return tuple(dict.fromkeys(source.judged_by for source in self.sources))

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """The conditions of generators that were trained as their sources say."""
        names = [device.name for device in self.devices]
        return conditions(names, self.scales, self.kinds, self.shots, self.mitigations)

    @property
    def description(self) -> str:
        """One line on what is run."""
        trained = sum(generation.source.run is None for generation in self.generations())
        training = f"training {trained} generators, and " if trained else ""
        return f"{training}sampling {counted(len(list(self.cells())), 'cell')} of {counted(self.count, 'image')}"

    def generations(self) -> Iterator[Generation]:
        """Yield every generator, seed by seed, so that an unfinished study says something already."""
        for seed, source in product(self.seeds, self.sources):
            yield Generation(source, seed)
            if self.train:
                yield from (Generation(source, seed, condition) for condition in self.training_conditions)

    @property
    def training_conditions(self) -> tuple[Condition, ...]:
        """The noise under which generators are trained with `train`."""
        return tuple(Condition(device.name, scale) for device, scale in product(self.devices, self.scales) if scale > 0)

    def cells(self) -> Iterator[NoiseCell]:
        """Yield every cell. What was trained under a device's noise is judged ideally and on that device."""
        for generation in self.generations():
            at = generation.trained_at
            for condition in self.conditions:
                if at is None or condition.ideal or condition.backend == at.backend:
                    yield NoiseCell(generation, condition)

    def tasks(self) -> Iterator[Task]:
        """Yield every task: features of the real images, then seed by seed training and cells."""
        from qgen.studies.noise.tasks import CellTask, FeaturesTask

        spaces = {data: FeaturesTask(number, data) for number, data in enumerate(self.data)}
        yield from spaces.values()
        started, begun = set[str](), set[str]()
        for cell in self.cells():
            generation = cell.generation
            if generation.source.run is None and generation.name not in started:
                started.add(generation.name)
                yield from training_tasks(generation, begun)
            yield CellTask(cell, self.count, spaces[generation.source.judged_by])


def make_noise_study(
    sources: Sequence[str],
    backends: Sequence[str],
    scales: Sequence[float],
    seeds: int,
    *,
    kinds: Sequence[tuple[str, ...]],
    shots: Sequence[int | None],
    mitigations: Sequence[str | None],
    count: int = COUNT,
    images: int | None = None,
    changes: Sequence[str] = (),
    train: bool = False,
    kind: Literal["noise", "shots"] = "noise",
) -> NoiseStudy:
    """Make a study.

    Args:
        sources: folders of runs, presets, or YAML files.
        backends: as `read_backend` returns them.
        scales: of the noise, ascending.
        seeds: number of seeds; they count from 0.
        kinds: kinds of errors.
        shots: of each circuit; None: exact values.
        mitigations: as `BackendSettings.mitigation`; None: none.
        count: images of each cell.
        images: training images of each run that the study trains, rounded to whole steps; None: as the settings say.
        changes: `KEY=VALUE`, for all that is trained.
        train: also train generators under the noise of each backend at each scale.
        kind: what the study is called.

    Raises:
        ConfigError, BackendError, RunError, DataError: what is asked for cannot be.
    """
    from qgen.backends.registry import check_settings

    found = [read_source(source, images, changes) for source in sources]
    if train and (runs := [source.name for source in found if source.run is not None]):
        raise ConfigError(f"{runs[0]} is trained already: --train is for presets and YAML files")
    study = NoiseStudy.read(
        {
            "kind": kind,
            "sources": found,
            "devices": [DeviceEntry(name=name, sha256=_file_digest(name)) for name in backends],
            "scales": tuple(scales),
            "kinds": tuple(kinds),
            "shots": tuple(shots),
            "mitigations": tuple(mitigations),
            "seeds": tuple(range(seeds)),
            "count": count,
            "train": train,
        }
    )
    used = {condition.mitigation for condition in study.conditions}
    if useless := [way for way in study.mitigations if way not in used]:
        raise ConfigError(
            f"mitigation `{useless[0]}` is for errors, and no cell has those that it is for: leave it out"
        )
    for condition in study.conditions:
        check_settings(BackendSettings.read(condition.settings()))
    for generation in study.generations():
        _ = generation.config  # refused now rather than by each run
    return study


def _file_digest(backend: str) -> str | None:
    """Digest of a backend's file of noise; None where it is a device."""
    source = simulated(backend)
    if source == backend or "." not in source:
        return None
    try:
        return hashlib.sha256(Path(source).read_bytes()).hexdigest()
    except OSError as error:
        raise ConfigError(f"cannot read the file of noise {source}: {error.strerror or error}") from error
