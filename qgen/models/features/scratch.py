"""Feature networks that are trained from scratch with their discriminator: convolutions, or dense layers."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

from qgen.errors import ConfigError
from qgen.models.features.base import FeatureExtractor, Shape
from qgen.models.features.settings import ExtractorSettings
from qgen.models.initialisation import initialise
from qgen.randomness import derive

SMALLEST = 4  # pixels
LEAK = 0.2  # slope of the activations below 0, as in DCGAN: Radford et al. (2015), arXiv:1511.06434, section 3


class ConvFeatures(FeatureExtractor):
    """Convolutions that halve the maps, each followed by a leaky ReLU; no norms, as a gradient penalty is per image.

    Args:
        settings: width and dropout.
        shape: (C, H, W) of the images.
    """

    def __init__(self, settings: ExtractorSettings, shape: Shape) -> None:
        super().__init__()
        channels, *sides = shape
        depth = num_downsamplings(shape)
        widths = [channels, *(settings.width << stage for stage in range(depth))]
        self.stages = tuple(f"stage{number}" for number in range(1, depth + 1))
        self.convolutions = nn.ModuleDict(
            {name: downsampling(*ends) for name, ends in zip(self.stages, pairwise(widths), strict=True)}
        )
        self.activation, self.dropout = nn.LeakyReLU(LEAK), nn.Dropout(settings.dropout)
        height, width = (side >> depth for side in sides)
        self.features = widths[-1] * height * width

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Transform images (B, C, H, W) in [-1, 1] to features (B, F)."""
        maps = images
        for convolution in self.convolutions.values():
            maps = self.activation(convolution(maps))
        return self.dropout(maps.flatten(1))  # type: ignore[no-any-return]


def build_conv(settings: ExtractorSettings, shape: Shape, seed: int) -> ConvFeatures:
    """Build the extractor with its initial weights, which depend on the seed alone.

    Spectral normalisation as in Miyato et al. (2018), arXiv:1802.05957: one step of the power iteration a call.

    Raises:
        ConfigError: the images are too small.
    """
    # Torch's layers draw weights of their own first, and the power iteration its first vectors.
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(derive(seed, "power iteration"))
        extractor = ConvFeatures(settings, shape)
        initialise(extractor, seed)
        if settings.spectral_norm:
            for convolution in extractor.convolutions.values():
                spectral_norm(convolution)
    return extractor


def downsampling(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a convolution from maps (B, inputs, H, W) to (B, outputs, H // 2, W // 2)."""
    return nn.Conv2d(inputs, outputs, 4, stride=2, padding=1)


def num_downsamplings(shape: Shape) -> int:
    """Return the number of halvings of images to 4 pixels or less, but at least two if that leaves 2 pixels.

    Raises:
        ConfigError: the images are too small, or have no channels.
    """
    channels, height, width = shape
    side = min(height, width)
    if side < SMALLEST or channels < 1:
        raise ConfigError(
            f"images of {channels} channels and {height}x{width} pixels cannot be convolved: "
            f"give images of {SMALLEST}x{SMALLEST} pixels or more, grey or in colour"
        )
    least = 2 if side >= 2 * SMALLEST else 1
    return next(count for count in range(least, side) if side >> count <= SMALLEST)


class DenseFeatures(FeatureExtractor):
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
        """Transform images (B, C, H, W) in [-1, 1] to features (B, F)."""
        values = images.flatten(1)
        for layer in self.layers.values():
            values = functional.leaky_relu(layer(values), LEAK)
        return self.dropout(values)  # type: ignore[no-any-return]


def build_mlp(settings: ExtractorSettings, shape: Shape, seed: int) -> DenseFeatures:
    """Build the extractor with its initial weights, which depend on the seed alone."""
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        extractor = DenseFeatures(settings, shape)
    initialise(extractor, seed)
    return extractor
