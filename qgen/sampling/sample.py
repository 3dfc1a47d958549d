"""Sample images from a trained run on any backend, and write them with their provenance."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any

import torch

from qgen import storage
from qgen.backends import Backend, open_settings
from qgen.backends.registry import is_billed
from qgen.circuits.arguments import whole_number
from qgen.conditioning import TextConditioning
from qgen.data import open_images, save_prompt_grid, save_samples, save_single
from qgen.data.distributions import DISTRIBUTIONS
from qgen.data.sets import KNOWN_SETS
from qgen.errors import RunError, exact_text
from qgen.generators import Generator, image_seeds
from qgen.generators.denoising import DenoisingGenerator
from qgen.generators.protocols import DrawsShots, HasLimit
from qgen.memory import format_bytes, free_memory
from qgen.nn import QuantumLayer, bind_weights, compiled_later
from qgen.progress import ProgressCallback
from qgen.runs import provenance
from qgen.runs.building import build_generator, build_in_memory, closing_on_error, data_facts
from qgen.runs.checkpoint import Checkpoint, averaged_weights, load_checkpoint, model_fingerprint
from qgen.runs.config import RunConfig
from qgen.runs.folder import Run, writing
from qgen.sampling.request import check_request, sampling_config

#: Memory per value of an image while it is sampled and drawn, and per image for its seed, in bytes.
_VALUE_BYTES, _SEED_BYTES = 16, 100


@dataclass(frozen=True)
class Trained:
    """A trained generator.

    Attributes:
        run: the run that trained it.
        generator: the generator with averaged weights, on its backend.
        config: the settings that it was built from.
        step: number of training steps.
    """

    run: Run
    generator: Generator
    config: RunConfig
    step: int

    @property
    def backend(self) -> Backend:
        """The backend of its circuits."""
        return self.generator.backend


@dataclass(frozen=True)
class Samples:
    """Files that `sample_run` wrote.

    Attributes:
        grid: the picture of all images, or the histograms of samples of a distribution.
        provenance: the JSON file beside it.
        singles: the files of single images, if they were requested.
        facts: the content of the JSON file.
    """

    grid: Path
    provenance: Path
    singles: tuple[Path, ...]
    facts: dict[str, Any]


def open_trained(run: Run, backend: dict[str, Any] | None = None, sampling: dict[str, Any] | None = None) -> Trained:
    """Build the generator of a run, with the averaged weights of its last checkpoint; see `sampling_config`.

    Raises:
        RunError: the run has no checkpoint, or a damaged one, or one of another model.
        ConfigError, BackendError: a setting of the sampler or the backend is not allowed.
    """
    config = sampling_config(run, backend, sampling)
    check_request(run, config, None, single=False)
    path = run.checkpoints()[-1]
    checkpoint = load_checkpoint(path)
    shape, known = tuple(checkpoint.numbers["shape"]), data_facts(checkpoint.numbers)
    if is_billed(config.backend.name):
        with writing(run.journal):
            run.home.mkdir(parents=True, exist_ok=True)  # of weights that come with qgen: nothing was sampled yet
    opened = open_settings(config.backend, run.journal)
    with closing_on_error(opened):
        with compiled_later():
            generator = build_in_memory(lambda: build_generator(config, shape, opened, trained=True, **known))
        _load_average(generator, checkpoint, path, model_fingerprint(config, shape))
        bind_weights(generator.network)
    return Trained(run, generator, config, checkpoint.step)


def sample_run(
    trained: Trained,
    out: Path | None = None,
    count: int = 64,
    seed: int = 0,
    single: bool = False,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
    columns: int | None = None,
) -> Samples:
    """Sample images, and write a grid, a provenance file and, if requested, each image.

    Args:
        trained: the generator.
        out: the PNG file of the grid; None: a file in the run's `samples` folder, named after backend, sampler, seed.
        count: number of images.
        seed: seed of all images; the seed of each is derived from it and the image's index.
        single: also write each image as a PNG file, into a folder beside the grid.
        device: the device of the classical layers.
        progress: called with the steps done and in total.
        columns: images in a row of the grid, without what was asked for beside them; None: nearly a square, or a row
            for each prompt or class.

    Raises:
        RunError: the files cannot be written, or the images do not fit into memory.
    """
    grid = out or trained.run.samples / f"{sample_name(trained, count, seed)}.png"
    folder = grid.with_suffix("")
    check_request(trained.run, trained.config, grid, single)
    check_count(count, trained.generator.shape)
    with writing(grid):
        grid.parent.mkdir(parents=True, exist_ok=True)
    images = sample_images(trained, count, seed, device, progress)
    distribution = trained.config.data.name in DISTRIBUTIONS
    with writing(grid):
        prompts = None if columns is not None else grid_prompts(trained, count)
        if prompts is None:
            save_samples(images, grid, open_images(trained.config.data) if distribution else None, columns)
        else:
            save_prompt_grid(images, prompts, grid)
        singles: list[Path] = []
        if single:
            singles = save_single(images, folder, [f"{number:05d}" for number in range(count)])
        facts = sample_facts(trained, count, seed, torch.device(device))
        note = grid.with_suffix(".json")
        storage.write_text(note, json.dumps(facts, indent=2, ensure_ascii=False) + "\n")
    return Samples(grid, note, tuple(singles), facts)


def sample_images(
    trained: Trained,
    count: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> torch.Tensor:
    """Return the images of `sample_run` with the same arguments: (count, C, H, W), float32, on the CPU."""
    if isinstance(trained.generator, HasLimit):
        trained.generator.check_count(count)
    trained.generator.network.to(device)
    kind = trained.generator.conditioning
    conditioning = None if kind is None else kind.examples(count)
    return trained.generator.sample(image_seeds(seed, count), conditioning, device=device, progress=progress)


def asking_captions(trained: Trained, captions: tuple[str, ...] | None) -> Trained:
    """Return the same generator, asked for these captions where no prompts were given: of a text-conditional model."""
    generator = trained.generator
    if captions is None or not isinstance(generator, DenoisingGenerator):
        return trained
    source = generator.conditioning
    if not isinstance(source, TextConditioning) or source.prompts is not None:
        return trained
    return replace(trained, generator=replace(generator, conditioning=source.with_examples(captions)))


def grid_prompts(trained: Trained, count: int) -> list[str] | None:
    """Return what is written beside each image: the prompt that was asked for, or its class where there are several.

    None: nothing is.
    """
    source = trained.generator.conditioning
    if isinstance(source, TextConditioning):
        return None if source.prompts is None else source.asked(count)
    if source is None:
        return None
    classes = source.examples(count).classes.tolist()
    if len(set(classes)) == 1:
        return None
    known = KNOWN_SETS.get(trained.config.data.name)
    return [f"class {label}" if known is None else known.class_names[label] for label in classes]


def check_count(count: int, shape: tuple[int, int, int]) -> None:
    """Check that this is a number of images, and that so many of this shape fit into memory.

    Raises:
        CircuitError: it is not a whole number of at least 1.
        RunError: they do not fit.
    """
    whole_number("count", count)
    needed, free = count * (prod(shape) * _VALUE_BYTES + _SEED_BYTES), free_memory()
    if needed > free:
        raise RunError(
            f"{count:,} images take {format_bytes(needed)} of memory, and {format_bytes(free)} are free: "
            "sample fewer at a time"
        )


def sample_name(trained: Trained, count: int, seed: int) -> str:
    """Return a file name that contains all that the samples depend on."""
    how, where = trained.generator.sampling_info["label"], trained.backend.name.replace(":", "-").replace("/", "-")
    parts = (where, *_conditions(trained), f"step{trained.step}", how, f"seed{seed}", str(count))
    return "-".join(parts)


def _conditions(trained: Trained) -> Iterator[str]:
    """Yield the settings of a sampled or noisy backend that differ from the defaults."""
    backend, shots = trained.config.backend, trained.backend.capabilities.shots
    if shots is not None and not isinstance(trained.generator, DrawsShots):
        yield f"shots{shots}"
    if backend.noise_scale is not None:
        yield f"noise{exact_text(backend.noise_scale)}"
    if backend.noise is not None:
        yield "+".join(backend.noise) or "noiseless"
    if backend.idle_noise:
        yield "idle"
    if backend.mitigation is not None:
        yield backend.mitigation.replace(":", "").replace(",", "-")
    if backend.method is not None:
        yield backend.method
    if backend.paths is not None:
        yield f"paths{backend.paths}"
    if backend.tolerance is not None:
        yield f"tolerance{exact_text(backend.tolerance)}"
    if backend.layout is not None:
        yield f"layout{sha256(Path(backend.layout).read_bytes()).hexdigest()[:8]}"
    default = type(backend.hardware)()
    for name, value in backend.hardware.plain().items():
        if value != getattr(default, name) and name != "mode":  # it groups jobs, and changes no value
            yield name if value is True else f"{name}{value}".replace(".", "p")


def _load_average(generator: Generator, checkpoint: Checkpoint, path: Path, model: str) -> None:
    if checkpoint.model != model:
        raise RunError(f"{path} was made by a model with other settings than its config.yaml says")
    try:
        generator.network.load_state_dict(averaged_weights(checkpoint))
    except (KeyError, RuntimeError) as error:
        raise RunError(f"{path} does not fit this model; was it made by another version of qgen?") from error


def _weights_facts(trained: Trained) -> dict[str, Any]:
    """Return whether circuits were compiled for their weights, or with open ones; nothing where there are no circuits.

    Those of another backend, as of an encoder that stays on the exact engine, do not count.
    """
    layers = [inner for inner in trained.generator.sampler.modules() if isinstance(inner, QuantumLayer)]
    kinds = {layer.compiled.executable.bound for layer in layers if layer.compiled.backend is trained.backend}
    return {"weights": "bound" if any(kinds) else "open"} if kinds else {}


def _pretrained_facts(run: Run) -> dict[str, Any]:
    """Return which weights that come with qgen were used; nothing of a run of the user's own."""
    if run.preset is None:
        return {}
    weights = sha256(run.checkpoints()[-1].read_bytes()).hexdigest()
    return {"pretrained": {"preset": run.preset, "sha256": weights, **run.provenance().get("made", {})}}


def _drawn(trained: Trained, count: int) -> dict[str, int]:
    """Return how many shots are drawn where each is an image, whatever the backend takes for a value."""
    return {"shots": count} if isinstance(trained.generator, DrawsShots) else {}


def sample_facts(trained: Trained, count: int, seed: int, device: torch.device) -> dict[str, Any]:
    """Return where samples came from, in plain values."""
    count, seed = int(count), int(seed)  # NumPy's are not plain
    generator, source = trained.generator, trained.generator.conditioning
    prompts = {"prompts": source.asked(count)} if isinstance(source, TextConditioning) else {}
    return {
        "run": trained.run.address,
        **_pretrained_facts(trained.run),
        "step": trained.step,
        "created": provenance.now(),
        "images": count,
        "seed": seed,
        "sampling": dict(generator.sampling_info),
        **prompts,
        "backend": provenance.backend_facts(trained.backend) | _weights_facts(trained) | _drawn(trained, count),
        "circuits_per_image": generator.circuits_per_image,
        "circuits": min(1, generator.circuits_per_image)
        if isinstance(generator, DrawsShots)
        else generator.circuits_per_image * count,
        "machine": provenance.machine(device),
    }
