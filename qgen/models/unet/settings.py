"""Settings of a U-Net, which refuse what cannot be built."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from qgen.circuits import LayerCircuit
from qgen.errors import ConfigError
from qgen.models.ansatz_settings import AnsatzSettings
from qgen.settings import Settings

Variant = Literal["paper", "published"]
PATCH = 2  # a circuit sees PATCH x PATCH pixels of each of its channels, one a qubit


class HybridSettings(AnsatzSettings):
    """The circuits that stand in for a convolution, on some of its channels."""

    beside: ClassVar[Mapping[str, str]] = {"qubits": "group_channels", **AnsatzSettings.beside}

    ansatz: str = "hqconv"
    group_channels: PositiveInt = 3
    """channels that one circuit sees, 2x2 pixels of each: it has four times as many data qubits"""

    def ansatz_name(self, variant: Variant) -> str:
        """Return the ansatz that runs: in the published code, block A of `hqconv` never does."""
        return "hqconv-published" if variant == "published" and self.ansatz == "hqconv" else self.ansatz

    def circuit(self, layers: int, variant: Variant) -> LayerCircuit:
        """Return the circuit that runs for one group: one input and one output a pixel.

        Raises:
            CircuitError: the ansatz is unknown, or does not take this number of qubits or layers or these options.
        """
        return self.build(PATCH**2 * self.group_channels, layers, self.ansatz_name(variant))

    def counted_weights(self, layers: int) -> int:
        """Return the number of weights of the circuit that is named: in `published` more of `hqconv` than run."""
        return self.build(PATCH**2 * self.group_channels, layers).num_weights


class VertexSettings(HybridSettings):
    """The bottom of the U: classical, or with circuits in both of its residual blocks."""

    groups: NonNegativeInt | Literal["all"] = 0
    """groups of channels that go to circuits; 0: classical; `all`: no convolution is left"""
    layers: PositiveInt = 3
    """layers of each circuit"""


class QuanvolutionSettings(HybridSettings):
    """A level of the encoder whose residual blocks have circuits, on all 2x2 patches of the feature map."""

    level: NonNegativeInt = 1
    """the level, counted from 0 at the full size"""
    groups: PositiveInt = 1
    """groups of channels that go to circuits"""
    layers: PositiveInt | None = None
    """layers of each circuit; default: 1 in `paper`, 3 in `published`"""
    shared: bool | None = None
    """whether both stages of a block use the same circuits; default: yes in `paper`, no in `published`"""


class UNetSettings(Settings):
    """The U-Net of De Falco et al. (2024), arXiv:2402.16147, and its hybrids."""

    added: ClassVar[frozenset[str]] = frozenset({"conditioning"})

    kind: Literal["unet"] = "unet"
    """the kind of generator"""
    dim: int = Field(10, ge=4)
    """channels at the full size; the embedding of time is four times as wide"""
    mults: tuple[PositiveInt, ...] = Field((1, 2, 3, 4), min_length=1)
    """one a level: its multiple of `dim` is the number of channels on the way up"""
    norm_groups: PositiveInt = 10
    """groups of the group normalisations; they divide `dim`"""
    heads: PositiveInt = 4
    """heads of the attentions"""
    head_dim: PositiveInt = 32
    """features of a head"""
    variant: Variant = "paper"
    """`paper`: as the text has it; `published`: with the quirks of the published code, to compare with its numbers"""
    conditioning: Literal["none", "label"] = "none"
    """`label`: images of a class that is asked for, as `qgen sample --label` does; the data need labels"""
    vertex: VertexSettings = VertexSettings()
    """the bottom of the U"""
    quanvolution: QuanvolutionSettings | None = None
    """circuits in a level of the encoder"""

    @property
    def widths(self) -> tuple[int, ...]:
        """The channels of each level of the encoder."""
        return (self.dim, *(self.dim * mult for mult in self.mults[:-1]))

    @property
    def bottom(self) -> int:
        """The channels at the vertex."""
        return self.dim * self.mults[-1]

    @property
    def quanvolution_layers(self) -> int:
        """Layers of a quanvolutional circuit, as given or as the variant has it."""
        layers = self.quanvolution.layers if self.quanvolution else None
        return layers or (1 if self.variant == "paper" else 3)

    @property
    def quanvolution_shared(self) -> bool:
        """Whether the two stages of a quanvolutional block share circuits, as given or as the variant has it."""
        shared = self.quanvolution.shared if self.quanvolution else None
        return self.variant == "paper" if shared is None else shared

    def map_sizes(self, size: int) -> tuple[int, ...]:
        """Return the side of the feature maps of each level, the vertex' last, for images of this side.

        Each level halves the side with a 4x4 convolution; the last one may have a 7x7 one: see `last_kernel`.

        Raises:
            ConfigError: the images are too small for so many levels, or a map that is cut into 2x2 patches is odd.
        """
        sizes = [size]
        for level in range(1, len(self.mults)):
            kernel = last_kernel(sizes[-1]) if level == len(self.mults) - 1 else 4
            sizes.append((sizes[-1] + 2 - kernel) // 2 + 1)
        if sizes[-1] < PATCH:
            raise ConfigError(
                f"{size}x{size} images are too small for {len(sizes)} levels, whose feature maps would have sides "
                f"{', '.join(map(str, sizes))}: give fewer `mults`, or larger images"
            )
        hybrid = ([("vertex", len(sizes) - 1)] if self.vertex.groups else []) + (
            [("quanvolution", self.quanvolution.level)] if self.quanvolution else []
        )
        for part, level in hybrid:
            if sizes[level] % PATCH:
                raise ConfigError(
                    f"`{part}` cuts feature maps into 2x2 patches, but with {size}x{size} images they are "
                    f"{sizes[level]}x{sizes[level]} there: choose another level, other `mults` or another image size"
                )
        return tuple(sizes)

    @model_validator(mode="after")
    def _check_norms(self) -> UNetSettings:
        if self.dim % self.norm_groups:
            raise ValueError(f"`norm_groups` ({self.norm_groups}) must divide `dim` ({self.dim})")
        return self

    @model_validator(mode="after")
    def _check_vertex(self) -> UNetSettings:
        wanted = 1 if self.vertex.groups == "all" else self.vertex.groups
        _check_channels("vertex", wanted * self.vertex.group_channels, self.bottom)
        self.vertex.circuit(self.vertex.layers, self.variant)
        return self

    @model_validator(mode="after")
    def _check_quanvolution(self) -> UNetSettings:
        level = self.quanvolution
        if level is None:
            return self
        if level.level >= len(self.mults):
            raise ValueError(
                f"`quanvolution.level` is {level.level}, but {len(self.mults)} `mults` make levels 0 to "
                f"{len(self.mults) - 1}"
            )
        _check_channels("quanvolution", level.groups * level.group_channels, self.widths[level.level])
        level.circuit(self.quanvolution_layers, self.variant)
        return self


def last_kernel(size: int) -> int:
    """Return the kernel of the last downsampling from maps of this side: 7x7 for 7 or 8 to 2, 4x4 for 4 or 5 to 2."""
    return 7 if size >= 7 else 4


def _check_channels(part: str, wanted: int, available: int) -> None:
    if wanted > available:
        raise ValueError(
            f"the groups of `{part}` take {wanted} channels, but there are {available}: "
            f"give fewer `{part}.groups`, or fewer `{part}.group_channels`"
        )
