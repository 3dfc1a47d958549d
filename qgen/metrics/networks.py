"""Networks that extract features, a small classifier and principal components, and how they are fitted."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format

from qgen.data import ImageSet, batch_indices
from qgen.data.subset import fixed_permutation, select_subset
from qgen.randomness import derive

#: Largest number of features.
FEATURES = 64
#: Larger images are averaged down to this height and width, for speed.
SIDE = 32
_POOLED = 16  # larger images are pooled once more


class Classifier(nn.Module):
    """A classifier of two convolutions and two linear layers, whose hidden layer gives the features.

    Args:
        shape: shape of an image, (C, H, W).
        classes: number of classes; one more is learned, the last: no class.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        pools = [_pool(min(height, width, SIDE), _POOLED), _pool(min(height, width, SIDE), 2)]
        self.body = nn.Sequential(
            *(nn.Conv2d(channels, 24, 3, padding=1), pools[0], nn.ReLU()),
            *(nn.Conv2d(24, 48, 3, padding=1), pools[1], nn.ReLU(), nn.Flatten()),
        )
        convert_conv2d_weight_memory_format(self.body, torch.channels_last)  # twice as quick on a CPU
        with torch.no_grad():
            width = self.body(downsample(torch.zeros(1, *shape))).shape[1]
        self.hidden = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes + 1)
        self.register_buffer("centre", torch.zeros(FEATURES))
        self.register_buffer("unit", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, 64) of images (N, C, H, W); `head` maps them to logits (N, classes + 1)."""
        hidden: Tensor = self.hidden(self.body(downsample(images)))
        return (hidden - self.get_buffer("centre")) / self.get_buffer("unit")

    @torch.no_grad()
    def standardise(self, features: Tensor) -> None:
        """Shift and scale the features so that these have mean 0 and average variance 1; the logits stay the same."""
        centre, unit = features.mean(dim=0), mean_deviation(features)
        self.head.bias.add_(self.head.weight @ centre)
        self.head.weight.mul_(unit)
        self.get_buffer("centre").add_(centre * self.get_buffer("unit"))
        self.get_buffer("unit").mul_(unit)


class Components(nn.Module):
    """Projections of the pixels on principal components.

    Args:
        directions: (F, pixels), orthogonal, of equal length.
        mean: (pixels,), mean of the real images.
    """

    def __init__(self, directions: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("directions", directions)
        self.register_buffer("mean", mean)

    def forward(self, images: Tensor) -> Tensor:
        """Return features (N, F) of images (N, C, H, W)."""
        centred = downsample(images).flatten(1) - self.get_buffer("mean")
        return centred @ self.get_buffer("directions").T


def downsample(images: Tensor) -> Tensor:
    """Average images down to at most `SIDE` pixels in height and width."""
    height, width = images.shape[2:]
    if max(height, width) <= SIDE:
        return images
    return functional.adaptive_avg_pool2d(images, (min(height, SIDE), min(width, SIDE)))


def mean_deviation(features: Tensor) -> Tensor:
    """Return the square root of the mean variance; 1 if nothing varies."""
    root = features.var(dim=0, correction=0).mean().sqrt()
    return root if root > 0 else torch.ones_like(root)


def _pool(side: int, threshold: int) -> nn.Module:
    return nn.MaxPool2d(2) if side > threshold else nn.Identity()


#: Version of the fit; increase it with every change: cached networks of other versions are not used.
VERSION = 1
#: Largest number of images to fit to.
MAX_IMAGES = 10_000
#: Fraction of each class that is held out.
HELD_OUT = 0.1
#: Images per chunk when features are extracted.
CHUNK = 256
_BATCH = 64
_MIN_STEPS = 400
_MIN_EPOCHS = 8
_JUNK = 4  # images of no class in a batch, of each kind
_LEARNING_RATE = 3e-3


@dataclass(frozen=True)
class Split:
    """Indices of images, int64, ascending: those to fit to, and those held out."""

    fitted: NDArray[np.int64]
    held_out: NDArray[np.int64]


def split(images: ImageSet, max_images: int = MAX_IMAGES) -> Split:
    """Hold out a tenth of each class; of the others take at most `max_images`, balanced over the classes.

    A class of one image is not held out. The split depends on the labels alone.
    """
    labels = np.zeros(len(images), np.int64) if images.labels is None else images.labels.numpy()
    order = fixed_permutation(len(labels))
    held = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = order[labels[order] == label]
        held[members[: min(max(1, round(HELD_OUT * len(members))), len(members) - 1)]] = True
    rest = np.flatnonzero(~held)
    subset = select_subset(images.name, labels[rest], len(rest), limit=min(max_images, len(rest)))
    return Split(rest[subset], np.flatnonzero(held))


def fit_classifier(images: ImageSet, targets: Tensor, classes: int, indices: NDArray[np.int64]) -> Classifier:
    """Train a classifier on the images at these indices, and on images of no class.

    The state of torch's global generator is preserved.

    Args:
        images: the real images.
        targets: class of each image, (N,), int64 in [0, classes).
        classes: number of classes.
        indices: the images to train on.
    """
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):  # also while a generator is sampled without gradients
        torch.default_generator.manual_seed(derive(0, "judge", VERSION))
        network = Classifier(images.shape, classes)
        _train(network, images, targets, torch.from_numpy(indices))
    network.eval()
    with torch.no_grad():
        chunks = torch.from_numpy(indices).split(CHUNK)
        network.standardise(torch.cat([network(images.scaled(chunk)) for chunk in chunks]))
    return network


def fit_components(images: ImageSet, indices: NDArray[np.int64]) -> Components:
    """Compute the leading principal components of the pixels of these images, scaled to an average variance of 1."""
    from sklearn.decomposition import PCA

    pixels = downsample(images.scaled(torch.from_numpy(indices))).flatten(1).double().numpy()
    with np.errstate(invalid="ignore"):  # identical images have no variance to divide by
        fitted = PCA(min(FEATURES, *pixels.shape), random_state=0).fit(pixels)
    directions, projections = torch.from_numpy(fitted.components_), torch.from_numpy(fitted.transform(pixels))
    return Components((directions / mean_deviation(projections)).float(), torch.from_numpy(fitted.mean_).float())


def _train(network: Classifier, images: ImageSet, targets: Tensor, indices: Tensor) -> None:
    steps, seed = max(_MIN_STEPS, math.ceil(_MIN_EPOCHS * len(indices) / _BATCH)), derive(0, "judge", VERSION)
    optimizer = torch.optim.AdamW(network.parameters(), _LEARNING_RATE, weight_decay=1e-2)
    rates = torch.optim.lr_scheduler.OneCycleLR(optimizer, _LEARNING_RATE, total_steps=steps)
    none = network.head.out_features - 1
    for step in range(steps):
        index = indices[batch_indices(seed, step, _BATCH, len(indices))]
        real = images.scaled(index)
        fake = junk(real)
        labels = torch.cat([targets[index], torch.full((len(fake),), none)])
        optimizer.zero_grad()
        logits = network.head(network(torch.cat([real, fake])))
        nn.functional.cross_entropy(logits, labels).backward()
        optimizer.step()
        rates.step()


def junk(real: Tensor) -> Tensor:
    """Make images of no class: noise, plain grey, real images with permuted pixels, and means of many real images."""
    examples = real[:_JUNK]
    noise = torch.rand_like(examples) * 2 - 1
    plain = (torch.rand(len(examples), 1, 1, 1) * 2 - 1).expand_as(examples)
    flat = examples.flatten(1)
    scrambled = flat.gather(1, torch.rand_like(flat).argsort(dim=1)).view_as(examples)
    return torch.cat([noise, plain, scrambled, _overlaid(real, len(examples))])


def _overlaid(real: Tensor, count: int) -> Tensor:
    """Return means of random halves of the batch: the output of a generator that has learned the mean alone."""
    halves = (real[torch.randperm(len(real))[: len(real) // 2]] for _ in range(count))
    return torch.stack([half.mean(dim=0) for half in halves])
