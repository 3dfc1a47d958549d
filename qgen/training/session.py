"""TrainingSession: a run from its settings to what it leaves for others, as a command or a notebook trains it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from qgen.errors import counted
from qgen.generators import Export
from qgen.interrupts import on_forced_exit
from qgen.launchers import ALONE, Place
from qgen.nn import describe_runs
from qgen.progress import MessageCallback, ProgressCallback
from qgen.runs import Run, RunConfig, read_config, resume_config, with_absolute_paths
from qgen.runs.stages import pending_stages, stage_run, stage_settings, with_stage, with_stages_noted
from qgen.training.device import Device
from qgen.training.launch import export, make_fabric, open_training_images, resume, start
from qgen.training.loop import Finished, Trainer
from qgen.training.processes import connected, release_workers, terminate_workers
from qgen.training.report import Report


class Trained(NamedTuple):
    """What a session did.

    Attributes:
        run: the run.
        finished: the end of its training.
        exported: what was written for others; None: nothing, or it was stopped.
    """

    run: Run
    finished: Finished
    exported: Export | None


@dataclass(frozen=True)
class TrainingSession:
    """How runs are trained.

    Attributes:
        report: returns what shows the progress of a run.
        bars: returns a progress bar for what it is called with, as long as its block lasts.
        message: called with lines for people.
        approve: called before the first step; False: there is none, and nothing is written.
        data_dir: where data sets lie; None: the usual places.
        device: where classical layers run.
        devices: number of processes on this machine.
        place: which of the processes of a launcher this one is.
    """

    report: Callable[[Run], Report]
    bars: Callable[[str], AbstractContextManager[ProgressCallback | None]]
    message: MessageCallback
    approve: Callable[[Trainer], bool] = lambda trainer: True
    data_dir: Path | None = None
    device: Device = "auto"
    devices: int = 1
    place: Place = ALONE

    def train(self, run: Run, config: RunConfig, resumed: bool = False) -> Trained | None:
        """Train a run, new or resumed; None: it was not approved.

        Raises:
            QgenError: see `open_training_images`, `make_fabric`, `Trainer.build`, `start` and `resume`.
        """
        first = self.place.rank == 0
        with self.bars("fetching images") as progress:
            images, reference = open_training_images(config, self.data_dir, progress, self.message)
        fabric = make_fabric(config, self.device, self.devices, self.place)
        try:
            with connected(fabric, run.path):
                # The first process names the folder; another one may look at its clock a second later.
                run = fabric.broadcast(run)
                with self.bars("preparing"):
                    trainer = Trainer.build(run, config, images, fabric, reference)
                with closing(trainer.generator.backend):
                    what = f"{counted(len(images), 'image')} of {images.name} ({images.source})"
                    where = describe_runs(trainer.generator.network, gradients=True)
                    circuits = f"circuits on {where}" if where else "no circuits"
                    self.message(f"training on {what}, {circuits}, into {run.path}")
                    if not fabric.broadcast(first and self.approve(trainer)):
                        return None
                    with on_forced_exit(lambda: terminate_workers(fabric)):
                        report = self.report(run) if first else Report()
                        finished = (resume if resumed else start)(trainer, report)
                    release_workers(fabric)
                    exported = export(trainer, self.data_dir) if first and not finished.stopped else None
        except BaseException:
            terminate_workers(fabric)
            raise
        return Trained(run, finished, exported)


def train_stages(run: Run, config: RunConfig, train: Callable[[Run, RunConfig, bool], None]) -> RunConfig:
    """Train the models that the settings name as presets, each in a folder of the run.

    What was stopped is resumed: until all of them are trained, the run is its settings alone.

    Args:
        run: the run that builds upon them.
        config: its settings.
        train: called with a stage, its settings, and whether it is resumed; an exception ends the function.

    Returns:
        Settings that name the folders.

    Raises:
        ConfigError: a preset is of a model that cannot be built upon.
    """
    pending = pending_stages(config)
    with_stages_noted(config)  # refuses what does not fit before it is trained
    if pending and not run.is_prepared:
        run.prepare(config)
    for key, preset in pending.items():
        stage = stage_run(run, key)
        begun = (stage.path / "config.yaml").exists()
        train(stage, resume_config(stage, []) if begun else read_config(preset, [stage_settings(config)]), begun)
        config = with_stage(config, key, stage.path)
    return with_absolute_paths(config) if pending else config
