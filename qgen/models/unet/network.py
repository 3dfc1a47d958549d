"""The U-Net: an encoder, a vertex and a decoder, each classical or hybrid."""

from __future__ import annotations

import torch
from torch import nn

from qgen.backends import Backend, GradientMethod, open_backend
from qgen.conditioning import Conditioning
from qgen.errors import ConfigError, InputError
from qgen.models.circuit_context import CircuitContext
from qgen.models.initialisation import initialise
from qgen.models.unet.attention import FullAttention, LinearAttention
from qgen.models.unet.blocks import ConvPair, LabelEmbedding, ResBlock, TimeEmbedding, Upsample
from qgen.models.unet.hybrid import HybridConvPair, HybridConvSpec, quanvolution_spec, vertex_spec
from qgen.models.unet.settings import UNetSettings, last_kernel
from qgen.randomness import derive

TIME_FACTOR = 4  # the width of the embedding of time, in multiples of `dim`


class EncoderLevel(nn.Module):
    """Two residual blocks, attention, and where there is a level below, a smaller map for it.

    Args:
        settings: the U-Net's.
        level: the level, from 0.
        size: the side of its feature maps.
        hybrid: the convolutions of its residual blocks; None: convolutions.
        context: where circuits run.
    """

    def __init__(
        self, settings: UNetSettings, level: int, size: int, hybrid: HybridConvSpec | None, context: CircuitContext
    ) -> None:
        super().__init__()
        channels, last = settings.widths[level], len(settings.mults) - 1
        self.block_0, self.block_1 = (_block(settings, channels, hybrid, context.at(index)) for index in range(2))
        self.attention = LinearAttention(channels, settings.heads, settings.head_dim)
        kernel = last_kernel(size) if level == last - 1 else 4
        below = settings.widths[level + 1] if level < last else None
        self.down = nn.Identity() if below is None else nn.Conv2d(channels, below, kernel, stride=2, padding=1)

    def forward(self, maps: torch.Tensor, time: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Transform maps (B, C, H, W) and time (B, 4 dim) to two maps for the decoder, and those of the level below."""
        first = self.block_0(maps, time)
        second = self.attention(self.block_1(first, time))
        return first, second, self.down(second)


class Encoder(nn.Module):
    """The encoder: images to a small feature map, the maps that the decoder reads, and the embedding of time.

    Args:
        settings: the U-Net's.
        channels: of the images.
        sizes: the side of the feature maps of each level.
        hybrid: the convolutions of the residual blocks of the quanvolutional level, if there is one.
        context: where its circuits run.
    """

    def __init__(
        self,
        settings: UNetSettings,
        channels: int,
        sizes: tuple[int, ...],
        hybrid: HybridConvSpec | None,
        context: CircuitContext,
    ) -> None:
        super().__init__()
        self.time = TimeEmbedding(settings.dim, TIME_FACTOR * settings.dim)
        self.init = nn.Conv2d(channels, settings.dim, 7, padding=3)
        place = settings.quanvolution.level if settings.quanvolution else None
        self.levels = nn.ModuleList(
            EncoderLevel(settings, level, size, hybrid if level == place else None, context.at(level))
            for level, size in enumerate(sizes)
        )
        self.out = nn.Conv2d(settings.widths[-1], settings.bottom, 3, padding=1)

    def forward(
        self, images: torch.Tensor, times: torch.Tensor, condition: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, list[torch.Tensor], torch.Tensor]:
        """Transform images (B, C, H, W) and times (B,) to maps, skipped maps (the deepest last), and time (B, 4 dim).

        What comes of the condition (B, 4 dim) is added to the embedding of time.
        """
        time = self.time(times)
        if condition is not None:
            time = time + condition
        maps = self.init(_channels_last(images))
        skips = [maps]
        for level in self.levels:
            *kept, maps = level(maps, time)
            skips += kept
        return self.out(maps), skips, time


class Vertex(nn.Module):
    """Two residual blocks with full attention between them, at the smallest maps.

    Args:
        settings: the U-Net's.
        hybrid: the convolutions of the residual blocks; None: convolutions.
        context: where circuits run.
    """

    def __init__(self, settings: UNetSettings, hybrid: HybridConvSpec | None, context: CircuitContext) -> None:
        super().__init__()
        self.block_0, self.block_1 = (
            _block(settings, settings.bottom, hybrid, context.at(index)) for index in range(2)
        )
        self.attention = FullAttention(settings.bottom, settings.heads, settings.head_dim, settings.variant)

    def forward(self, maps: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """Transform maps (B, C, H, W) and time (B, 4 dim) to maps of the same shape."""
        return self.block_1(self.attention(self.block_0(maps, time)), time)  # type: ignore[no-any-return]


class DecoderLevel(nn.Module):
    """Two residual blocks that each take a map of the encoder in, attention, and a larger map with fewer channels.

    Args:
        settings: the U-Net's.
        level: the level, from 0.
        size: the side of the maps that come out: that of the level above, or at level 0 its own.
    """

    def __init__(self, settings: UNetSettings, level: int, size: int) -> None:
        super().__init__()
        channels, skipped = settings.dim * settings.mults[level], settings.widths[level]
        self.block_0, self.block_1 = (
            ResBlock(channels + skipped, channels, TIME_FACTOR * settings.dim, settings.norm_groups) for _ in range(2)
        )
        self.attention = LinearAttention(channels, settings.heads, settings.head_dim)
        self.up = Upsample(channels, skipped, size)

    def forward(
        self, maps: torch.Tensor, second: torch.Tensor, first: torch.Tensor, time: torch.Tensor
    ) -> torch.Tensor:
        """Transform maps, the two maps of the encoder's level (B, C, H, W), and time to maps (B, C', size, size)."""
        maps = self.block_0(torch.cat([maps, second], dim=1), time)
        maps = self.block_1(torch.cat([maps, first], dim=1), time)
        return self.up(self.attention(maps))  # type: ignore[no-any-return]


class Decoder(nn.Module):
    """The decoder: the vertex' maps and those that the encoder kept to images.

    Args:
        settings: the U-Net's.
        channels: of the images.
        sizes: the side of the feature maps of each level.
    """

    def __init__(self, settings: UNetSettings, channels: int, sizes: tuple[int, ...]) -> None:
        super().__init__()
        above = (sizes[0], *sizes[:-1])
        self.levels = nn.ModuleDict(
            {str(level): DecoderLevel(settings, level, above[level]) for level in reversed(range(len(sizes)))}
        )
        self.final = ResBlock(2 * settings.dim, settings.dim, TIME_FACTOR * settings.dim, settings.norm_groups)
        self.out = nn.Conv2d(settings.dim, channels, 1)

    def forward(self, maps: torch.Tensor, skips: list[torch.Tensor], time: torch.Tensor) -> torch.Tensor:
        """Transform maps, the encoder's `skips` and time (B, 4 dim) to (B, C, H, W)."""
        for level in self.levels.values():
            *skips, first, second = skips
            maps = level(maps, second, first, time)
        return self.out(self.final(torch.cat([maps, *skips], dim=1), time))  # type: ignore[no-any-return]


