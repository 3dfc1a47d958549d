"""An AutoencoderKL of diffusers as a first stage: its codes and images are those of diffusers; runs hold all of it."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_runs import small_latent, train_config

from qgen.backends import open_backend
from qgen.data import open_images
from qgen.errors import ConfigError
from qgen.generators.latent_diffusion import LatentDiffusionGenerator
from qgen.models.autoencoder import DiffusersAutoencoder, read_diffusers
from qgen.runs import RunConfig, build_model, override_config
from qgen.sampling import open_trained

diffusers = pytest.importorskip("diffusers")

CONFIG: dict[str, Any] = {
    "in_channels": 1,
    "out_channels": 1,
    "down_block_types": ["DownEncoderBlock2D"] * 2,
    "up_block_types": ["UpDecoderBlock2D"] * 2,
    "block_out_channels": [8, 16],
    "norm_num_groups": 4,
    "latent_channels": 2,
    "scaling_factor": 0.4,
    "shift_factor": 0.1,
}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a small autoencoder with random weights."""
    folder = tmp_path_factory.mktemp("kl") / "vae"
    diffusers.AutoencoderKL(**CONFIG).save_pretrained(folder)
    return folder


def noted(folder: Path, *changes: str) -> RunConfig:
    """Settings as `qgen train` notes them."""
    config = small_latent(Path(f"diffusers:{folder}"), *changes)
    return override_config(config, [{"model": dict(config.kind.absolute_paths(config.model))}])


def test_codes_and_images_are_those_of_diffusers(saved: Path, rng: np.random.Generator) -> None:
    config = noted(saved)
    made = build_model(config, open_images(config.data), open_backend("statevector"))
    assert isinstance(made, LatentDiffusionGenerator)
    theirs = diffusers.AutoencoderKL.from_pretrained(saved)
    images = torch.tensor(rng.uniform(-1, 1, size=(5, 1, 8, 8)), dtype=torch.float32)
    with torch.no_grad():
        found = theirs.encode(images).latent_dist
        states = made.codec.encode(images)
        torch.testing.assert_close(states, (found.mode() - 0.1) * 0.4)
        expected = theirs.decode(states / 0.4 + 0.1).sample.clamp(-1, 1)
        torch.testing.assert_close(made.codec.decode(states), expected)
        own = made.codec.autoencoder
        assert isinstance(own, DiffusersAutoencoder)
        posterior = own.encode(images)
    torch.testing.assert_close(posterior.kl(), found.kl())
    noise = torch.tensor(rng.normal(size=found.mean.shape), dtype=torch.float32)
    torch.testing.assert_close(posterior.sample(noise), found.mean + found.std * noise)
    facts = made.describe()
    assert sum(row.parameters for row in facts.rows) == facts.parameters
    assert facts.parameters - facts.trainable == sum(weight.numel() for weight in theirs.parameters())


def test_a_run_is_sampled_without_the_folder(saved: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(saved, tmp_path / "pipeline" / "vae")
    run, _ = train_config(tmp_path / "run", noted(folder.parent, "training.steps=2"))
    assert run.config().model.first_stage == f"diffusers:{folder}"
    before = open_trained(run).generator.sample([1, 2])
    shutil.rmtree(folder)
    assert torch.equal(open_trained(run).generator.sample([1, 2]), before)


def test_what_is_wrong_is_one_line(saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other, bare, broken = (tmp_path / name for name in ("other", "bare", "broken"))
    for folder in (other, bare, broken):
        shutil.copytree(saved, folder)
    (other / "config.json").write_text(json.dumps({"_class_name": "VQModel"}))
    (bare / "diffusion_pytorch_model.safetensors").unlink()
    (broken / "config.json").write_text("{")
    cases: list[tuple[Path, tuple[int, int, int], str]] = [
        (tmp_path / "none", (1, 8, 8), "there is no folder"),
        (tmp_path, (1, 8, 8), "holds no config.json: give diffusers:FOLDER"),
        (other, (1, 8, 8), "is of a VQModel, and a first stage is an AutoencoderKL"),
        (bare, (1, 8, 8), "holds no diffusion_pytorch_model.safetensors"),
        (broken, (1, 8, 8), "cannot be read"),
        (saved, (3, 8, 8), "takes images with 1 channels, and these have 3"),
        (saved, (1, 9, 9), "their sides are multiples of 2, and these have 9x9"),
    ]
    for folder, shape, words in cases:
        with pytest.raises(ConfigError, match=words) as said:
            DiffusersAutoencoder(read_diffusers(f"diffusers:{folder}", shape).settings, shape)  # type: ignore[arg-type]
        assert "\n" not in str(said.value)
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(ConfigError, match=r'needs an extra: pip install "qgen-torch\[latent\]"'):
        read_diffusers(f"diffusers:{saved}", (1, 8, 8))
