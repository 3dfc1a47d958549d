"""Diffusion in independent parts: a noise schedule, a training objective, samplers.

A denoiser is any callable (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W); nothing here knows how it is
built. Images are in [-1, 1].
"""

from qgen.diffusion.noise import ImageNoise
from qgen.diffusion.objective import Draws, NoisePrediction, p2_weights
from qgen.diffusion.sample import denoiser_calls, sample
from qgen.diffusion.samplers import ancestral, ddim, ddim_invert
from qgen.diffusion.schedules import CLEAN, Schedule, cosine, linear
from qgen.diffusion.settings import DiffusionSettings, SamplingSettings
from qgen.diffusion.solvers import dpm_solver, unipc
from qgen.diffusion.steps import Denoiser, Noises, Progress, Sampler
from qgen.diffusion.times import sampling_times

__all__ = [
    "CLEAN",
    "Denoiser",
    "DiffusionSettings",
    "Draws",
    "ImageNoise",
    "NoisePrediction",
    "Noises",
    "Progress",
    "Sampler",
    "SamplingSettings",
    "Schedule",
    "ancestral",
    "cosine",
    "ddim",
    "ddim_invert",
    "denoiser_calls",
    "dpm_solver",
    "linear",
    "p2_weights",
    "sample",
    "sampling_times",
    "unipc",
]