class UNet(nn.Module):
    """A denoising network: the U-Net of De Falco et al. (2024), arXiv:2402.16147, or one of its hybrids.

    `build_unet` makes one. The names of its parameters begin with `encoder`, `vertex` or `decoder`, so that these parts
    can be taken over from another one; those of `condition` are its embedding of labels.

    Attributes:
        settings: what it was built from.
        image_shape: (C, H, W) of its images.
        sizes: the side of the feature maps of each level, the vertex' last.
    """

    def __init__(
        self, settings: UNetSettings, channels: int, size: int, context: CircuitContext, num_classes: int | None = None
    ) -> None:
        super().__init__()
        self.settings, self.image_shape, self.sizes = settings, (channels, size, size), settings.map_sizes(size)
        at_level, at_vertex = quanvolution_spec(settings), vertex_spec(settings)
        self.encoder = Encoder(settings, channels, self.sizes, at_level, context.at("encoder"))
        self.vertex = Vertex(settings, at_vertex, context.at("vertex"))
        self.decoder = Decoder(settings, channels, self.sizes)
        self.condition = None if num_classes is None else LabelEmbedding(num_classes, TIME_FACTOR * settings.dim)

    def forward(
        self, images: torch.Tensor, times: torch.Tensor, conditioning: Conditioning | None = None
    ) -> torch.Tensor:
        """Return the prediction (B, C, H, W) for noisy images, at times in steps 0..T-1, whole or not.

        Args:
            images: (B, C, H, W).
            times: (B,).
            conditioning: labels, one an image; None: the null label, or no condition at all.

        Raises:
            InputError: images of another shape, not one time or label for each, or labels for a model without.
        """
        if images.shape[1:] != self.image_shape or times.shape != images.shape[:1]:
            raise InputError(
                f"this model takes images {('B', *self.image_shape)} and times ('B',), "
                f"not {tuple(images.shape)} and {tuple(times.shape)}"
            )
        maps, skips, time = self.encoder(images, times, self._embedded(conditioning, times))
        return self.decoder(self.vertex(maps, time), skips, time)  # type: ignore[no-any-return]

    def _embedded(self, conditioning: Conditioning | None, times: torch.Tensor) -> torch.Tensor | None:
        if self.condition is not None:
            return self.condition(conditioning, times)  # type: ignore[no-any-return]
        if conditioning is not None:
            raise InputError("this model was built without conditioning: leave it out, or set `model.conditioning`")
        return None

    @property
    def circuits_per_call(self) -> int:
        """Number of circuits that are run for one image in one call."""
        parts = [*zip(self.encoder.levels, self.sizes, strict=True), (self.vertex, self.sizes[-1])]
        return sum(
            module.circuits_per_image(size)
            for part, size in parts
            for module in part.modules()
            if isinstance(module, ConvPair)
        )


