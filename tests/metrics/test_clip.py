"""CLIP's embeddings from a folder, and CMMD of them against a formula in NumPy."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from qgen.data import ImageSet
from qgen.errors import ConfigError
from qgen.metrics import open_feature_space
from qgen.metrics.clip import check_folder, open_clip
from qgen.metrics.distances import CMMD_SCALE, cmmd, gaussian_kernel, resampled_mmd

SIZE, WIDTH = 16, 12


def tower() -> dict[str, Any]:
    layers = {"hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 2}
    return layers | {"image_size": SIZE, "patch_size": 8, "projection_dim": WIDTH}


@pytest.fixture(scope="module")
def transformers() -> Any:
    return pytest.importorskip("transformers", reason="transformers, of the extra `clip`, is not installed")


@pytest.fixture
def weights(transformers: Any, tmp_path: Path) -> Path:
    """A tiny CLIP with random weights: its image tower alone."""
    network = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**tower()))
    network.save_pretrained(tmp_path / "clip")
    return tmp_path / "clip"


def unit(rng: np.random.Generator, count: int, width: int = 5) -> np.ndarray:
    cloud = rng.normal(size=(count, width)) + np.arange(width)
    return cloud / np.linalg.norm(cloud, axis=1, keepdims=True)


def by_pairs(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """CMMD with and without pairs of an image with itself, pair by pair (Gretton et al. 2012, equations 3 and 5)."""
    within, unbiased = [], []
    for cloud in (x, y):
        kernel = np.exp(-(cdist(cloud, cloud) ** 2) / 200)
        within.append(kernel.mean())
        unbiased.append(kernel[~np.eye(len(cloud), dtype=bool)].mean())
    across = np.exp(-(cdist(x, y) ** 2) / 200).mean()
    return 1000 * (sum(within) - 2 * across), 1000 * (sum(unbiased) - 2 * across)


@pytest.mark.parametrize(("real", "generated"), [(2, 3), (40, 25), (1_300, 60)])
def test_cmmd_is_the_formula(real: int, generated: int, rng: np.random.Generator) -> None:
    x, y = unit(rng, real), unit(rng, generated)
    np.testing.assert_allclose(cmmd(x, y), by_pairs(x, y), rtol=1e-8, atol=1e-9)
    assert abs(cmmd(x, x)[0]) < 1e-9


def test_images_drawn_anew_have_the_unbiased_value_of_those_that_differ(rng: np.random.Generator) -> None:
    x, y = unit(rng, 30), unit(rng, 20)
    once = np.ones((1, 30), np.int64), np.ones((1, 20), np.int64)
    np.testing.assert_allclose(CMMD_SCALE * resampled_mmd(x, y, once, gaussian_kernel), by_pairs(x, y)[1], rtol=1e-8)


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 32, 32), (3, SIZE, SIZE)])
def test_embeddings_are_those_of_transformers(
    shape: tuple[int, int, int], weights: Path, transformers: Any, rng: np.random.Generator
) -> None:
    levels = torch.from_numpy(rng.integers(256, size=(5, *shape)).astype(np.uint8))
    images = ImageSet.of("noise", levels, None, None, "drawn")
    space = open_feature_space("clip", images, weights)
    found = space.extract(images.scaled(torch.arange(5)))
    network = transformers.CLIPVisionModelWithProjection.from_pretrained(weights, local_files_only=True).eval()
    pixels = levels.expand(-1, 3, -1, -1) / 255
    if shape[1:] != (SIZE, SIZE):
        pixels = torch.nn.functional.interpolate(pixels, size=(SIZE, SIZE), mode="bicubic", antialias=True)
    mean, deviation = torch.tensor([0.4815, 0.4578, 0.4082]), torch.tensor([0.2686, 0.2613, 0.2758])
    with torch.no_grad():
        expected = network((pixels - mean.view(3, 1, 1)) / deviation.view(3, 1, 1)).image_embeds.numpy()
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    np.testing.assert_allclose(found.features, expected, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(found.features, axis=1), 1, atol=1e-6)
    assert (found.clip, found.probabilities, found.logits) == (True, None, None)


def test_whole_models_are_taken_and_the_folder_says_how_images_are_normalised(
    transformers: Any, tmp_path: Path, rng: np.random.Generator
) -> None:
    words = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = transformers.CLIPConfig(text_config=words, vision_config=tower(), projection_dim=WIDTH)
    transformers.CLIPModel(config).save_pretrained(tmp_path)
    images = torch.from_numpy(rng.uniform(-1, 1, size=(3, 3, 9, 9))).float()
    plain = open_clip((3, 9, 9), tmp_path).extract(images).features
    stated = {"image_mean": [0, 0, 0], "image_std": [1, 1, 1]}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(stated))
    assert np.abs(open_clip((3, 9, 9), tmp_path).extract(images).features - plain).max() > 1e-3
    (tmp_path / "preprocessor_config.json").write_text("{}")
    np.testing.assert_array_equal(open_clip((3, 9, 9), tmp_path).extract(images).features, plain)


def test_the_description_names_the_weights(weights: Path, transformers: Any, tmp_path: Path) -> None:
    first = open_clip((3, 8, 8), weights)
    assert (first.name, first.description) == ("clip", open_clip((3, 8, 8), weights).description)
    assert f"{SIZE}x{SIZE}" in first.description
    network = transformers.CLIPVisionModelWithProjection(transformers.CLIPVisionConfig(**tower()))
    network.save_pretrained(tmp_path / "other")
    assert open_clip((3, 8, 8), tmp_path / "other").description != first.description


def test_what_is_no_clip_is_refused(weights: Path, transformers: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="downloads nothing by itself: name a folder"):
        check_folder(None)
    with pytest.raises(ConfigError, match="it is no folder with the config"):
        check_folder(tmp_path)
    with pytest.raises(ConfigError, match="1 or 3 channels, not with 2"):
        open_clip((2, 8, 8), weights)
    transformers.CLIPVisionModel(transformers.CLIPVisionConfig(**tower())).save_pretrained(tmp_path / "bare")
    with pytest.raises(ConfigError, match="does not hold the weights of a CLIP model"):
        open_clip((3, 8, 8), tmp_path / "bare")
    (weights / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="does not hold the weights of a CLIP model"):
        open_clip((3, 8, 8), weights)
    (weights / "model.safetensors").unlink()
    with pytest.raises(ConfigError, match="does not hold the weights of a CLIP model"):
        open_clip((3, 8, 8), weights)


def test_weights_are_of_the_spaces_that_have_some(tmp_path: Path) -> None:
    images = ImageSet.of("noise", torch.zeros(2, 1, 8, 8, dtype=torch.uint8), None, None, "drawn")
    with pytest.raises(ConfigError, match="--weights are those of inception and clip: features `fitted` take none"):
        open_feature_space("fitted", images, tmp_path)
