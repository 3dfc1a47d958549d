"""One player's turn in a training step: loss, gradient, and a step of its optimiser."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import torch
from lightning_fabric import Fabric
from torch import nn

from qgen.errors import InputError, RunError
from qgen.runs.config import TrainingSettings
from qgen.runs.generators import Turn


class Outcome(NamedTuple):
    """Numbers of one turn: the loss, the norm of its gradient before any clipping, and what else the turn notes."""

    loss: float
    gradient_norm: float
    notes: Mapping[str, float] = {}

    def numbers(self) -> dict[str, float]:
        """All of them by name."""
        return {"loss": self.loss, "gradient_norm": self.gradient_norm, **self.notes}


class DivergedError(RunError):
    """A loss or a gradient is no longer finite; nothing was changed by it."""


class Player:
    """A turn with its optimiser, set up for the devices that train.

    Args:
        turn: the objective and the parameters that it trains.
        settings: of the optimiser.
        fabric: the devices.
    """

    def __init__(self, turn: Turn, settings: TrainingSettings, fabric: Fabric) -> None:
        self.name, self.repeats, self.labelled = turn.name, turn.repeats, turn.labelled
        self._turn = turn
        self._scale = 1.0 if turn.rate is None else turn.rate / settings.learning_rate
        self._fabric = fabric
        self._clip = settings.clip if settings.clip is not None else math.inf
        self._objective = fabric.setup_module(turn.objective)
        optimizer = make_optimizer(settings, list(turn.trained.values()))
        self._optimizer = cast(torch.optim.Optimizer, fabric.setup_optimizers(optimizer))

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> Any:
        """What the objective needs at random for a whole batch of all devices."""
        return self._turn.objective.draw(count, shape, generator)  # type: ignore[operator]

    def step(self, given: tuple[Any, ...], learning_rate: float) -> Outcome:
        """One step of the optimiser.

        Args:
            given: what the objective takes: images, draws, and labels where it is trained with them.
            learning_rate: of a player that has none of its own.

        Raises:
            DivergedError: the loss or its gradient is not finite; the parameters are as they were before.
        """
        try:
            loss = self._objective(*given)
        except InputError:  # a circuit was handed NaN or infinity; the other devices must hear of it
            loss = given[0].new_full((), math.nan)
        value = self._mean(loss)
        if not math.isfinite(value):
            raise DivergedError(self._say("the loss", given))
        self._fabric.backward(loss)
        trained = list(self._turn.trained.values())
        norm = float(torch.nn.utils.clip_grad_norm_(trained, self._clip, foreach=True))
        if not math.isfinite(norm):
            self._optimizer.zero_grad()
            raise DivergedError(self._say("the gradient", given))
        for group in self._optimizer.param_groups:
            group["lr"] = self._scale * learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        return Outcome(value, norm, {name: self._mean(note) for name, note in self._turn.notes().items()})

    def tensors(self) -> dict[str, torch.Tensor]:
        """The optimiser's state by `parameter:quantity`."""
        names = list(self._turn.trained)
        state = self._optimizer.state_dict()["state"]
        return {f"{names[k]}:{key}": value for k, entry in state.items() for key, value in entry.items()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Goes on from a saved state."""
        number = {name: k for k, name in enumerate(self._turn.trained)}
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            name, _, quantity = key.rpartition(":")
            state.setdefault(number[name], {})[quantity] = value
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": state})

    def _mean(self, loss: torch.Tensor) -> float:
        mean = loss.detach()
        if self._fabric.world_size > 1:
            mean = self._fabric.all_reduce(mean, reduce_op="mean")  # type: ignore[assignment]
        return mean.item()

    def _say(self, what: str, given: tuple[Any, ...]) -> str:
        where = first_fault(self._turn.objective, *given)
        return f"{what} of the {self.name} is no longer a finite number; {where}"


def make_optimizer(settings: TrainingSettings, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
    """The optimiser that the settings name."""
    rate = settings.learning_rate
    if settings.optimizer == "sgd":
        return torch.optim.SGD(trained, rate)
    if settings.optimizer == "adadelta":
        return torch.optim.Adadelta(trained, rate, rho=0.95)
    return torch.optim.Adam(trained, rate, settings.betas, fused=True)


def mean_outcome(outcomes: list[Outcome]) -> Outcome:
    """The means of several moves of one player."""
    if len(outcomes) == 1:
        return outcomes[0]
    rows = [outcome.numbers() for outcome in outcomes]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return Outcome(means.pop("loss"), means.pop("gradient_norm"), means)


@torch.no_grad()
def first_fault(objective: nn.Module, *given: Any) -> str:
    """Where the first number that is not finite comes from: a parameter, or the output of a module."""
    for name, weight in objective.named_parameters():
        if not weight.isfinite().all():
            return f"parameter {name} holds one that is not"
    faults: list[str] = []

    def look(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and not output.isfinite().all():
                faults.append(name)

        return hook

    handles = [module.register_forward_hook(look(name)) for name, module in objective.named_modules() if name]
    try:
        objective(*given)
    except InputError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return f"the first one comes out of {faults[0]}" if faults else "it arose in the backward pass"
