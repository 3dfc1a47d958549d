"""A binary autoencoder and the distribution of its codes, and how both are learned."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.backends import Backend
from qgen.circuits import LayerCircuit, ansatz
from qgen.circuits.iqp import IQP, iqp
from qgen.models.autoencoder.binary import BinaryAutoencoder, bernoulli_kl, straight_through
from qgen.models.born.couplings import find_coupling
from qgen.models.born.kernels import AdaptiveKernel
from qgen.models.born.machine import BornMachine
from qgen.models.born.priors import BoltzmannPrior, ProductPrior
from qgen.models.born.settings import BornPriorSettings, BornSettings
from qgen.randomness import derive

#: Share of a batch in the running means of bits and of their products, from which the prior starts.
SHARE = 0.02


class BornNetwork(nn.Module):
    """The two parts, and the kernel of the prior's loss where that learns, too: nothing is drawn with it.

    The names of parameters begin with `autoencoder`, `prior` or `kernel`.

    Args:
        settings: what to build.
        shape: (C, H, W) of the images.
        backend: where bits are drawn.
        seed: of all initial weights.

    Attributes:
        steps: of training, so far.
    """

    steps: Tensor
    mean: Tensor
    second: Tensor

    def __init__(self, settings: BornSettings, shape: tuple[int, int, int], backend: Backend, seed: int) -> None:
        super().__init__()
        self.settings, self.shape = settings, shape
        self.autoencoder = BinaryAutoencoder(settings.bits, settings.widths, shape, seed)
        self.prior = build_prior(settings.prior, settings.bits, backend, derive(seed, "prior"))
        self.kernel = build_kernel(settings.prior, self.prior, derive(seed, "prior"))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        self.register_buffer("mean", torch.full((settings.bits,), 0.5))
        self.register_buffer("second", torch.full((settings.bits, settings.bits), 0.25))

    @property
    def rests(self) -> bool:
        """Whether the encoder does: its codes stay as they are."""
        return int(self.steps) > self.settings.encoder_steps

    @torch.no_grad()
    def follow(self, bits: Tensor) -> None:
        """Note one step, and the means of its bits (B, n); once the encoder rests, the prior starts from them."""
        self.steps += 1
        self.mean.lerp_(bits.mean(0), SHARE)
        self.second.lerp_(bits.T @ bits / len(bits), SHARE)
        if int(self.steps) == self.settings.encoder_steps + 1 and self.settings.prior.start == "data":
            self.prior.start(self.mean, self.second)

    def forward(self, bits: Tensor) -> Tensor:
        """Return images (B, C, H, W) in [-1, 1] of bits (B, n)."""
        return self.autoencoder.decode(bits).clamp(-1, 1)


def build_prior(
    settings: BornPriorSettings, bits: int, backend: Backend, seed: int
) -> BornMachine | ProductPrior | BoltzmannPrior:
    """Build the distribution of codes.

    Raises:
        CircuitError, BackendError: there is no such circuit, or the backend cannot serve it.
    """
    if settings.name == "product":
        return ProductPrior(bits)
    if settings.name == "boltzmann":
        return BoltzmannPrior(bits, settings.units, seed)
    circuit = prior_circuit(settings, bits)
    assert circuit is not None
    return BornMachine(
        circuit,
        backend,
        scales=settings.scales,
        strings=settings.strings,
        samples=settings.samples,
        seed=derive(seed, "angles"),
    )


def build_kernel(settings: BornPriorSettings, prior: nn.Module, seed: int) -> AdaptiveKernel | None:
    """Return the kernel that a Born machine's loss learns; None: it keeps its own."""
    if settings.kernel == "gaussian" or not isinstance(prior, BornMachine):
        return None
    return AdaptiveKernel(prior.kernel, derive(derive(seed, "angles"), "kernel"))


def prior_circuit(settings: BornPriorSettings, bits: int) -> IQP | LayerCircuit | None:
    """Return the circuit whose shots are codes; None: they are drawn without one.

    Raises:
        CircuitError, BackendError: there is no such circuit, or no such device.
    """
    if settings.name in ("product", "boltzmann"):
        return None
    if settings.name == "iqp":
        return iqp(bits, find_coupling(settings.coupling, bits + settings.hidden), settings.hidden)
    return without_inputs(ansatz(settings.ansatz, qubits=bits, layers=settings.layers))


def without_inputs(circuit: LayerCircuit) -> LayerCircuit:
    """Return a circuit with its inputs set to zero."""
    bound = circuit.circuit.assign_parameters(dict.fromkeys(circuit.inputs, 0.0))
    return LayerCircuit(bound, [], circuit.weights, circuit.observables, circuit.mixture)


class Uniform(NamedTuple):
    """Uniform numbers of a batch of images, (B, ...)."""

    numbers: Tensor

    def part(self, rows: slice) -> Uniform:
        """Return those of some of the images."""
        return Uniform(self.numbers[rows])

    def to(self, device: torch.device | str) -> Uniform:
        """Return the same on another device."""
        return Uniform(self.numbers.to(device))


class _Objective(nn.Module):
    """What both objectives have."""

    def __init__(self, network: BornNetwork) -> None:
        super().__init__()
        self.network = network
        self._metrics: dict[str, Tensor] = {}

    def metrics(self) -> Mapping[str, Tensor]:
        """Return further scalars of the last call."""
        return self._metrics


class CodeObjective(_Objective):
    """The autoencoder brings back images from bits, some of which are flipped."""

    def draw(self, count: int, shape: Any, generator: torch.Generator) -> Uniform:
        """Return uniform numbers (count, 2, n)."""
        return Uniform(torch.rand(count, 2, self.network.settings.bits, generator=generator))

    def forward(self, images: Tensor, draws: Uniform, conditioning: Any = None) -> Tensor:
        """Return the squared error of a pixel, and the weighted divergence."""
        network, settings = self.network, self.network.settings
        with torch.set_grad_enabled(torch.is_grad_enabled() and not network.rests):
            logits = network.autoencoder.logits(images)
            bits = straight_through(logits, draws.numbers[:, 0])
        if torch.is_grad_enabled():
            network.follow(bits.detach())
        flipped = torch.where(draws.numbers[:, 1] < settings.flips, 1 - bits, bits)
        error = functional.mse_loss(network.autoencoder.decode(flipped), images)
        nats = bernoulli_kl(logits).mean()
        self._metrics = {"squared_error": error.detach(), "nats": nats.detach()}
        return error + settings.kl * nats / images[0].numel()


class PriorObjective(_Objective):
    """The prior learns the bits of images, once the encoder rests."""

    def draw(self, count: int, shape: Any, generator: torch.Generator) -> Uniform:
        """Return uniform numbers (count, n + 1): of the bits, and of the seed of strings and phases."""
        size = self.network.settings.bits + 1
        return Uniform(torch.rand(count, size, generator=generator, dtype=torch.float64))

    def forward(self, images: Tensor, draws: Uniform, conditioning: Any = None) -> Tensor:
        """Return the loss of the prior; zero before."""
        prior, kernel = self.network.prior, self.network.kernel
        if not self.network.rests:
            learned = [*prior.parameters(), *(() if kernel is None else kernel.parameters())]
            return torch.stack([weight.sum() for weight in learned]).sum() * torch.zeros(())
        with torch.no_grad():
            chances = self.network.autoencoder.logits(images).sigmoid()
            bits = (draws.numbers[:, :-1].to(chances.device) < chances).float()
        source = torch.Generator().manual_seed(int(draws.numbers[0, -1] * 2**53))
        return prior.loss(bits, source, kernel) if isinstance(prior, BornMachine) else prior.loss(bits, source)
