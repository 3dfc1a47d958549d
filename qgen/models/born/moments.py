"""First and second moments of what an IQP circuit of gates on one and two qubits draws, exactly; angles that have them.

With theta_i the angles of gates on one qubit and theta_ij those on two, zero where there is none,

    <Z_i>     = cos 2 theta_i  prod_k cos 2 theta_ik
    <Z_i Z_j> = 1/2 sum over s = 1, -1 of cos(2 theta_i + 2 s theta_j) prod_k cos(2 theta_ik + 2 s theta_jk)

(k is neither i nor j): the mean over z in the formula of `strings.py`, whose terms are independent signs given
z_i z_j.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

Gates = tuple[tuple[int, ...], ...]

#: Steps and learning rate of a fit; scale of the angles on two qubits that it begins with.
STEPS, RATE, SPREAD = 400, 0.02, 0.3
#: Numbers that one step computes, at the most: of more pairs some are chosen at random.
MOST = 1_000_000


def moments(single: Tensor, double: Tensor, pairs: Tensor) -> tuple[Tensor, Tensor]:
    """Return <Z_i> (n,), and <Z_i Z_j> (P,) of pairs.

    Args:
        single: (n,), theta_i.
        double: (n, n), theta_ij: symmetric, zero on the diagonal.
        pairs: (P, 2), whole numbers i, j, different ones.
    """
    first = (2 * single).cos() * (2 * double).cos().prod(1)
    i, j = pairs.T
    here = torch.ones(len(pairs), len(single), dtype=torch.bool, device=single.device)
    here[torch.arange(len(pairs)), i] = here[torch.arange(len(pairs)), j] = False
    second = torch.zeros((), dtype=single.dtype, device=single.device)
    for sign in (1, -1):
        others = torch.where(here, 2 * (double[i] + sign * double[j]), 0.0).cos().prod(1)
        second = second + (2 * (single[i] + sign * single[j])).cos() * others / 2
    return first, second


def correlated(linked: Tensor) -> Tensor:
    """Return the pairs (P, 2), i < j, that may be correlated: joined by a gate, or by gates with a common third qubit.

    Args:
        linked: (n, n), bool: whether there is a gate on both.
    """
    near = linked.float()
    return ((near @ near + near) > 0).triu(1).nonzero()


def fit_moments(gates: Gates, qubits: int, first: Tensor, second: Tensor, source: torch.Generator) -> Tensor:
    """Return angles (J,), float64, whose first and second moments come near to those wanted, by gradient descent.

    Args:
        gates: of the circuit; angles of those on three or more qubits are zero.
        qubits: of the circuit: n bits, and hidden ones behind them, whose moments are free.
        first: (n,), wanted <Z_i>.
        second: (n, n), wanted <Z_i Z_j>.
        source: of the angles that it begins with.
    """
    first, second = first.detach().double().cpu(), second.detach().double().cpu()
    placed, pairs = _Placed.of(gates), _pairs(gates, qubits, len(first), source)
    wanted = second[pairs[:, 0], pairs[:, 1]]
    marginal = torch.full((qubits,), torch.pi / 4, dtype=torch.float64)
    marginal[: len(first)] = first.clamp(-0.998, 0.998).acos() / 2
    angles = torch.zeros(len(gates), dtype=torch.float64)
    angles[placed.lone] = marginal[placed.qubit]
    angles[placed.both] = SPREAD * torch.randn(len(placed.both), dtype=torch.float64, generator=source)
    angles.requires_grad_()
    optimizer = torch.optim.Adam([angles], RATE)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, STEPS)
    with torch.enable_grad():
        for _ in range(STEPS):
            means, products = moments(*placed.matrices(angles, qubits), pairs)
            error = (means[: len(first)] - first).square().sum() + (products - wanted).square().sum()
            optimizer.zero_grad()
            error.backward()
            optimizer.step()
            schedule.step()
    return angles.detach()


class _Placed(NamedTuple):
    """Where angles of gates on one and two qubits stand: their numbers, and their qubits."""

    lone: Tensor
    qubit: Tensor
    both: Tensor
    ends: Tensor

    @classmethod
    def of(cls, gates: Gates) -> _Placed:
        ones = [(place, *gate) for place, gate in enumerate(gates) if len(gate) == 1]
        twos = [(place, *gate) for place, gate in enumerate(gates) if len(gate) == 2]
        lone = torch.tensor(ones, dtype=torch.int64).reshape(-1, 2)
        both = torch.tensor(twos, dtype=torch.int64).reshape(-1, 3)
        return cls(lone[:, 0], lone[:, 1], both[:, 0], both[:, 1:])

    def matrices(self, angles: Tensor, qubits: int) -> tuple[Tensor, Tensor]:
        """Return theta_i (n,) and theta_ij (n, n)."""
        single = angles.new_zeros(qubits).index_put((self.qubit,), angles[self.lone])
        ends = torch.cat([self.ends, self.ends.flip(1)])
        double = angles.new_zeros(qubits, qubits).index_put(tuple(ends.T), angles[self.both].repeat(2))
        return single, double


def _pairs(gates: Gates, qubits: int, bits: int, source: torch.Generator) -> Tensor:
    linked = torch.zeros(qubits, qubits, dtype=torch.bool)
    for gate in gates:
        if len(gate) == 2:
            linked[gate] = linked[gate[::-1]] = True
    pairs = correlated(linked)
    pairs = pairs[(pairs < bits).all(1)]
    return pairs[torch.randperm(len(pairs), generator=source)[: MOST // qubits]]
