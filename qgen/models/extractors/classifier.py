"""A small classifier that qgen trains, and its features as those of an extractor."""

from __future__ import annotations

import math
from collections import OrderedDict
from itertools import pairwise

import torch
from torch import nn

from qgen.errors import ConfigError, InputError
from qgen.models.extractors.base import Shape
from qgen.models.extractors.conv import LEAK, halving, halvings
from qgen.models.extractors.settings import ClassifierSettings
from qgen.models.initial import initialise

GROUPS = 8  # of the normalisations, where it divides the channels


class ConvClassifier(nn.Module):
    """Tells the class of an image: stages of two convolutions that halve the maps, then features, then classes.

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
        depth = halvings(shape)
        widths = [channels, *(settings.width << stage for stage in range(depth))]
        stages = {f"stage{number}": _stage(*ends) for number, ends in enumerate(pairwise(widths), 1)}
        flat = widths[-1] * math.prod(side >> depth for side in sides)
        stages["hidden"] = nn.Sequential(nn.Flatten(), nn.Linear(flat, settings.features), nn.LeakyReLU(LEAK))
        self.body = nn.Sequential(OrderedDict(stages))
        self.head = nn.Sequential(nn.Dropout(settings.dropout), nn.Linear(settings.features, classes))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The logits (B, classes) of images (B, C, H, W) in [-1, 1].

        Raises:
            InputError: images of another shape.
        """
        if images.shape[1:] != self.image_shape:
            raise InputError(f"this classifier takes images {('B', *self.image_shape)}, not {tuple(images.shape)}")
        return self.head(self.body(images))  # type: ignore[no-any-return]


def build_classifier(settings: ClassifierSettings, shape: Shape, classes: int, seed: int = 0) -> ConvClassifier:
    """The classifier with its initial weights, which depend on the seed alone.

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
        halving(outputs, outputs),
        nn.GroupNorm(groups, outputs),
        nn.LeakyReLU(LEAK),
    )
