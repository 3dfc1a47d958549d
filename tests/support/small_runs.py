"""Small runs for the tests: a hybrid U-Net or a GAN on a few digits, trained in seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from qgen.data import open_images
from qgen.runs import Run, RunConfig, new_run, read_config, resume_config
from qgen.training import Finished, Report, Trainer, make_fabric, resume, start

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
SMALL_GAN = (
    "data.limit=64",
    "training.steps=6",
    "training.batch=4",
    "training.samples=4",
    "training.judged=0",
    "training.sample_every=null",
    "training.decay=none",
    "training.warm_up=0",
    "training.log_every=2",
    "training.checkpoint_every=2",
)
_NARROW = ("model.generator.channels=4", "model.discriminator.extractor.width=4", "training.ema.after=1")
_FEWER = ("model.generator.layers=2", "model.discriminator.extractor.hidden=[8, 4]")
#: What makes the players of each preset small.
SMALL_PLAYERS = {
    "gan-classical": _NARROW,
    "gan-quantum-g": _NARROW,
    "gan-quantum-d": _NARROW,
    "gan-quantum-both": _NARROW,
    "patch-gan": _FEWER,
    "style-gan": _FEWER,
}
#: An autoencoder of a few digits with a circuit, whose discriminator joins after two steps.
SMALL_AUTOENCODER = (
    "model.widths=[8]",
    "model.channels=2",
    "model.quantum.qubits=2",
    "model.quantum.layers=1",
    "model.discriminator.extractor.width=4",
    "reconstruction.gan_start=2",
    "data.name=digits",
    "data.limit=64",
    "training.steps=6",
    "training.batch=4",
    "training.samples=4",
    "training.sample_every=null",
    "training.log_every=2",
    "training.checkpoint_every=2",
    "training.warm_up=0",
    "training.decay=none",
    "training.ema.after=1",
)
#: A diffusion in the codes of that autoencoder, by class.
SMALL_LATENT = (
    "model.denoiser.width=8",
    "model.denoiser.depth=1",
    "data.name=digits",
    "data.limit=64",
    "diffusion.steps=50",
    "sampling.steps=3",
    "training.steps=6",
    "training.batch=4",
    "training.samples=4",
    "training.judged=0",
    "training.log_every=2",
    "training.checkpoint_every=3",
    "training.warm_up=0",
    "training.decay=none",
)


def small_config(*changes: str) -> RunConfig:
    return read_config("digits", [*SMALL, *changes])


def small_gan(preset: str, *changes: str) -> RunConfig:
    return read_config(preset, [*SMALL_GAN, *SMALL_PLAYERS[preset], *changes])


def small_autoencoder(*changes: str) -> RunConfig:
    return read_config("vae-gan", [*SMALL_AUTOENCODER, *changes])


def small_latent(first_stage: Path, *changes: str) -> RunConfig:
    name = ("model.denoiser.name=null",)  # as the code has it
    return read_config("latent-unet", [f"model.first_stage={first_stage}", *name, *SMALL_LATENT, *changes])


def trainer(run: Run, config: RunConfig) -> Trainer:
    return Trainer.build(run, config, open_images(config.data), make_fabric(config, "cpu"))


def train_config(path: Path, config: RunConfig, report: Report | None = None) -> tuple[Run, Finished]:
    run = new_run("test", path)
    return run, start(trainer(run, config), report or Report())


def train_small(path: Path, *changes: str, report: Report | None = None) -> tuple[Run, Finished]:
    return train_config(path, small_config(*changes), report)


def resume_small(run: Run, changes: Sequence[str] = (), report: Report | None = None) -> Finished:
    return resume(trainer(run, resume_config(run, changes)), report or Report())
