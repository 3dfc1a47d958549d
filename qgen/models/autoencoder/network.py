"""A convolutional variational autoencoder: images to a distribution of codes, and codes to images."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.backends import Backend, GradientMethod, open_backend
from qgen.models.arguments import as_backend, check_square
from qgen.models.autoencoder.settings import AutoencoderBranchSettings, AutoencoderSettings, CodeShape
from qgen.models.circuit_context import CircuitContext
from qgen.models.initialisation import initialise
from qgen.models.quantum_branch import QuantumBranch, branches
from qgen.models.unet.blocks import NormSiLU
from qgen.randomness import derive

Shape = tuple[int, int, int]
GROUPS = 8  # of channels that are normalised together, where that divides them
FULL_SIZE_CHANNELS = 8  # of the maps at the size of the image
LOGVAR = (-20.0, 10.0)  # the range of log variances


class Posterior(NamedTuple):
    """Independent normal distributions of codes, given images.

    Attributes:
        mean: (B, *code).
        logvar: (B, *code), logarithms of the variances.
    """

    mean: Tensor
    logvar: Tensor

    def sample(self, noise: Tensor) -> Tensor:
        """Return codes (B, *code) for standard normal numbers (B, *code).

        Source: Kingma and Welling (2013), "Auto-encoding variational Bayes", arXiv:1312.6114, section 2.4.
        """
        return self.mean + (0.5 * self.logvar).exp() * noise

    def kl(self) -> Tensor:
        """Return the Kullback-Leibler divergences (B,) from the standard normal distribution, in nats an image.

        Source: arXiv:1312.6114, appendix B.
        """
        return 0.5 * (self.mean.square() + self.logvar.exp() - 1 - self.logvar).flatten(1).sum(1)


class ResidualBlock(nn.Module):
    """x + conv(silu(norm(conv(silu(norm(x)))))), with 3x3 convolutions, of which the last one begins at zero.

    Blocks that begin as the identity learn faster (Goyal et al. 2017, arXiv:1706.02677, section 5.1).

    Args:
        channels: of x.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm_0, self.norm_1 = (_norm(channels) for _ in range(2))
        self.conv_0, self.conv_1 = (nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2))

    def zero_outputs(self) -> None:
        """Let the block begin as the identity."""
        nn.init.zeros_(self.conv_1.weight)

    def forward(self, maps: Tensor) -> Tensor:
        """Transform maps (B, C, H, W) to maps of the same shape."""
        return maps + self.conv_1(self.norm_1(self.conv_0(self.norm_0(maps))))  # type: ignore[no-any-return]


class Encoder(nn.Module):
    """Images (B, C, H, W) to means and log variances of their codes.

    No convolution is at the size of the image: four pixels become channels first.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        context: where the circuit runs.
    """

    def __init__(self, settings: AutoencoderSettings, shape: Shape, context: CircuitContext) -> None:
        super().__init__()
        widths, (side, *_) = settings.widths, settings.map_sizes(shape[1])[::-1]
        self.first = nn.Conv2d(4 * shape[0], widths[0], 3, padding=1)
        self.blocks = nn.ModuleList(ResidualBlock(width) for width in widths)
        self.down = nn.ModuleList(nn.Conv2d(*ends, 3, stride=2, padding=1) for ends in pairwise(widths))
        self.norm, last = _norm(widths[-1]), widths[-1]
        self.hidden: nn.Linear | None = None
        self.head: nn.Conv2d | nn.Linear
        if settings.vector is None:
            self.branch = _branch(last, settings.quantum, "encoder", context)
            self.head = nn.Conv2d(last, 2 * settings.channels, 1)
        else:
            self.hidden = nn.Linear(last * side**2, 2 * last)
            self.branch = _branch(2 * last, settings.quantum, "encoder", context)
            self.head = nn.Linear(2 * last, 2 * settings.vector)

    def forward(self, images: Tensor) -> Posterior:
        maps = self.first(functional.pixel_unshuffle(images, 2))
        for number, block in enumerate(self.blocks):
            maps = block(maps if number == 0 else self.down[number - 1](maps))
        maps = self.norm(maps)
        if self.hidden is None:
            features = _add_to_maps(self.branch, maps)
        else:
            features = self.branch(functional.silu(self.hidden(maps.flatten(1))))
        mean, logvar = self.head(features).to(self.head.weight.dtype).chunk(2, 1)
        return Posterior(mean, logvar.clamp(*LOGVAR))


