"""What a user chooses about diffusion: how images are noised in training, and how they are sampled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from qgen.diffusion.betas import linear_betas
from qgen.settings import Settings

if TYPE_CHECKING:
    from torch import Tensor

    from qgen.diffusion.schedules import Schedule


class Kind(NamedTuple):
    """A sampler that settings can name; `qgen.diffusion.sampling` knows what it runs.

    Attributes:
        calls: denoiser calls for an image where settings leave that open; None: one for each step of the diffusion.
        eta: whether it takes `eta`.
    """

    calls: int | None = None
    eta: bool = False


KINDS = {
    "ancestral": Kind(),
    "ddim": Kind(calls=50, eta=True),
    "dpm-solver": Kind(calls=20, eta=True),
    "unipc": Kind(calls=20),
}


class DiffusionSettings(Settings):
    """The noise schedule and the weights of the loss; the defaults are those of De Falco et al., arXiv:2402.16147."""

    schedule: Literal["cosine", "linear"] = "cosine"
    """How fast noise takes over: `cosine` (Nichol & Dhariwal 2021) or `linear` (Ho et al. 2020)."""
    steps: int = Field(1000, ge=1, le=100_000)
    """Diffusion steps T."""
    p2_gamma: float = Field(1.0, ge=0)
    """Strength of the P2 weighting (k + SNR)^-gamma of the loss (Choi et al. 2022); 0 weighs all steps alike."""
    p2_k: float = Field(1.0, gt=0)
    """The k of the P2 weighting."""

    @model_validator(mode="after")
    def _schedule_exists(self) -> Self:
        if self.schedule == "linear":
            linear_betas(self.steps)
        return self

    def noise_schedule(self) -> Schedule:
        """The schedule that these settings describe."""
        from qgen.diffusion.schedules import cosine, linear

        return {"cosine": cosine, "linear": linear}[self.schedule](self.steps)

    def loss_weights(self) -> Tensor:
        """The weight of each step's loss, (T,) float64."""
        from qgen.diffusion.objective import p2_weights

        return p2_weights(self.noise_schedule(), self.p2_gamma, self.p2_k)


class SamplingSettings(Settings):
    """How an image is made from noise. Every step is one denoiser call, and costs that call's circuits."""

    sampler: Literal["ancestral", "ddim", "dpm-solver", "unipc"] = "dpm-solver"
    """`ancestral`: as published, all steps; `ddim`: first order; `dpm-solver`: DPM-Solver++(2M), second order; `unipc`:
    UniPC-2, third order. The last two need the fewest steps."""
    steps: int | None = Field(None, ge=1)
    """Denoiser calls an image; None: all for `ancestral`, 50 for `ddim`, 20 for `dpm-solver` and `unipc`."""
    eta: float = Field(0.0, ge=0, le=1)
    """For `ddim` and `dpm-solver`: fresh noise in each step, from none (0) to as much as `ancestral` has (1)."""
    clip: bool = True
    """Clip predicted clean images to [-1, 1], the range of the data."""

    @model_validator(mode="after")
    def _eta_has_a_meaning(self) -> Self:
        if self.eta and not KINDS[self.sampler].eta:
            others = " or ".join(f"`{name}`" for name, kind in KINDS.items() if kind.eta)
            raise ValueError(
                f"eta = {self.eta} means nothing to the sampler `{self.sampler}`; leave it out, or take {others}"
            )
        return self
