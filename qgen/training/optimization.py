"""Optimisation: the learning rate of each step, and one player's loss, gradient and optimiser step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

import torch
from torch import nn

from qgen.conditioning import Conditioning
from qgen.errors import InputError, RunError
from qgen.generators import Draws, Player, Shape
from qgen.nn.processes import training_together
from qgen.runs.config import TrainingSettings
from qgen.training.fabric import Fabric


class StepResult(NamedTuple):
    """Scalars of one optimiser step: the loss, the norm of its gradient before any clipping, and further metrics."""

    loss: float
    gradient_norm: float
    metrics: Mapping[str, float] = {}

    def scalars(self) -> dict[str, float]:
        """All of them by name."""
        return {"loss": self.loss, "gradient_norm": self.gradient_norm, **self.metrics}


class DivergedError(RunError):
    """A loss or a gradient is no longer finite; nothing was changed by it."""


class _OtherProcessError(Exception):
    """A circuit of another process was handed a number that is not finite."""


class PlayerOptimizer:
    """A player with its optimiser, set up for the devices that train.

    Args:
        player: the objective and the parameters that it trains.
        settings: of the optimiser.
        fabric: the devices.
    """

    def __init__(self, player: Player, settings: TrainingSettings, fabric: Fabric) -> None:
        self.player = player
        self._trained = list(player.parameters.values())
        self._scale = 1.0 if player.learning_rate is None else player.learning_rate / settings.learning_rate
        self._fabric = fabric
        self._clip = settings.clip if settings.clip is not None else math.inf
        self._objective = fabric.setup_module(self._module)
        self._optimizer = cast(torch.optim.Optimizer, fabric.setup_optimizers(make_optimizer(settings, self._trained)))

    @property
    def name(self) -> str:
        """Name of the player."""
        return self.player.name

    @property
    def steps_per_iteration(self) -> int:
        """Optimiser steps in one training step."""
        return self.player.steps_per_iteration

    def draw(self, count: int, shape: Shape, generator: torch.Generator) -> Draws:
        """Draw what the objective needs for a whole batch of all devices."""
        return self.player.objective.draw(count, shape, generator)

    def step(
        self, images: torch.Tensor, draws: Draws, conditioning: Conditioning | None, learning_rate: float
    ) -> StepResult:
        """Take one step of the optimiser.

        Args:
            images: (B, C, H, W).
            draws: of these images.
            conditioning: of these images; None: there is none.
            learning_rate: of a player that has none of its own.

        Raises:
            DivergedError: the loss or its gradient is not finite; the parameters are as they were before.
        """
        batch = images, draws, conditioning
        value = math.nan
        try:
            with training_together(self._reduce if self._fabric.world_size > 1 else None):
                loss = self._objective(*batch)
        except _OtherProcessError:  # which knows that this one does
            pass
        except InputError:  # a circuit was handed NaN or infinity; the other devices must hear of it
            self._mean(images.new_full((), math.nan))
        else:
            value = self._mean(loss)
        if not math.isfinite(value):
            raise DivergedError(self._message("the loss", batch))
        self._fabric.backward(loss)
        norm = float(torch.nn.utils.clip_grad_norm_(self._trained, self._clip, foreach=True))
        if not math.isfinite(norm):
            self._optimizer.zero_grad()
            raise DivergedError(self._message("the gradient", batch))
        for group in self._optimizer.param_groups:
            group["lr"] = self._scale * learning_rate
        self._optimizer.step()
        self._optimizer.zero_grad()
        metrics = self.player.objective.metrics()
        return StepResult(value, norm, {name: self._mean(metric) for name, metric in metrics.items()})

    def tensors(self) -> dict[str, torch.Tensor]:
        """Return the optimiser's state by `parameter:quantity`."""
        names = list(self.player.parameters)
        state = self._optimizer.state_dict()["state"]
        return {f"{names[k]}:{key}": value for k, entry in state.items() for key, value in entry.items()}

    def load(self, tensors: dict[str, torch.Tensor]) -> None:
        """Load a saved state."""
        number = {name: k for k, name in enumerate(self.player.parameters)}
        state: dict[int, dict[str, torch.Tensor]] = {}
        for key, value in tensors.items():
            name, _, quantity = key.rpartition(":")
            weight = self.player.parameters[name]
            if value.shape == weight.shape:  # else the fused optimiser would pair them by their places in memory
                value = torch.empty_like(weight, dtype=value.dtype, requires_grad=False).copy_(value)
            state.setdefault(number[name], {})[quantity] = value
        self._optimizer.load_state_dict(self._optimizer.state_dict() | {"state": state})

    def _mean(self, loss: torch.Tensor) -> float:
        mean = loss.detach()
        if self._fabric.world_size > 1:
            mean = self._fabric.all_reduce(mean, reduce_op="mean")  # type: ignore[assignment]
        return mean.item()

    def _reduce(self, values: torch.Tensor) -> torch.Tensor:
        """Return the mean over all processes.

        Raises:
            _OtherProcessError: another one is not there: its loss is no finite number, and it takes the mean of that.
        """
        if not math.isfinite(self._mean(torch.zeros((), device=self._fabric.device))):
            raise _OtherProcessError
        return cast(torch.Tensor, self._fabric.all_reduce(values.clone(), reduce_op="mean"))

    @property
    def _module(self) -> nn.Module:
        return cast(nn.Module, self.player.objective)

    def _message(self, what: str, batch: tuple[Any, ...]) -> str:
        where = first_nonfinite(self._module, *batch)
        return f"{what} of the {self.name} is no longer a finite number; {where}"


