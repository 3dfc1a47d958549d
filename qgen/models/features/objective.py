"""The objective of a classifier: the class of images that are zoomed and shifted a little."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.conditioning import Labels
from qgen.models.features.classifier import ConvClassifier


class Views(NamedTuple):
    """The augmentation of each image: zoom (B,), at least 1, and shift (B, 2) in half sizes."""

    zoom: Tensor
    shift: Tensor

    def part(self, rows: slice) -> Views:
        """Return those of some of the images."""
        return Views(self.zoom[rows], self.shift[rows])

    def to(self, device: torch.device | str) -> Views:
        """Return the same on another device."""
        return Views(self.zoom.to(device), self.shift.to(device))


class Classification(nn.Module):
    """The cross-entropy of the classes.

    Args:
        classifier: what is trained.
    """

    def __init__(self, classifier: ConvClassifier) -> None:
        super().__init__()
        self.classifier = classifier
        self._metrics: dict[str, Tensor] = {}

    def draw(self, count: int, shape: Sequence[int], generator: torch.Generator) -> Views:
        """Return views of `count` images, on the CPU, that depend on the generator alone."""
        settings = self.classifier.settings
        zoom = 1 + (settings.zoom - 1) * torch.rand(count, generator=generator)
        return Views(zoom, 2 * settings.shift * (2 * torch.rand(count, 2, generator=generator) - 1))

    def metrics(self) -> dict[str, Tensor]:
        """Return the accuracy on the images of the last call."""
        return self._metrics

    def forward(self, images: Tensor, views: Views, conditioning: Labels) -> Tensor:
        """Return the mean loss of images (B, C, H, W) in [-1, 1] with their labels."""
        labels = conditioning.classes
        logits: Tensor = self.classifier(augment(images, views))
        self._metrics = {"accuracy": (logits.argmax(dim=1) == labels).float().mean()}
        return functional.cross_entropy(logits, labels)


def augment(images: Tensor, views: Views) -> Tensor:
    """Return images (B, C, H, W) as the views have them, bilinearly; what lies outside is as their edge is."""
    affine = torch.zeros(len(images), 2, 3, device=images.device)
    affine[:, 0, 0] = affine[:, 1, 1] = 1 / views.zoom
    affine[:, :, 2] = views.shift
    grid = functional.affine_grid(affine, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
