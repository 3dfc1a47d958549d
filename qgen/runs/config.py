"""Settings of a run: one frozen value with everything that its numbers depend on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self, TypeAlias, Union, cast

from pydantic import Field, ModelWrapValidatorHandler, create_model, model_validator

from qgen.backends.settings import BackendSettings
from qgen.data import DataSettings
from qgen.generators.kinds import BUILT_IN, DEFAULT_KIND, Kind, built_in_kinds, get_kind, is_known
from qgen.settings import Settings, WithKind
from qgen.yaml_values import is_null

if TYPE_CHECKING:
    ModelSettings: TypeAlias = Any
else:
    #: The settings of a model of any kind of this package.
    ModelSettings = Annotated[
        Union[tuple(kind.settings for kind in built_in_kinds())],  # noqa: UP007  # from a tuple
        Field(discriminator="kind"),
        WithKind(DEFAULT_KIND),
    ]


class EMASettings(Settings):
    """The moving average of the weights that sampling uses, with the warm-up of De Falco et al. (arXiv:2402.16147)."""

    added: ClassVar[frozenset[str]] = frozenset({"warm_up"})

    decay: float = Field(0.995, ge=0, lt=1)
    """The largest decay, reached at the end of the warm-up; 0 switches the average off."""
    every: int = Field(10, gt=0)
    """Steps from one update to the next."""
    after: int = Field(100, ge=0)
    """For so many first steps the average is a copy of the weights."""
    power: float = Field(2 / 3, gt=0)
    """How fast the decay grows: 1 - (1 + steps since `after`)^-power."""
    warm_up: Literal["power", "ratio"] = "power"
    """How the decay grows with the steps k since `after`: by `power`, or the `ratio` (1 + k) / (10 + k) of diffusers,
    by which a run of a thousand steps forgets its first weights."""


class TransferSettings(Settings):
    """Start from parts of another run's weights; the others start anew. The average of the weights starts anew too."""

    run: str
    """The folder of that run."""
    parts: tuple[str, ...] | None = Field(None, min_length=1)
    """Which parts of the network are taken over; None: `encoder` and `decoder` of a U-Net, else all."""
    weights: Literal["raw", "ema"] = "raw"
    """The weights as trained (as in De Falco et al.) or their moving average."""


class TrainingSettings(Settings):
    """How long, how fast, and what is kept on the way."""

    added: ClassVar[frozenset[str]] = frozenset({"checkpointing"})

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
    checkpointing: bool = False
    """Gradient checkpointing: the backward pass computes blocks of the network again, which saves memory and
    takes time; circuits are not run again."""
    log_every: int = Field(10, gt=0)
    """Steps from one line of metrics.jsonl to the next."""
    sample_every: int | None = Field(1000, gt=0)
    """Steps from one grid of samples to the next; None: only at the end."""
    samples: int = Field(64, ge=0, le=4096)
    """Images in such a grid; 0: none."""
    judged: int = Field(0, ge=0, le=10_000)
    """With each grid, so many samples are compared with real images that are not trained on: quality.jsonl; 0: none."""
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


class _ModelAndData(Settings):
    """The first groups of a run's settings."""

    model: ModelSettings = Field(default_factory=lambda: get_kind(DEFAULT_KIND).settings())
    data: DataSettings = DataSettings()


def _with_groups(base: type[Settings], kinds: tuple[Kind, ...]) -> type[Settings]:
    """Return the settings with the groups that are particular to these kinds, each None for models of other kinds."""
    fields: dict[str, Any] = {
        name: (group | None, Field(None, description=f"Of models of kind `{kind.name}`; None for others."))
        for kind in kinds
        for name, group in kind.groups.items()
    }
    return create_model(base.__name__, __base__=base, __module__=__name__, **fields)


if TYPE_CHECKING:
    _WithGroups = _ModelAndData
else:
    _WithGroups = _with_groups(_ModelAndData, built_in_kinds())