def learning_rate(step: int, total: int, settings: TrainingSettings) -> float:
    """Return the learning rate of step `step` (0-based) of `total`."""
    rising = min(1.0, (step + 1) / settings.warm_up) if settings.warm_up else 1.0
    if settings.decay == "none":
        return settings.learning_rate * rising
    passed = max(0, step - settings.warm_up) / max(1, total - settings.warm_up)
    return settings.learning_rate * rising * 0.5 * (1 + math.cos(math.pi * passed))


def decay_change(settings: TrainingSettings, done: int, before: int, now: int) -> str | None:
    """Return a message where a decaying rate ends at another step than it was planned to; None: it does not.

    The rate of each step to come is that of a run which was of the new length from its first step: the cosine is
    stretched (or shortened), so that it is not continued at the zero where it had ended.

    Args:
        settings: of the training.
        done: steps taken.
        before: the planned length, in steps.
        now: the length from here on, in steps.
    """
    if settings.decay == "none" or before == now or done >= now:
        return None
    planned, stretched = (learning_rate(done, max(total, done), settings) for total in (before, now))
    return (
        f"the learning rate's {settings.decay} now ends at step {now:,}, not {before:,}: it is stretched, and goes on "
        f"at {stretched:.3g} (it would have been {planned:.3g}; at the start it was {settings.learning_rate:.3g})"
    )


def late_players(players: Sequence[PlayerOptimizer], total: int) -> list[str]:
    """Return a line for each setting by which players join after the last of `total` steps, and stay as they are."""
    late: dict[tuple[str, int], list[str]] = {}
    for player in (each.player for each in players):
        if player.starts_after >= total:
            late.setdefault((player.start_setting, player.starts_after), []).append(player.name)
    return [
        f"{setting} = {start:,}, and the run takes {total:,} steps: {' and '.join(names)} would join later, and "
        f"stay{'s' * (len(names) == 1)} untrained; choose an earlier start (--set {setting}=...), or more steps"
        for (setting, start), names in late.items()
    ]


def make_optimizer(settings: TrainingSettings, trained: list[nn.Parameter]) -> torch.optim.Optimizer:
    """Return the optimiser that the settings name."""
    rate = settings.learning_rate
    if settings.optimizer == "sgd":
        return torch.optim.SGD(trained, rate)
    if settings.optimizer == "adadelta":
        return torch.optim.Adadelta(trained, rate, rho=0.95)
    return torch.optim.Adam(trained, rate, settings.betas, fused=True)


def mean_result(results: Sequence[StepResult]) -> StepResult:
    """Return the means of several steps of one player."""
    if len(results) == 1:
        return results[0]
    rows = [result.scalars() for result in results]
    means = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}
    return StepResult(means.pop("loss"), means.pop("gradient_norm"), means)


@torch.no_grad()
def first_nonfinite(objective: nn.Module, *batch: Any) -> str:
    """Return where the first number that is not finite comes from: a parameter, or the output of a module."""
    for name, weight in objective.named_parameters():
        if not weight.isfinite().all():
            return f"parameter {name} holds one that is not"
    faults: list[str] = []

    def watch(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and not output.isfinite().all():
                faults.append(name)

        return hook

    handles = [module.register_forward_hook(watch(name)) for name, module in objective.named_modules() if name]
    try:
        objective(*batch)
    except InputError:
        pass
    finally:
        for handle in handles:
            handle.remove()
    return f"the first one comes out of {faults[0]}" if faults else "it arose in the backward pass"
