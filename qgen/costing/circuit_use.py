"""How often a generator runs its circuits: counted while it does so for one image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import prod
from typing import Any

import torch
from torch import nn

from qgen.circuits import LayerCircuit
from qgen.nn import QuantumLayer
from qgen.runs.generators import ImageGenerator, Learner

Layers = dict[str, QuantumLayer]
Wants = tuple[bool, bool]


@dataclass(frozen=True)
class CircuitUse:
    """Calls of one quantum layer that are alike.

    Attributes:
        layer: its place in the network, as in `vertex.block_0`.
        circuit: its circuit.
        submissions: how often it is called so; each call waits for the one before.
        circuits: how many settings of the circuit's angles a call has for one image.
        wants: whether gradients for its inputs and for its weights are asked for along with the values.
    """

    layer: str
    circuit: LayerCircuit
    submissions: int
    circuits: int
    wants: Wants = (False, False)

    @property
    def per_image(self) -> int:
        """Circuits for one image, all calls together."""
        return self.submissions * self.circuits


def training_uses(generator: Learner) -> tuple[CircuitUse, ...]:
    """What one step of training runs, for each image. All players take their turns once, on a black image.

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
    with torch.no_grad():
        uses = _uses(generator.network, generator.rehearse)
    return tuple(replace(use, submissions=use.submissions * generator.passes) for use in uses)


def _uses(network: nn.Module, work: Callable[[], None]) -> tuple[CircuitUse, ...]:
    """How often the layers of a network run their circuits while something is done for one image."""
    layers: Layers = {name: inner for name, inner in network.named_modules() if isinstance(inner, QuantumLayer)}
    calls: Counter[tuple[str, int, Wants]] = Counter()
    with _counting(layers, calls):
        work()
    return tuple(
        CircuitUse(name, layers[name].compiled.circuit, count, rows, wants)
        for (name, rows, wants), count in sorted(calls.items())
    )


@contextmanager
def _counting(layers: Layers, calls: Counter[tuple[str, int, Wants]]) -> Iterator[None]:
    """Notes, for each call of each layer, how many circuits it has, and which gradients may be asked of it."""

    def counted(name: str, mixed: int) -> Any:
        def note(layer: Any, given: tuple[torch.Tensor, ...]) -> None:
            inputs = given[0]
            wants = bool(inputs.requires_grad), bool(layer.weight.requires_grad)
            calls[name, prod(inputs.shape[:-1]) * mixed, wants if torch.is_grad_enabled() else (False, False)] += 1

        return note

    handles = []
    for name, layer in layers.items():
        mixture = layer.compiled.circuit.mixture
        handles.append(layer.register_forward_pre_hook(counted(name, 1 if mixture is None else len(mixture))))
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
