"""Settings of the diffusion and of its samplers."""
from __future__ import annotations
from typing import Literal
from pydantic import Field
from qgen.settings import Settings

class DiffusionSettings(Settings):
    schedule: Literal["cosine", "linear"] = "cosine"
    steps: int = Field(1000, gt=0)
    p2_gamma: float = 1.0
    p2_k: float = 1.0

class SamplingSettings(Settings):
    sampler: Literal["ancestral", "ddim", "dpm-solver"] = "dpm-solver"
    steps: int | None = Field(None, gt=0)
    eta: float = 0.0
    clip: bool = True
