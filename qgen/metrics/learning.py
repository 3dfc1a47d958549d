"""How a judge learns: from real images alone, always in the same way."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from qgen.data import ImageSet, batch_indices
from qgen.data.choice import choose, fixed_shuffle
from qgen.metrics.networks import FEATURES, Classifier, Components, shrunk, spread
from qgen.randomness import derive

#: Raised with every change to what is learned or how: what was kept of another version is not used.
RECIPE = 1
#: Images to learn from, at most.
MOST = 10_000
HELD_OUT = 0.1
_BATCH = 64
_STEPS = 400  # at least; a larger set is seen at least `_EPOCHS` times
_EPOCHS = 8
_JUNK = 4  # images of each kind that is no class, in a batch
_RATE = 3e-3
_CHUNK = 256  # images at a time, once it has learned


@dataclass(frozen=True)
class Split:
    """Places of images, int64, ascending: those to learn from and those held out."""

    learned: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(images: ImageSet, most: int = MOST) -> Split:
    """A tenth of each class is held out; of the others at most `most` are learned from, evenly over the classes.

    A class of one image is not held out. The choice depends on the labels alone.
    """
    labels = np.zeros(len(images), np.int64) if images.labels is None else images.labels.numpy()
    order = fixed_shuffle(len(labels))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        held[members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]] = True
    rest = np.flatnonzero(~held)
    chosen = choose(images.name, labels[rest], len(rest), limit=min(most, len(rest)))
    return Split(rest[chosen], np.flatnonzero(held))


def learn_classes(images: ImageSet, targets: Tensor, classes: int, places: NDArray[np.int64]) -> Classifier:
    """A classifier of the images at these places, that also knows what is no image of any class.

    Torch's global generator is left as it was.

    Args:
        images: the real images.
        targets: the class of each, (N,), int64 in [0, classes).
        classes: how many there are.
        places: which images to learn from.
    """
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):  # also while a generator is sampled without gradients
        torch.default_generator.manual_seed(derive(0, "judge", RECIPE))
        network = Classifier(images.shape, classes)
        _train(network, images, targets, torch.from_numpy(places))
    network.eval()
    with torch.no_grad():
        chunks = torch.from_numpy(places).split(_CHUNK)
        network.standardise(torch.cat([network(images.scaled(chunk)) for chunk in chunks]))
    return network


def learn_components(images: ImageSet, places: NDArray[np.int64]) -> Components:
    """The leading principal components of the pixels of the images at these places, of variance 1 on average."""
    from sklearn.decomposition import PCA

    pixels = shrunk(images.scaled(torch.from_numpy(places))).flatten(1).double().numpy()
    with np.errstate(invalid="ignore"):  # images that are all the same have no variance to share out
        fitted = PCA(min(FEATURES, *pixels.shape), random_state=0).fit(pixels)
    directions, projections = torch.from_numpy(fitted.components_), torch.from_numpy(fitted.transform(pixels))
    return Components((directions / spread(projections)).float(), torch.from_numpy(fitted.mean_).float())


def _train(network: Classifier, images: ImageSet, targets: Tensor, places: Tensor) -> None:
    steps, seed = max(_STEPS, math.ceil(_EPOCHS * len(places) / _BATCH)), derive(0, "judge", RECIPE)
    optimizer = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    none = network.head.out_features - 1
    for step in range(steps):
        index = places[batch_indices(seed, step, _BATCH, len(places))]
        real = images.scaled(index)
        fake = junk(real)
        labels = torch.cat([targets[index], torch.full((len(fake),), none)])
        optimizer.zero_grad()
        logits = network.head(network(torch.cat([real, fake])))
        nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        rates.step()


def junk(real: Tensor) -> Tensor:
    """What is no class: noise, plain grey, real images with their pixels scrambled, and many laid over one another."""
    some = real[:_JUNK]
    noise = torch.rand_like(some) * 2 - 1
    plain = (torch.rand(len(some), 1, 1, 1) * 2 - 1).expand_as(some)
    flat = some.flatten(1)
    scrambled = flat.gather(1, torch.rand_like(flat).argsort(dim=1)).view_as(some)
    return torch.cat([noise, plain, scrambled, _overlaid(real, len(some))])


def _overlaid(real: Tensor, count: int) -> Tensor:
    """Means of half of a batch each, drawn anew: what a generator makes that has learned nothing but the mean."""
    halves = (real[torch.randperm(len(real))[: len(real) // 2]] for _ in range(count))
    return torch.stack([half.mean(dim=0) for half in halves])
