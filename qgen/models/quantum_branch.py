"""QuantumBranch: a circuit beside the features of a layer, added through a gate."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.masked_layer import MaskedLayer
from qgen.nn import QuantumLayer
from qgen.nn.processes import process_mean
from qgen.nn.recomputation import once
from qgen.randomness import generator

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
    """x + gate * post(<Z>): a circuit beside features, which by default has no way for a constant.

    The features x become angles by a linear map and arctan; a linear map without bias brings the circuit's values, less
    their running mean, back to the width of x; a learned factor a feature, or one for all, scales them. So a circuit
    whose values do not depend on x adds nothing, and what the branch adds is what the circuit says of x. With `post:
    published` two linear layers and a layer norm follow the circuit, and constants pass. All rows are one call of the
    backend.

    Args:
        width: F, the number of features.
        settings: the circuit, or what stands in its place.
        context: where the circuit runs.

    Attributes:
        share: |what was added| / |result| in the last call; None before it.
    """

    #: The mean belongs to the weights under which it was taken: beside averaged weights to their average.
    averaged_buffers: ClassVar = ("mean",)

    share: Tensor | None
    mean: Tensor
    updates: Tensor

    def __init__(self, width: int, settings: BranchSettings, context: CircuitContext) -> None:
        super().__init__()
        self.settings, self.share = settings, None
        if settings.kind == "none":
            return
        circuit, published = settings.circuit, settings.post == "published"
        angles = nn.Linear(width, circuit.num_inputs)
        self.pre = nn.Sequential(nn.LayerNorm(width), angles) if published else angles
        self.values = _values(settings, context)
        self.out = (
            _published_post(circuit.num_observables, width)
            if published
            else nn.Linear(circuit.num_observables, width, bias=False)
        )
        self.gate = nn.Parameter(torch.full((width,) if settings.gate_by == "channels" else (), settings.gate))
        self.register_buffer("mean", torch.zeros(circuit.num_observables))
        self.register_buffer("updates", torch.zeros((), dtype=torch.int64))

    @property
    def circuits(self) -> int:
        """Circuits that one row of features takes where it samples."""
        removed = self.settings.kind == "circuit" and isinstance(self.values, MaskedLayer) and self.values.removed
        return 1 if removed else self.settings.circuits

    def forward(self, features: Tensor) -> Tensor:
        """Transform features (..., F) to features (..., F)."""
        change = self.change(features)
        return features if change is None else features + change

    def change(self, features: Tensor, stream: Tensor | None = None, scale: Tensor | None = None) -> Tensor | None:
        """Return what is added to features (..., F), (..., F); None: nothing.

        Args:
            features: what the circuit sees.
            stream: (..., F), to what it is added, of which `share` is a part; None: to the features.
            scale: factors (..., F) that it is then multiplied by, for the share; None: 1.
        """
        centred = self.settings.post == "centred"
        if self.settings.kind == "none":
            return None
        dtype = self.gate.dtype
        values = self.values(self.pre(features).to(dtype).arctan())
        rows = values.detach().flatten(0, -2)
        mean, is_open = once(lambda: self._observe(rows))
        # In its warm-up the gate's gradient is 0 rather than missing: optimisers and other processes see it.
        gate = self.gate if is_open else self.gate.detach() + 0 * self.gate
        change: Tensor = (gate * self.out(values - mean if centred else values)).to(features.dtype)
        with torch.no_grad():
            added = change if scale is None else change * scale
            self.share = added.norm() / ((features if stream is None else stream) + added).norm().clamp_min(1e-12)
        return change

    def _observe(self, rows: Tensor) -> tuple[Tensor, bool]:
        """Return the running mean (O,), and whether the gate moves.

        In a training step the mean of the values (N, O), of all processes, is part of it.
        """
        if self.training and torch.is_grad_enabled():
            self.updates += 1
            # The mean of all batches at first, so that the zero with which it begins is gone after one.
            batch = process_mean(rows.mean(0).to(self.mean))
            self.mean.lerp_(batch, max(MOMENTUM, 1 / int(self.updates)))
        warm_up = self.settings.gate_warm_up
        return self.mean.clone(), not (self.training and warm_up and int(self.updates) <= warm_up)

    def metrics(self) -> dict[str, Tensor]:
        """Return scalars for metrics.jsonl: the mean size of the gate, and the share of the last call."""
        if self.settings.kind == "none":
            return {}
        share = self.gate.new_zeros(()) if self.share is None else self.share
        return {"gate": self.gate.detach().abs().mean(), "branch_share": share.detach()}


def _values(settings: BranchSettings, context: CircuitContext) -> QuantumLayer | CosineMap:
    """Return the circuit of a branch, or its classical twin."""
    circuit = settings.circuit
    if settings.kind == "classical":
        return CosineMap(circuit.num_inputs, circuit.num_observables, circuit.num_weights, context.seed)
    if settings.masked:
        redraw = settings.redraw == "step"
        return MaskedLayer(circuit, settings.training_circuit, redraw, settings.masks_removed_after, context)
    return QuantumLayer(circuit, context.backend, context.gradient, seed=context.seed)


def _published_post(values: int, width: int) -> nn.Sequential:
    """Return the layers that follow the circuit in the code utai-utai/quantum-diffusion-model-anime."""
    hidden = 4 * width
    return nn.Sequential(nn.Linear(values, hidden), nn.GELU(), nn.Linear(hidden, width), nn.LayerNorm(width))


def branch_metrics(network: nn.Module) -> dict[str, Tensor]:
    """Return the means over a network's branches of what they say of the last call, for metrics.jsonl."""
    said = [branch.metrics() for branch in branches(network)]
    return {name: torch.stack([metrics[name] for metrics in said]).mean() for name in said[0]} if said else {}


def branches(network: nn.Module) -> list[QuantumBranch]:
    """Return the branches in a network that add something."""
    found = [module for module in network.modules() if isinstance(module, QuantumBranch)]
    return [branch for branch in found if branch.settings.kind != "none"]
