"""What a judge sees with: a small classifier, or the principal components of pixels."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import convert_conv2d_weight_memory_format

#: Features of an image, at most.
FEATURES = 64
#: Images of more pixels in height and width are averaged down to so many: a judge is to be quick, not sharp-sighted.
SIDE = 32
_POOLED = 16  # images larger than this are halved once more on their way


class Classifier(nn.Module):
    """Two convolutions and two linear maps; the hidden layer is what an image looks like to it.

    Args:
        shape: of an image, (C, H, W).
        classes: how many there are; one more is learned, the last: none of them.
    """

    def __init__(self, shape: tuple[int, int, int], classes: int) -> None:
        super().__init__()
        channels, height, width = shape
        pools = [_halving(min(height, width, SIDE), _POOLED), _halving(min(height, width, SIDE), 2)]
        self.body = nn.Sequential(
            *(nn.Conv2d(channels, 24, 3, padding=1), pools[0], nn.ReLU()),
            *(nn.Conv2d(24, 48, 3, padding=1), pools[1], nn.ReLU(), nn.Flatten()),
        )
        convert_conv2d_weight_memory_format(self.body, torch.channels_last)  # twice as quick on a CPU
        with torch.no_grad():
            width = self.body(shrunk(torch.zeros(1, *shape))).shape[1]
        self.hidden = nn.Sequential(nn.Dropout(0.3), nn.Linear(width, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, classes + 1)
        self.register_buffer("centre", torch.zeros(FEATURES))
        self.register_buffer("unit", torch.ones(()))

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, 64) of images (N, C, H, W); `head` makes logits (N, classes + 1) of them."""
        hidden: Tensor = self.hidden(self.body(shrunk(images)))
        return (hidden - self.get_buffer("centre")) / self.get_buffer("unit")

    @torch.no_grad()
    def standardise(self, features: Tensor) -> None:
        """Moves and scales the features so that these have mean 0 and, on average, variance 1. Logits stay the same."""
        centre, unit = features.mean(dim=0), spread(features)
        self.head.bias.add_(self.head.weight @ centre)
        self.head.weight.mul_(unit)
        self.get_buffer("centre").add_(centre * self.get_buffer("unit"))
        self.get_buffer("unit").mul_(unit)


class Components(nn.Module):
    """The projections of the pixels on the directions in which real images differ most.

    Args:
        directions: (F, pixels), orthogonal, as long as one another.
        mean: (pixels,), of the real images.
    """

    def __init__(self, directions: Tensor, mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("directions", directions)
        self.register_buffer("mean", mean)

    def forward(self, images: Tensor) -> Tensor:
        """Features (N, F) of images (N, C, H, W)."""
        centred = shrunk(images).flatten(1) - self.get_buffer("mean")
        return centred @ self.get_buffer("directions").T


def shrunk(images: Tensor) -> Tensor:
    """The images, averaged down to `SIDE` pixels in height and width where they have more."""
    height, width = images.shape[2:]
    if max(height, width) <= SIDE:
        return images
    return functional.adaptive_avg_pool2d(images, (min(height, SIDE), min(width, SIDE)))


def spread(features: Tensor) -> Tensor:
    """The root of the mean variance; 1 where nothing varies."""
    root = features.var(dim=0, correction=0).mean().sqrt()
    return root if root > 0 else torch.ones_like(root)


def _halving(side: int, beyond: int) -> nn.Module:
    return nn.MaxPool2d(2) if side > beyond else nn.Identity()
