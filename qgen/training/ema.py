"""The moving average of the weights that sampling uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import nn

from qgen.errors import RunError
from qgen.runs.config import EMASettings


def decay_at(step: int, settings: EMASettings) -> float:
    """Return the decay of the update after step `step`, from 0, between 0 and `settings.decay`.

    By `power` it is 1 - (1 + max(0, step - after - 1))^-power, as in the code of De Falco et al., arXiv:2402.16147,
    section 4.1. By `ratio` it is (1 + k) / (10 + k) with k = max(0, step - after), as in the `EMAModel` of diffusers
    and TensorFlow's `ExponentialMovingAverage`.
    """
    if settings.warm_up == "ratio":
        since = max(0, step - settings.after)
        return min((1 + since) / (10 + since), settings.decay)
    grown: float = 1 - (1 + max(0, step - settings.after - 1)) ** -settings.power
    return min(max(grown, 0.0), settings.decay)


def averaged_estimates(network: nn.Module, parameters: Mapping[str, nn.Parameter]) -> dict[str, torch.Tensor]:
    """Return the buffers that are estimated under the weights of training, by name, where these are averaged.

    A module names them in `averaged_buffers`. Beside averaged weights belong their averages: an estimate under the last
    weights is off by how far these are from the average, and by the noise of the last batches.

    Args:
        network: has the modules.
        parameters: those that are averaged, by their names in the network.
    """
    found: dict[str, torch.Tensor] = {}
    for prefix, module in network.named_modules():
        start = f"{prefix}." if prefix else ""
        if any(name.startswith(start) for name in parameters):
            named, wanted = dict(module.named_buffers(recurse=False)), getattr(module, "averaged_buffers", ())
            found |= {f"{start}{name}": named[name] for name in wanted if name in named}
    return found


class MovingAverage:
    """An exponential moving average of parameters: a copy at first, then updated every few steps.

    Args:
        parameters: the parameters by name; they are not changed.
        settings: decay, warm-up and interval.
        estimates: buffers that are averaged with them: see `averaged_estimates`.
    """

    def __init__(
        self,
        parameters: Mapping[str, nn.Parameter],
        settings: EMASettings,
        estimates: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        self._settings = settings
        self._estimates = dict(estimates or {})
        self._parameters: dict[str, torch.Tensor] = {**parameters, **self._estimates}
        #: Estimates under the averaged weights, in the place of their averages, until the next step.
        self.estimated: dict[str, torch.Tensor] = {}
        self.values = {name: weight.detach().clone() for name, weight in self._parameters.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Update the average after step `step` (0-based)."""
        self.estimated = {}
        if step + 1 <= self._settings.after or self._settings.decay == 0:
            decay = 0.0
        elif (step + 1) % self._settings.every == 0:
            decay = decay_at(step, self._settings)
        else:
            return
        for name, weight in self._parameters.items():
            self.values[name].lerp_(weight, 1 - decay)

    @property
    def estimates(self) -> frozenset[str]:
        """Names of the buffers that are averaged."""
        return frozenset(self._estimates)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Replace the parameters by their average within this block."""
        own = {name: weight.data for name, weight in self._parameters.items()}
        try:
            for name, value in (self.values | self.estimated).items():
                self._parameters[name].data = value
            yield
        finally:
            for name, weight in self._parameters.items():
                weight.data = own[name]

    def load(self, values: Mapping[str, torch.Tensor]) -> None:
        """Load saved values; estimates that an earlier version did not average are taken as they are now.

        Raises:
            RunError: they are those of another model.
        """
        values = {name: value.detach() for name, value in self._estimates.items()} | dict(values)
        if {name: value.shape for name, value in values.items()} != {k: v.shape for k, v in self.values.items()}:
            raise RunError("the checkpoint's averaged weights are those of another model")
        for name, value in values.items():
            self.values[name].copy_(value)
