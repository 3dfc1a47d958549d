"""A small classifier that qgen trains, and its files: those that qgen ships, and those that a user trained."""

from __future__ import annotations

import math
import os
from collections import OrderedDict
from importlib import resources
from itertools import pairwise
from pathlib import Path

import torch
from torch import nn

from qgen.errors import ConfigError, InputError, suggestion
from qgen.models.features.base import Shape
from qgen.models.features.scratch import LEAK, downsampling, num_downsamplings
from qgen.models.features.settings import ClassifierSettings
from qgen.models.initialisation import initialise
from qgen.tensor_files import TensorFile

GROUPS = 8  # of the normalisations, where it divides the channels


class ConvClassifier(nn.Module):
    """A classifier of images: stages of two convolutions that halve the maps, then features, then classes.

    `build_classifier` makes one. Its norms are over groups of channels (Wu and He 2018, arXiv:1803.08494), so that
    the features of an image depend on no other image.

    Attributes:
        settings: what it was built from.
        image_shape: (C, H, W) of its images.
        classes: how many it tells apart.
        body: from images to features, stage by stage.
        head: from features to classes.
    """

    def __init__(self, settings: ClassifierSettings, shape: Shape, classes: int) -> None:
        super().__init__()
        self.settings, self.image_shape, self.classes = settings, shape, classes
        channels, *sides = shape
        depth = num_downsamplings(shape)
        widths = [channels, *(settings.width << stage for stage in range(depth))]
        stages = {f"stage{number}": _stage(*ends) for number, ends in enumerate(pairwise(widths), 1)}
        flat = widths[-1] * math.prod(side >> depth for side in sides)
        stages["hidden"] = nn.Sequential(nn.Flatten(), nn.Linear(flat, settings.features), nn.LeakyReLU(LEAK))
        self.body = nn.Sequential(OrderedDict(stages))
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(settings.features, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return the logits (B, classes) of images (B, C, H, W) in [-1, 1].

        Raises:
            InputError: images of another shape.
        """
        if images.shape[1:] != self.image_shape:
            raise InputError(f"this classifier takes images {('B', *self.image_shape)}, not {tuple(images.shape)}")
        return self.head(self.body(images))  # type: ignore[no-any-return]


def build_classifier(settings: ClassifierSettings, shape: Shape, classes: int, seed: int = 0) -> ConvClassifier:
    """Build the classifier with its initial weights, which depend on the seed alone.

    Args:
        settings: what to build.
        shape: (C, H, W) of its images.
        classes: how many it is to tell apart, 2 or more.
        seed: of all initial weights.

    Raises:
        ConfigError: the images are too small, or there are fewer than two classes.
    """
    if classes < 2:
        raise ConfigError(f"a classifier needs images of two classes or more, not of {classes}: choose other data")
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        network = ConvClassifier(settings, shape, classes)
    initialise(network, seed)
    return network


def _stage(inputs: int, outputs: int) -> nn.Sequential:
    groups = math.gcd(GROUPS, outputs)
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, 3, padding=1),
        nn.GroupNorm(groups, outputs),
        nn.LeakyReLU(LEAK),
        downsampling(outputs, outputs),
        nn.GroupNorm(groups, outputs),
        nn.LeakyReLU(LEAK),
    )


_FILE = TensorFile("classifier", 1, "Train it anew, or install qgen anew if it came with it.")
#: The classifier in the folder of a run that trained one.
CLASSIFIER_FILE = "classifier.safetensors"


def shipped_classifiers() -> tuple[str, ...]:
    """Return the names of the classifiers that come with qgen."""
    return tuple(sorted(path.stem for path in _shipped().glob("*.safetensors")))


def find_classifier(name: str) -> Path:
    """Return the file that a name, a path or the folder of a run means.

    Raises:
        ConfigError: there is none; the message says which ones are shipped.
    """
    if name in shipped_classifiers():
        return _shipped() / f"{name}.safetensors"
    path = Path(name).expanduser()
    inside = path / CLASSIFIER_FILE
    if os.path.isfile(path) or os.path.isfile(inside):
        return path if os.path.isfile(path) else inside
    if os.path.isdir(path):
        raise ConfigError(f"the folder {name} holds no {CLASSIFIER_FILE}: give that of a run that trained a classifier")
    known = shipped_classifiers()
    raise ConfigError(
        f"there is no classifier {name!r}: give the folder of a run that trained one, a .safetensors file, "
        f"or one that is shipped ({', '.join(known) or 'none'}).{suggestion(name, known)}"
    )


def save_classifier(path: Path, network: ConvClassifier) -> None:
    """Write the file whole, or not at all.

    Raises:
        OSError: the disk is full, or the folder cannot be written.
    """
    content = {
        "settings": network.settings.plain(),
        "shape": list(network.image_shape),
        "classes": network.classes,
    }
    _FILE.write(path, network.state_dict(), content)


def load_classifier(path: Path) -> ConvClassifier:
    """Return the classifier in a file, in evaluation mode.

    Raises:
        RunError: the file is missing, damaged, of another version, or holds something else.
    """
    tensors, content = _FILE.read(path)
    channels, height, width = content["shape"]
    settings = ClassifierSettings.read(content["settings"])
    network = build_classifier(settings, (channels, height, width), content["classes"])
    network.load_state_dict(tensors)
    return network.eval()


def _shipped() -> Path:
    return Path(str(resources.files("qgen.models.features") / "weights"))
