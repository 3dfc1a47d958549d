"""Expectation values of a generator's layers: their inputs while images are sampled, and values at some of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from qgen.nn import QuantumLayer
from qgen.randomness import derive


def quantum_layers(network: nn.Module) -> dict[str, QuantumLayer]:
    """Return the quantum layers of a network by name, each once."""
    return {name or "circuit": inner for name, inner in network.named_modules() if isinstance(inner, QuantumLayer)}


@contextmanager
def recorded_inputs(network: nn.Module, most: int) -> Iterator[dict[str, list[Tensor]]]:
    """Within this block each call of a quantum layer leaves some of its inputs: evenly spaced rows, at most `most`.

    A row is (I,), or (K, I) of a layer with copies.
    """
    seen: dict[str, list[Tensor]] = {}
    with ExitStack() as stack:
        for name, layer in quantum_layers(network).items():
            rows = seen.setdefault(name, [])

            def note(layer: nn.Module, given: tuple[Any, ...], rows: list[Tensor] = rows) -> None:
                rows.append(_evenly(_as_rows(layer, given), most))

            stack.callback(layer.register_forward_pre_hook(note).remove)
        yield seen


def chosen_inputs(seen: Mapping[str, list[Tensor]], most: int) -> dict[str, Tensor]:
    """Return at most so many inputs of each layer that was called, evenly spaced over all of its calls."""
    return {name: _evenly(torch.cat(parts), most) for name, parts in seen.items() if parts}


def layer_values(network: nn.Module, inputs: Mapping[str, Tensor], seed: int) -> dict[str, Tensor]:
    """Return the expectation values of layers at these inputs, in double precision.

    Args:
        network: the network that the layers are of.
        inputs: (N, I) or (N, K, I) by the name of the layer.
        seed: of shots and errors where they are drawn; row n has the same stream in all networks.
    """
    layers, found = quantum_layers(network), {}
    for name, given in inputs.items():
        layer = layers[name]
        weights = layer.weight.detach().double().cpu()
        drawn = [derive(seed, "probe", name, row) for row in range(len(given))]
        found[name] = layer.compiled.executable.expectations(given.double(), weights, drawn)
    return found


def error_facts(name: str, layer: QuantumLayer, values: Tensor, ideal: Tensor) -> dict[str, Any]:
    """Return plain values that say how far expectation values are from the ideal ones."""
    difference = (values - ideal).abs()
    return {
        "name": name,
        "qubits": layer.circuit.qubits,
        "circuits": layer.copies or 1,
        "inputs": len(values),
        "rms": float(difference.square().mean().sqrt()),
        "largest": float(difference.max()),
        "ideal_rms": float(ideal.square().mean().sqrt()),
    }


def _as_rows(layer: nn.Module, given: tuple[Any, ...]) -> Tensor:
    """Return the inputs of a call as rows."""
    assert isinstance(layer, QuantumLayer)
    shape = (layer.circuit.num_inputs,) if layer.copies is None else (layer.copies, layer.circuit.num_inputs)
    if not given or given[0] is None:
        return torch.zeros(1, *shape)
    return given[0].detach().cpu().reshape(-1, *shape)  # type: ignore[no-any-return]


def _evenly(rows: Tensor, most: int) -> Tensor:
    """Return at most so many rows, evenly spaced."""
    if len(rows) <= most:
        return rows.clone()
    return rows[torch.linspace(0, len(rows) - 1, most).round().long()].clone()
