"""Pictures of how a run makes images: from one image to the next, from noise to images, beside training images."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qgen import storage
from qgen.data import ImageSet, paired_rows, save_animation, save_grid
from qgen.data.distributions import DISTRIBUTIONS
from qgen.errors import ConfigError
from qgen.generators import DenoisingSteps, Generator, HasSteps, image_seeds
from qgen.interpolation import seeds_between
from qgen.metrics.neighbours import nearest
from qgen.progress import ProgressCallback
from qgen.runs.folder import writing
from qgen.sampling.sample import Samples, Trained, check_count, sample_facts, sample_images, sample_name

#: Pairs in a row.
_PAIRS = 12


def check_steps(generator: Generator, name: str) -> HasSteps:
    """Return a generator whose images come step by step.

    Args:
        generator: of any kind.
        name: of its run, for messages.

    Raises:
        ConfigError: it makes an image at once, or pictures of its steps would run circuits on a device.
    """
    if not isinstance(generator, HasSteps):
        raise ConfigError(
            f"{name} makes an image in one pass: there are no steps between, leave --trajectory and --gif out"
        )
    if generator.backend.capabilities.remote and generator.circuits_per_step_image:
        raise ConfigError(
            "pictures of the steps are decoded by circuits, which are not run on a device for them: leave "
            "--trajectory, --gif or --backend out"
        )
    return generator


def check_images(trained: Trained) -> None:
    """Refuse pictures of what is no image.

    Raises:
        ConfigError: the run makes samples of a distribution.
    """
    name = trained.config.data.name
    if name in DISTRIBUTIONS:
        raise ConfigError(
            f"samples of {name} are no images: leave --interpolate, --trajectory, --gif and --nearest out"
        )


def check_interpolation(trained: Trained) -> None:
    """Refuse an interpolation that cannot be.

    Raises:
        ConfigError: the run makes samples of a distribution; or its circuits would run on a device, whose plans and
            bills are for the samples of a seed.
    """
    check_images(trained)
    if trained.backend.capabilities.remote:
        raise ConfigError(
            f"images between two samples are made on a simulator, and {trained.backend.name} is a device: leave "
            "--interpolate or --backend out"
        )


def save_interpolation(
    trained: Trained,
    out: Path | None,
    rows: int,
    columns: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Samples:
    """Write a picture whose row k goes from image k to image k + 1 of `sample_run` with the same seed, both included.

    The noise is interpolated on a great circle (uniform latent numbers of a GAN on a line). Where images are
    conditioned, all of a row have the condition of its first image.

    Args:
        trained: the generator.
        out: the PNG file; None: one in the run's folder `samples`.
        rows: 1 or more.
        columns: images in a row, 3 or more.
        seed: of all images.
        device: where classical layers run.
        progress: called with the work that is done, and all work.

    Raises:
        ConfigError: see `check_interpolation`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    generator = trained.generator
    check_interpolation(trained)
    check_count(rows * columns, generator.shape)
    path = _file(trained, out, f"interpolated{rows}x{columns}.png", rows + 1, seed)
    generator.network.to(device)
    kind = generator.conditioning
    conditioning = None if kind is None else kind.examples(rows).repeated(columns)
    seeds = seeds_between(image_seeds(seed, rows + 1), columns)
    images = generator.sample(seeds, conditioning, device=device, progress=progress)
    facts = sample_facts(trained, rows * columns, seed, torch.device(device))
    return _write(images, path, columns, facts | {"picture": "interpolation", "rows": rows, "columns": columns})


