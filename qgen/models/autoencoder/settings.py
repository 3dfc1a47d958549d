"""Settings of an autoencoder, which refuse what cannot be built."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Field, PositiveInt

from qgen.errors import ConfigError
from qgen.models.branch_settings import BranchSettings
from qgen.models.features import ExtractorSettings
from qgen.settings import Settings, WithKind

CodeShape: TypeAlias = tuple[int, ...]


class AutoencoderBranchSettings(BranchSettings):
    """The circuit of an autoencoder: one for an image."""

    place: Literal["encoder", "decoder"] = "encoder"
    """`encoder`: before the code, sampling runs no circuits; `decoder`: behind it (a denoiser has its own setting)"""


class AutoencoderDiscriminatorSettings(Settings):
    """The discriminator of an autoencoder: features of an image, and a score that is a sum of them."""

    extractor: ExtractorSettings = ExtractorSettings()
    """where features come from"""


class AutoencoderSettings(Settings):
    """A convolutional variational autoencoder, and the discriminator that sharpens its images."""

    kind: Literal["autoencoder"] = "autoencoder"
    """the kind of generator"""
    widths: tuple[PositiveInt, ...] = Field((32, 64), min_length=1, max_length=6)
    """channels of the feature maps at half the size of the image, at a quarter, and so on down to the code"""
    channels: PositiveInt = 4
    """channels of a code that is a map"""
    vector: PositiveInt | None = None
    """numbers of a code that is a vector; null: the code is a map"""
    quantum: AutoencoderBranchSettings = AutoencoderBranchSettings()
    """a circuit on the features of the whole image"""
    gan: bool = True
    """whether a discriminator is trained against it"""
    discriminator: AutoencoderDiscriminatorSettings = AutoencoderDiscriminatorSettings()
    """scores images"""

    def map_sizes(self, size: int) -> tuple[int, ...]:
        """Return the sides of the feature maps, one a width, for images of this side: 14 and 7 for 28.

        Raises:
            ConfigError: the side is odd, or too small for so many widths.
        """
        if size % 2 or size < 4:
            raise ConfigError(
                f"an autoencoder takes images of an even side from 4 pixels on, not {size}x{size}: set `data.size`"
            )
        sizes = [size // 2]
        for _ in self.widths[1:]:
            sizes.append(-(-sizes[-1] // 2))
        if sizes[-1] < 2:
            raise ConfigError(
                f"{size}x{size} images are too small for {len(self.widths)} `model.widths`, whose feature maps would "
                f"have sides {', '.join(map(str, sizes))}: give fewer, or larger images"
            )
        return tuple(sizes)

    def code_shape(self, size: int) -> CodeShape:
        """Return the shape of a code for images of this side: (c, h, w), or (d,) of a vector.

        Raises:
            ConfigError: see `map_sizes`.
        """
        side = self.map_sizes(size)[-1]
        return (self.channels, side, side) if self.vector is None else (self.vector,)


class DiffusersAutoencoderSettings(Settings):
    """An `AutoencoderKL` of diffusers, as its `config.json` says."""

    kind: Literal["diffusers"] = "diffusers"
    """the kind of autoencoder"""
    config: dict[str, Any] = Field(default_factory=dict)
    """the arguments of `AutoencoderKL`"""


#: Settings of an autoencoder that another model works in the codes of.
FirstStageSettings: TypeAlias = Annotated[
    AutoencoderSettings | DiffusersAutoencoderSettings, Field(discriminator="kind"), WithKind("autoencoder")
]
