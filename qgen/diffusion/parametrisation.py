"""Parametrisations: what a denoising network predicts, and how x0 and the noise follow from it.

A state at one time is x = alpha x0 + sigma epsilon. A network may predict the noise epsilon, the clean state x0, the
velocity v = alpha epsilon - sigma x0 where alpha^2 + sigma^2 = 1, or the velocity epsilon - x0 of flow matching; with
x, each of them gives the others. alpha and sigma are numbers, or tensors that broadcast against states (B, ...).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

import torch
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

    def x0_error(self, snr: Tensor) -> Tensor:
        """Return the squared error of x0 that a squared error of 1 of the output means, by the signal-to-noise ratio.

        Args:
            snr: alpha^2 / sigma^2 of levels (T,).
        """
        ...


class EpsilonPrediction:
    """Prediction of the noise (Ho et al. 2020, arXiv:2006.11239)."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return epsilon

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x - sigma * output) / alpha

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return output

    def x0_error(self, snr: Tensor) -> Tensor:
        return 1 / snr


class X0Prediction:
    """Prediction of the clean state."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return x0

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return output

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x - alpha * output) / sigma

    def x0_error(self, snr: Tensor) -> Tensor:
        return torch.ones_like(snr)


class VPrediction:
    """Prediction of the velocity (Salimans & Ho 2022, arXiv:2202.00512, appendix D)."""

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return alpha * epsilon - sigma * x0

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return alpha * x - sigma * output

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return sigma * x + alpha * output

    def x0_error(self, snr: Tensor) -> Tensor:
        return 1 / (1 + snr)


class FlowPrediction:
    """Prediction of the velocity of straight lines (Lipman et al. 2023, arXiv:2210.02747), on any path.

    Where alpha + sigma is not 1, that is the velocity of x / (alpha + sigma), which is a straight line again.
    """

    def target(self, x0: Tensor, epsilon: Tensor, alpha: Tensor, sigma: Tensor) -> Tensor:
        return epsilon - x0

    def x0(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x - sigma * output) / (alpha + sigma)

    def epsilon(self, output: Tensor, x: Tensor, alpha: Coefficient, sigma: Coefficient) -> Tensor:
        return (x + alpha * output) / (alpha + sigma)

    def x0_error(self, snr: Tensor) -> Tensor:
        return (1 + snr.sqrt()) ** -2


#: What each value of the setting `diffusion.prediction` means.
PARAMETRISATIONS: Mapping[Prediction, Parametrisation] = {
    "epsilon": EpsilonPrediction(),
    "x0": X0Prediction(),
    "v": VPrediction(),
    "flow": FlowPrediction(),
}
