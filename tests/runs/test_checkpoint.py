"""Checkpoints: what comes back, and what is said of damaged ones."""

from pathlib import Path

import numpy as np
import pytest
import torch

from qgen.errors import RunError
from qgen.runs import Checkpoint, load_checkpoint, save_checkpoint


def drawn(rng: np.random.Generator) -> Checkpoint:
    tensors = {
        "weights": {"a.b": torch.from_numpy(rng.normal(size=(3, 4))), "c": torch.tensor(3.5)},
        "optimizer.denoiser": {"a.b:exp_avg": torch.randn(5).to(torch.bfloat16), "empty": torch.zeros(0)},
    }
    return Checkpoint(int(rng.integers(10**6)), 7, "print", tensors, {"window": {"sums": {"loss": 0.1}}})


def test_a_checkpoint_comes_back_to_the_bit(rng: np.random.Generator, tmp_path: Path) -> None:
    given = drawn(rng)
    save_checkpoint(tmp_path / "x.safetensors", given)
    found = load_checkpoint(tmp_path / "x.safetensors", "print")
    assert (found.step, found.seed, found.model, found.numbers) == (given.step, 7, "print", given.numbers)
    assert found.tensors.keys() == given.tensors.keys()
    for group, tensors in given.tensors.items():
        assert found.tensors[group].keys() == tensors.keys()
        for name, tensor in tensors.items():
            assert found.tensors[group][name].dtype == tensor.dtype
            assert torch.equal(found.tensors[group][name], tensor)
    assert [path.name for path in tmp_path.iterdir()] == ["x.safetensors"]


def test_any_flipped_byte_or_cut_is_noticed(rng: np.random.Generator, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    save_checkpoint(path, drawn(rng))
    whole = path.read_bytes()
    for _ in range(60):
        broken = bytearray(whole)
        broken[int(rng.integers(len(whole)))] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(RunError, match=r"x\.safetensors"):
            load_checkpoint(path)
        path.write_bytes(whole[: int(rng.integers(len(whole)))])
        with pytest.raises(RunError, match="damaged"):
            load_checkpoint(path)


def test_other_files_and_models_are_refused(rng: np.random.Generator, tmp_path: Path) -> None:
    from safetensors.torch import save_file

    with pytest.raises(RunError, match="there is no checkpoint"):
        load_checkpoint(tmp_path / "none.safetensors")
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(RunError, match="not a checkpoint of qgen"):
        load_checkpoint(tmp_path / "other.safetensors")
    save_checkpoint(tmp_path / "x.safetensors", drawn(rng))
    with pytest.raises(RunError, match="other settings"):
        load_checkpoint(tmp_path / "x.safetensors", "another print")


def test_a_failed_write_leaves_the_old_file(rng: np.random.Generator, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    given = drawn(rng)
    save_checkpoint(path, given)
    before = path.read_bytes()
    broken = Checkpoint(1, 1, "print", {"weights": {"a": torch.zeros(1)}}, {"no": object()})
    with pytest.raises(TypeError):
        save_checkpoint(path, broken)
    assert path.read_bytes() == before
    assert len(list(tmp_path.iterdir())) == 1