def build_unet(
    settings: UNetSettings,
    channels: int,
    size: int,
    backend: str | Backend = "statevector",
    gradient: str | GradientMethod = "auto",
    seed: int = 0,
    num_classes: int | None = None,
) -> UNet:
    """Build the U-Net of these settings, with its initial weights.

    Weights start as in Flax, see `initialise`; torch's global generator is neither used nor changed.

    Args:
        settings: what to build.
        channels: of the images, 1 for grey, 3 for colour.
        size: the side of the square images, in pixels.
        backend: where circuits run: a name or a `Backend`.
        gradient: how circuits are differentiated: a name or a `GradientMethod`.
        seed: of all initial weights.
        num_classes: number of classes of the data, for a model with labels; None: they have no labels.

    Raises:
        ConfigError: the images are too small for the levels, a part that is cut into 2x2 patches has odd maps, or a
            model is to learn labels that the data do not have.
        CircuitError, BackendError: the backend or its gradient cannot serve the circuits.
    """
    settings.map_sizes(size)
    if channels < 1:
        raise ConfigError(f"images have {channels} channels: give 1 for grey or 3 for colour")
    labelled = settings.conditioning == "label"
    if labelled and num_classes is None:
        raise ConfigError(
            "`model.conditioning=label` needs images with labels, and these have none: choose other data, or leave it "
            "out"
        )
    opened = open_backend(backend) if isinstance(backend, str) else backend
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        context = CircuitContext(opened, gradient, derive(seed, "circuits"))
        model = UNet(settings, channels, size, context, num_classes if labelled else None)
    initialise(model, seed)
    return model


def _block(settings: UNetSettings, channels: int, hybrid: HybridConvSpec | None, context: CircuitContext) -> ResBlock:
    pair = None if hybrid is None else HybridConvPair(hybrid, context)
    return ResBlock(channels, channels, TIME_FACTOR * settings.dim, settings.norm_groups, pair)


def _channels_last(images: torch.Tensor) -> torch.Tensor:
    """Return the same images in torch's channels-last format, its strides unambiguous also with one channel."""
    rows = images.permute(0, 2, 3, 1)
    return rows.reshape(-1).view(rows.shape).permute(0, 3, 1, 2)
