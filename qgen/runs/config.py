"""What a run is, before it runs: one frozen value with everything that its numbers depend on."""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal, Self, TypeAlias

from pydantic import Field, model_validator

from qgen.adversarial import AdversarialSettings
from qgen.backends.settings import BackendSettings
from qgen.data import DataSettings
from qgen.diffusion import DiffusionSettings, SamplingSettings
from qgen.models import ClassifierSettings, GANSettings, UNetSettings
from qgen.settings import Settings, with_kind
from qgen.yaml_values import is_null

ModelSettings: TypeAlias = Annotated[
    UNetSettings | GANSettings | ClassifierSettings, Field(discriminator="kind"), with_kind("unet")
]
#: What a model of each kind is trained and sampled by, and the parts that another run can give it.
_GROUPS: dict[str, tuple[str, ...]] = {"unet": ("diffusion", "sampling"), "gan": ("adversarial",), "classifier": ()}
_PARTS = {
    "unet": ("encoder", "vertex", "decoder"),
    "gan": ("generator", "discriminator"),
    "classifier": ("body", "head"),
}


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
    parts: tuple[str, ...] | None = Field(None, min_length=1)
    """Which parts of the network are taken over; None: `encoder` and `decoder` of a U-Net, both players of a GAN."""
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
    optimizer: Literal["adam", "sgd", "adadelta"] = "adam"
    """`adadelta`: M. D. Zeiler (2012), arXiv:1212.5701, with a decay of 0.95."""
    learning_rate: float = Field(1e-3, gt=0)
    """Of the optimiser; in a GAN the generator's."""
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
    judged: int = Field(0, ge=0, le=10_000)
    """With each grid, so many samples are compared with the real images: quality.jsonl; 0: none."""
    checkpoint_every: int | None = Field(None, gt=0)
    """Steps from one checkpoint to the next; None: after every step, unless that took more than 3 % of the time."""

    @model_validator(mode="after")
    def _one_length(self) -> Self:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either training.steps or training.epochs")
        if any(not 0 <= beta < 1 for beta in self.betas):
            raise ValueError(f"training.betas must lie in [0, 1), not {list(self.betas)}")
        return self

    def total_steps(self, images: int, batches: int = 1) -> int:
        """Optimiser steps on a data set of so many images: 20 epochs of 60,000 in batches of 128 are 9,375.

        Args:
            images: how many there are.
            batches: how many batches a step sees.
        """
        if self.steps is not None:
            return self.steps
        return max(1, math.floor((self.epochs or 0) * images / (self.batch * batches)))


class RunConfig(Settings):
    """Everything that the numbers of a run depend on, but for the machine."""

    model: ModelSettings = UNetSettings()
    data: DataSettings = DataSettings()
    diffusion: DiffusionSettings | None = None
    """Of a U-Net; None for other models."""
    sampling: SamplingSettings | None = None
    """Of a U-Net; None for other models."""
    adversarial: AdversarialSettings | None = None
    """Of a GAN; None for other models."""
    training: TrainingSettings
    backend: BackendSettings = BackendSettings()
    start: TransferSettings | None = None
    """Parts of another run's weights to begin from; None: all start anew."""

    @model_validator(mode="before")
    @classmethod
    def _groups_of_the_kind(cls, given: Any) -> Any:
        """Fills in the groups that the model's kind has, and refuses the others."""
        if not isinstance(given, dict):
            return given
        model = given.get("model", {})
        kind = model.get("kind", "unet") if isinstance(model, dict) else getattr(model, "kind", None)
        if not isinstance(kind, str) or kind not in _GROUPS:  # refused where the kind is read
            return given
        for other, groups in _GROUPS.items():
            wrong = [group for group in groups if other != kind and not is_null(given.get(group))]
            if wrong:
                raise ValueError(f"`{wrong[0]}` is for models of kind `{other}`, and this one is a `{kind}`")
        return {group: {} for group in _GROUPS[kind]} | {k: v for k, v in given.items() if not is_null(v)}

    @model_validator(mode="after")
    def _sampler_fits(self) -> Self:
        if self.sampling is None or self.diffusion is None or self.sampling.steps is None:
            return self
        if self.sampling.steps > self.diffusion.steps:
            raise ValueError(
                f"sampling.steps = {self.sampling.steps} is more than diffusion.steps = {self.diffusion.steps}; "
                "a sampler can take at most as many steps as the diffusion has"
            )
        return self

    @model_validator(mode="after")
    def _parts_exist(self) -> Self:
        unknown = [part for part in (self.start and self.start.parts) or () if part not in _PARTS[self.model.kind]]
        if unknown:
            known = ", ".join(_PARTS[self.model.kind])
            raise ValueError(f"`start.parts`: a `{self.model.kind}` has no part `{unknown[0]}`; its parts are {known}")
        return self

    @property
    def parts_taken_over(self) -> tuple[str, ...]:
        """The parts of the network that come from the run that this one starts from; none without one."""
        if self.start is None:
            return ()
        usual = tuple(part for part in _PARTS[self.model.kind] if part != "vertex")
        return self.start.parts or usual
