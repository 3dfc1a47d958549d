"""Parametrisations: what a denoising network predicts, and how x0 and the noise follow from it.

A state at one time is x = alpha x0 + sigma epsilon, with alpha^2 + sigma^2 = 1. A network may predict the noise
epsilon, the clean state x0, or the velocity v = alpha epsilon - sigma x0; with x, each of them gives the other two.
alpha and sigma are numbers, or tensors that broadcast against states (B, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from torch import Tensor

from qgen.diffusion.settings import Prediction

Coefficient = TypeVar("Coefficient", float, Tensor)


class Parametrisation(Protocol):
    """Conversions between a network's output, the clean state and the noise."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        """Return the right output for alpha x0 + sigma epsilon, (B, ...)."""
        ...

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        """Return the clean state that the network's output at x means, (B, ...)."""
        ...

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        """Return the noise that the network's output at x means, (B, ...)."""
        ...


class EpsilonPrediction:
    """Prediction of the noise (Ho et al. 2020, arXiv:2006.11239)."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return epsilon

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x - sigma * output) / alpha

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return output


class X0Prediction:
    """Prediction of the clean state."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return x0

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return output

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x - alpha * output) / sigma


class VPrediction:
    """Prediction of the velocity (Salimans & Ho 2022, arXiv:2202.00512, appendix D)."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return alpha * epsilon - sigma * x0

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return alpha * x - sigma * output

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return sigma * x + alpha * output


#: What each value of the setting `diffusion.prediction` means.
PARAMETRISATIONS: Mapping[Prediction, Parametrisation] = {
    "epsilon": EpsilonPrediction(),
    "x0": X0Prediction(),
    "v": VPrediction(),
}
