"""Starts, resumes and ends a training run on the devices that are wanted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch

from qgen.data import ImageSet, open_images
from qgen.errors import ConfigError, RunError
from qgen.generators import Export
from qgen.launchers import ALONE, Place
from qgen.metrics.reference import Reference, open_available_reference
from qgen.progress import MessageCallback, ProgressCallback
from qgen.runs import RunConfig, provenance
from qgen.runs.folder import writing
from qgen.training.device import Device, choose_device
from qgen.training.fabric import Fabric
from qgen.training.loop import Finished, Trainer, train
from qgen.training.memory import keep_memory
from qgen.training.optimization import decay_change
from qgen.training.processes import connected, count_devices, launch
from qgen.training.report import Report


def make_fabric(config: RunConfig, device: Device = "auto", devices: int = 1, place: Place = ALONE) -> Fabric:
    """Launch the devices that train: with more than one, this process becomes the first of several.

    Args:
        config: the settings.
        device: where classical layers run.
        devices: number of devices on this machine, with a process each; 1 where a launcher has started them.
        place: which of the processes of a launcher this one is (`find_place`); by default it trains alone, even where
            the environment is a launcher's, as on the workers of a study.

    Raises:
        ConfigError: CUDA is wanted and there is none, or the batch does not divide among the devices.
    """
    world_size = count_devices(devices, place) * place.nodes
    if world_size > 1 and not config.kind.distributed:
        raise ConfigError(f"{world_size} devices: a model of kind `{config.kind.name}` is trained on one device")
    if world_size > 1 and (setting := config.kind.needs_one_device(config.model)) is not None:
        raise ConfigError(f"{world_size} devices: `{setting}` is trained on one device")
    if config.training.batch % world_size:
        raise ConfigError(
            f"training.batch = {config.training.batch} does not divide among {world_size} devices; choose a multiple"
        )
    keep_memory()
    if choose_device(device) == "cuda":  # the same numbers each time, for a little speed
        torch.backends.cudnn.deterministic = True
        torch.backends.cudnn.benchmark = False
    precision: Any = {"32": "32-true", "bf16": "bf16-mixed"}[config.training.precision]
    return launch(device, devices, place, precision, config.kind.has_unused_parameters(config.model))


def open_training_images(
    config: RunConfig,
    data_dir: Path | None = None,
    progress: ProgressCallback | None = None,
    message: MessageCallback | None = None,
) -> tuple[ImageSet, Reference | None]:
    """Load the images of a training, and those that its samples are compared with.

    Args:
        config: the settings.
        data_dir: where data sets lie; None: the usual places.
        progress: see `open_images`.
        message: see `open_images`.

    Returns:
        The images to learn from; and where the settings want samples compared, those of the other split.

    Raises:
        DataError: see `open_images`, `open_reference`.
    """
    images = open_images(config.data, data_dir, progress=progress, message=message)
    if not config.training.judged:
        return images, None
    return images, open_available_reference(config.data, data_dir, images, progress, message)


def start(trainer: Trainer, report: Report, should_stop: Callable[[], bool] | None = None) -> Finished:
    """Train a new run.

    Args:
        trainer: the run.
        report: shows the progress.
        should_stop: see `train`.

    Raises:
        RunError: the folder is taken or cannot be written; or see `train`.
    """
    with connected(trainer.fabric, trainer.run.path):
        if trainer.fabric.is_global_zero:
            trainer.run.start(trainer.config, _facts(trainer))
        with _alone(trainer):
            trainer.fabric.barrier()
            return _train(trainer, report, should_stop=should_stop)


def resume(trainer: Trainer, report: Report, should_stop: Callable[[], bool] | None = None) -> Finished:
    """Continue a run from its last checkpoint, with the settings that `resume_config` gave.

    Args:
        trainer: the run.
        report: shows the progress.
        should_stop: see `train`.

    Raises:
        RunError: the images are not those that it was started with; or see `train`.
    """
    run, images = trainer.run, trainer.images
    facts = run.provenance()
    began_with = facts.get("data", {})
    if began_with.get("sha256", images.sha256) != images.sha256:
        raise RunError(
            f"{run.path} was trained on other images ({began_with.get('source')}) than those at hand "
            f"({images.source}); bring those back, or start a new run"
        )
    captions = None if images.captions is None else images.captions.digest()
    if began_with.get("captions", captions) != captions:
        raise RunError(
            f"{run.path} was trained with other captions than those at hand: bring those back, or start anew"
        )
    if facts.get("frozen", _frozen(trainer)) != _frozen(trainer):
        raise RunError(
            f"{run.path} was trained with other weights of its frozen extractor than those at hand; "
            "bring those back, or start a new run"
        )
    with connected(trainer.fabric, run.path), _alone(trainer):
        first = trainer.restore()
        if trainer.fabric.is_global_zero:
            here = {"from_step": first, "backend": provenance.backend_facts(trainer.generator.backend)}
            code = provenance.generator_facts(trainer.config.kind)
            before = facts.get("generator")
            if code and isinstance(before, dict) and before.get("sha256") != code["generator"]["sha256"]:
                report.message(f"{code['generator']['file']} has changed since {run.path} was started")
            here |= code
            planned = trainer.total_of(run.config().training)
            stretched = decay_change(trainer.settings, first, planned, trainer.total)
            if stretched is not None:
                report.message(stretched)
                here |= {"learning_rate": stretched}
            resumed = [*facts.get("resumed", []), here | _machine(trainer.fabric)]
            with writing(run.path):
                run.write_config(trainer.config)
                run.write_provenance(facts | {"resumed": resumed})
            trainer.clear_away(first)
        trainer.fabric.barrier()
        try:
            return _train(trainer, report, first, should_stop)
        finally:
            _note_jobs(trainer)


def _train(trainer: Trainer, report: Report, first: int = 0, should_stop: Callable[[], bool] | None = None) -> Finished:
    finished = train(trainer, report, first, should_stop)
    trainer.fabric.barrier()  # no process ends before the first one has written its last checkpoint
    return finished


def export(trainer: Trainer, data_dir: Path | None = None) -> Export | None:
    """Write what others need of the trained model, with averaged weights, into the folder of its run.

    Args:
        trainer: its training is over.
        data_dir: where data sets lie.

    Returns:
        What was written; None for kinds that leave nothing beside checkpoints.

    Raises:
        RunError: the files cannot be written.
    """
    with trainer.average.applied(), writing(trainer.run.path):
        return trainer.generator.export(trainer.run.path, trainer.config.data, data_dir)


def _note_jobs(trainer: Trainer) -> None:
    """Note what the backend did since the run was resumed."""
    facts, backend = trainer.run.provenance(), trainer.generator.backend
    if trainer.fabric.is_global_zero and backend.capabilities.remote and facts.get("resumed"):
        facts["resumed"][-1]["backend"] = provenance.backend_facts(backend)
        with writing(trainer.run.path):
            trainer.run.write_provenance(facts)


def _alone(trainer: Trainer) -> AbstractContextManager[None]:
    return trainer.run.alone() if trainer.fabric.is_global_zero else nullcontext()


def _facts(trainer: Trainer) -> dict[str, Any]:
    return (
        _machine(trainer.fabric)
        | {
            "backend": provenance.backend_facts(trainer.generator.backend),
            "data": provenance.data_facts(trainer.images),
            "seed": trainer.settings.seed,
            "frozen": _frozen(trainer),
        }
        | ({"judge": trainer.evaluator.name} if trainer.evaluator else {})
        | provenance.generator_facts(trainer.config.kind)
    )


def _frozen(trainer: Trainer) -> str:
    """Return a digest of the weights that no checkpoint holds: the frozen ones of an extractor."""
    network = trainer.generator.network
    kept, digest = network.state_dict().keys(), sha256()
    for name, weight in network.named_parameters():
        if name not in kept:
            digest.update(weight.detach().cpu().numpy().tobytes())
    return digest.hexdigest()


def _machine(fabric: Fabric) -> dict[str, Any]:
    return {"created": provenance.now(), "machine": provenance.machine(fabric.device, fabric.world_size)}
