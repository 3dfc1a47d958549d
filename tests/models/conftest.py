"""The published presets, at full size and small enough to train in a test."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from qgen.models import UNet, UNetSettings, build_unet

ONE_HQ = {"groups": 1}
PRESETS: dict[str, dict[str, Any]] = {
    "unet": {},
    "1hq": {"vertex": ONE_HQ},
    "1fq": {"vertex": ONE_HQ | {"ansatz": "fqconv"}},
    "7hq": {"vertex": {"groups": 7}},
    "7fq": {"vertex": {"groups": 7, "ansatz": "fqconv"}},
    "full-hq": {"vertex": {"groups": "all"}},
    "full-fq": {"vertex": {"groups": "all", "ansatz": "fqconv"}},
    "quanvunet": {"vertex": ONE_HQ, "quanvolution": {}},
}
SMALL = {"dim": 7, "mults": (1, 1, 2), "norm_groups": 7, "heads": 2, "head_dim": 8}  # 14 channels at the vertex


class Presets:
    """Settings by the name of a preset."""

    def __init__(self) -> None:
        self._built: dict[tuple[str, str], UNet] = {}

    def __call__(self, name: str, variant: str = "paper") -> UNetSettings:
        """As published: for 28x28 images."""
        return UNetSettings.read(PRESETS[name] | {"variant": variant})

    def built(self, name: str, variant: str = "paper") -> UNet:
        """Built for 28x28 images; shared by all tests, which leave it as it is."""
        if (name, variant) not in self._built:
            self._built[name, variant] = build_unet(self(name, variant), 1, 28)
        return self._built[name, variant]

    def small(self, name: str, variant: str = "paper", **changes: Any) -> UNetSettings:
        """Of the same structure, for 8x8 images; three groups where there are seven."""
        given = SMALL | PRESETS[name] | {"variant": variant} | changes
        if given.get("vertex", {}).get("groups") == 7:
            given["vertex"] = given["vertex"] | {"groups": 3}
        return UNetSettings.read(given)


@pytest.fixture(scope="session")
def presets() -> Presets:
    return Presets()


@pytest.fixture
def double() -> Any:
    """Tensors are float64 where nothing else is said."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(before)
