"""Diffusion and flow matching in any space: noise schedules, parametrisations, a training objective, samplers.

A denoising network is any callable (x (B, ...), t (B,) int64, conditioning or None) -> prediction (B, ...); nothing
here knows how it is built, nor what shape a state x has.
"""

from typing import TYPE_CHECKING

from qgen.lazy import lazy_imports

if TYPE_CHECKING:
    from qgen.diffusion.codec import Codec as Codec
    from qgen.diffusion.codec import EncodedBefore as EncodedBefore
    from qgen.diffusion.codec import IdentityCodec as IdentityCodec
    from qgen.diffusion.denoiser import Denoiser as Denoiser
    from qgen.diffusion.denoiser import DenoisingNetwork as DenoisingNetwork
    from qgen.diffusion.denoiser import Guided as Guided
    from qgen.diffusion.flow import FlowSchedule as FlowSchedule
    from qgen.diffusion.levels import CLEAN as CLEAN
    from qgen.diffusion.levels import Level as Level
    from qgen.diffusion.levels import NoiseSchedule as NoiseSchedule
    from qgen.diffusion.objective import DenoisingObjective as DenoisingObjective
    from qgen.diffusion.objective import Draws as Draws
    from qgen.diffusion.objective import draw_times as draw_times
    from qgen.diffusion.parametrisation import Parametrisation as Parametrisation
    from qgen.diffusion.samplers import ReverseProcess as ReverseProcess
    from qgen.diffusion.samplers import ancestral as ancestral
    from qgen.diffusion.samplers import ddim as ddim
    from qgen.diffusion.samplers import ddim_invert as ddim_invert
    from qgen.diffusion.samplers import dpm_solver as dpm_solver
    from qgen.diffusion.samplers import euler as euler
    from qgen.diffusion.samplers import heun as heun
    from qgen.diffusion.samplers import unipc as unipc
    from qgen.diffusion.sampling import SeededNoise as SeededNoise
    from qgen.diffusion.sampling import evaluations_by_rows as evaluations_by_rows
    from qgen.diffusion.sampling import num_function_evaluations as num_function_evaluations
    from qgen.diffusion.sampling import num_steps as num_steps
    from qgen.diffusion.sampling import sample as sample
    from qgen.diffusion.sampling import sampling_times as sampling_times
    from qgen.diffusion.sampling import visited_times as visited_times
    from qgen.diffusion.schedules import Schedule as Schedule
    from qgen.diffusion.schedules import cosine as cosine
    from qgen.diffusion.schedules import linear as linear
    from qgen.diffusion.schedules import noise_schedule as noise_schedule
    from qgen.diffusion.settings import DiffusionSettings as DiffusionSettings
    from qgen.diffusion.settings import SamplingSettings as SamplingSettings
    from qgen.diffusion.summary import sampling_summary as sampling_summary
    from qgen.diffusion.weights import loss_weights as loss_weights
    from qgen.diffusion.weights import min_snr_weights as min_snr_weights
    from qgen.diffusion.weights import p2_weights as p2_weights
else:
    __getattr__, __dir__ = lazy_imports(__name__)
