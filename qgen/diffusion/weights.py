"""Weights of the steps' losses."""

from __future__ import annotations

import torch
from torch import Tensor

from qgen.diffusion.levels import NoiseSchedule
from qgen.diffusion.parametrisation import PARAMETRISATIONS
from qgen.diffusion.schedules import noise_schedule
from qgen.diffusion.settings import DiffusionSettings, Prediction


def p2_weights(schedule: NoiseSchedule, gamma: float = 1.0, k: float = 1.0) -> Tensor:
    """Return the weights (k + snr_t)^-gamma of the steps' losses, (T,) float64.

    Source: Choi et al. 2022, arXiv:2204.00227, eq. 8. gamma = k = 1, as in De Falco et al. 2024, arXiv:2402.16147, is
    1 - alphas_bar; gamma = 0 weighs all steps alike.
    """
    return (k + schedule.snr) ** -gamma


def min_snr_weights(schedule: NoiseSchedule, prediction: Prediction, gamma: float = 5.0) -> Tensor:
    """Return the weights of the steps' losses, (T,) float64, that weigh errors of x0 by min(snr_t, gamma).

    Source: Hang et al. 2023, arXiv:2303.09556, section 3.4. In terms of what is predicted that is min(snr, gamma) / snr
    for the noise, min(snr, gamma) / (snr + 1) for v, and min(snr, gamma) / (1 + sqrt(snr))^2 for the velocity of flow
    matching.
    """
    return schedule.snr.clamp(max=gamma) * PARAMETRISATIONS[prediction].x0_error(schedule.snr)


def loss_weights(settings: DiffusionSettings) -> Tensor:
    """Return the weight of each step's loss, (T,) float64, as the settings have it."""
    schedule, kind = noise_schedule(settings), settings.loss_weighting
    if kind == "p2":
        return p2_weights(schedule, settings.p2_gamma, settings.p2_k)
    if kind == "min-snr":
        return min_snr_weights(schedule, settings.prediction, settings.min_snr_gamma)
    return torch.ones(schedule.steps, dtype=torch.float64, device="cpu")
