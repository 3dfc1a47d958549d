"""How often a generator runs its circuits: counted while it does so for one image."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import nn

from qgen.circuits import LayerCircuit
from qgen.layer import QuantumLayer, QuantumLayers
from qgen.runs.generators import ImageGenerator, Learner


@dataclass(frozen=True)
class CircuitUse:
    """One quantum layer at work.

    Attributes:
        layer: its place in the network, as in `vertex.block_0`.
        circuit: its circuit.
        submissions: how often it is called; each call waits for the one before.
        circuits: how many settings of the circuit's angles a call has for one image.
    """

    layer: str
    circuit: LayerCircuit
    submissions: int
    circuits: int

    @property
    def per_image(self) -> int:
        """Circuits for one image, all calls together."""
        return self.submissions * self.circuits


def training_uses(generator: Learner) -> tuple[CircuitUse, ...]:
    """What one step of training runs forward, for each image. All players take their turns once, on a black image.

    Args:
        generator: on a backend that costs nothing: its circuits are run.
    """

    def step() -> None:
        for turn in generator.turns():
            draws: Any = turn.objective.draw(1, generator.shape, torch.Generator())  # type: ignore[operator]
            for _ in range(turn.repeats):
                turn.objective(torch.zeros(1, *generator.shape), draws)

    return _uses(generator.network, step)


def sampling_uses(generator: ImageGenerator) -> tuple[CircuitUse, ...]:
    """What sampling runs, for each image; see `training_uses`."""
    uses = _uses(generator.network, generator.rehearse)
    return tuple(replace(use, submissions=use.submissions * generator.passes) for use in uses)


def _uses(network: nn.Module, work: Callable[[], None]) -> tuple[CircuitUse, ...]:
    """How often the layers of a network run their circuits while something is done for one image."""
    found: dict[str, list[int]] = {}
    layers = {name: inner for name, inner in network.named_modules() if isinstance(inner, QuantumLayer | QuantumLayers)}
    with _counting(layers, found), torch.no_grad():
        work()
    return tuple(
        CircuitUse(name, layers[name].network.circuit, len(rows), max(rows)) for name, rows in sorted(found.items())
    )


@contextmanager
def _counting(layers: dict[str, QuantumLayer | QuantumLayers], found: dict[str, list[int]]) -> Iterator[None]:
    """Notes, for each call of each layer, how many circuits it has."""

    def counted(name: str, mixed: int) -> Any:
        def note(_: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
            found.setdefault(name, []).append(prod(given[0].shape[:-1]) * mixed)

        return note

    handles = []
    for name, layer in layers.items():
        mixture = layer.network.circuit.mixture
        handles.append(layer.register_forward_pre_hook(counted(name, 1 if mixture is None else len(mixture))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