class Decoder(nn.Module):
    """Codes (B, *code) to images (B, C, H, W), about [-1, 1].

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        context: where the circuit runs.
    """

    def __init__(self, settings: AutoencoderSettings, shape: Shape, context: CircuitContext) -> None:
        super().__init__()
        self.sizes = settings.map_sizes(shape[1])[::-1]
        widths, side = settings.widths[::-1], self.sizes[0]
        self.start = (widths[0], side, side)
        self.hidden: nn.Linear | None = None
        self.entry: nn.Conv2d | nn.Linear
        if settings.vector is None:
            self.entry = nn.Conv2d(settings.channels, widths[0], 3, padding=1)
            self.branch = _branch(widths[0], settings.quantum, "decoder", context)
        else:
            self.hidden = nn.Linear(settings.vector, 2 * widths[0])
            self.branch = _branch(2 * widths[0], settings.quantum, "decoder", context)
            self.entry = nn.Linear(2 * widths[0], math.prod(self.start))
        self.blocks = nn.ModuleList(nn.Sequential(ResidualBlock(width), ResidualBlock(width)) for width in widths)
        self.up = nn.ModuleList(nn.Conv2d(*ends, 3, padding=1) for ends in pairwise(widths))
        self.norm = _norm(widths[-1])
        self.enlarge = nn.Conv2d(widths[-1], 4 * FULL_SIZE_CHANNELS, 3, padding=1)
        self.out = nn.Conv2d(FULL_SIZE_CHANNELS, shape[0], 3, padding=1)

    def forward(self, codes: Tensor) -> Tensor:
        if self.hidden is None:
            maps = _add_to_maps(self.branch, self.entry(codes))
        else:
            maps = self.entry(self.branch(functional.silu(self.hidden(codes)))).unflatten(1, self.start)
        for number, (block, size) in enumerate(zip(self.blocks, self.sizes, strict=True)):
            if number:
                maps = self.up[number - 1](functional.interpolate(maps, size=(size, size)))
            maps = block(maps)
        maps = functional.silu(functional.pixel_shuffle(self.enlarge(self.norm(maps)), 2))
        return self.out(maps)  # type: ignore[no-any-return]


class Autoencoder(nn.Module):
    """A variational autoencoder (Kingma and Welling 2013, arXiv:1312.6114) of convolutions, with a circuit or without.

    `build_autoencoder` makes one.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        encoding: where a circuit of the encoder runs.
        decoding: where a circuit of the decoder runs.

    Attributes:
        settings: what it was built from.
        image_shape: (C, H, W) of its images.
        code_shape: of a code: (c, h, w), or (d,).
        decoder_parts: the submodules that decode.
    """

    code_shape: CodeShape
    decoder_parts = ("decoder",)

    def __init__(
        self, settings: AutoencoderSettings, shape: Shape, encoding: CircuitContext, decoding: CircuitContext
    ) -> None:
        super().__init__()
        self.settings, self.image_shape, self.code_shape = settings, shape, settings.code_shape(shape[1])
        self.encoder = Encoder(settings, shape, encoding.at("encoder"))
        self.decoder = Decoder(settings, shape, decoding.at("decoder"))

    def encode(self, images: Tensor) -> Posterior:
        """Return the distributions of the codes of images (B, C, H, W) in [-1, 1]."""
        return self.encoder(images)  # type: ignore[no-any-return]

    def decode(self, codes: Tensor) -> Tensor:
        """Return images (B, C, H, W), about [-1, 1], of codes (B, *code)."""
        return self.decoder(codes)  # type: ignore[no-any-return]

    def forward(self, images: Tensor) -> Tensor:
        """Return the reconstructions (B, C, H, W) of images (B, C, H, W), by the means of their codes."""
        return self.decode(self.encode(images).mean)

    def metrics(self) -> dict[str, Tensor]:
        """Return what its branch says of the last call, for metrics.jsonl; nothing without one."""
        return {name: value for branch in branches(self) for name, value in branch.metrics().items()}

    @property
    def circuits(self) -> int:
        """Circuits that a reconstruction takes for one image."""
        return self.encoder_circuits + self.decoder_circuits

    @property
    def encoder_circuits(self) -> int:
        """Circuits that encode one image."""
        return self.encoder.branch.circuits

    @property
    def decoder_circuits(self) -> int:
        """Circuits that decode one code."""
        return self.decoder.branch.circuits

    @property
    def circuits_in_training(self) -> tuple[int, int]:
        """Circuits that encode one image, and that decode one code, in a step of training."""
        settings = self.settings.quantum
        count = settings.circuits_in_training
        return (count, 0) if settings.place == "encoder" else (0, count)

    @property
    def last_weight(self) -> Tensor:
        """The weight of the last layer, by whose gradients losses are balanced."""
        return self.decoder.out.weight


