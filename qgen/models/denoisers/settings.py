"""Settings of a denoiser of codes, which refuse what cannot be built."""

from __future__ import annotations

from typing import Literal, NamedTuple, Self

from pydantic import Field, PositiveInt, model_validator

from qgen.errors import ConfigError
from qgen.models.branch_settings import BranchSettings
from qgen.settings import Settings

DenoiserName = Literal["unet", "dit", "mlp"]
NORM_GROUPS = 8


class Usual(NamedTuple):
    """What settings of a denoiser leave open."""

    width: int
    depth: int


USUAL: dict[DenoiserName, Usual] = {"unet": Usual(32, 2), "dit": Usual(96, 3), "mlp": Usual(128, 3)}


class DenoiserSettings(Settings):
    """A network that denoises codes, conditioned on time and on a class."""

    name: DenoiserName | None = None
    """`unet`: two levels, with attention at the lower one; `dit`: a transformer with adaLN-zero, each pixel of a code a
    token; `mlp`: dense layers. None: `unet` where a code is a map, `mlp` where it is a vector"""
    width: PositiveInt | None = Field(None, multiple_of=8)
    """features of a token or of a vector, channels of the upper level of `unet` (twice as many at the lower); None: 32
    of `unet`, 96 of `dit`, 128 of `mlp`"""
    depth: PositiveInt | None = None
    """blocks; of `unet` residual blocks on each way through its upper level; None: 3, of `unet` 2"""
    heads: PositiveInt = 4
    """heads of the attentions"""
    quantum: BranchSettings = BranchSettings()
    """a circuit in the middle of the network, on as many features as it has there"""
    circuits: Literal["image", "token"] = "image"
    """one circuit for an image in each call, which sees the mean of its tokens there, or one for each of its tokens"""

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

    @model_validator(mode="after")
    def _heads_divide(self) -> Self:
        for name in ("dit", "unet"):
            width = self.width_of(name)
            if self.name in (name, None) and width % self.heads:
                raise ValueError(f"heads = {self.heads} must divide width = {width}")
        return self
