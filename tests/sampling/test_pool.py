"""Prior pools: drawn part by part, taken up where they were left, and refused where they are of something else."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from cloud import cloud
from small_runs import train_config, train_small

from qgen.errors import ConfigError, RunError
from qgen.models.born.pool import PriorPool
from qgen.runs import Run, read_config
from qgen.runs.building import build_generator
from qgen.sampling import open_trained, pool, sample_images
from qgen.sampling.pool import draw_pool

SMALL = ("model.bits=5", "model.widths=[4]", "model.encoder_steps=1", "training.steps=2", "training.batch=4")


def born(folder: Path, *changes: str) -> Run:
    watched = ("data.limit=16", "training.sample_every=9", "backend.name=statevector")
    run, _ = train_config(folder, read_config("iqp-digits", [*SMALL, *watched, *changes]))
    return run


def test_an_interrupted_pool_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained, out = open_trained(born(tmp_path / "run")), tmp_path / "pool.safetensors"
    monkeypatch.setattr(pool, "PART", 40)
    whole = draw_pool(trained, tmp_path / "whole.safetensors", 100, 3)
    assert whole.bits.shape == (100, 5)
    assert set(whole.bits.unique().tolist()) <= {0, 1}

    def stop(done: int, total: int) -> None:
        if done == 80:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        draw_pool(trained, out, 100, 3, stop)
    assert not out.exists()
    prior, drawn = trained.generator.network.prior, []
    draw = prior.draw

    def counted(count: int, seed: int) -> torch.Tensor:
        drawn.append(count)
        return draw(count, seed)

    monkeypatch.setattr(prior, "draw", counted)
    again = draw_pool(trained, out, 100, 3)
    assert drawn == [20]
    assert torch.equal(again.bits, whole.bits)
    assert torch.equal(PriorPool.read(out).bits, whole.bits)
    assert not out.with_name("pool.safetensors.parts").exists()
    # What is there already is not drawn again, and nothing else takes its place.
    assert torch.equal(draw_pool(trained, out, 100, 3).bits, whole.bits)
    assert len(drawn) == 1
    with pytest.raises(RunError, match="codes of another seed"):
        draw_pool(trained, out, 100, 4)
    with pytest.raises(RunError, match="codes of another number"):
        draw_pool(trained, out, 99, 3)
    other = tmp_path / "other.safetensors"
    PriorPool(whole.bits, {"circuit": None, "weights": "shuffled"}).write(other)
    with pytest.raises(RunError, match="codes of another circuit"):
        draw_pool(trained, other, 100, 3)
    with torch.no_grad():
        prior.weight.add_(0.1)
    with pytest.raises(RunError, match="codes of another weights"):
        draw_pool(trained, out, 100, 3)


def test_on_hardware_it_is_one_job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = born(tmp_path / "run")
    with cloud(tmp_path, monkeypatch) as server:
        trained = open_trained(run, {"name": "ibm_guadalupe"})
        trained.backend.authorize(100, False)
        made = draw_pool(trained, tmp_path / "pool.safetensors", 200, 0)
        (job,) = server.ledger.jobs
    assert (job.circuits, job.executions, len(made.bits)) == (1, 200, 200)


def test_a_gan_takes_its_noise_from_a_pool(tmp_path: Path) -> None:
    trained, file = open_trained(born(tmp_path / "born")), tmp_path / "pool.safetensors"
    drawn = draw_pool(trained, file, 50)
    noise = f"model.generator.noise=pool:{file}"
    settings = [noise, "model.generator.block.width=5", "training.batch=4", "data.limit=16"]
    run, _ = train_config(tmp_path / "gan", read_config("gan-classical", [*settings, "training.steps=2"]))
    made = open_trained(run)
    latents = made.generator.network.generator.draw(200, torch.Generator().manual_seed(0))
    rows = {tuple(row) for row in (2 * drawn.bits.float() - 1).tolist()}
    assert {tuple(row) for row in latents.tolist()} <= rows
    assert sample_images(made, 3).shape == (3, 1, 8, 8)
    with pytest.raises(ConfigError, match="is exhausted: it has 50 codes, fewer than 51 images"):
        sample_images(made, 51)
    with pytest.raises(ConfigError, match="codes of 5 bits, and the generator's block takes 6 numbers"):
        build_generator(read_config("gan-classical", [noise, "model.generator.block.width=6"]), (1, 8, 8))
    for unknown in ("gauss", "uniformly", "pool:"):
        with pytest.raises(ConfigError, match=f"`uniform` or `pool:FILE`, not '{unknown}'"):
            read_config("gan-classical", [f"model.generator.noise={unknown}"])
    # A pool of another circuit in its place.
    file.unlink()
    draw_pool(open_trained(born(tmp_path / "other", "model.prior.coupling=line")), file, 50)
    with pytest.raises(ConfigError, match="drawn from another circuit"):
        open_trained(run)


def test_a_run_without_bits_is_refused(tmp_path: Path) -> None:
    trained = open_trained(train_small(tmp_path / "unet")[0])
    with pytest.raises(RunError, match="has no prior of bits"):
        draw_pool(trained, tmp_path / "pool.safetensors", 10)
