"""Variant `published` against the published code itself, run with the same weights.

The numbers were computed with the code of De Falco et al. (github.com/NesyaLab/Quantum-Hybrid-Diffusion-Models, commit
6dec334) in float64 under JAX 0.10, Flax 0.12 and PennyLane 0.45, whose simulator has another name now. The epsilon of
the weight standardisation was kept at its value for float32. Flax sums norms in float32 all the same: hence the
tolerance.
"""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

from qgen.models import UNet, UNetSettings, build_unet

# The noise predicted in two images, summed with each of four patterns of numbers between -1 and 1.
RECORDED = {
    "unet": (-1.033904, -5.731700, -60.652633, -9.172610),
    "1hq": (-1.855026, -6.100338, -63.362625, -11.007627),
    "1fq": (-1.821019, -5.988937, -63.477159, -10.888384),
    "7hq": (-1.048516, -10.678808, -63.469493, -9.397361),
    "full-hq": (-1.893942, -5.517666, -61.854060, -10.231431),
    "quanvunet": (2.569845, -2.262087, -76.009915, -9.195864),
}
TOLERANCE = 1e-4


def numbers(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """Numbers in [0, 1) that look random, and are the same in any language."""
    index = np.arange(1, 1 + int(np.prod(shape)))
    waves = np.sin(12.9898 * index + 78.233 * (zlib.crc32(name.encode()) % 997)) * 43758.5453
    return (waves - np.floor(waves)).reshape(shape)


def weight(name: str, shape: tuple[int, ...]) -> npt.NDArray[np.float64]:
    """The weight of this name: norms are not 1, biases are not 0."""
    drawn = numbers(name, shape)
    if ".banks." in name:
        return drawn
    if "norm" in name and name.endswith("weight"):
        return 0.5 + drawn
    if name.endswith("bias"):
        return drawn - 0.5
    return (2 * drawn - 1) * np.sqrt(3 / np.prod(shape[1:]))


def probed(model: UNet) -> npt.NDArray[np.float64]:
    model.double().load_state_dict(
        {name: torch.from_numpy(weight(name, tuple(item.shape))) for name, item in model.state_dict().items()}
    )
    images = torch.from_numpy(4 * numbers("images", (2, 1, 28, 28)) - 2)
    with torch.no_grad():
        result = model(images, torch.tensor([17, 803])).numpy()
    return ((2 * numbers("probes", (4, 2, 1, 28, 28)) - 1) * result).sum(axis=(1, 2, 3, 4))


@pytest.mark.rows(2)
@pytest.mark.parametrize("preset", RECORDED)
def test_values_of_the_published_code(presets: Any, preset: str) -> None:
    result = probed(build_unet(presets(preset, "published"), 1, 28))
    np.testing.assert_allclose(result, RECORDED[preset], rtol=0, atol=TOLERANCE)


def test_the_paper_is_another_model() -> None:
    assert np.abs(probed(build_unet(UNetSettings(), 1, 28)) - RECORDED["unet"]).max() > 1000 * TOLERANCE
