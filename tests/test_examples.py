"""The examples run, and what they train learns."""

from __future__ import annotations

import runpy
from pathlib import Path

import torch

EXAMPLES = Path(__file__).parent.parent / "examples"


def test_the_three_line_model_trains() -> None:
    example = runpy.run_path(str(EXAMPLES / "quantum_layer.py"))
    model = example["make_model"]()
    centres = torch.randn(10, 64)
    labels = torch.randint(10, (256,))
    images = centres[labels] + 0.1 * torch.randn(256, 64)
    before = model[1].weight.detach().clone()
    losses = example["train"](model, images, labels, steps=60, batch=64)
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])
    assert (model[1].weight - before).abs().max() > 0.01
