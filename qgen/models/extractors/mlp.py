"""An extractor of dense layers, for images of few pixels and samples of distributions."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

from qgen.models.extractors.base import Extractor, Shape
from qgen.models.extractors.conv import LEAK
from qgen.models.extractors.settings import ExtractorSettings
from qgen.models.initial import initialise


class DenseExtractor(Extractor):
    """Dense layers, each followed by a leaky ReLU; the features are what the last one gives.

    Args:
        settings: the widths and dropout.
        shape: (C, H, W) of the images.
    """

    def __init__(self, settings: ExtractorSettings, shape: Shape) -> None:
        super().__init__()
        widths = [math.prod(shape), *settings.hidden]
        self.stages = tuple(f"stage{number}" for number in range(1, len(widths)))
        self.layers = nn.ModuleDict(
            {name: nn.Linear(*ends) for name, ends in zip(self.stages, pairwise(widths), strict=True)}
        )
        self.dropout, self.features = nn.Dropout(settings.dropout), widths[-1]

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """From images (B, C, H, W) in [-1, 1] to features (B, F)."""
        values = images.flatten(1)
        for layer in self.layers.values():
            values = functional.leaky_relu(layer(values), LEAK)
        return self.dropout(values)  # type: ignore[no-any-return]


def build_mlp(settings: ExtractorSettings, shape: Shape, seed: int) -> DenseExtractor:
    """The extractor with its initial weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        extractor = DenseExtractor(settings, shape)
    initialise(extractor, seed)
    return extractor
