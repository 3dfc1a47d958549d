"""Extractors as tests build them, and what of them a step has changed."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from qgen.models.features import ExtractorSettings, FeatureExtractor, build_feature_extractor

Shape = tuple[int, int, int]


def build(name: str = "conv", shape: Shape = (1, 8, 8), seed: int = 0, **given: Any) -> FeatureExtractor:
    return build_feature_extractor(ExtractorSettings.read({"name": name, **given}), shape, seed)


def images(shape: Shape, count: int = 3) -> torch.Tensor:
    return 2 * torch.rand(count, *shape) - 1


def values(module: nn.Module) -> dict[str, torch.Tensor]:
    both = [*module.named_parameters(), *module.named_buffers()]
    return {name: value.detach().clone() for name, value in both}


def changed(before: dict[str, torch.Tensor], after: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, value in before.items() if not torch.equal(value, after[name])}
