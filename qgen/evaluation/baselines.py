"""Baselines of generators that work in the space of a codec: reconstructions, and decoded codes of Gaussians."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from qgen.conditioning import Labels
from qgen.data import ImageSet
from qgen.data.subset import fixed_permutation
from qgen.diffusion import Codec, IdentityCodec
from qgen.errors import ConfigError, DataError
from qgen.evaluation import gaussians
from qgen.evaluation.asked import Requested
from qgen.evaluation.gaussians import Gaussians
from qgen.generators import Generator
from qgen.generators.protocols import HasCodec
from qgen.generators.sampling import eval_mode, image_seeds
from qgen.metrics.reference import Reference
from qgen.progress import ProgressCallback
from qgen.randomness import derive, image_streams

#: Training images that baselines are fitted to, at most, and images that are encoded or decoded together.
MAX_FITTED, BATCH = 20_000, 256


@dataclass(frozen=True)
class Baseline:
    """Images of a baseline.

    Attributes:
        name: what it is.
        images: (N, C, H, W), in [-1, 1].
        facts: plain values that say where they came from.
        requested: what the images ought to be, where that is not what the samples are asked for; None: it is.
    """

    name: str
    images: Tensor
    facts: dict[str, Any]
    requested: Requested | None = None


def check_baselines(generator: Generator, train: ImageSet) -> HasCodec:
    """Return a generator whose codes can be drawn from Gaussians of the codes of these images.

    Raises:
        ConfigError: it has no codec, or its circuits would be run on a device.
        DataError: there are fewer than two images, or in one of the classes.
    """
    if not isinstance(generator, HasCodec):
        raise ConfigError("baselines are of models that make codes, as diffusions do; leave --baselines out for others")
    if generator.backend.capabilities.remote:
        raise ConfigError("baselines are decoded on a simulator: leave --baselines out, or leave --backend out")
    if len(train) < 2:
        raise DataError(f"baselines take at least two images that were learned from, not {len(train)}")
    if train.labels is not None and train.class_names is not None:
        counts = train.labels[_fitted(train)].bincount(minlength=len(train.class_names))
        if counts.min() < 2:
            raise DataError(
                f"class {int(counts.argmin())} has {int(counts.min())} of the {len(train):,} images that were learned "
                "from, and a Gaussian takes two: learn from more images, or leave --baselines out"
            )
    return generator


def sample_baselines(
    generator: Generator,
    reference: Reference,
    count: int,
    seed: int = 0,
    device: torch.device | str = "cpu",
    progress: ProgressCallback | None = None,
) -> Iterator[Baseline]:
    """Yield each baseline: reconstructions of real images, and Gaussians fitted to the codes of training images.

    Reconstructions are of the images that stand for a perfect generator, so what is lost in them no model of codes can
    have; codes that are the images themselves have none. The Gaussians are decoded as the samples are: an independent
    one, one with covariance, one with covariance for each class where images have labels, and a mixture. Of a model
    with labels, image k of the third has the class that image k of the samples was asked for.

    Args:
        generator: see `check_baselines`; its network is on `device`.
        reference: real images.
        count: images of each baseline; of reconstructions fewer, where there are fewer real images.
        seed: of all images.
        device: where images are encoded and decoded.
        progress: called with the baselines that are done, and all of them.
    """
    train = reference.train
    codec = check_baselines(generator, train).codec
    seeds, fitted = image_seeds(seed, count), _fitted(train)
    shape = codec.state_shape(train.shape)
    with eval_mode(generator.network, seeds):
        codes = _encoded(codec, train, fitted, device)
        labels = None if train.labels is None else train.labels[fitted].numpy()
        models = _models(codes, labels, train)
        if not isinstance(codec, IdentityCodec):
            yield _reconstructions(codec, reference, seeds, device)
        for done, (name, fit) in enumerate(models):
            if progress is not None:
                progress(done, len(models))
            asked = _asked(generator, count) if name == PER_CLASS else None
            drawn = fit().sample(seeds, asked).view(count, *shape)
            facts = {"baseline": name, "codes": list(shape), "fitted_to": len(fitted), "baseline_seed": seed}
            yield Baseline(name, _decoded(codec, drawn, seeds, device), facts)


def _reconstructions(codec: Codec, reference: Reference, seeds: Sequence[int], device: torch.device | str) -> Baseline:
    index = reference.control[: len(seeds)]
    codes = _encoded(codec, reference.controls, torch.from_numpy(index), device)
    shape = codec.state_shape(reference.controls.shape)
    images = _decoded(codec, torch.from_numpy(codes).float().view(-1, *shape), seeds[: len(index)], device)
    facts = {"baseline": "reconstructions", "codes": list(shape), "of": reference.controls.name}
    return Baseline("reconstructions", images, facts, Requested.of_images(reference.controls, index))


PER_CLASS = "a Gaussian a class"


def _models(
    codes: NDArray[np.float64], labels: NDArray[np.int64] | None, train: ImageSet
) -> Sequence[tuple[str, Callable[[], Gaussians]]]:
    """Return each model's name and what fits it."""
    models: list[tuple[str, Callable[[], Gaussians]]] = [
        ("independent Gaussian", lambda: gaussians.independent(codes)),
        ("Gaussian", lambda: gaussians.with_covariance(codes)),
    ]
    if labels is not None and train.class_names is not None:
        found, classes = labels, len(train.class_names)
        models.append((PER_CLASS, lambda: gaussians.by_class(codes, found, classes)))
    models.append(("Gaussian mixture", lambda: gaussians.mixture(codes)))
    return models


def _fitted(train: ImageSet) -> Tensor:
    """Return the places of the images that Gaussians are fitted to."""
    return torch.from_numpy(fixed_permutation(len(train))[:MAX_FITTED])


def _encoded(codec: Codec, train: ImageSet, index: Tensor, device: torch.device | str) -> NDArray[np.float64]:
    parts = [codec.encode(train.scaled(part).to(device)).flatten(1).cpu() for part in index.split(BATCH)]
    return torch.cat(parts).double().numpy()


def _decoded(codec: Codec, codes: Tensor, seeds: Sequence[int], device: torch.device | str) -> Tensor:
    parts = []
    for first in range(0, len(codes), BATCH):
        rows = slice(first, first + BATCH)
        with image_streams([derive(seed, "decode") for seed in seeds[rows]]):  # for a decoder with circuits
            parts.append(codec.decode(codes[rows].to(device)).float().cpu())
    return torch.cat(parts)


def _asked(generator: Generator, count: int) -> Tensor | None:
    """Return the class that each of the samples is asked for, (count,); None: of no class in particular."""
    conditions = None if generator.conditioning is None else generator.conditioning.examples(count)
    return conditions.classes if isinstance(conditions, Labels) else None
