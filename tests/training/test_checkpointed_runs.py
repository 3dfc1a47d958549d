"""Runs with gradient checkpointing and masks that are drawn anew: they come to the same bits, resumed or recomputed."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small_runs import resume_small, small_autoencoder, small_latent, train_config, trainer

from qgen.errors import ConfigError
from qgen.runs import Run, load_checkpoint
from qgen.training import export, metrics
from qgen.training.memory import bytes_kept

HYBRID = (
    "model.denoiser.name=transformer-unet",
    "model.denoiser.heads=2",
    "model.denoiser.quantum={kind: circuit, ansatz: masked, qubits: 2, layers: 1, options: {masks: 1}, redraw: step, "
    "blocks: all, masks_removed_after: 5}",
    "training.samples=0",
)


def weights(run: Run) -> dict[str, torch.Tensor]:
    return load_checkpoint(run.checkpoints()[-1]).tensors["weights"]


@pytest.mark.slow
def test_a_run_comes_to_the_same_bits(tmp_path: Path) -> None:
    config = small_autoencoder("training.steps=1", "training.samples=0")
    first, _ = train_config(tmp_path / "first", config)
    ready = trainer(first, config)
    ready.restore()
    export(ready)
    whole, _ = train_config(tmp_path / "whole", small_latent(first.path, *HYBRID))
    again, _ = train_config(tmp_path / "again", small_latent(first.path, *HYBRID, "training.checkpointing=true"))
    part, _ = train_config(tmp_path / "part", small_latent(first.path, *HYBRID, "training.steps=3"))
    resume_small(part, ["training.steps=6"])
    expected = weights(whole)
    for run in (again, part):
        assert [name for name, value in weights(run).items() if not torch.equal(value, expected[name])] == []
    row = metrics.read(whole.metrics)[-1]
    assert row["gate"] == pytest.approx(0.1, abs=0.02)
    assert 0 < row["branch_share"] < 1
    assert metrics.read(again.metrics)[-1]["loss"] == row["loss"]
    kept = []
    for word in ("false", "true"):
        ready = trainer(whole, small_latent(first.path, *HYBRID, f"training.checkpointing={word}"))
        kept.append(bytes_kept(ready.generator, 8, torch.device("cpu")))
    assert kept[1] < kept[0] * 0.7
    with pytest.raises(ConfigError, match=r"training\.checkpointing is for networks of blocks"):
        train_config(tmp_path / "none", small_autoencoder("training.checkpointing=true"))
