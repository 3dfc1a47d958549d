"""Settings of diffusion: how images are noised in training, what a network predicts, and how images are sampled."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Literal, NamedTuple, Self, TypeAlias

from pydantic import Field, NonNegativeInt, model_validator

from qgen.errors import ConfigError
from qgen.settings import Settings

#: What a network predicts: the noise, the clean state, v of Salimans & Ho 2022, arXiv:2202.00512, or the velocity
#: epsilon - x0 of flow matching.
Prediction: TypeAlias = Literal["epsilon", "x0", "v", "flow"]
#: How the steps of a batch are drawn: see `qgen.diffusion.objective.draw_times`.
Times: TypeAlias = Literal["uniform", "logit-normal"]
#: How the losses of the steps are weighed: see `qgen.diffusion.weights`.
Weighting: TypeAlias = Literal["p2", "min-snr", "uniform"]


class SamplerFacts(NamedTuple):
    """A sampler that settings can name; `qgen.diffusion.sampling` has its function.

    Attributes:
        steps: for an image, where settings leave that open; None: one for each diffusion step.
        eta: whether it takes `eta`.
        order: evaluations of the network in each step but the last, which has one.
    """

    steps: int | None = None
    eta: bool = False
    order: int = 1


SAMPLER_FACTS = {
    "ancestral": SamplerFacts(),
    "ddim": SamplerFacts(steps=50, eta=True),
    "dpm-solver": SamplerFacts(steps=20, eta=True),
    "unipc": SamplerFacts(steps=20),
    "euler": SamplerFacts(steps=25),
    "heun": SamplerFacts(steps=12, order=2),
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

    added: ClassVar[frozenset[str]] = frozenset(
        {"prediction", "condition_dropout", "weights", "min_snr_gamma", "times"}
    )

    schedule: Literal["cosine", "linear", "flow"] = "cosine"
    """How fast noise takes over: `cosine` (Nichol & Dhariwal 2021), `linear` (Ho et al. 2020), or `flow`: straight
    lines from noise to images, with `prediction: flow` (flow matching: Lipman et al. 2023)."""
    steps: int = Field(1000, ge=1, le=100_000)
    """Diffusion steps T; of `flow` the levels of time."""
    weights: Weighting | None = None
    """Weights of the steps' losses: `p2`, `min-snr` (Hang et al. 2023) or `uniform`; None: `p2`, and `uniform` with
    `schedule: flow`."""
    min_snr_gamma: float = Field(5.0, gt=0)
    """The gamma of `weights: min-snr`, which weighs the errors of clean images by min(SNR, gamma)."""
    times: Times | None = None
    """How a batch's steps are drawn: `uniform` or `logit-normal` (Esser et al. 2024); None: `uniform`, and
    `logit-normal` with `schedule: flow`."""
    p2_gamma: float = Field(1.0, ge=0)
    """Strength of the P2 weighting (k + SNR)^-gamma of the loss (Choi et al. 2022); 0 weighs all steps alike."""
    p2_k: float = Field(1.0, gt=0)
    """The k of the P2 weighting."""
    prediction: Prediction = "epsilon"
    """What the network predicts: the noise `epsilon`, the clean image `x0`, `v` (Salimans & Ho 2022), or the velocity
    `flow` from image to noise, which is the default of `schedule: flow`."""
    condition_dropout: float = Field(0.1, ge=0, lt=1)
    """Share of the images of a batch that are learned from without their condition, for `sampling.guidance`; of models
    with `model.conditioning`."""

    @model_validator(mode="before")
    @classmethod
    def _flow_predicts_velocities(cls, given: Any) -> Any:
        is_flow = isinstance(given, Mapping) and given.get("schedule") == "flow"
        return {"prediction": "flow", **given} if is_flow else given

    @model_validator(mode="after")
    def _schedule_exists(self) -> Self:
        if self.schedule == "linear":
            linear_betas(self.steps)
        if self.schedule == "flow" and self.prediction not in ("flow", "x0"):
            raise ValueError(
                f"with `schedule: flow` a network predicts `flow` or `x0`, not `{self.prediction}`: set `prediction: "
                "flow`, or choose another schedule"
            )
        return self

    @property
    def loss_weighting(self) -> Weighting:
        """The weights of the steps' losses, as given or as the schedule has them."""
        return self.weights or ("uniform" if self.schedule == "flow" else "p2")

    @property
    def drawn_times(self) -> Times:
        """How a batch's steps are drawn, as given or as the schedule has it."""
        return self.times or ("logit-normal" if self.schedule == "flow" else "uniform")


