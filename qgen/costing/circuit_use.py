"""Counts how often a generator runs its circuits, by running it for one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import prod
from typing import Any

import torch
from torch import nn

from qgen.circuits import LayerCircuit
from qgen.generators import Generator, TrainableModel, input_shape
from qgen.generators.protocols import HasLatePlayers, UnequalCalls
from qgen.nn import QuantumLayer

Layers = dict[str, QuantumLayer]
#: Whether gradients of the inputs and of the weights are computed.
Gradients = tuple[bool, bool]


@dataclass(frozen=True)
class CircuitUse:
    """Equal calls of one quantum layer.

    Attributes:
        layer: name of the layer in the network, as in `vertex.block_0`.
        circuit: its circuit.
        submissions: number of calls; each waits for the one before.
        circuits: sets of angles in a call for one image.
        gradients: whether gradients of the inputs and of the weights are computed along with the values.
    """

    layer: str
    circuit: LayerCircuit
    submissions: int
    circuits: int
    gradients: Gradients = (False, False)

    @property
    def per_image(self) -> int:
        """Circuits for one image over all calls."""
        return self.submissions * self.circuits


def training_uses(generator: TrainableModel) -> tuple[CircuitUse, ...]:
    """Return what one step of training runs for each image. Every player takes one step, on a black image.

    A player that joins after some steps has joined: no step runs more.

    Args:
        generator: a generator on a simulator: its circuits are run.
    """
    if isinstance(generator, HasLatePlayers):
        generator = generator.joined()

    def step() -> None:
        conditioning = None if generator.conditioning is None else generator.conditioning.examples(1)
        for player in generator.players():
            draws = player.objective.draw(1, generator.shape, torch.Generator())
            for _ in range(player.steps_per_iteration):
                player.objective(torch.zeros(1, *input_shape(generator, player)), draws, conditioning)

    return _uses(generator.network, step)


def sampling_uses(generator: Generator) -> tuple[CircuitUse, ...]:
    """Return what sampling runs for each image; see `training_uses`."""
    calls: list[tuple[Callable[[], None], int]] = [(generator.dry_run, generator.num_calls)]
    if isinstance(generator, UnequalCalls):
        calls = [(partial(generator.dry_run, rows=rows), count) for rows, count in generator.calls_by_rows.items()]
    with torch.no_grad():
        return tuple(
            replace(use, submissions=use.submissions * count)
            for call, count in calls
            for use in _uses(generator.network, call)
        )


def _uses(network: nn.Module, work: Callable[[], None]) -> tuple[CircuitUse, ...]:
    """Return how often the layers of a network run their circuits while `work` runs for one image."""
    layers: Layers = {name: inner for name, inner in network.named_modules() if isinstance(inner, QuantumLayer)}
    calls: Counter[tuple[str, int, Gradients]] = Counter()
    with _counting(layers, calls):
        work()
    return tuple(
        CircuitUse(name, layers[name].compiled.circuit, count, rows, gradients)
        for (name, rows, gradients), count in sorted(calls.items())
    )


@contextmanager
def _counting(layers: Layers, calls: Counter[tuple[str, int, Gradients]]) -> Iterator[None]:
    """Count the calls of each layer, by their number of circuits and their gradients."""

    def hook(name: str, circuits_per_row: int) -> Any:
        def count(layer: Any, args: tuple[torch.Tensor, ...]) -> None:
            inputs, enabled = args[0], torch.is_grad_enabled()
            gradients = enabled and bool(inputs.requires_grad), enabled and bool(layer.weight.requires_grad)
            calls[name, prod(inputs.shape[:-1]) * circuits_per_row, gradients] += 1

        return count

    handles = []
    for name, layer in layers.items():
        mixture = layer.compiled.circuit.mixture
        handles.append(layer.register_forward_pre_hook(hook(name, 1 if mixture is None else len(mixture))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
