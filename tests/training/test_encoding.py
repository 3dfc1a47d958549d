"""Codes of images: encoded once before the first step, whatever the processes, or anew where they do not fit."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from small_runs import small_autoencoder, small_latent, train_config, trainer

from qgen.data import ImageSet
from qgen.models.latent import LatentCodec
from qgen.runs import Run, load_checkpoint, new_run
from qgen.training import Report, encoding, export, metrics


@pytest.fixture(scope="module")
def first_stage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    config = small_autoencoder("training.steps=2", "training.samples=0")
    run, _ = train_config(tmp_path_factory.mktemp("first") / "run", config)
    ready = trainer(run, config)
    ready.restore()
    export(ready)
    return run.path


class Doubling:
    """A codec whose code of an image is its first number, doubled."""

    range = None

    def state_shape(self, image_shape: object) -> tuple[int, ...]:
        return (1,)

    def encode(self, images: torch.Tensor) -> torch.Tensor:
        return 2 * images.flatten(1)[:, :1]

    decode = encode


@examples(20)
@given(st.integers(1, 40), st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_processes_share_the_work_and_get_all_codes(count: int, processes: int, batch: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).uniform(-1, 1, size=(count, 1, 2, 2))
    images = ImageSet.of("drawn", torch.tensor(drawn, dtype=torch.float32), None, None, "here")
    parts: list[torch.Tensor] = []

    def all_reduce(codes: torch.Tensor, reduce_op: str) -> torch.Tensor:
        assert reduce_op == "sum"
        parts.append(codes)
        return codes

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(encoding, "BATCH", batch)
        for rank in range(processes):
            fabric = SimpleNamespace(
                world_size=processes, global_rank=rank, device=torch.device("cpu"), all_reduce=all_reduce
            )
            alone = encoding.encode_images(images, Doubling(), fabric)
    codes = alone if processes == 1 else torch.stack(parts).sum(0)
    assert torch.equal(codes, 2 * images.images[:, 0, 0, :1])
    assert processes == 1 or sum(int((part != 0).sum()) for part in parts) == int((codes != 0).sum())


def test_every_image_is_encoded_once_and_steps_get_its_code(
    first_stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = trainer(new_run("test", tmp_path / "run"), small_latent(first_stage))
    seen: list[int] = []
    encode = LatentCodec.encode
    monkeypatch.setattr(LatentCodec, "encode", lambda self, images: seen.append(len(images)) or encode(self, images))
    (player,) = made.players
    given: list[torch.Tensor] = []
    take = player.step
    monkeypatch.setattr(player, "step", lambda images, *others: given.append(images) or take(images, *others))
    for step in range(3):
        made.step(step)
    assert seen == [64]
    with torch.no_grad():
        expected = [encode(made.generator.codec, made.images.scaled(made._batch_indices(step))) for step in range(3)]
    for codes, anew in zip(given, expected, strict=True):
        torch.testing.assert_close(codes, anew)


def test_codes_that_do_not_fit_are_made_anew_for_each_batch(
    first_stage: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[str] = []
    report = Report()
    monkeypatch.setattr(report, "message", lines.append)
    kept, _ = train_config(tmp_path / "kept", small_latent(first_stage), report)
    assert lines == ["encoding 64 images, once for all steps"]
    monkeypatch.setattr(encoding, "free_memory", lambda: 2 * 64 * 4 * 2 * 4 * 4 - 1)
    anew, _ = train_config(tmp_path / "anew", small_latent(first_stage), report)
    assert lines[1:] == ["the codes of 64 images do not fit into memory: each batch is encoded anew"]
    one, two = (metrics.read(run.metrics)[-1]["loss"] for run in (kept, anew))
    assert two == pytest.approx(one, rel=1e-3)


@pytest.mark.slow
def test_two_processes_learn_what_one_does(first_stage: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    from small_runs import SMALL_LATENT

    sets = [word for change in (*SMALL_LATENT, f"model.first_stage={first_stage}") for word in ("--set", change)]
    found = []
    for devices in ("1", "2"):
        out = tmp_path / devices
        words = [sys.executable, "-m", "qgen", "train", "latent-unet", "--out", str(out), "--devices", devices]
        subprocess.run([*words, "--device", "cpu", *sets], check=True, timeout=300)
        found.append(load_checkpoint(Run(out).checkpoints()[-1]).tensors["weights"])
    for name, weight in found[0].items():
        torch.testing.assert_close(found[1][name], weight, rtol=1e-3, atol=1e-4, msg=name)
