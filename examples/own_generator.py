"""A generator of one's own in `qgen train`: latent numbers, a circuit, two dense layers, and no discriminator.

cd examples && qgen train own_generator.yaml && qgen sample && qgen describe own_generator.yaml

Its loss is the maximum mean discrepancy between a batch of real and of generated images: Li, Swersky and Zemel,
"Generative moment matching networks", 2015, arXiv:1502.02761.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from qgen import QuantumLayer
from qgen.circuits import ansatz
from qgen.generators import BuildContext, OnePassGenerator, Player, TensorDraws, learned
from qgen.settings import Settings


class MomentMatching(nn.Module):
    """The squared maximum mean discrepancy, with a sum of Gaussian kernels."""

    def __init__(self, network: nn.Module, latents: int) -> None:
        super().__init__()
        self.network, self.latents = network, latents

    def draw(self, count: int, shape: tuple[int, int, int], generator: torch.Generator) -> TensorDraws:
        return TensorDraws([torch.randn(count, self.latents, generator=generator)])

    def forward(self, images: Tensor, draws: TensorDraws, conditioning: None = None) -> Tensor:
        real, fake = images.flatten(1), self.network(*draws)
        return kernel(real, real) + kernel(fake, fake) - 2 * kernel(real, fake)

    def metrics(self) -> dict[str, Tensor]:
        return {}


def kernel(a: Tensor, b: Tensor) -> Tensor:
    distances = torch.cdist(a, b).square() / a.shape[1]
    return sum(torch.exp(-distances / width).mean() for width in (0.1, 0.5, 2.0))


class MomentMatchingGenerator(OnePassGenerator):
    """The generator: `model.kind: own_generator:MomentMatchingGenerator`."""

    class Settings(Settings):
        """The settings of `model`."""

        qubits: int = 6
        """qubits of the circuit; as many latent numbers go in"""
        layers: int = 2
        """layers of the circuit"""
        hidden: int = 64
        """units of the hidden layer"""

    @classmethod
    def build(cls, settings: Settings, context: BuildContext) -> MomentMatchingGenerator:
        pixels = torch.Size(context.shape).numel()
        circuit = ansatz("basic", qubits=settings.qubits, layers=settings.layers)
        network = nn.Sequential(
            QuantumLayer(circuit, context.backend, context.gradient, seed=context.seed),
            nn.Linear(circuit.num_observables, settings.hidden),
            nn.SiLU(),
            nn.Linear(settings.hidden, pixels),
            nn.Tanh(),
        )
        return cls(network, circuit.num_inputs, context)

    def players(self) -> tuple[Player, ...]:
        return (Player("generator", MomentMatching(self.network, *self.latents), learned(self.network)),)
