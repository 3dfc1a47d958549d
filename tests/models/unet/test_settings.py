"""What cannot be built is refused in one clear line, before anything is built."""

from __future__ import annotations

from typing import Any

import pytest

from qgen.circuits import Encoding
from qgen.errors import ConfigError, QgenError
from qgen.models import QuanvolutionSettings, UNetSettings, VertexSettings, build_unet


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"vertex": {"groups": 14}}, "take 42 channels, but there are 40"),
        ({"vertex": {"groups": 1, "group_channels": 41}}, "take 41 channels, but there are 40"),
        ({"vertex": {"groups": "all", "group_channels": 41}}, "take 41 channels, but there are 40"),
        ({"vertex": {"groups": -1}}, "`vertex.groups`: "),
        ({"vertex": {"groups": "some"}}, "`vertex.groups`: "),
        ({"vertex": {"groups": True}}, "`vertex.groups`: "),
        ({"vertex": {"layers": 0}}, "`vertex.layers`"),
        ({"vertex": {"ansatz": "hqcon"}}, "Did you mean 'hqconv'"),
        ({"vertex": {"options": {"coupling": "line"}}}, "has no option 'coupling'"),
        ({"vertex": {"options": {"qubits": 12}}}, "`qubits` is no option here: set `group_channels`"),
        ({"vertex": {"options": {"layers": 2}}}, "`layers` is no option here"),
        ({"vertex": {"options": {"encoding": {"gate": "rz"}}}}, "'rz' does not exist"),
        (
            {"vertex": {"options": {"encoding": {"angle": 1}}}},
            "`encoding` has gate, map, scale and reupload, not angle",
        ),
        ({"vertex": {"group_channels": 1}, "variant": "published"}, "must be at least 8"),
        ({"quanvolution": {"level": 4}}, "4 `mults` make levels 0 to 3"),
        ({"quanvolution": {"groups": 4}}, "take 12 channels, but there are 10"),
        ({"quanvolution": {"groups": 0}}, "`quanvolution.groups`"),
        ({"norm_groups": 4}, r"`norm_groups` \(4\) must divide `dim` \(10\)"),
        ({"dim": 3, "norm_groups": 3}, "`dim`"),
        ({"mults": []}, "`mults`"),
        ({"mults": [1, 0]}, "`mults.1`"),
        ({"variant": "repaired"}, "`variant`: input should be 'paper' or 'published'"),
        ({"vertx": {}}, "Did you mean `vertex`"),
    ],
)
def test_contradictions_are_refused(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        UNetSettings.read(given)


@pytest.mark.parametrize(
    ("given", "size", "message"),
    [
        ({}, 8, "8x8 images are too small for 4 levels, whose feature maps would have sides 8, 4, 2, 1"),
        ({"mults": (1, 2)}, 3, "too small for 2 levels"),
        ({}, 1, "too small"),
        ({"vertex": {"groups": 1}, "mults": (1, 2)}, 12, None),
        ({"vertex": {"groups": 1}, "mults": (1, 2)}, 9, "`vertex` cuts feature maps into 2x2 patches.* are 3x3 there"),
        ({"quanvolution": {"level": 2}}, 28, "`quanvolution` cuts feature maps into 2x2 patches.* are 7x7 there"),
        ({"quanvolution": {"level": 0}, "mults": (1, 2)}, 9, "`quanvolution` cuts .* 9x9 there"),
    ],
)
def test_image_sizes_that_do_not_fit_are_refused(given: dict[str, Any], size: int, message: str | None) -> None:
    settings = UNetSettings.read(given)
    if message is None:
        assert build_unet(settings, 1, size).sizes[0] == size
        return
    with pytest.raises(ConfigError, match=message):
        build_unet(settings, 1, size)


def test_seeds_are_not_negative() -> None:
    with pytest.raises(QgenError, match="a seed is a whole number from 0 on, not -1"):
        build_unet(UNetSettings(mults=(1, 2)), 1, 8, seed=-1)


def test_images_have_channels() -> None:
    with pytest.raises(ConfigError, match="0 channels"):
        build_unet(UNetSettings(), 0, 28)


def test_an_unknown_backend_is_refused() -> None:
    with pytest.raises(QgenError, match="statevector"):
        build_unet(UNetSettings(), 1, 28, backend="statevectr")


@pytest.mark.parametrize(
    ("size", "mults", "sizes"),
    [
        (28, (1, 2, 3, 4), (28, 14, 7, 2)),
        (32, (1, 2, 3, 4), (32, 16, 8, 2)),
        (64, (1, 2, 3, 4), (64, 32, 16, 6)),
        (27, (1, 2, 3, 4), (27, 13, 6, 3)),
        (20, (1, 2, 3, 4), (20, 10, 5, 2)),
        (16, (1, 2, 3, 4), (16, 8, 4, 2)),
        (8, (1, 2, 3), (8, 4, 2)),
        (8, (1, 2), (8, 2)),
        (7, (1, 2), (7, 2)),
        (5, (1,), (5,)),
    ],
)
def test_sides_of_the_feature_maps(size: int, mults: tuple[int, ...], sizes: tuple[int, ...]) -> None:
    assert UNetSettings(mults=mults).map_sizes(size) == sizes


def test_the_variant_decides_what_the_quanvolution_leaves_open() -> None:
    paper, published = (
        UNetSettings(variant=variant, quanvolution=QuanvolutionSettings()) for variant in ("paper", "published")
    )
    assert (paper.quanvolution_layers, paper.quanvolution_shared) == (1, True)
    assert (published.quanvolution_layers, published.quanvolution_shared) == (3, False)
    given = UNetSettings(quanvolution=QuanvolutionSettings(layers=2, shared=False))
    assert (given.quanvolution_layers, given.quanvolution_shared) == (2, False)


def test_settings_survive_plain_values() -> None:
    encoding = {"gate": "ry", "map": "scaled", "scale": 0.5}
    settings = UNetSettings.read(
        {
            "dim": 12,
            "mults": [1, 2],
            "norm_groups": 4,
            "vertex": {"groups": "all", "ansatz": "hardware-efficient", "options": {"encoding": encoding}},
            "quanvolution": {"level": 0, "shared": True},
        }
    )
    assert UNetSettings.read(settings.plain()) == settings
    assert settings.vertex.options == {"encoding": Encoding("ry", "scaled", 0.5)}
    assert settings.kind == "unet"


def test_settings_are_frozen_values() -> None:
    assert UNetSettings() == UNetSettings(vertex=VertexSettings(groups=0))
    with pytest.raises(ValueError, match="frozen"):
        UNetSettings().dim = 20  # type: ignore[misc]
