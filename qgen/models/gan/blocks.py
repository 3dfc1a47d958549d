"""The block in the middle of a player: a circuit, or two dense layers with as many parameters."""

from __future__ import annotations

import math
from itertools import product

import torch
from torch import nn

from qgen.models.circuit_context import CircuitContext
from qgen.models.gan.settings import BlockSettings
from qgen.nn import QuantumLayer


class QuantumBlock(nn.Module):
    """A circuit between numbers in [-1, 1]: inputs are angles in half turns.

    Args:
        settings: the circuit.
        context: where it runs.
    """

    def __init__(self, settings: BlockSettings, context: CircuitContext) -> None:
        super().__init__()
        self.circuit = QuantumLayer(settings.circuit, context.backend, context.gradient, seed=context.seed)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Return expectation values (B, width) in [-1, 1] at inputs (B, I)."""
        return self.circuit(math.pi * inputs.to(self.circuit.weight.dtype))  # type: ignore[no-any-return]


class ClassicalBlock(nn.Module):
    """x + U relu(V x + a) + b, with as many hidden units and biases as the number of parameters pays for.

    Al-Othni et al. (arXiv:2507.09706) state two dense layers with a ReLU and 15 parameters. From 5 numbers to 5 that is
    one hidden unit and a bias behind it. Without the sum all that comes out lies on one line, and for half of all
    inputs in one point, so that a comparison with a circuit would say nothing: the sum costs no parameter.

    Args:
        width: n numbers, in and out.
        parameters: how many to have: 2 n a hidden unit, and a bias of the output, of the hidden units, or of both,
            where exactly that is left.
        skip: whether the input is added.
    """

    def __init__(self, width: int, parameters: int, skip: bool) -> None:
        super().__init__()
        # The most that it can have but no more; of equal choices the one with the most hidden units.
        choices = product(range(1, parameters // (2 * width) + 1), (False, True), (False, True))
        sizes = {(units * (2 * width + b) + width * a, units, b, a) for units, b, a in choices}
        _, hidden, behind, ahead = max(size for size in sizes if size[0] <= parameters)
        self.first, self.second = nn.Linear(width, hidden, bias=behind), nn.Linear(hidden, width, bias=ahead)
        self.skip = skip

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        """Transform (B, n) to (B, n)."""
        changed: torch.Tensor = self.second(self.first(inputs).relu())
        return inputs + changed if self.skip else changed


def build_block(settings: BlockSettings, context: CircuitContext) -> QuantumBlock | ClassicalBlock:
    """Build the block that the settings describe."""
    if settings.kind == "quantum":
        return QuantumBlock(settings, context)
    return ClassicalBlock(settings.width, settings.circuit.num_weights, settings.skip)