def build_autoencoder(
    settings: AutoencoderSettings,
    shape: Shape,
    backend: str | Backend = "statevector",
    gradient: str | GradientMethod = "auto",
    seed: int = 0,
    idle_encoder: bool = False,
) -> Autoencoder:
    """Build the autoencoder of these settings, with its initial weights; torch's global generator is left alone.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images; H = W.
        backend: where circuits run: a name or a `Backend`.
        gradient: how circuits are differentiated: a name or a `GradientMethod`.
        seed: of all initial weights.
        idle_encoder: whether the encoder only keeps its weights, as where images are sampled: its circuit is then not
            put on that backend.

    Raises:
        ConfigError: the images are not square, or too small.
        CircuitError, BackendError: the backend or its gradient cannot serve the circuit.
    """
    check_square(shape)
    opened = as_backend(backend)
    decoding = CircuitContext(opened, gradient, derive(seed, "circuits"))
    encoding = CircuitContext(open_backend("statevector"), "auto", decoding.seed) if idle_encoder else decoding
    with torch.random.fork_rng(devices=[]):  # torch's layers draw weights of their own first
        network = Autoencoder(settings, shape, encoding, decoding)
    initialise(network, derive(seed, "weights"))
    for module in network.modules():
        if isinstance(module, ResidualBlock):
            module.zero_outputs()
    return network


@torch.no_grad()
def code_statistics(network: Autoencoder, images: Tensor, batch: int = 256) -> tuple[Tensor, Tensor]:
    """Return the mean and the standard deviation of each channel of the codes of all images.

    They are those of the codes' means, over images and pixels; of a vector, of each of its numbers over images.

    Args:
        network: the autoencoder; it is put into evaluation mode meanwhile.
        images: (N, C, H, W): float32 in [-1, 1], or uint8 in [0, 255]; N is 2 or more.
        batch: images at once.

    Returns:
        Each (c, 1, 1), or (d,), float32, on the CPU.
    """
    was_training, device = network.training, network.last_weight.device
    network.eval()
    # Sums in float64, so that the result does not depend on the batch in any digit that counts.
    total = torch.zeros(network.code_shape[0], dtype=torch.float64)
    squares, count = torch.zeros_like(total), 0
    for part in images.split(batch):
        scaled = part if part.is_floating_point() else part.to(torch.float32) / 127.5 - 1
        rows = network.encode(scaled.to(device)).mean.to("cpu", torch.float64).transpose(0, 1).flatten(1)
        total, squares, count = total + rows.sum(1), squares + rows.square().sum(1), count + rows.shape[1]
    network.train(was_training)
    mean = total / count
    deviation = (squares / count - mean.square()).clamp_min(1e-12).sqrt()
    shape = (-1, *[1] * (len(network.code_shape) - 1))
    return mean.float().reshape(shape), deviation.float().reshape(shape)


def _branch(width: int, settings: AutoencoderBranchSettings, place: str, context: CircuitContext) -> QuantumBranch:
    """Return the branch of this part: nothing where the circuit is in the other one."""
    own = settings if settings.place == place else AutoencoderBranchSettings()
    return QuantumBranch(width, own, context.at("branch"))


def _add_to_maps(branch: QuantumBranch, maps: Tensor) -> Tensor:
    """Return maps (B, C, H, W) with what a branch says of their means over pixels, which is one row an image."""
    change = branch.change(maps.mean((2, 3)))
    return maps if change is None else maps + change[..., None, None]


def _norm(channels: int) -> NormSiLU:
    return NormSiLU(math.gcd(GROUPS, channels), channels)
