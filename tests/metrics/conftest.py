"""The real digits, a feature space fitted to them, and sets so small that fitting takes no time."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from qgen import storage
from qgen.data import DataSettings, ImageSet, open_images
from qgen.metrics import FittedFeatureSpace, networks, open_fitted_space


@pytest.fixture(scope="session")
def digits() -> ImageSet:
    return open_images(DataSettings(name="digits"))


@pytest.fixture(scope="session")
def held_out() -> torch.Tensor:
    """Digits that no feature space has learned from, (359, 1, 8, 8) in [-1, 1]."""
    images = open_images(DataSettings(name="digits", split="test"))
    return images.scaled(torch.arange(len(images)))


@pytest.fixture(scope="session")
def space(digits: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> FittedFeatureSpace:
    """Of the digits. Processes that test at the same time learn once, if they can."""
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(storage, "user_folder", lambda platform, environ: folder / "user")
        return open_fitted_space(digits)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's folder of this test alone."""
    monkeypatch.setattr(storage, "user_folder", lambda platform, environ: tmp_path / "user")
    return tmp_path / "user"


Make = Callable[..., ImageSet]


@pytest.fixture
def small(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Makes sets of noise with given labels, to which a feature space is fitted in a moment."""
    monkeypatch.setattr(networks, "_MIN_STEPS", 2)
    monkeypatch.setattr(networks, "_MIN_EPOCHS", 0)

    def make(labels: np.ndarray | None, shape: tuple[int, ...] = (1, 6, 6), count: int = 30) -> ImageSet:
        size = count if labels is None else len(labels)
        pixels = torch.from_numpy(rng.integers(256, size=(size, *shape), dtype=np.uint8))
        names = None if labels is None else tuple(f"class {k}" for k in range(labels.max() + 1))
        return ImageSet.of("noise", pixels, None if labels is None else torch.from_numpy(labels), names, "drawn")

    return make
