"""Classical distributions of bits, as opponents of Born machines: a product, and a restricted Boltzmann machine."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional

from qgen.randomness import generator

#: Gibbs steps of a draw from fair coins.
STEPS = 500
#: Persistent chains, and their steps for each loss.
CHAINS, CHAIN_STEPS = 256, 5


class Prior(Protocol):
    """A distribution of bits that learns from samples."""

    bits: int

    def draw(self, count: int, seed: int) -> Tensor:
        """Return bits (count, n), uint8, on the CPU."""
        ...

    def loss(self, bits: Tensor, source: torch.Generator) -> Tensor:
        """Return the loss, a scalar, of bits (B, n), float."""
        ...

    def start(self, mean: Tensor, second: Tensor) -> None:
        """Begin at the means (n,) of bits and of their products (n, n)."""
        ...


class ProductPrior(nn.Module):
    """Independent bits, learned by their likelihood.

    Args:
        bits: how many.
    """

    def __init__(self, bits: int) -> None:
        super().__init__()
        self.bits, self.logits = bits, nn.Parameter(torch.zeros(bits))

    def draw(self, count: int, seed: int) -> Tensor:
        """See `Prior`; likewise the other methods."""
        uniform = torch.rand(count, self.bits, generator=generator(seed, "product"))
        return (uniform < self.logits.detach().cpu().sigmoid()).to(torch.uint8)

    def loss(self, bits: Tensor, source: torch.Generator) -> Tensor:
        return functional.binary_cross_entropy_with_logits(self.logits.expand_as(bits), bits)

    @torch.no_grad()
    def start(self, mean: Tensor, second: Tensor) -> None:
        self.logits.copy_(mean.clamp(0.001, 0.999).logit())


class BoltzmannPrior(nn.Module):
    """A restricted Boltzmann machine, learned by persistent contrastive divergence.

    Source: Tieleman, "Training restricted Boltzmann machines using approximations to the likelihood gradient", ICML
    2008.

    Args:
        bits: how many.
        units: hidden ones.
        seed: of the initial weights and chains.
    """

    chains: Tensor

    def __init__(self, bits: int, units: int, seed: int = 0) -> None:
        super().__init__()
        self.bits, source = bits, generator(seed, "boltzmann")
        self.weight = nn.Parameter(0.01 * torch.randn(units, bits, generator=source))
        self.visible, self.hidden = nn.Parameter(torch.zeros(bits)), nn.Parameter(torch.zeros(units))
        self.register_buffer("chains", torch.rand(CHAINS, bits, generator=source).round())

    def draw(self, count: int, seed: int) -> Tensor:
        source = generator(seed, "boltzmann")
        start = torch.rand(count, self.bits, generator=source).round().to(self.weight.device)
        return self._gibbs(start, STEPS, source).to("cpu", torch.uint8)

    def loss(self, bits: Tensor, source: torch.Generator) -> Tensor:
        # New storage, so that a checkpoint's copy of the old chains stays what it was.
        self.chains = self._gibbs(self.chains, CHAIN_STEPS, source)
        return self.free_energy(bits).mean() - self.free_energy(self.chains).mean()

    def free_energy(self, bits: Tensor) -> Tensor:
        """Return -log of the unnormalised probabilities (B,) of bits (B, n)."""
        hidden = functional.softplus(functional.linear(bits, self.weight, self.hidden)).sum(1)
        return -bits @ self.visible - hidden

    @torch.no_grad()
    def start(self, mean: Tensor, second: Tensor) -> None:
        self.visible.copy_(mean.clamp(0.001, 0.999).logit())
        spread = torch.arange(1, len(self.chains) + 1, device=mean.device)[:, None] / (len(self.chains) + 1)
        self.chains = (spread < mean).float()  # chains begin at the marginals

    @torch.no_grad()
    def _gibbs(self, bits: Tensor, steps: int, source: torch.Generator) -> Tensor:
        for _ in range(steps):
            up = functional.linear(bits, self.weight, self.hidden).sigmoid()
            units = (torch.rand(up.shape, generator=source).to(up.device) < up).float()
            down = (units @ self.weight + self.visible).sigmoid()
            bits = (torch.rand(down.shape, generator=source).to(down.device) < down).float()
        return bits
