"""Sources of a noise study: trained runs as they are, and presets that the study trains."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from pydantic import SerializeAsAny

from qgen.data import DataSettings
from qgen.errors import ConfigError, RunError
from qgen.runs import Run, RunConfig, find_run, override_config, read_config, with_absolute_paths
from qgen.runs.pretrained import SCHEME
from qgen.settings import Settings
from qgen.studies.models import count_model, images_per_step

#: Settings of training that the study chooses itself.
_OWN = ("training.seed", "training.epochs", "backend.name")
#: Samples are judged by the study's own tasks, and a training needs none on the way.
_TRAINING = ("training.sample_every=null", "training.samples=16", "training.judged=0")


class TrainedRun(Settings):
    """A run that was trained before, and the checkpoint that it had."""

    path: str
    """Its folder, absolute."""
    checkpoint: str
    """Name of the file of its last checkpoint."""
    sha256: str
    """Digest of that file."""

    @classmethod
    def of(cls, run: Run) -> TrainedRun:
        """Return the run as it is now.

        Raises:
            RunError: it has no checkpoint, or one that cannot be read.
        """
        files = run.checkpoints()
        if not files:
            raise RunError(f"{run.path} has no checkpoint yet: continue it with `qgen train {run.path} --resume`")
        return cls(path=str(run.path.resolve()), checkpoint=files[-1].name, sha256=_digest(files[-1]))

    def open(self) -> Run:
        """Return the run, if it is still the same.

        Raises:
            RunError: its checkpoint is another one now.
        """
        run = Run(Path(self.path))
        if TrainedRun.of(run) != self:
            raise RunError(f"{self.path} was trained further since this study began: start another study of it")
        return run


class Source(Settings):
    """A generator whose images are looked at under noise."""

    name: str
    """Name of the preset, of the file without its suffix, or of the run's folder."""
    settings: SerializeAsAny[RunConfig]
    """Those of the run; of a preset those of its training, but for the seed."""
    parameters: int
    quantum_parameters: int
    """Number of parameters that are weights of circuits."""
    circuits_per_image: int
    run: TrainedRun | None = None
    """The run, where it was trained before; None: the study trains one for every seed."""

    @property
    def judged_by(self) -> DataSettings:
        """The images that its samples are compared with: all there are, however few it learned from."""
        return self.settings.data.model_copy(update={"limit": None, "fraction": None})

    @property
    def training_images(self) -> int:
        """Training images that a run of it sees."""
        return self.settings.training.total_steps(0) * images_per_step(self.settings)


def read_source(text: str, images: int | None, changes: Sequence[str]) -> Source:
    """Return the source that a text names: the folder of a run, a preset or a YAML file.

    Args:
        text: the name.
        images: training images of each run, rounded to whole steps; None: as the settings say.
        changes: `KEY=VALUE`, for what is trained.

    Raises:
        ConfigError, RunError, DataError: there is no such source, it cannot be trained so, or it runs no circuits.
    """
    folder = Path(text)
    if os.path.isfile(folder / "config.yaml") or text.startswith(SCHEME):
        run = find_run(folder)
        return _source(run.path.resolve().name, run.config(), TrainedRun.of(run))
    for change in changes:
        if (key := change.partition("=")[0].strip()) in _OWN:
            raise ConfigError(f"`{key}` is the study's own to choose: say it by --seeds, --images and --backend")
    config = read_config(text, [*_TRAINING, *changes])
    if images is not None:
        config = override_config(config, [f"training.steps={max(1, round(images / images_per_step(config)))}"])
    elif config.training.steps is None:
        raise ConfigError(f"{text} is trained for {config.training.epochs:g} epochs; say how long here by --images")
    if not config.training.samples:
        raise ConfigError("a study looks at samples: training.samples is at least 1")
    return _source(folder.stem, config, None)


def _source(name: str, config: RunConfig, run: TrainedRun | None) -> Source:
    config = with_absolute_paths(config)
    counts = count_model(config)
    if not counts.circuits_per_image:
        raise ConfigError(f"{name} runs no circuit when it makes images: noise changes none of them")
    return Source(name=name, settings=config, run=run, **counts._asdict())


def _digest(file: Path) -> str:
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise RunError(f"cannot read {file}: {error.strerror or error}") from error
