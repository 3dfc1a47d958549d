"""Small runs for the tests: a hybrid U-Net on a few digits, trained in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qgen.data import open_images
from qgen.runs import Run, RunConfig, new_run, read_config
from qgen.training import Finished, Report, Trainer, extended, go_on, make_fabric, start

SMALL = (
    "model.dim=8",
    "model.mults=[1, 2]",
    "model.norm_groups=4",
    "model.heads=2",
    "model.head_dim=4",
    "data.limit=64",
    "training.steps=12",
    "training.batch=8",
    "training.samples=4",
    "training.sample_every=null",
    "training.decay=none",
    "training.log_every=5",
    "training.checkpoint_every=3",
    "training.ema.after=2",
    "training.ema.every=2",
    "diffusion.steps=50",
    "sampling.steps=3",
)


def small_config(*changes: str) -> RunConfig:
    return read_config("digits", [*SMALL, *changes])


def trainer(run: Run, config: RunConfig) -> Trainer:
    return Trainer.build(run, config, open_images(config.data), make_fabric(config, "cpu"))


def train_small(path: Path, *changes: str, report: Report | None = None) -> tuple[Run, Finished]:
    run = new_run("test", path)
    return run, start(trainer(run, small_config(*changes)), report or Report())


def resume_small(run: Run, changes: Sequence[str] = (), report: Report | None = None) -> Finished:
    return go_on(trainer(run, extended(run, changes)), report or Report())
