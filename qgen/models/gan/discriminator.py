"""The discriminator of a GAN: a feature extractor, a block with or without a circuit, and a score."""

from __future__ import annotations

import torch
from torch import nn

from qgen.models.circuit_context import CircuitContext
from qgen.models.features import build_feature_extractor
from qgen.models.gan.blocks import build_block
from qgen.models.gan.generators import Shape
from qgen.models.gan.settings import DiscriminatorSettings


class Discriminator(nn.Module):
    """Features of an image, a few numbers in [-1, 1] made of them, a block, and a score: high for what looks real.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        context: where circuits run.
        seed: of the extractor's weights.
    """

    def __init__(self, settings: DiscriminatorSettings, shape: Shape, context: CircuitContext, seed: int) -> None:
        super().__init__()
        self.extractor = build_feature_extractor(settings.extractor, shape, seed)
        self.circuits = 0
        self.reduce: nn.Module | None = None
        self.block: nn.Module | None = None
        features = self.extractor.features
        if settings.block is not None:
            self.circuits = int(settings.block.kind == "quantum")
            self.reduce = nn.Linear(features, settings.block.inputs)
            self.block = build_block(settings.block, context)
            features = settings.block.width
        self.score = nn.Linear(features, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """Return scores (B,) of images (B, C, H, W) in [-1, 1]."""
        features: torch.Tensor = self.extractor(images)
        if self.reduce is not None and self.block is not None:
            features = self.block(self.reduce(features).tanh())
        return self.score(features).squeeze(1)  # type: ignore[no-any-return]
