"""Settings of diffusion: how images are noised in training, what a network predicts, and how images are sampled."""

from __future__ import annotations

import math
from typing import ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, NonNegativeInt, model_validator

from qgen.errors import ConfigError
from qgen.settings import Settings

#: What a network predicts: the noise, the clean state, or v of Salimans & Ho 2022, arXiv:2202.00512.
Prediction: TypeAlias = Literal["epsilon", "x0", "v"]


class SamplerFacts(NamedTuple):
    """A sampler that settings can name; `qgen.diffusion.sampling` has its function.

    Attributes:
        evaluations: of the network, for an image, where settings leave that open; None: one for each diffusion step.
        eta: whether it takes `eta`.
    """

    evaluations: int | None = None
    eta: bool = False


SAMPLER_FACTS = {
    "ancestral": SamplerFacts(),
    "ddim": SamplerFacts(evaluations=50, eta=True),
    "dpm-solver": SamplerFacts(evaluations=20, eta=True),
    "unipc": SamplerFacts(evaluations=20),
}


def linear_betas(steps: int, first: float = 1e-4, last: float = 0.02) -> tuple[float, float]:
    """Return the first and the last beta of a linear schedule; `first` and `last` are those of 1000 steps.

    Raises:
        ConfigError: so few steps that the last one reaches 1.
    """
    scale = 1000 / steps
    if scale * last >= 1:
        raise ConfigError(
            f"a linear schedule of {steps} steps would add more noise in its last step than there can be (beta = "
            f"{scale * last:.3g}, less than 1 is allowed); take more than {math.floor(1000 * last)} steps, or `cosine`"
        )
    return scale * first, scale * last


class DiffusionSettings(Settings):
    """The noise schedule and the weights of the loss; the defaults are those of De Falco et al., arXiv:2402.16147."""

    added: ClassVar[frozenset[str]] = frozenset({"prediction", "condition_dropout"})

    schedule: Literal["cosine", "linear"] = "cosine"
    """How fast noise takes over: `cosine` (Nichol & Dhariwal 2021) or `linear` (Ho et al. 2020)."""
    steps: int = Field(1000, ge=1, le=100_000)
    """Diffusion steps T."""
    p2_gamma: float = Field(1.0, ge=0)
    """Strength of the P2 weighting (k + SNR)^-gamma of the loss (Choi et al. 2022); 0 weighs all steps alike."""
    p2_k: float = Field(1.0, gt=0)
    """The k of the P2 weighting."""
    prediction: Prediction = "epsilon"
    """What the network predicts: the noise `epsilon`, the clean image `x0`, or `v` (Salimans & Ho 2022)."""
    condition_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the images of a batch that are learned from without their condition, for `sampling.guidance`; of models
    with `model.conditioning`."""

    @model_validator(mode="after")
    def _schedule_exists(self) -> Self:
        if self.schedule == "linear":
            linear_betas(self.steps)
        return self


class SamplingSettings(Settings):
    """How an image is made from noise. Every step is one evaluation of the network, and costs its circuits."""

    added: ClassVar[frozenset[str]] = frozenset({"guidance", "labels"})

    sampler: Literal["ancestral", "ddim", "dpm-solver", "unipc"] = "dpm-solver"
    """`ancestral`: as published, all steps; `ddim`: first order; `dpm-solver`: DPM-Solver++(2M), second order; `unipc`:
    UniPC-2, third order. The last two need the fewest steps."""
    steps: int | None = Field(None, ge=1)
    """Evaluations of the network; None: all for `ancestral`, 50 for `ddim`, 20 for `dpm-solver` and `unipc`."""
    eta: float = Field(0.0, ge=0, le=1)
    """For `ddim` and `dpm-solver`: fresh noise in each step, from none (0) to as much as `ancestral` has (1)."""
    clip: bool = True
    """Clip predicted clean images to [-1, 1], the range of the data."""
    guidance: float = Field(1.0, ge=1)
    """Classifier-free guidance (Ho & Salimans 2022) of models with `model.conditioning`: 1 is none; more makes images
    closer to their label and less varied, and runs twice as many circuits."""

    labels: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)
    """Classes of sampled images, by number, in turn; None: all in turn. Of models with `model.conditioning=label`."""

    @model_validator(mode="after")
    def _eta_has_a_meaning(self) -> Self:
        if self.eta and not SAMPLER_FACTS[self.sampler].eta:
            others = " or ".join(f"`{name}`" for name, facts in SAMPLER_FACTS.items() if facts.eta)
            raise ValueError(
                f"eta = {self.eta} means nothing to the sampler `{self.sampler}`; leave it out, or take {others}"
            )
        return self

    @property
    def rows_per_image(self) -> int:
        """Rows that an image with a condition has in the batch of each evaluation: two with guidance."""
        return 1 if self.guidance == 1 else 2
