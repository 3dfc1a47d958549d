"""Rows of metrics: means over the window, rows that a crash cut short, rows of steps that are taken again."""

import json
from pathlib import Path

import numpy as np
import pytest

from qgen.training import metrics
from qgen.training.checkpointing import CheckpointThrottle
from qgen.training.metrics import MetricWindow
from qgen.training.optimization import StepResult


def test_a_row_holds_the_means_of_its_window(rng: np.random.Generator) -> None:
    window = MetricWindow(batch=16, circuits=4)
    losses = rng.random(5)
    for loss in losses:
        window.add({"denoiser": StepResult(loss, 2 * loss)})
    row = window.row(5, 0.01)
    assert row["loss"] == pytest.approx(losses.mean())
    assert row["gradient_norm"] == pytest.approx(2 * losses.mean())
    assert (row["step"], row["images"], row["learning_rate"]) == (5, 80, 0.01)
    assert row["circuits_per_second"] == pytest.approx(4 * row["images_per_second"], rel=1e-2, abs=1)


def test_players_are_told_apart() -> None:
    window = MetricWindow(1, 0)
    window.add({"generator": StepResult(1, 2), "discriminator": StepResult(3, 4)})
    row = window.row(1, 0.1)
    assert (row["generator_loss"], row["discriminator_gradient_norm"]) == (1, 4)


def test_a_kept_window_goes_on_as_if_nothing_had_happened(rng: np.random.Generator) -> None:
    losses = rng.random(7)
    unbroken, first, second = MetricWindow(1, 0), MetricWindow(1, 0), MetricWindow(1, 0)
    for loss in losses:
        unbroken.add({"denoiser": StepResult(loss, loss)})
    for loss in losses[:3]:
        first.add({"denoiser": StepResult(loss, loss)})
    second.load(json.loads(json.dumps(first.state())))
    for loss in losses[3:]:
        second.add({"denoiser": StepResult(loss, loss)})
    assert second.row(7, 0.1)["loss"] == unbroken.row(7, 0.1)["loss"]


def test_a_row_cut_short_is_left_out_and_later_rows_are_cut(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    for step in (10, 20, 30):
        metrics.append(path, {"step": step, "loss": 0.5})
    with open(path, "a") as file:
        file.write('\0\0\0\n[]\n{"step": 40, "lo')
    assert [row["step"] for row in metrics.read(path)] == [10, 20, 30]
    metrics.cut(path, 20)
    assert path.read_text() == '{"step": 10, "loss": 0.5}\n{"step": 20, "loss": 0.5}\n'


def test_checkpoints_unasked_take_a_small_part_of_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(metrics.time, "perf_counter", lambda: now[0])
    throttle, spent = CheckpointThrottle(), 0.0
    for _ in range(10_000):
        now[0] += 0.01  # a step
        if throttle.due():
            now[0] += 0.005
            spent += 0.005
            throttle.took(0.005)
    assert 0.8 * CheckpointThrottle.SHARE < spent / (now[0] - 100) < 1.1 * CheckpointThrottle.SHARE
    slow, written = CheckpointThrottle(), 0
    for _ in range(10):
        now[0] += 1.0  # steps that take long are each kept
        if slow.due():
            written += 1
            slow.took(0.005)
    assert written == 10
