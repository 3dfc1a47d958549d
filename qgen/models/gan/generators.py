"""Generators of GANs: networks from latent numbers to images, in one pass."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

from qgen.errors import ConfigError
from qgen.interpolation import spherical
from qgen.models.circuit_context import CircuitContext
from qgen.models.gan.blocks import build_block
from qgen.models.gan.latent_pool import LatentPool
from qgen.models.gan.settings import ConvGeneratorSettings, PatchGeneratorSettings, StyleGeneratorSettings
from qgen.nn import QuantumLayer, QuantumProbabilities
from qgen.nn.initialisers import Uniform

Shape = tuple[int, int, int]
SMALLEST = 4  # pixels at which the convolutions begin
GROUPS = 8  # of channels that are normalised together
MAX_NUMBERS = 20  # of a sample that one circuit makes, a qubit each


class GeneratorNetwork(nn.Module, ABC):
    """A network from latent numbers (B, L) to images (B, C, H, W) in [-1, 1].

    Attributes:
        latents: L.
        circuits: how many it runs for one image.
    """

    latents: int
    circuits: int

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        """Draw latent numbers (count, L), float32, on the CPU."""

    def check_count(self, count: int) -> None:
        """Refuse so many images, of other latent numbers each, where there are not so many.

        Raises:
            ConfigError: there are fewer.
        """

    def between(self, first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
        """Return latent numbers on the way from some to others: on the straight line, as befits uniform ones."""
        return torch.lerp(first, second, share)


class ConvGenerator(GeneratorNetwork):
    """A block on the latent numbers, then convolutions that double the size until it is that of the image.

    Latent numbers are uniform in [-1, 1], or codes of a pool, of -1 and 1. Normalisations are by group, so that an
    image depends on no other one.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        context: where circuits run.

    Raises:
        ConfigError: the pool's codes have more or fewer bits than the block takes numbers.
        RunError: the pool is missing or damaged.
    """

    def __init__(self, settings: ConvGeneratorSettings, shape: Shape, context: CircuitContext) -> None:
        super().__init__()
        channels, size, _ = shape
        sizes = _sizes(size)
        widths = [settings.channels * min(4, 2 ** (len(sizes) - 1 - level)) for level in range(len(sizes))]
        self.latents, self.circuits = settings.block.inputs, int(settings.block.kind == "quantum")
        self.pool = None if settings.pool is None else LatentPool(Path(settings.pool), self.latents)
        self.block = build_block(settings.block, context)
        self.start = nn.Linear(settings.block.width, widths[0] * sizes[0] ** 2)
        self.first = (widths[0], sizes[0], sizes[0])
        before = [widths[0], *widths[:-1]]
        self.levels = nn.ModuleList(
            _Level(*sizes_of_level) for sizes_of_level in zip(before, widths, sizes, strict=True)
        )
        self.out = nn.Conv2d(widths[-1], channels, 3, padding=1)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        if self.pool is not None:
            return self.pool.draw(count, generator)
        return 2 * torch.rand(count, self.latents, generator=generator) - 1

    def check_count(self, count: int) -> None:
        if self.pool is not None:
            self.pool.check_count(count)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.start(self.block(latents)).unflatten(1, self.first)
        for level in self.levels:
            maps = level(maps)
        return self.out(maps).tanh()  # type: ignore[no-any-return]


class _Level(nn.Module):
    """Maps of a given size from smaller ones, or of the same size."""

    def __init__(self, before: int, channels: int, size: int) -> None:
        super().__init__()
        self.shape: Shape = (channels, size, size)
        self.conv = nn.Conv2d(before, channels, 3, padding=1)
        self.norm = nn.GroupNorm(math.gcd(GROUPS, channels), channels)

    def forward(self, maps: torch.Tensor) -> torch.Tensor:
        if maps.shape[-1] != self.shape[-1]:
            maps = functional.interpolate(maps, size=self.shape[1:])
        return functional.leaky_relu(self.norm(self.conv(maps)), 0.2)


class PatchGenerator(GeneratorNetwork):
    """Circuits that read the same latent numbers; the probabilities of each one's outcomes are a part of the image.

    A pixel is the probability of an outcome given that the ancillas are 0, divided by the largest one of its patch: 0
    is black, 1 white. Latent numbers are uniform in [0, pi/2), one a qubit. Source: H.-L. Huang et al. (2021),
    "Experimental quantum generative adversarial networks for image generation", arXiv:2010.06201.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images, whose numbers divide among the patches.
        context: where circuits run.

    Raises:
        ConfigError: the numbers do not divide, or a circuit has fewer outcomes than its patch has numbers, or a patch
            has one only, whose share of the largest is always 1.
    """

    def __init__(self, settings: PatchGeneratorSettings, shape: Shape, context: CircuitContext) -> None:
        super().__init__()
        numbers, outcomes = math.prod(shape), 2 ** (settings.qubits - settings.ancillas)
        if numbers % settings.patches or not 1 < numbers // settings.patches <= outcomes:
            raise ConfigError(
                f"{settings.patches} patches of {outcomes} numbers each do not make images of {shape[0]}x{shape[1]}x"
                f"{shape[2]}: `patches` has to divide {numbers}, and {settings.qubits - settings.ancillas} qubits "
                f"beside the ancillas paint {outcomes} numbers at most, and 2 at least"
            )
        self._shape, self._numbers = shape, numbers // settings.patches
        self.latents, self.circuits = settings.circuit.num_inputs, settings.patches
        self.patches = QuantumProbabilities(
            settings.circuit,
            range(settings.ancillas),
            context.backend,
            context.gradient,
            seed=context.seed,
            copies=settings.patches,
        )

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return math.pi / 2 * torch.rand(count, self.latents, generator=generator)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        inputs = latents.unsqueeze(1).expand(-1, self.circuits, -1)
        probabilities: torch.Tensor = self.patches(inputs)[..., : self._numbers]
        largest = probabilities.amax(dim=-1, keepdim=True)
        # Where no shot was kept, all are zero: the patch stays black.
        parts = probabilities / torch.where(largest > 0, largest, torch.ones_like(largest))
        return (2 * parts - 1).reshape(-1, *self._shape)


class StyleGenerator(GeneratorNetwork):
    """A circuit whose every angle is w z + b; the expectation values of its qubits are the numbers of the sample.

    Latent numbers are standard normal. Source: C. Bravo-Prieto et al. (2022), "Style-based quantum generative
    adversarial networks for Monte Carlo events", Quantum 6, 777, arXiv:2110.06933.

    Args:
        settings: what to build.
        shape: (C, H, W) of the samples; a qubit for each number, or for two.
        context: where the circuit runs.

    Raises:
        ConfigError: the samples have more numbers than a circuit has values, or an odd number where qubits have two.
        CircuitError: the ansatz does not take so many qubits.
    """

    def __init__(self, settings: StyleGeneratorSettings, shape: Shape, context: CircuitContext) -> None:
        super().__init__()
        most = MAX_NUMBERS * len(settings.observables)
        if math.prod(shape) % len(settings.observables):
            raise ConfigError(
                f"`observables=xz` makes two numbers a qubit, and samples have {math.prod(shape)}, an odd number: set "
                "`model.generator.observables=z`"
            )
        if math.prod(shape) > most:
            raise ConfigError(
                f"a style generator makes a few numbers with each qubit, {most} at most, and these samples have "
                f"{math.prod(shape)}: choose a distribution (`qgen data` lists them), smaller images, or "
                "`model.generator.kind=conv` with a block of ansatz `style`"
            )
        circuit = settings.circuit(math.prod(shape))
        self._shape, self.latents, self.circuits = shape, circuit.num_inputs, 1
        start = None if settings.spread is None else Uniform(-settings.spread, settings.spread)
        self.circuit = QuantumLayer(circuit, context.backend, context.gradient, seed=context.seed, initial=start)

    def draw(self, count: int, generator: torch.Generator) -> torch.Tensor:
        return torch.randn(count, self.latents, generator=generator)

    def between(self, first: torch.Tensor, second: torch.Tensor, share: float) -> torch.Tensor:
        return spherical(first, second, share)

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        return self.circuit(latents).reshape(-1, *self._shape)  # type: ignore[no-any-return]


def build_generator_network(
    settings: ConvGeneratorSettings | PatchGeneratorSettings | StyleGeneratorSettings,
    shape: Shape,
    context: CircuitContext,
) -> GeneratorNetwork:
    """Build the generator that the settings describe, for images of this shape.

    Raises:
        ConfigError, CircuitError, BackendError: it cannot be built, or its circuits cannot run there.
    """
    if isinstance(settings, ConvGeneratorSettings):
        return ConvGenerator(settings, shape, context)
    if isinstance(settings, PatchGeneratorSettings):
        return PatchGenerator(settings, shape, context)
    return StyleGenerator(settings, shape, context)


def _sizes(size: int) -> list[int]:
    """Return the sides of feature maps up to this one, each half of the next, rounded up: 4, 8; 4, 7, 14, 28."""
    sizes = [size]
    while sizes[0] > SMALLEST:
        sizes.insert(0, -(-sizes[0] // 2))
    return sizes
