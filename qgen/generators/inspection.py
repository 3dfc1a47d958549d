"""Numbers of modules and generators with circuits: how many they run, and what their parts are."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from math import prod

import torch
from torch import Tensor, nn

from qgen.generators.protocols import DrawsShots, Generator
from qgen.models.description import ModelDescription, Part, UsedCircuit, count
from qgen.nn import QuantumLayer, describe_runs, quantum_layers


def count_circuits(network: nn.Module, work: Callable[[], object]) -> int:
    """Return the circuits that `work` evaluates in the network, without evaluating one: their values are 0 meanwhile.

    Args:
        network: has the quantum layers.
        work: calls the network.
    """
    rows: list[int] = []
    with ExitStack() as stack, torch.no_grad():
        for layer in quantum_layers(network).values():
            stack.enter_context(_counting(layer, rows))
        work()
    return sum(rows)


def describe_module(network: nn.Module, shape: tuple[int, ...], circuits: int) -> ModelDescription:
    """Return the description of a module of unknown kind: its direct parts, and each of its quantum layers.

    Args:
        network: the module.
        shape: of its output for one image.
        circuits: that it runs for one image in one call.
    """
    layers = quantum_layers(network)
    used = tuple(
        UsedCircuit(name, _name(layer), layer.circuit.qubits, None, layer.copies or 1) for name, layer in layers.items()
    )
    parts = tuple(Part(name, (), count(part), 0) for name, part in network.named_children())
    return ModelDescription(
        rows=(*parts, Part("output", shape, 0, circuits)),
        parameters=count(network),
        quantum_parameters=sum(layer.weight.numel() for layer in layers.values()),
        trainable=sum(weight.numel() for weight in network.parameters() if weight.requires_grad),
        circuits_per_call=circuits,
        qubits=max((circuit.qubits for circuit in used), default=0),
        circuits=used,
    )


def _name(layer: QuantumLayer) -> str:
    """The circuit's own name; "circuit" where Qiskit gave it a number."""
    name = str(layer.circuit.circuit.name)
    return "circuit" if re.fullmatch(r"circuit-\d+(-\d+)*", name) else name


@contextmanager
def _counting(layer: QuantumLayer, rows: list[int]) -> Iterator[None]:
    """Within this block the layer returns zeros, and notes how many circuits each call would have run."""
    circuit, weight = layer.circuit, layer.weight
    settings = 1 if circuit.mixture is None else len(circuit.mixture)

    def forward(inputs: Tensor | None = None) -> Tensor:
        lead = weight.shape[:-1] if inputs is None else inputs.shape[:-1]
        rows.append(prod(lead) * settings)
        like = weight if inputs is None else inputs
        return like.new_zeros(*lead, circuit.num_observables)

    layer.forward = forward
    try:
        yield
    finally:
        del layer.forward


def describe_circuits(generator: Generator, images: int) -> str:
    """Return how many circuits so many images take, and where they run, in words."""
    if isinstance(generator, DrawsShots):
        drawn = generator.drawn
        return "no circuits" if drawn is None else f"one circuit on {drawn.backend.name}, {images:,} shots"
    runs = describe_runs(generator.sampler)
    return f"{generator.circuits_per_image * images:,} circuits on {runs}" if runs else "no circuits"
