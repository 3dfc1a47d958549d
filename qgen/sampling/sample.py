"""Images from a finished run, on any backend, with a note of where they came from."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import torch

from qgen import storage
from qgen.backends import Backend
from qgen.data import open_images, save_samples, save_single
from qgen.data.distributions import DISTRIBUTIONS
from qgen.errors import ConfigError, RunError
from qgen.memory import free_memory, in_words
from qgen.runs import provenance
from qgen.runs.allocation import fitting
from qgen.runs.building import build_generator, closing_on_error
from qgen.runs.checkpoint import Checkpoint, load_checkpoint, model_fingerprint
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run, writing
from qgen.runs.generators import ImageGenerator, Progress, image_seeds

#: Bytes that a number of an image takes while it is sampled and drawn, and those of an image's seed.
_COPIES, _SEED = 16, 100


@dataclass(frozen=True)
class Trained:
    """A generator with the weights that a run gave it.

    Attributes:
        run: the run.
        generator: with averaged weights, on its backend.
        config: what it was built from.
        step: after how many steps of training.
    """

    run: Run
    generator: ImageGenerator
    config: RunConfig
    step: int

    @property
    def backend(self) -> Backend:
        """Where its circuits run."""
        return self.generator.backend


@dataclass(frozen=True)
class Samples:
    """What `sample_run` wrote.

    Attributes:
        grid: the picture of all images; of samples of a distribution, their histograms.
        provenance: the JSON file beside it.
        singles: the files of the single images, if they were wanted.
        facts: what the JSON file says.
    """

    grid: Path
    provenance: Path
    singles: tuple[Path, ...]
    facts: dict[str, Any]


def open_trained(run: Run, backend: dict[str, Any] | None = None, sampling: dict[str, Any] | None = None) -> Trained:
    """The generator of a run, with the averaged weights of its last checkpoint.

    Args:
        run: the run.
        backend: changes to where its circuits ran in training, as `{"shots": 1024}`; with another `name` nothing else
            of it stays.
        sampling: changes to the run's settings of the sampler, as `{"steps": 50}`; for a diffusion only.

    Raises:
        RunError: the run has no checkpoint, or a damaged one, or of another model.
        ConfigError, BackendError: the sampler or the backend cannot be had.
    """
    config = run.config()
    base = {} if "name" in (backend or {}) else config.backend.plain()
    changes = {"backend": base | (backend or {})}
    if sampling:
        if config.sampling is None:
            raise ConfigError(
                f"{run.path} makes an image in one pass: it has no sampler, and takes none of its options"
            )
        changes["sampling"] = config.sampling.plain() | sampling
    config = RunConfig.read(config.plain() | changes)
    saved = run.checkpoints()
    if not saved:
        raise RunError(f"{run.path} has no checkpoint yet: continue it with `qgen train {run.path} --resume`")
    checkpoint = load_checkpoint(saved[-1])
    shape = tuple(checkpoint.numbers["shape"])
    opened = config.backend.open(run.journal)
    with closing_on_error(opened):
        generator = fitting(lambda: build_generator(config, shape, opened, trained=True))
        _load_average(generator, checkpoint, saved[-1], model_fingerprint(config.model, shape))
    return Trained(run, generator, config, checkpoint.step)


def sample_run(
    trained: Trained,
    out: Path | None = None,
    count: int = 64,
    seed: int = 0,
    single: bool = False,
    device: torch.device | str = "cpu",
    progress: Progress | None = None,
) -> Samples:
    """Samples images and writes a grid, a provenance file, and, if wanted, each image.

    Args:
        trained: the generator.
        out: the PNG file of the grid; None: in the run's `samples` folder, named after backend, sampler and seed.
        count: how many images.
        seed: of the images; each has one of its own that follows from this and its number.
        single: also write every image as a PNG file, in a folder beside the grid.
        device: where the classical layers run.
        progress: told how far it is.

    Raises:
        RunError: the files cannot be written.
    """
    grid = out or trained.run.samples / f"{_name(trained, count, seed)}.png"
    folder = grid.with_suffix("")
    distribution = trained.config.data.name in DISTRIBUTIONS
    if single and distribution:
        raise RunError("samples of a distribution are no images to write one by one: leave --single out")
    with writing(grid):
        grid.parent.mkdir(parents=True, exist_ok=True)
        if single and folder.exists():
            raise RunError(f"{folder} exists already, and single images go there; name another --out, or remove it")
    _check_count(count, trained.generator.shape)
    trained.generator.network.to(device)
    images = trained.generator.sample(image_seeds(seed, count), device, progress)
    with writing(grid):
        save_samples(images, grid, open_images(trained.config.data) if distribution else None)
        singles: list[Path] = []
        if single:
            singles = save_single(images, folder, [f"{number:05d}" for number in range(count)])
        facts = _facts(trained, count, seed, torch.device(device))
        note = grid.with_suffix(".json")
        storage.write_text(note, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return Samples(grid, note, tuple(singles), facts)


def _check_count(count: int, shape: tuple[int, int, int]) -> None:
    needed, free = count * (prod(shape) * _COPIES + _SEED), free_memory()
    if needed > free:
        raise RunError(
            f"{count:,} images take {in_words(needed)} of memory, and {in_words(free)} are free: sample fewer at a time"
        )


def _name(trained: Trained, count: int, seed: int) -> str:
    """A name that says what the samples depend on, so that other ones do not replace them."""
    how, where = trained.generator.how["label"], trained.backend.name.replace(":", "-").replace("/", "-")
    parts = (where, *_conditions(trained), f"step{trained.step}", how, f"seed{seed}", str(count))
    return "-".join(parts)


def _conditions(trained: Trained) -> Iterator[str]:
    """What else their values depend on where circuits are measured or noisy: shots, and all that is not as usual."""
    backend, shots = trained.config.backend, trained.backend.capabilities.shots
    if shots is not None:
        yield f"shots{shots}"
    if backend.noise_scale is not None:
        yield f"noise{backend.noise_scale:g}"
    if backend.noise is not None:
        yield "+".join(backend.noise) or "noiseless"
    if backend.layout is not None:
        yield f"layout{sha256(Path(backend.layout).read_bytes()).hexdigest()[:8]}"
    usual = type(backend.hardware)()
    for name, value in backend.hardware.plain().items():
        if value != getattr(usual, name) and name != "mode":  # which keeps jobs together, and changes no value
            yield name if value is True else f"{name}{value}".replace(".", "p")


def _load_average(generator: ImageGenerator, checkpoint: Checkpoint, path: Path, model: str) -> None:
    if checkpoint.model != model:
        raise RunError(f"{path} was made by a model with other settings than its config.yaml says")
    try:
        # What an average does not follow, buffers for one, is taken as it was trained.
        generator.network.load_state_dict(checkpoint.tensors["weights"] | checkpoint.tensors["ema"])
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{path} does not fit this model; was it made by another version of qgen?") from error


def _facts(trained: Trained, count: int, seed: int, device: torch.device) -> dict[str, Any]:
    generator = trained.generator
    return {
        "run": str(trained.run.path),
        "step": trained.step,
        "created": provenance.now(),
        "images": count,
        "seed": seed,
        "sampling": dict(generator.how),
        "backend": provenance.backend_facts(trained.backend),
        "circuits_per_image": generator.circuits_per_image,
        "circuits": generator.circuits_per_image * count,
        "machine": provenance.machine(device),
    }
