"""Denoisers: a network with its schedule and what it predicts, as samplers see it; classifier-free guidance."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from qgen.conditioning import Conditioning
from qgen.diffusion.levels import Level, NoiseSchedule
from qgen.diffusion.parametrisation import PARAMETRISATIONS, Parametrisation
from qgen.diffusion.settings import Prediction


class DenoisingNetwork(Protocol):
    """A network, or any other function, that a diffusion trains or samples."""

    def __call__(self, x: Tensor, t: Tensor, conditioning: Conditioning | None, /) -> Tensor:
        """Return the prediction (B, ...) for states x (B, ...) after steps t (B,), int64."""
        ...


@dataclass(frozen=True)
class Denoiser:
    """A trained network as samplers see it, whatever it predicts.

    Attributes:
        network: the network, in evaluation mode.
        schedule: the noise schedule that it was trained with.
        prediction: what it predicts.
    """

    network: DenoisingNetwork
    schedule: NoiseSchedule
    prediction: Prediction = "epsilon"

    def x0(self, x: Tensor, level: Level, conditioning: Conditioning | None = None) -> Tensor:
        """Return the clean states (B, ...) that x (B, ...), all of one level, come from; one evaluation."""
        output = self._evaluate(x, level, conditioning)
        return self._parametrisation.x0(output, x, level.alpha, level.sigma)

    def epsilon(self, x: Tensor, level: Level, conditioning: Conditioning | None = None) -> Tensor:
        """Return the noise (B, ...) in x (B, ...), all of one level; one evaluation."""
        output = self._evaluate(x, level, conditioning)
        return self._parametrisation.epsilon(output, x, level.alpha, level.sigma)

    @property
    def _parametrisation(self) -> Parametrisation:
        return PARAMETRISATIONS[self.prediction]

    def _evaluate(self, x: Tensor, level: Level, conditioning: Conditioning | None) -> Tensor:
        return self.network(x, torch.full((len(x),), level.time, device=x.device), conditioning)


@dataclass(frozen=True)
class Guided:
    """A network with classifier-free guidance: null + scale * (conditional - null), both from one batch of 2 B states.

    With scale = 1 + w it is eq. 6 of Ho & Salimans 2022, arXiv:2207.12598. That equation is about the noise, but holds
    for x0 and both velocities alike, which are affine in it with equal offsets.

    Attributes:
        network: trained with and without conditions.
        scale: 1: no guidance; more: images closer to their condition, and less varied.
        times: the steps at which it guides, all states of a batch being at one; None: at all steps. Elsewhere it is the
            network alone, at half the cost (Kynkaanniemi et al. 2024, arXiv:2404.07724).
        negative: what the states are led away from, one a state; None: the null condition.
    """

    network: DenoisingNetwork
    scale: float
    times: Container[int] | None = None
    negative: Conditioning | None = None

    def __call__(self, x: Tensor, t: Tensor, conditioning: Conditioning | None, /) -> Tensor:
        """Return the guided prediction (B, ...); where nothing guides it is the network's own, from one batch of B."""
        if conditioning is None or (self.times is not None and int(t[0]) not in self.times):
            return self.network(x, t, conditioning)
        # The two rows of an image follow each other, so that rows of circuits know their image: see `image_streams`.
        if self.negative is None:
            pairs = conditioning.repeated(2).dropped(torch.arange(2 * len(x), device=x.device) % 2 == 1)
        else:
            pairs = conditioning.interleaved(self.negative)
        both = self.network(x.repeat_interleave(2, 0), t.repeat_interleave(2, 0), pairs)
        conditional, unconditional = both.unflatten(0, (-1, 2)).unbind(1)
        guided: Tensor = unconditional + self.scale * (conditional - unconditional)
        return guided