class SamplingSettings(Settings):
    """How an image is made from noise. Every step is one evaluation of the network, and costs its circuits."""

    added: ClassVar[frozenset[str]] = frozenset(
        {"guidance", "guidance_interval", "labels", "dynamic_clip", "prompts", "negative_prompt"}
    )

    sampler: Literal["ancestral", "ddim", "dpm-solver", "unipc", "euler", "heun"] = "dpm-solver"
    """`ancestral`: as published, all steps; `ddim`: first order; `dpm-solver`: DPM-Solver++(2M), second order; `unipc`:
    UniPC-2, third order; these two need the fewest steps. `euler`, first order, and `heun`, second order, are the usual
    ones of `diffusion.schedule: flow`. Each serves every schedule."""
    steps: int | None = Field(None, ge=1)
    """Steps, and so evaluations of the network; `heun` makes two in each but the last. None: all for `ancestral`, 50
    for `ddim`, 25 for `euler`, 20 for `dpm-solver` and `unipc`, 12 for `heun`."""
    eta: float = Field(0.0, ge=0, le=1)
    """For `ddim` and `dpm-solver`: fresh noise in each step, from none (0) to as much as `ancestral` has (1)."""
    clip: bool = True
    """Clip predicted clean images to [-1, 1], the range of the data; codes of an autoencoder have none."""
    dynamic_clip: float | None = Field(None, gt=0, le=1)
    """Dynamic thresholding (Saharia et al. 2022) instead, for strong guidance: clip a predicted clean image at this
    quantile of its absolute values, such as 0.995, and shrink it to the range; None: cut off what lies beyond it."""
    guidance: float = Field(1.0, ge=1)
    """Classifier-free guidance (Ho & Salimans 2022) of models with `model.conditioning`: 1 is none; more makes images
    closer to their label and less varied, and runs twice as many circuits."""
    guidance_interval: tuple[float, float] | None = None
    """Guide between these shares of the diffusion steps only, from clean (0) to noise (1), as [0.2, 0.8]; the other
    evaluations run no second circuits (Kynkaanniemi et al. 2024). None: always."""

    labels: tuple[NonNegativeInt, ...] | None = Field(None, min_length=1)
    """Classes of sampled images, by number, in turn; None: all in turn. Of models with `model.conditioning=label`."""
    prompts: tuple[str, ...] | None = Field(None, min_length=1)
    """Texts that images are made for, in turn; None: captions of the data. Of models with `model.conditioning=text`."""
    negative_prompt: str | None = Field(None, min_length=1)
    """A text that guided images are led away from, in place of no text. Of models with `model.conditioning=text`."""

    @model_validator(mode="after")
    def _eta_has_a_meaning(self) -> Self:
        if self.eta and not SAMPLER_FACTS[self.sampler].eta:
            others = " or ".join(f"`{name}`" for name, facts in SAMPLER_FACTS.items() if facts.eta)
            raise ValueError(
                f"eta = {self.eta} means nothing to the sampler `{self.sampler}`; leave it out, or take {others}"
            )
        return self

    @model_validator(mode="after")
    def _clipping_has_a_meaning(self) -> Self:
        if self.dynamic_clip is not None and not self.clip:
            raise ValueError(f"dynamic_clip = {self.dynamic_clip} means nothing without `clip`: leave one of them out")
        return self

    @model_validator(mode="after")
    def _negative_prompt_has_a_meaning(self) -> Self:
        if self.negative_prompt is not None and self.guidance == 1:
            raise ValueError(
                "negative_prompt means nothing without guidance: set `guidance` above 1, such as 2, or leave it out"
            )
        return self

    @model_validator(mode="after")
    def _interval_is_one(self) -> Self:
        if self.guidance_interval is not None:
            low, high = self.guidance_interval
            if not 0 <= low < high <= 1:
                raise ValueError(
                    f"guidance_interval = [{low:g}, {high:g}] is no part of the diffusion steps: give two shares from "
                    "0 (clean) to 1 (noise), the lower one first"
                )
        return self

    def guides(self, time: int, steps: int) -> bool:
        """Return whether the evaluation after this step, of 0..steps - 1, is guided where there is a condition."""
        low, high = self.guidance_interval or (0.0, 1.0)
        return self.guidance != 1 and low <= (time + 1) / steps <= high
