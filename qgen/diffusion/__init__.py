from qgen.diffusion.objective import Draws as Draws, NoisePrediction as NoisePrediction, p2_weights as p2_weights
from qgen.diffusion.sample import denoiser_calls as denoiser_calls, sample as sample
from qgen.diffusion.schedules import Schedule as Schedule, cosine as cosine, linear as linear
from qgen.diffusion.settings import DiffusionSettings as DiffusionSettings, SamplingSettings as SamplingSettings