class RunConfig(_WithGroups):
    """Everything that the numbers of a run depend on, but for the machine.

    Where the model is of a kind of another package or file, `read` returns a subclass with the settings of that kind.
    """

    added: ClassVar[frozenset[str]] = frozenset({"reconstruction"})

    training: TrainingSettings
    backend: BackendSettings = BackendSettings()
    start: TransferSettings | None = None
    """Parts of another run's weights to begin from; None: all start anew."""

    @classmethod
    def read(cls, given: Mapping[str, Any]) -> Self:
        """These settings from plain values, as YAML gives them.

        Raises:
            ConfigError: an unknown key (with the nearest known one), a missing one, a value that is not allowed, or a
                kind of model that cannot be imported.
        """
        return cast(Self, super(RunConfig, cls.of_kind(given)).read(given))

    @classmethod
    def of_kind(cls, given: Mapping[str, Any]) -> type[RunConfig]:
        """The class of settings for the kind of model that plain values name.

        Raises:
            ConfigError: the kind cannot be imported.
        """
        name = _kind_name(given)
        own = cls is RunConfig and name is not None and name not in BUILT_IN and is_known(name)
        return _config_class(str(name)) if own else cls

    @model_validator(mode="wrap")
    @classmethod
    def _as_its_kind(cls, given: Any, read: ModelWrapValidatorHandler[Self]) -> Any:
        """Settings inside others, as those of a study, are of their kind too."""
        own = cls.of_kind(given) if isinstance(given, Mapping) else cls
        return read(given) if own is cls else own.model_validate(given)

    @model_validator(mode="before")
    @classmethod
    def _groups_of_the_kind(cls, given: Any) -> Any:
        """Fills in the groups that the model's kind has, and refuses the others."""
        name = _kind_name(given)
        if name is None or not is_known(name):  # refused where the kind is read
            return given
        kind = get_kind(name)
        for other in built_in_kinds():
            wrong = [group for group in other.groups if group not in kind.groups and not is_null(given.get(group))]
            if wrong:
                raise ValueError(f"`{wrong[0]}` is for models of kind `{other.name}`, and this one is a `{name}`")
        left_out = {key for key, value in given.items() if is_null(value) and key in cls.model_fields}
        return {group: {} for group in kind.groups} | {key: v for key, v in given.items() if key not in left_out}

    @model_validator(mode="after")
    def _fits_the_kind(self) -> Self:
        kind = self.kind
        kind.check(self.model, self.groups)
        if getattr(self.model, "conditioning", None) == "text" and self.data.captions == "none":
            raise ValueError(
                "`model.conditioning=text` reads captions: set `data.captions` to `own` (those that come with the "
                "images), `class` or `attributes`"
            )
        unknown = [part for part in (self.start and self.start.parts) or () if part not in (kind.parts or (part,))]
        if unknown:
            known = ", ".join(kind.parts or ())
            raise ValueError(f"`start.parts`: a `{kind.name}` has no part `{unknown[0]}`; its parts are {known}")
        return self

    @property
    def kind(self) -> Kind:
        """The kind of its model."""
        return get_kind(self.model.kind)

    @property
    def groups(self) -> dict[str, Settings]:
        """The groups of settings that are particular to the kind, by name."""
        return {name: getattr(self, name) for name in self.kind.groups}

    @property
    def batches_per_step(self) -> int:
        """Batches of real images that a training step sees."""
        return self.kind.batches_per_step(self.model, self.groups)

    @property
    def parts_taken_over(self) -> tuple[str, ...] | None:
        """Parts of the network that come from the run that this one starts from: none without one; None: all parts."""
        if self.start is None:
            return ()
        return self.start.parts or self.kind.default_parts or self.kind.parts


@cache
def _config_class(name: str) -> type[RunConfig]:
    """The settings of a run with a model of a kind that is not of this package."""
    kind = get_kind(name)
    groups = {group: (cls | None, None) for group, cls in kind.groups.items()}
    fields: dict[str, Any] = {"model": (kind.settings, ...), **groups}
    return create_model("RunConfig", __base__=RunConfig, __module__=__name__, **fields)


def _kind_name(given: Any) -> str | None:
    """The kind of model that plain values or settings name; None where it is not text."""
    model = given.get("model", {}) if isinstance(given, Mapping) else None
    kind = model.get("kind", DEFAULT_KIND) if isinstance(model, Mapping) else getattr(model, "kind", None)
    return str(kind) if isinstance(kind, str) else None
