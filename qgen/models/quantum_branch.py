"""QuantumBranch: a circuit beside the features of a layer, added through a gate; and its controls."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal, TypeAlias

import torch
from torch import Tensor, nn

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.nn import QuantumLayer
from qgen.randomness import generator

#: What a branch adds: the values as they are, their running mean (which is nothing), or those of other rows.
Outputs: TypeAlias = Literal["as_is", "mean", "shuffled"]
MOMENTUM = 0.1  # of the running mean, as batch normalisation has it


class CosineMap(nn.Module):
    """cos(M x + b), where M and b have a given number of parameters in all: the classical twin of a circuit.

    Parameters fill the diagonal of M first, then b, then one further (cyclic) diagonal of M after the other. What is
    left when M is full makes another such map of the cosines.

    Args:
        inputs: numbers that go in.
        outputs: numbers that come out.
        parameters: how many to have, 1 or more.
        seed: of their initial values.
    """

    def __init__(self, inputs: int, outputs: int, parameters: int, seed: int) -> None:
        super().__init__()
        self.outputs = outputs
        sizes, width = [], inputs
        while parameters > 0:
            sizes.append((width, min(parameters, outputs * (width + 1))))
            parameters -= sizes[-1][1]
            width = outputs
        self.widths = [width for width, _ in sizes]
        self.weights = nn.ParameterList(
            self._initial(width, count, generator(seed, "cosine", number))
            for number, (width, count) in enumerate(sizes)
        )

    def forward(self, inputs: Tensor) -> Tensor:
        """Return values (..., outputs) in [-1, 1] at inputs (..., inputs)."""
        values = inputs
        for width, weight in zip(self.widths, self.weights, strict=True):
            matrix, bias = self._spread(weight, width)
            values = (values @ matrix.T + bias).cos()
        return values

    def _initial(self, width: int, count: int, source: torch.Generator) -> nn.Parameter:
        """Slopes that keep the size of what comes in, and phases over a whole turn, as a circuit's angles have."""
        drawn = torch.randn(count, generator=source)
        phases = slice(self.outputs, 2 * self.outputs)
        diagonals = max(1, math.ceil((count - self.outputs) / self.outputs))
        phase = math.pi * (2 * torch.rand(count, generator=source)[phases] - 1)
        weight = drawn / math.sqrt(min(diagonals, width))
        weight[phases] = phase
        return nn.Parameter(weight)

    def _spread(self, weight: Tensor, width: int) -> tuple[Tensor, Tensor]:
        """Return M (outputs, width) and b (outputs,) of parameters (P,)."""
        own = torch.cat([weight[: self.outputs], weight[2 * self.outputs :]])
        bias = weight[self.outputs : 2 * self.outputs]
        place = torch.arange(len(own), device=weight.device)
        row, diagonal = place % self.outputs, place // self.outputs
        matrix = weight.new_zeros(self.outputs, width).index_put((row, (row + diagonal) % width), own)
        return matrix, nn.functional.pad(bias, (0, self.outputs - len(bias)))


class QuantumBranch(nn.Module):
    """x + gate * out(<Z> - mean): a circuit beside features, with no way for a constant.

    The features x become angles by a linear map and arctan; a linear map without bias brings the circuit's values, less
    their running mean, back to the width of x; a learned factor a feature scales them. So a circuit whose values do not
    depend on x adds nothing, and what the branch adds is what the circuit says of x. All rows are one call of the
    backend.

    Args:
        width: F, the number of features.
        settings: the circuit, or what stands in its place.
        context: where the circuit runs.

    Attributes:
        outputs: what is added in evaluation, for controls: see `branch_outputs`.
        share: |what was added| / |result| in the last call; None before it.
    """

    outputs: Outputs
    share: Tensor | None
    mean: Tensor
    updates: Tensor

    def __init__(self, width: int, settings: BranchSettings, context: CircuitContext) -> None:
        super().__init__()
        self.settings, self.outputs, self.share = settings, "as_is", None
        if settings.kind == "none":
            return
        circuit = settings.circuit
        self.pre = nn.Linear(width, circuit.num_inputs)
        self.values: QuantumLayer | CosineMap
        if settings.kind == "circuit":
            self.values = QuantumLayer(circuit, context.backend, context.gradient, seed=context.seed)
        else:
            sizes = circuit.num_inputs, circuit.num_observables, circuit.num_weights
            self.values = CosineMap(*sizes, context.seed)
        self.out = nn.Linear(circuit.num_observables, width, bias=False)
        self.gate = nn.Parameter(torch.full((width,), settings.gate))
        self.register_buffer("mean", torch.zeros(circuit.num_observables))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def circuits(self) -> int:
        """Circuits that one row of features takes."""
        return self.settings.circuits

    def forward(self, features: Tensor) -> Tensor:
        """Transform features (..., F) to features (..., F)."""
        change = self.change(features)
        return features if change is None else features + change

    def change(self, features: Tensor) -> Tensor | None:
        """Return what is added to features (..., F), (..., F); None: nothing."""
        if self.settings.kind == "none" or (self.outputs == "mean" and not self.training):
            return None
        dtype = self.gate.dtype
        values = self.values(self.pre(features).to(dtype).arctan())
        rows = values.detach().flatten(0, -2)
        if self.training and torch.is_grad_enabled():
            self.updates += 1
            # The mean of all batches at first, so that the zero with which it begins is gone after one.
            self.mean.lerp_(rows.mean(0).to(self.mean), max(MOMENTUM, 1 / int(self.updates)))
        if self.outputs == "shuffled" and not self.training:
            order = torch.randperm(len(values), generator=generator(0, "shuffled")).to(values.device)
            values = values[order]
        change: Tensor = (self.gate * self.out(values - self.mean)).to(features.dtype)
        with torch.no_grad():
            self.share = change.norm() / (features + change).norm().clamp_min(1e-12)
        return change

    def metrics(self) -> dict[str, Tensor]:
        """Return scalars for metrics.jsonl: the mean size of the gate, and the share of the last call."""
        if self.settings.kind == "none":
            return {}
        share = self.gate.new_zeros(()) if self.share is None else self.share
        return {"gate": self.gate.detach().abs().mean(), "branch_share": share.detach()}


@contextmanager
def branch_outputs(network: nn.Module, outputs: Outputs) -> Iterator[None]:
    """Within this block all branches in a network in evaluation mode add something else than their circuits' values.

    A hybrid whose results stay as they are when the values are their mean, or those of other rows of the batch, has
    learned to do without its circuit.

    Args:
        network: has the branches.
        outputs: `mean`: nothing is added, and no circuit runs; `shuffled`: the values of other rows; `as_is`: its own.
    """
    with ExitStack() as stack:
        for branch in branches(network):
            stack.callback(setattr, branch, "outputs", branch.outputs)
            branch.outputs = outputs
        yield


def branches(network: nn.Module) -> list[QuantumBranch]:
    """Return the branches in a network that add something."""
    found = [module for module in network.modules() if isinstance(module, QuantumBranch)]
    return [branch for branch in found if branch.settings.kind != "none"]
