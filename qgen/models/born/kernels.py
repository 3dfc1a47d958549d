"""Kernels of an MMD of bits, as distributions of the Z strings that it compares: Gaussian ones, and one that adapts.

A kernel k(x, y) = sum_a w_a (-1)^(a.(x + y)) with probabilities w_a makes MMD^2 the mean of (<Z_a> - d_a)^2 over
strings a. Gaussian kernels have few strings of any one kind, fewer the more bits there are, and may miss those that
differ. `AdaptiveKernel` looks for them: it raises their probability, as an adversary of the circuit.
Source: Kurkin, Shen, Pielawa, Wang and Dunjko, "Universality and kernel-adaptive training for classically trained,
quantum-deployed generative models", 2025, arXiv:2510.08476.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from qgen.errors import InputError

#: Product distributions of an adaptive kernel.
COMPONENTS = 12
#: Least probability of each bit of their strings, so that every string is drawn now and then.
LEAST = 0.02
#: How much faster than the circuit's angles its logits are learned.
PACE = 4.0


class Kernel(Protocol):
    """A distribution of strings."""

    def draw(self, count: int, source: torch.Generator) -> Tensor:
        """Draw strings (count, n), float32: 1 where a string has a Z."""
        ...

    def mmd(self, squares: Tensor, strings: Tensor) -> Tensor:
        """Return the squared MMD, a scalar, of unbiased squared differences (A,) of strings (A, n) that it drew."""
        ...

    def exact_mmd(self, squares: Tensor) -> Tensor:
        """Return the squared MMD of the squared differences (2^n,) of all strings, bit q of a number for qubit q."""
        ...


@dataclass(frozen=True)
class GaussianKernels:
    """The mean of kernels exp(-d / (2 s^2)) of the Hamming distance d.

    Attributes:
        bits: n.
        scales: s, in bits.

    Raises:
        InputError: a scale that is not above zero.
    """

    bits: int
    scales: Sequence[float]

    def __post_init__(self) -> None:
        if not self.scales or not all(scale > 0 for scale in self.scales):
            raise InputError(
                f"scales of an MMD's kernel are numbers above 0, not {list(self.scales)}: give one at least"
            )

    @property
    def rates(self) -> Tensor:
        """With which each bit of a string is 1, (scales,), float64: (1 - exp(-1 / (2 s^2))) / 2."""
        return (1 - torch.exp(-0.5 / torch.tensor(self.scales, dtype=torch.float64).square())) / 2

    def draw(self, count: int, source: torch.Generator) -> Tensor:
        """See `Kernel`; likewise the other methods."""
        rates = self.rates.float()[torch.randint(len(self.scales), (count,), generator=source)]
        return (torch.rand(count, self.bits, generator=source) < rates[:, None]).float()

    def mmd(self, squares: Tensor, strings: Tensor) -> Tensor:
        return squares.mean()

    def exact_mmd(self, squares: Tensor) -> Tensor:
        return self.weights(squares.device) @ squares

    def weights(self, device: torch.device) -> Tensor:
        """Return the probabilities (2^n,) of all strings, float64."""
        return products(self.rates[:, None].expand(-1, self.bits).to(device)).mean(0)


class AdaptiveKernel(nn.Module):
    """Half Gaussian kernels, half a mixture of products of Bernoulli distributions that goes where the data differ.

    The mixture is fitted to all strings that were drawn, each as often as its squared difference says (the
    cross-entropy method for a larger MMD); its gradient is part of that of the loss, whose value is the MMD alone. A
    string with many Zs that differs alone is found by chance only, the more rarely the more bits there are.

    Args:
        gaussian: the fixed half, from whose rates the mixture starts.
        seed: of the differences between components.

    Attributes:
        logits: (components, n), of the bits' rates, in units of 1 / PACE, as Adam changes them.
        mixture: (components,), of their shares, likewise.
    """

    def __init__(self, gaussian: GaussianKernels, seed: int) -> None:
        super().__init__()
        self.gaussian = gaussian
        source = torch.Generator().manual_seed(seed)
        rates = gaussian.rates.float().clamp_min(2 * LEAST)[torch.arange(COMPONENTS) % len(gaussian.scales)]
        start = ((rates - LEAST) / (1 - 2 * LEAST)).logit()[:, None]
        start = start + 0.3 * torch.randn(COMPONENTS, gaussian.bits, generator=source)
        self.logits = nn.Parameter(start / PACE)
        self.mixture = nn.Parameter(torch.zeros(COMPONENTS))

    @property
    def rates(self) -> Tensor:
        """With which each bit of a component's strings is 1, (components, n)."""
        return LEAST + (1 - 2 * LEAST) * (PACE * self.logits).sigmoid()

    @property
    def shares(self) -> Tensor:
        """Of the components, (components,)."""
        return (PACE * self.mixture).softmax(0)

    def draw(self, count: int, source: torch.Generator) -> Tensor:
        """Half of them, rounded down, by the Gaussian kernels, those first."""
        fixed = self.gaussian.draw(count // 2, source)
        shares, rates = self.shares.detach().cpu(), self.rates.detach().cpu()
        component = torch.multinomial(shares, count - len(fixed), replacement=True, generator=source)
        uniform = torch.rand(len(component), self.gaussian.bits, generator=source)
        return torch.cat([fixed, (uniform < rates[component]).float()])

    def log_probabilities(self, strings: Tensor) -> Tensor:
        """Return the logarithms (A,) of the mixture's probabilities of strings (A, n)."""
        rates = self.rates
        joint = strings @ rates.log().T + (1 - strings) @ (1 - rates).log().T
        return torch.logsumexp(joint + (PACE * self.mixture).log_softmax(0), 1)

    def mmd(self, squares: Tensor, strings: Tensor) -> Tensor:
        return squares.mean() - self._fit(squares, self.log_probabilities(strings))

    def exact_mmd(self, squares: Tensor) -> Tensor:
        mixture = self.shares.double() @ products(self.rates.double())
        whole = (self.gaussian.weights(squares.device) + mixture.detach()) / 2
        return whole @ squares - self._fit(whole * squares, mixture.log())

    def _fit(self, squares: Tensor, logarithms: Tensor) -> Tensor:
        """Zero, with the gradient of the mixture's likelihood of strings by their squared differences."""
        wanted = squares.detach().clamp_min(0)  # estimates of small ones are negative half of the time
        likelihood = (wanted * logarithms).sum() / wanted.sum().clamp_min(1e-30)
        return likelihood - likelihood.detach()


def products(rates: Tensor) -> Tensor:
    """Return the probabilities (K, 2^n) of strings whose bits are independent, each 1 at its rate (K, n)."""
    found = rates.new_ones(len(rates), 1)
    for rate in rates.T:
        found = torch.cat([found * (1 - rate[:, None]), found * rate[:, None]], 1)
    return found