def save_trajectory(
    trained: Trained,
    out: Path | None,
    count: int,
    columns: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Samples:
    """Write a picture of images on their way from noise, two rows for each: the states, and what they are taken for.

    The first row of an image are states of some of the sampler's steps, the second the images that the network
    predicts from them; both end in the image of `sample_run` with the same seed.

    Args:
        trained: the generator; see `check_steps`.
        out: the PNG file; None: one in the run's folder `samples`.
        count: images.
        columns: steps, with the last one; fewer where the sampler takes fewer.
        seed: of all images.
        device: where classical layers run.
        progress: called with the work that is done, and all work.

    Raises:
        ConfigError: see `check_steps`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    path, found, facts = _steps(trained, out, f"trajectory{columns}.png", count, columns, seed, device, progress)
    rows = torch.stack([found.noisy, found.predicted], 1).flatten(0, 2)
    return _write(rows, path, len(found.times), facts | {"picture": "trajectory"})


def save_denoising(
    trained: Trained,
    out: Path | None,
    count: int,
    frames: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Samples:
    """Write an animation of a grid of images on their way from noise: the states of the sampler.

    It ends in the grid of `sample_run` with the same seed.

    Args:
        trained: the generator; see `check_steps`.
        out: the GIF file; None: one in the run's folder `samples`.
        count: images.
        frames: steps, with the last one; fewer where the sampler takes fewer.
        seed: of all images.
        device: where classical layers run.
        progress: called with the work that is done, and all work.

    Raises:
        ConfigError: see `check_steps`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    path, found, facts = _steps(trained, out, f"denoising{frames}.gif", count, frames, seed, device, progress)
    with writing(path):
        save_animation(found.noisy.transpose(0, 1), path)
    return _noted(path, facts | {"picture": "denoising"})


def save_nearest(
    trained: Trained,
    training: ImageSet,
    out: Path | None,
    count: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Samples:
    """Write a picture of the images of `sample_run`, each above the training image that is nearest to it.

    The nearest one has the least root mean square difference of pixels, as in `qgen evaluate`.

    Args:
        trained: the generator.
        training: the images that it learned from.
        out: the PNG file; None: one in the run's folder `samples`.
        count: images.
        seed: of all images.
        device: where classical layers run.
        progress: called with the work that is done, and all work.

    Raises:
        ConfigError: the run makes samples of a distribution.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    check_images(trained)
    check_count(2 * count, trained.generator.shape)
    path = _file(trained, out, "nearest.png", count, seed)
    images = sample_images(trained, count, seed, device, progress)
    distances, indices = nearest(images.clamp(-1, 1), training)
    columns = min(count, _PAIRS)
    rows = paired_rows(images, training.scaled(torch.from_numpy(indices)), columns)
    facts = sample_facts(trained, count, seed, torch.device(device)) | {
        "picture": "nearest",
        "nearest": [
            {"image": image, "distance": distance}
            for image, distance in zip(indices.tolist(), distances.tolist(), strict=True)
        ],
    }
    return _write(rows, path, columns, facts)


def _steps(
    trained: Trained,
    out: Path | None,
    what: str,
    count: int,
    frames: int,
    seed: int,
    device: torch.device | str,
    progress: ProgressCallback | None,
) -> tuple[Path, DenoisingSteps, dict[str, Any]]:
    """Return a file that can be written, images on their way from noise for it, and where they come from."""
    generator = check_steps(trained.generator, str(trained.run.path))
    check_images(trained)
    check_count(count * 2 * frames, trained.generator.shape)
    path = _file(trained, out, what, count, seed)
    trained.generator.network.to(device)
    kind = trained.generator.conditioning
    conditioning = None if kind is None else kind.examples(count)
    found = generator.sample_steps(
        image_seeds(seed, count), conditioning, frames=frames, device=device, progress=progress
    )
    facts = sample_facts(trained, count, seed, torch.device(device))
    more = 2 * (len(found.times) - 1) * generator.circuits_per_step_image * count
    return path, found, facts | {"steps": list(found.times), "circuits_of_steps": more}


def _file(trained: Trained, out: Path | None, what: str, count: int, seed: int) -> Path:
    path = out or trained.run.samples / f"{sample_name(trained, count, seed)}-{what}"
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _write(images: Tensor, path: Path, columns: int, facts: dict[str, Any]) -> Samples:
    with writing(path):
        save_grid(images, path, columns)
    return _noted(path, facts)


def _noted(path: Path, facts: dict[str, Any]) -> Samples:
    """Write where a picture comes from beside it."""
    note = path.with_suffix(".json")
    with writing(path):
        storage.write_text(note, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return Samples(path, note, (), facts)
