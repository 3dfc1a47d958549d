"""Each preset learns: a fixed batch with fixed times and noises is fitted ten times better after a few steps."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from qgen.models import build_unet


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("preset", "variant"),
    [
        ("1hq", "paper"),
        ("quanvunet", "published"),
        *(
            pytest.param(preset, "paper", marks=pytest.mark.slow)
            for preset in ("unet", "full-hq", "1fq", "7hq", "7fq", "full-fq", "quanvunet")
        ),
        *(pytest.param(preset, "published", marks=pytest.mark.slow) for preset in ("1hq", "full-hq")),
    ],
)
def test_one_batch_is_learned(presets: Any, preset: str, variant: str) -> None:
    model = build_unet(presets.small(preset, variant, mults=(1, 2)), 1, 8)
    images, noises = 2 * torch.rand(4, 1, 8, 8) - 1, torch.randn(4, 1, 8, 8)
    times = torch.tensor([50, 350, 650, 950])
    kept = torch.cos(times / 1000 * math.pi / 2).view(4, 1, 1, 1)
    noisy = kept * images + (1 - kept**2).sqrt() * noises
    optimiser = torch.optim.Adam((element for element in model.parameters() if element.requires_grad), lr=0.01)
    losses: list[float] = []
    while len(losses) < 400 and (not losses or losses[-1] > losses[0] / 10):
        loss = (model(noisy, times) - noises).square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] <= losses[0] / 10
