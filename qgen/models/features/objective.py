"""What a classifier is trained to do: tell the class of images that are zoomed and moved a little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.models.features.classifier import ConvClassifier


class Views(NamedTuple):
    """How each image is looked at: zoom (B,), at least 1, and shift (B, 2) in half sizes."""

    zoom: Tensor
    shift: Tensor

    def part(self, rows: slice) -> Views:
        """Those of some of the images."""
        return Views(self.zoom[rows], self.shift[rows])

    def to(self, device: torch.device | str) -> Views:
        """The same on another device."""
        return Views(self.zoom.to(device), self.shift.to(device))


class Classification(nn.Module):
    """The cross-entropy of the classes.

    Args:
        classifier: what is trained.
    """

    def __init__(self, classifier: ConvClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self._notes: dict[str, Tensor] = {}

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> Views:
        """Views of `count` images, on the CPU, that depend on the generator alone."""
        settings = self.classifier.settings
        zoom = 1 + (settings.zoom - 1) * torch.rand(count, generator=generator)
        return Views(zoom, 2 * settings.shift * (2 * torch.rand(count, 2, generator=generator) - 1))

    def notes(self) -> dict[str, Tensor]:
        """The share of the last images that were told right."""
        return self._notes

    def forward(self, images: Tensor, views: Views, labels: Tensor) -> Tensor:
        """The mean loss of images (B, C, H, W) in [-1, 1] with labels (B,), int64."""
        logits: Tensor = self.classifier(seen(images, views))
        self._notes = {"accuracy": (logits.argmax(dim=1) == labels).float().mean()}
        return functional.cross_entropy(logits, labels)


def seen(images: Tensor, views: Views) -> Tensor:
    """Images (B, C, H, W) as the views have them, bilinearly; what lies outside is as their edge is."""
    turned = torch.zeros(len(images), 2, 3, device=images.device)
    turned[:, 0, 0] = turned[:, 1, 1] = 1 / views.zoom
    turned[:, :, 2] = views.shift
    grid = functional.affine_grid(turned, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
