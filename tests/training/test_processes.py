"""Whole processes of `qgen train`: killed with -9 and resumed, and two that train together."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from small_runs import SMALL, resume_small, small_config, train_small

from qgen.runs import Run, load_checkpoint
from qgen.training import metrics

STEPS = 20


CHANGES = (f"training.steps={STEPS}", "training.checkpoint_every=null", "training.log_every=1")


def command(out: Path, *words: str) -> list[str]:
    sets = [word for change in (*SMALL, *CHANGES) for word in ("--set", change)]
    return [sys.executable, "-m", "qgen", "train", "--device", "cpu", "--out", str(out), *sets, *words]


def run(words: list[str], **environment: str) -> None:
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def weights(folder: Path) -> dict[str, torch.Tensor]:
    checkpoint = load_checkpoint(Run(folder).checkpoints()[-1])
    assert checkpoint.step == STEPS
    return checkpoint.tensors["weights"] | {f"ema/{name}": value for name, value in checkpoint.tensors["ema"].items()}


def killed(folder: Path, after: int) -> None:
    """Starts a run and kills it with -9 once it has written so many rows of metrics."""
    process = subprocess.Popen(command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 120
        while len(metrics.read(folder / "metrics.jsonl")) < after:
            assert process.poll() is None, "it ended by itself"
            assert time.monotonic() < deadline
            time.sleep(0.02)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


def test_a_run_killed_with_9_goes_on_to_the_same_bits(rng: np.random.Generator, tmp_path: Path) -> None:
    unbroken, _ = train_small(tmp_path / "unbroken", *CHANGES)
    run = Run(tmp_path / "killed")
    killed(run.path, int(rng.integers(1, STEPS - 10)))
    kept = [load_checkpoint(path).step for path in run.checkpoints()]  # none, where the first was still being written
    rows = len(metrics.read(run.metrics))
    assert all(0 < step <= rows < STEPS for step in kept)
    assert run.config() == small_config(*CHANGES)
    resume_small(run)
    ours, theirs = weights(unbroken.path), weights(run.path)
    assert ours.keys() == theirs.keys()
    assert [name for name in ours if not torch.equal(ours[name], theirs[name])] == []
    assert [row["step"] for row in metrics.read(run.metrics)] == list(range(1, STEPS + 1))
    assert not list(run.path.rglob(".*tmp*"))


@pytest.mark.slow
@pytest.mark.parametrize("conditioning", ["none", "label"])
def test_two_processes_take_the_steps_of_one(tmp_path: Path, conditioning: str) -> None:
    change = ("--set", f"model.conditioning={conditioning}")
    run(command(tmp_path / "one", *change))
    run(command(tmp_path / "two", *change, "--devices", "2"), OMP_NUM_THREADS="1")
    one, two = (metrics.read(tmp_path / name / "metrics.jsonl") for name in ("one", "two"))
    assert [row["step"] for row in two] == [row["step"] for row in one]
    np.testing.assert_allclose([row["loss"] for row in two], [row["loss"] for row in one], rtol=1e-3)
    np.testing.assert_allclose([row["loss"] for row in two[:3]], [row["loss"] for row in one[:3]], rtol=1e-5)
    ours, theirs = weights(tmp_path / "one"), weights(tmp_path / "two")
    assert max(float((ours[name] - theirs[name]).abs().max()) for name in ours) < 1e-2
