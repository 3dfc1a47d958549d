"""Settings of feature networks, which refuse what cannot be built."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveInt, field_validator, model_validator

from qgen.errors import suggestion
from qgen.settings import Settings

#: What may stand before the colon of a name, and what comes after it.
FAMILIES = {"classifier": "NAME_OR_FILE", "torchvision": "NAME", "timm": "NAME"}
#: Names without a colon.
PLAIN_NAMES = ("conv", "mlp", "efficientnet-lite0")


class ExtractorSettings(Settings):
    """The feature network of a discriminator: one of its own, or one that was trained before."""

    name: str = "conv"
    """`conv`, `mlp`, `efficientnet-lite0`, `classifier:NAME_OR_FILE`, `torchvision:NAME` or `timm:NAME`"""
    width: PositiveInt = 32
    """channels of the first stage of `conv`; each further stage has twice as many"""
    hidden: tuple[PositiveInt, ...] = Field((64, 16), min_length=1)
    """units of each dense layer of `mlp`"""
    spectral_norm: bool = True
    """whether the largest singular value of each convolution of `conv` is held at 1"""
    thaw: NonNegativeInt | None = None
    """how many of the last stages of a pretrained network are trained too; default: none"""
    taps: tuple[str, ...] = ()
    """stages of a pretrained network whose maps are features too, beside what the last one gives"""
    size: int | None = Field(None, ge=8)
    """pixels to which images are enlarged for a pretrained network; default: 64"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """share of the features that are set to 0 in training"""

    @property
    def family(self) -> str:
        """The part of the name before the colon."""
        return self.name.partition(":")[0]

    @property
    def member(self) -> str:
        """The part of the name after the colon."""
        return self.name.partition(":")[2]

    @field_validator("name")
    @classmethod
    def _check_name(cls, name: str) -> str:
        family, _, member = name.partition(":")
        if name in PLAIN_NAMES or (family in FAMILIES and member):
            return name
        if family in FAMILIES:
            raise ValueError(f"say which one after the colon: {family}:{FAMILIES[family]}")
        forms = [*PLAIN_NAMES, *(f"{name}:{which}" for name, which in FAMILIES.items())]
        near = suggestion(family, (*PLAIN_NAMES, *FAMILIES))
        raise ValueError(f"there is no such extractor; allowed: {', '.join(forms)}.{near}")

    @model_validator(mode="after")
    def _check_family(self) -> ExtractorSettings:
        from_scratch = self.family in ("conv", "mlp")
        if from_scratch and self.thaw is not None:
            raise ValueError(f"`thaw` is for pretrained extractors: all of `{self.name}` is trained, so leave it out")
        if from_scratch and self.taps:
            raise ValueError(f"`taps` are for pretrained extractors: leave them out with `{self.name}`")
        if (from_scratch or self.family == "classifier") and self.size is not None:
            own = "the images' own size" if from_scratch else "the size it was trained with"
            raise ValueError(f"`{self.family}` works at {own}: leave `size` out")
        return self


class ClassifierSettings(Settings):
    """A small classifier that qgen trains, so that its features can serve a discriminator."""

    kind: Literal["classifier"] = "classifier"
    """the kind of network"""
    width: PositiveInt = 16
    """channels of the first stage; each further stage has twice as many"""
    features: PositiveInt = 64
    """features of an image, from which its class is told"""
    zoom: float = Field(1.0, ge=1, le=4)
    """in training each image is enlarged about its middle by a random factor, this one at most"""
    shift: float = Field(0.0, ge=0, le=0.5)
    """and moved in both directions by a random part of its size, this one at most"""
    dropout: float = Field(0.0, ge=0, lt=1)
    """share of the features that are set to 0 in training"""
