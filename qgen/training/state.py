"""From a training run in hand to a checkpoint and back."""

from __future__ import annotations

from dataclasses import dataclass

from qgen import storage
from qgen.errors import RunError
from qgen.runs import Checkpoint, Learner, Run, load_checkpoint, save_checkpoint
from qgen.training import metrics
from qgen.training.ema import MovingAverage
from qgen.training.metrics import Window
from qgen.training.player import Player

KEPT = 2  # checkpoints of one run; should the last be damaged, there is one more


@dataclass(frozen=True)
class State:
    """All that changes while a run trains; noise, data order and samples follow from seed and step."""

    step: int
    seed: int
    model: str
    generator: Learner
    players: list[Player]
    average: MovingAverage
    window: Window


def save(run: Run, now: State) -> None:
    """Writes the checkpoint, then removes those that are older than the last two.

    Raises:
        OSError: it cannot be written; the ones before it stay.
    """
    tensors = {
        "weights": dict(now.generator.network.state_dict()),
        "ema": now.average.values,
    } | {f"optimizer.{player.name}": player.tensors() for player in now.players}
    numbers = {"window": now.window.state(), "shape": list(now.generator.shape)}
    save_checkpoint(run.checkpoint(now.step), Checkpoint(now.step, now.seed, now.model, tensors, numbers))
    for old in run.checkpoints()[:-KEPT]:
        old.unlink(missing_ok=True)


def restore(run: Run, into: State) -> int:
    """Brings everything to where the run's last checkpoint left it; how many steps were taken before it, 0 for none.

    Raises:
        RunError: the checkpoint is damaged, or of another model or seed.
    """
    saved = run.checkpoints()
    if not saved:
        return 0
    found = load_checkpoint(saved[-1], into.model)
    if found.seed != into.seed:
        raise RunError(f"{saved[-1]} is of a run with seed {found.seed}; config.yaml says {into.seed}")
    try:
        into.generator.network.load_state_dict(found.tensors["weights"])
        into.average.load(found.tensors["ema"])
        for player in into.players:
            player.load(found.tensors.get(f"optimizer.{player.name}", {}))
        into.window.load(found.numbers["window"])
    except (KeyError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RunError(f"{saved[-1]} does not fit this model ({reason}); was it made by another version?") from error
    return found.step


def forget_after(run: Run, step: int) -> None:
    """Leaves out the metrics of steps that are taken again, and files that a crash left unfinished."""
    for unfinished in run.path.rglob(f".*{storage.UNFINISHED}*"):
        unfinished.unlink(missing_ok=True)
    for rows in (run.metrics, run.quality):
        metrics.cut(rows, step)
