"""What a run is, before it runs: one frozen value with everything that its numbers depend on."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from qgen.backends import Backend, open_backend
from qgen.backends.ibm.options import HardwareOptions
from qgen.data import DataSettings
from qgen.diffusion import DiffusionSettings, SamplingSettings
from qgen.models import UNetSettings
from qgen.settings import Settings


class BackendSettings(Settings):
    """Where circuits run while training, and how they are differentiated."""

    name: str = "statevector"
    """As `qgen backends` lists them: `statevector`, `aer`, `aer:fake_brisbane`, `aer:noise.yaml`, ..."""
    shots: int | None = Field(None, gt=0)
    """How often each circuit is measured; None: exact values where the backend can compute them, else 1,024 shots."""
    noise_scale: float | None = Field(None, ge=0)
    """How strong a device's errors are; None or 1: as they are, 0: none."""
    noise: tuple[Literal["gates", "relaxation", "readout"], ...] | None = None
    """Which kinds of a device's errors are on; None: all."""
    layout: str | None = None
    """A file of `qgen transpile --pin`: circuits put on that device before; None: the transpiler puts them there."""
    hardware: HardwareOptions = HardwareOptions()
    """How circuits run on IBM's hardware."""
    gradient: str = "auto"
    """`adjoint`, `parameter-shift`, `spsa`, each with options as in `spsa:directions=4,step=0.1`; `auto` is adjoint
    where values are exact, else parameter-shift."""

    def open(self, journal: Path | None = None) -> Backend:
        """The backend.

        Args:
            journal: the file in which jobs on hardware are noted.

        Raises:
            BackendError: there is none of that name, or an option that it has no use for.
            HardwareError: it is IBM's hardware, and there is no account, or no such device.
        """
        return open_backend(self.name, self.shots, self.noise_scale, self.noise, self.layout, self.hardware, journal)


class EMASettings(Settings):
    """The moving average of the weights that sampling uses, with the warm-up of De Falco et al. (arXiv:2402.16147)."""

    decay: float = Field(0.995, ge=0, lt=1)
    """The largest decay, reached at the end of the warm-up; 0 switches the average off."""
    every: int = Field(10, gt=0)
    """Steps from one update to the next."""
    after: int = Field(100, ge=0)
    """For so many first steps the average is a copy of the weights."""
    power: float = Field(2 / 3, gt=0)
    """How fast the decay grows: 1 - (1 + steps since `after`)^-power."""


class TransferSettings(Settings):
    """Start from parts of another run's weights; the others start anew. The average of the weights starts anew too."""

    run: str
    """The folder of that run."""
    parts: tuple[Literal["encoder", "vertex", "decoder"], ...] = Field(("encoder", "decoder"), min_length=1)
    """Which parts of the network are taken over."""
    weights: Literal["raw", "ema"] = "raw"
    """The weights as trained (as in De Falco et al.) or their moving average."""


class TrainingSettings(Settings):
    """How long, how fast, and what is kept on the way."""

    steps: int | None = Field(None, gt=0)
    """Optimiser steps. Give this or `epochs`."""
    epochs: float | None = Field(None, gt=0)
    """Passes through the data; a last step that is not whole is left out."""
    batch: int = Field(128, gt=0)
    """Images a step, of all devices together."""
    learning_rate: float = Field(1e-3, gt=0)
    """Of Adam."""
    decay: Literal["none", "cosine"] = "none"
    """`cosine`: the learning rate falls to zero along half a cosine, from the end of the warm-up to the last step."""
    warm_up: int = Field(0, ge=0)
    """Steps in which the learning rate rises from zero."""
    betas: tuple[float, float] = (0.9, 0.99)
    """Of Adam."""
    clip: float | None = Field(None, gt=0)
    """Largest norm of a gradient; larger ones are scaled down."""
    ema: EMASettings = EMASettings()
    seed: int = Field(42, ge=0, lt=2**63)
    """Of weights, data order, noise and samples."""
    precision: Literal["32", "bf16"] = "32"
    """`bf16`: the classical layers compute in bfloat16 where that is safe. Circuits stay in float32."""
    log_every: int = Field(10, gt=0)
    """Steps from one line of metrics.jsonl to the next."""
    sample_every: int | None = Field(1000, gt=0)
    """Steps from one grid of samples to the next; None: only at the end."""
    samples: int = Field(64, ge=0, le=4096)
    """Images in such a grid; 0: none."""
    checkpoint_every: int | None = Field(None, gt=0)
    """Steps from one checkpoint to the next; None: after every step, unless that took more than 3 % of the time."""

    @field_validator("precision", mode="before")
    @classmethod
    def _precision_as_text(cls, value: object) -> object:
        return str(value) if type(value) is int else value

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either training.steps or training.epochs")
        if any(not 0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"training.betas must lie in [0, 1), not {list(self.betas)}")
        return self

    def total_steps(self, images: int) -> int:
        """Optimiser steps on a data set of so many images: 20 epochs of 60,000 in batches of 128 are 9,375."""
        if self.steps is not None:
            return self.steps
        return max(1, math.floor((self.epochs or 0) * images / self.batch))


class RunConfig(Settings):
    """Everything that the numbers of a run depend on, but for the machine."""

    model: UNetSettings = UNetSettings()
    data: DataSettings = DataSettings()
    diffusion: DiffusionSettings = DiffusionSettings()
    sampling: SamplingSettings = SamplingSettings()
    training: TrainingSettings
    backend: BackendSettings = BackendSettings()
    start: TransferSettings | None = None

    @model_validator(mode="after")
    def _sampler_fits(self) -> Self:
        if self.sampling.steps is not None and self.sampling.steps > self.diffusion.steps:
            raise ValueError(
                f"sampling.steps = {self.sampling.steps} is more than diffusion.steps = {self.diffusion.steps}; "
                "a sampler can take at most as many steps as the diffusion has"
            )
        return self
