"""Runs of earlier versions are read: the same settings, and checkpoints of the same models."""

from __future__ import annotations

from pathlib import Path

import pytest

from qgen.runs import Run, RunConfig, model_fingerprint

#: Fingerprints of default models for (1, 8, 8) as version 0.1 of November 2026 wrote them into checkpoints.
FINGERPRINTS = {
    "unet": "f73311726042009af2e8d0f950356957982323b5179f3394d9d93c95f8b3a823",
    "gan": "8ec9f8c2f837017a5451298d984c5f13099acde4b873254757b815ea91a59132",
    "classifier": "b028dd6db80fbba6e01814ac381fc0109381e209b22043f585ce937be126c307",
}
#: The config.yaml of a GAN, whose groups of other kinds were written as null.
GAN = """
model:
  kind: gan
  generator: {kind: style, ansatz: style, options: {}, layers: 2, spread: null}
  discriminator:
    extractor: {name: mlp, width: 32, hidden: [8, 4], spectral_norm: true, thaw: null, taps: [], dropout: 0.0}
    block: null
data: {name: gamma, size: null, split: train}
diffusion: null
sampling: null
adversarial: {loss: hinge, penalty: 10.0, discriminator_steps: 2, discriminator_rate: null}
training: {steps: 3, epochs: null, batch: 4, judged: 0}
start: null
"""
UNET = """
model: {kind: unet, dim: 8, mults: [1, 2], norm_groups: 4, heads: 2, head_dim: 4, variant: paper, quanvolution: null}
data: {name: digits, limit: 20}
diffusion: {schedule: cosine, steps: 50, p2_gamma: 1.0, p2_k: 1.0}
sampling: {sampler: ddim, steps: 5, eta: 0.5, clip: true}
adversarial: null
training: {steps: 3, batch: 4}
start: {run: /somewhere/else, parts: null, weights: raw}
"""


@pytest.mark.parametrize("kind", FINGERPRINTS)
def test_checkpoints_of_equal_models_still_fit(kind: str) -> None:
    config = RunConfig.read({"model": {"kind": kind}, "training": {"steps": 1}})
    assert model_fingerprint(config, (1, 8, 8)) == FINGERPRINTS[kind]
    assert model_fingerprint(config, (1, 16, 16)) != FINGERPRINTS[kind]


def test_settings_of_a_gan_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(GAN)
    config = Run(tmp_path).config()
    assert (config.model.generator.kind, config.model.generator.layers) == ("style", 2)
    assert (config.groups["adversarial"].plain()["loss"], config.batches_per_step) == ("hinge", 2)
    assert list(config.groups) == ["adversarial"]
    assert config.parts_taken_over == ()


def test_settings_of_a_diffusion_are_read(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(UNET)
    config = Run(tmp_path).config()
    assert config.groups["diffusion"].plain() == {"schedule": "cosine", "steps": 50, "p2_gamma": 1.0, "p2_k": 1.0}
    assert config.groups["sampling"].plain() == {"sampler": "ddim", "steps": 5, "eta": 0.5, "clip": True}
    assert config.parts_taken_over == ("encoder", "decoder")
    assert config.plain()["adversarial"] is None


def test_groups_of_later_kinds_change_nothing_for_others(tmp_path: Path) -> None:
    """The identity of a task in the journal of hardware jobs is a hash of these values."""
    (tmp_path / "config.yaml").write_text(UNET)
    groups = ["model", "data", "diffusion", "sampling", "adversarial", "training", "backend", "start"]
    assert sorted(Run(tmp_path).config().plain()) == sorted(groups)
