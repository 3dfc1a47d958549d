"""Writes checkpoints of a training run and restores them."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from qgen import storage
from qgen.errors import RunError
from qgen.generators import TrainableModel
from qgen.runs import Checkpoint, Run, load_checkpoint, save_checkpoint
from qgen.training import metrics
from qgen.training.ema import MovingAverage
from qgen.training.metrics import MetricWindow
from qgen.training.optimization import PlayerOptimizer

KEPT = 2  # checkpoints of one run; should the last be damaged, there is one more


class CheckpointThrottle:
    """Decides when to write a checkpoint unasked: after every step, unless that takes too much of the time."""

    SHARE = 0.03

    def __init__(self) -> None:
        self._last, self._cost = -float("inf"), 0.0

    def due(self) -> bool:
        """Return whether the last one is long enough ago, compared with the time that it took."""
        return time.perf_counter() - self._last >= self._cost / self.SHARE

    def took(self, seconds: float) -> None:
        """Note that one was written just now, in so many seconds."""
        self._last, self._cost = time.perf_counter(), seconds


@dataclass(frozen=True)
class State:
    """All that training changes; noise, data order and samples follow from seed and step."""

    step: int
    seed: int
    model: str
    generator: TrainableModel
    players: list[PlayerOptimizer]
    average: MovingAverage
    window: MetricWindow


def save(run: Run, now: State) -> None:
    """Write the checkpoint, then remove those that are older than the last two.

    Raises:
        OSError: it cannot be written; the ones before it stay.
    """
    tensors = {
        "weights": dict(now.generator.network.state_dict()),
        "ema": now.average.values,
    } | {f"optimizer.{player.name}": player.tensors() for player in now.players}
    if now.average.estimated:
        tensors["estimates"] = now.average.estimated
    numbers: dict[str, Any] = {"window": now.window.state(), "shape": list(now.generator.shape)}
    if now.generator.conditioning is not None:
        numbers |= now.generator.conditioning.data_facts
    save_checkpoint(run.checkpoint(now.step), Checkpoint(now.step, now.seed, now.model, tensors, numbers))
    for old in run.checkpoints()[:-KEPT]:
        old.unlink(missing_ok=True)


def restore(run: Run, into: State) -> int:
    """Restore everything from the run's last checkpoint; return its step, 0 without one.

    Raises:
        RunError: the checkpoint is damaged, or of another model or seed.
    """
    saved = run.checkpoints()
    if not saved:
        return 0
    checkpoint = load_checkpoint(saved[-1], into.model)
    if checkpoint.seed != into.seed:
        raise RunError(f"{saved[-1]} is of a run with seed {checkpoint.seed}; config.yaml says {into.seed}")
    try:
        into.generator.network.load_state_dict(checkpoint.tensors["weights"])
        into.average.load(checkpoint.tensors["ema"])
        now = into.average.values
        estimated = checkpoint.tensors.get("estimates", {})
        into.average.estimated = {name: value.to(now[name]) for name, value in estimated.items()}
        for player in into.players:
            player.load(checkpoint.tensors.get(f"optimizer.{player.name}", {}))
        into.window.load(checkpoint.numbers["window"])
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{saved[-1]} does not fit this model ({reason}); was it made by another version?") from error
    return checkpoint.step


def forget_after(run: Run, step: int) -> None:
    """Remove the metrics of steps that are taken again, and files that a crash left unfinished."""
    for unfinished in run.path.rglob(f".*{storage.TEMPORARY_MARK}*"):
        unfinished.unlink(missing_ok=True)
    for rows in (run.metrics, run.quality):
        metrics.cut(rows, step)
