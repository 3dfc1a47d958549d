"""Settings of a denoiser of codes, which refuse what cannot be built."""

from __future__ import annotations

from typing import ClassVar, Literal, NamedTuple, Self

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from qgen.errors import ConfigError
from qgen.models.branch_settings import BranchSettings
from qgen.settings import Settings

DenoiserName = Literal["unet", "transformer-unet", "dit", "mlp"]


class Usual(NamedTuple):
    """What settings of a denoiser leave open."""

    width: int
    depth: int


USUAL: dict[DenoiserName, Usual] = {
    "unet": Usual(32, 2),
    "transformer-unet": Usual(32, 1),
    "dit": Usual(96, 3),
    "mlp": Usual(128, 3),
}


class DenoiserBranchSettings(BranchSettings):
    """The circuit of a denoiser, or one in each of its transformers."""

    added: ClassVar[frozenset[str]] = BranchSettings.added | {"place", "blocks"}

    place: Literal["middle", "feed-forward"] | None = None
    """`middle`: on the features in the middle of the network; `feed-forward`: beside the feed-forward network of a
    transformer block, a circuit a token (Q-FFN). Null: `feed-forward` of `transformer-unet`, `middle` of others"""
    blocks: Literal["middle", "all"] = "middle"
    """of `feed-forward`: which transformer blocks have a circuit, the one in the middle of the network or all"""


class DenoiserSettings(Settings):
    """A network that denoises codes, conditioned on time and on a class."""

    added: ClassVar[frozenset[str]] = frozenset({"mults", "transformers", "head_width", "variant"})

    name: DenoiserName | None = None
    """`unet`: two levels, with attention at the lower one; `transformer-unet`: any number of levels, with spatial
    transformers at lower ones and in the middle (Rombach et al. 2021, arXiv:2112.10752); `dit`: a transformer with
    adaLN-zero, each pixel of a code a token; `mlp`: dense layers. None: `unet` where a code is a map, `mlp` where it is
    a vector"""
    width: PositiveInt | None = Field(None, multiple_of=8)
    """features of a token or of a vector, channels of the upper level of `unet` (twice as many at the lower) and of
    `transformer-unet` (see `mults`); None: 32 of these, 96 of `dit`, 128 of `mlp`"""
    depth: PositiveInt | None = None
    """blocks; of `unet` residual blocks on each way through its upper level; of `transformer-unet` residual blocks on
    the way down through a level, on the way up there is one more; None: 3, of `unet` 2, of `transformer-unet` 1"""
    mults: tuple[PositiveInt, ...] = Field((1, 2), min_length=1, max_length=6)
    """of `transformer-unet`: channels of its levels, from the largest maps down, in units of `width`"""
    transformers: tuple[NonNegativeInt, ...] | None = None
    """of `transformer-unet`: levels, from 0 on, whose blocks are followed by transformers; null: all but the largest"""
    heads: PositiveInt = 4
    """heads of the attentions"""
    head_width: PositiveInt | None = None
    """of `transformer-unet`: features of a head; null: the channels by the number of heads"""
    variant: Literal["usual", "published"] = "usual"
    """of `transformer-unet`: `published`: residual blocks and projections as in the code
    utai-utai/quantum-diffusion-model-anime: time is added, groups are of 32, and nothing begins at zero"""
    quantum: DenoiserBranchSettings = DenoiserBranchSettings()
    """a circuit, on as many features as the network has where it is"""
    circuits: Literal["image", "token"] = "image"
    """of a circuit in the `middle`: one for an image in each call, which sees the mean of its tokens there, or one for
    each of its tokens"""

    def name_for(self, code_shape: tuple[int, ...]) -> DenoiserName:
        """Return the network for codes of this shape, as given or as the shape has it.

        Raises:
            ConfigError: it is for maps, and the code is a vector.
        """
        name = self.name or ("unet" if len(code_shape) == 3 else "mlp")
        if name != "mlp" and len(code_shape) != 3:
            raise ConfigError(
                f"the denoiser `{name}` is for codes that are maps (channels, height, width), and this one has the "
                f"shape {code_shape}: choose `mlp`, or leave the name out"
            )
        return name

    def width_of(self, name: DenoiserName) -> int:
        """Return the width, as given or as usual."""
        return self.width or USUAL[name].width

    def depth_of(self, name: DenoiserName) -> int:
        """Return the depth, as given or as usual."""
        return self.depth or USUAL[name].depth

    @property
    def transformer_levels(self) -> tuple[int, ...]:
        """Levels of `transformer-unet` with transformers."""
        return tuple(range(1, len(self.mults))) if self.transformers is None else self.transformers

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        for name in ("dit", "unet", "transformer-unet"):
            width = self.width_of(name)
            divided = name != "transformer-unet" or self.head_width is None
            if self.name in (name, None) and divided and width % self.heads:
                raise ValueError(f"heads = {self.heads} must divide width = {width}")
        return self

    @model_validator(mode="after")
    def _fits_the_network(self) -> Self:
        if self.name != "transformer-unet":
            own = [name for name in ("mults", "transformers", "head_width", "variant") if name in self.plain()]
            if own:
                raise ValueError(f"`{own[0]}` is of `name: transformer-unet`: leave it out, or set that name")
        wrong = [level for level in self.transformer_levels if level >= len(self.mults)]
        if wrong:
            raise ValueError(f"`transformers` names level {wrong[0]}, and there are {len(self.mults)}, from 0 on")
        if self.variant == "published" and self.width_of("transformer-unet") % 32:
            raise ValueError(f"`variant: published` needs a width that is a multiple of 32, not {self.width}")
        if self.quantum.place == "feed-forward" and self.name not in ("transformer-unet", "dit"):
            raise ValueError("`quantum.place: feed-forward` is of `name: transformer-unet` or `dit`")
        if self.quantum.place == "middle" and self.name == "transformer-unet":
            raise ValueError("`transformer-unet` has its circuits beside feed-forward networks: leave `place` out")
        return self
