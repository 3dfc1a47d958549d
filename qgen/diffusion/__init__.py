"""Diffusion in independent parts: a noise schedule, a training objective, samplers.

A denoiser is any callable (x (B, C, H, W), t (B,) int64) -> predicted noise (B, C, H, W); nothing here knows how it is
built. Images are in [-1, 1].
"""

from typing import TYPE_CHECKING

from qgen.lazy import on_demand

if TYPE_CHECKING:
    from qgen.diffusion.noise import ImageNoise as ImageNoise
    from qgen.diffusion.objective import Draws as Draws
    from qgen.diffusion.objective import NoisePrediction as NoisePrediction
    from qgen.diffusion.objective import p2_weights as p2_weights
    from qgen.diffusion.samplers import ancestral as ancestral
    from qgen.diffusion.samplers import ddim as ddim
    from qgen.diffusion.samplers import ddim_invert as ddim_invert
    from qgen.diffusion.sampling import denoiser_calls as denoiser_calls
    from qgen.diffusion.sampling import sample as sample
    from qgen.diffusion.schedules import CLEAN as CLEAN
    from qgen.diffusion.schedules import Schedule as Schedule
    from qgen.diffusion.schedules import cosine as cosine
    from qgen.diffusion.schedules import linear as linear
    from qgen.diffusion.settings import DiffusionSettings as DiffusionSettings
    from qgen.diffusion.settings import SamplingSettings as SamplingSettings
    from qgen.diffusion.solvers import dpm_solver as dpm_solver
    from qgen.diffusion.solvers import unipc as unipc
    from qgen.diffusion.steps import Denoiser as Denoiser
    from qgen.diffusion.steps import Noises as Noises
    from qgen.diffusion.steps import Progress as Progress
    from qgen.diffusion.steps import Sampler as Sampler
    from qgen.diffusion.times import sampling_times as sampling_times
else:
    __getattr__, __dir__ = on_demand(__name__)
