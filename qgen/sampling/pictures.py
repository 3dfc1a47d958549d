"""Pictures of how a run makes images: from one image to the next, from noise to images, beside training images."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from qgen import storage
from qgen.data import ImageSet, paired_rows, save_animation, save_grid
from qgen.data.distributions import DISTRIBUTIONS
from qgen.errors import ConfigError
from qgen.generators import DenoisingSteps, Generator, HasSteps, image_seeds
from qgen.generators.protocols import DrawsShots
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
        ConfigError: the run makes samples of a distribution, or its images are shots; or its circuits would run on a
            device, whose plans and bills are for the samples of a seed.
    """
    check_images(trained)
    if trained.backend.capabilities.remote:
        raise ConfigError(
            f"images between two samples are made on a simulator, and {trained.backend.name} is a device: leave "
            "--interpolate or --backend out"
        )
    if isinstance(trained.generator, DrawsShots):
        raise ConfigError(
            f"images of {trained.run.address} are shots of one circuit: there is nothing between two of them; leave "
            "--interpolate out"
        )


@dataclass(frozen=True)
class PictureRequest:
    """What every picture is made of.

    Attributes:
        trained: the generator.
        out: the file, PNG or GIF; None: one in the run's folder `samples`.
        count: images of the run in it; of an interpolation its rows.
        seed: of all images.
        device: where classical layers run.
        progress: called with the work that is done, and all work.
    """

    trained: Trained
    out: Path | None
    count: int
    seed: int = 0
    device: torch.device | str = "cpu"
    progress: ProgressCallback | None = None

    def file(self, what: str, images: int) -> Path:
        """Return the file, in a folder that exists; by default it is called after its images and what it shows.

        Raises:
            RunError: the folder cannot be made.
        """
        path = self.out or self.trained.run.samples / f"{sample_name(self.trained, images, self.seed)}-{what}"
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def facts(self, images: int) -> dict[str, Any]:
        """Return where so many images come from, in plain values."""
        return sample_facts(self.trained, images, self.seed, torch.device(self.device))


def save_interpolation(request: PictureRequest, columns: int) -> Samples:
    """Write a picture whose row k goes from image k to image k + 1 of `sample_run` with the same seed, both included.

    The noise is interpolated on a great circle (uniform latent numbers of a GAN on a line). Where images are
    conditioned, all of a row have the condition of its first image.

    Args:
        request: what it is made of; its count are the rows.
        columns: images in a row, 3 or more.

    Raises:
        ConfigError: see `check_interpolation`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    generator, rows = request.trained.generator, request.count
    check_interpolation(request.trained)
    check_count(rows * columns, generator.shape)
    path = request.file(f"interpolated{rows}x{columns}.png", rows + 1)
    generator.network.to(request.device)
    kind = generator.conditioning
    conditioning = None if kind is None else kind.examples(rows).repeated(columns)
    seeds = seeds_between(image_seeds(request.seed, rows + 1), columns)
    images = generator.sample(seeds, conditioning, device=request.device, progress=request.progress)
    facts = request.facts(rows * columns) | {"picture": "interpolation", "rows": rows, "columns": columns}
    return _write(images, path, columns, facts)


def save_trajectory(request: PictureRequest, columns: int) -> Samples:
    """Write a picture of images on their way from noise, two rows for each: the states, and what they are taken for.

    The first row of an image are states of some of the sampler's steps, the second the images that the network
    predicts from them; both end in the image of `sample_run` with the same seed.

    Args:
        request: what it is made of; for the generator see `check_steps`.
        columns: steps, with the last one; fewer where the sampler takes fewer.

    Raises:
        ConfigError: see `check_steps`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    path, found, facts = _steps(request, f"trajectory{columns}.png", columns)
    rows = torch.stack([found.noisy, found.predicted], 1).flatten(0, 2)
    return _write(rows, path, len(found.times), facts | {"picture": "trajectory"})


def save_denoising(request: PictureRequest, frames: int) -> Samples:
    """Write an animation of a grid of images on their way from noise: the states of the sampler.

    It ends in the grid of `sample_run` with the same seed.

    Args:
        request: what it is made of; for the generator see `check_steps`.
        frames: steps, with the last one; fewer where the sampler takes fewer.

    Raises:
        ConfigError: see `check_steps`.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    path, found, facts = _steps(request, f"denoising{frames}.gif", frames)
    with writing(path):
        save_animation(found.noisy.transpose(0, 1), path)
    return _noted(path, facts | {"picture": "denoising"})


def save_nearest(request: PictureRequest, training: ImageSet) -> Samples:
    """Write a picture of the images of `sample_run`, each above the training image that is nearest to it.

    The nearest one has the least root mean square difference of pixels, as in `qgen evaluate`.

    Args:
        request: what it is made of.
        training: the images that the generator learned from.

    Raises:
        ConfigError: the run makes samples of a distribution.
        RunError: the file cannot be written, or the images do not fit into memory.
    """
    trained, count = request.trained, request.count
    check_images(trained)
    check_count(2 * count, trained.generator.shape)
    path = request.file("nearest.png", count)
    images = sample_images(trained, count, request.seed, request.device, request.progress)
    distances, indices = nearest(images.clamp(-1, 1), training)
    columns = min(count, _PAIRS)
    rows = paired_rows(images, training.scaled(torch.from_numpy(indices)), columns)
    pairs = zip(indices.tolist(), distances.tolist(), strict=True)
    found = [{"image": image, "distance": distance} for image, distance in pairs]
    return _write(rows, path, columns, request.facts(count) | {"picture": "nearest", "nearest": found})


def _steps(request: PictureRequest, what: str, frames: int) -> tuple[Path, DenoisingSteps, dict[str, Any]]:
    """Return a file that can be written, images on their way from noise for it, and where they come from."""
    trained, count = request.trained, request.count
    generator = check_steps(trained.generator, str(trained.run.path))
    check_images(trained)
    check_count(count * 2 * frames, trained.generator.shape)
    path = request.file(what, count)
    trained.generator.network.to(request.device)
    kind = trained.generator.conditioning
    found = generator.sample_steps(
        image_seeds(request.seed, count),
        None if kind is None else kind.examples(count),
        frames=frames,
        device=request.device,
        progress=request.progress,
    )
    more = 2 * (len(found.times) - 1) * generator.circuits_per_step_image * count
    return path, found, request.facts(count) | {"steps": list(found.times), "circuits_of_steps": more}


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
