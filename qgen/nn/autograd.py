"""Circuits in torch's graph: a short way for ordinary training, and steps that all of torch's transforms can take."""

from __future__ import annotations

from typing import Any

import torch

from qgen.backends.batching import check_shapes
from qgen.nn.internals import is_in_old_batch, is_transformed
from qgen.nn.network import CircuitNetwork
from qgen.nn.rules import Recorded, aligned, no_seeds, products, values
from qgen.nn.steps import Maybe, run, spread


def evaluate(network: CircuitNetwork, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Values (..., O), with all that a gradient takes only where somebody may ask for one.

    Args:
        network: the compiled circuit.
        inputs: (..., I).
        weights: (..., W), with leading axes that broadcast against those of `inputs`.

    Raises:
        InputError: see `Executable.expectations`.
        BackendError: from derivatives that this backend does not have.
    """
    if is_transformed(inputs, weights):
        check_shapes(network.circuit, inputs, weights)
        return values(network, inputs, weights)
    if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
        return _Expectations.apply(inputs, weights, network)  # type: ignore[no-any-return, no-untyped-call]
    return network.executable.expectations(inputs, weights)


class _Expectations(torch.autograd.Function):
    """Values forward, vector-Jacobian products backward, for whichever of inputs and weights want one.

    Written without `setup_context`, which costs a call's time at few qubits, and cannot keep what `record` gives.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, network: CircuitNetwork) -> torch.Tensor:
        ctx.save_for_backward(inputs, weights)
        ctx.network = network
        ctx.streams = network.executable.streams(inputs, weights)  # backward sees what forward drew
        found, ctx.pull_back = network.gradient.record(
            network.executable, inputs, weights, (ctx.needs_input_grad[0], ctx.needs_input_grad[1]), ctx.streams
        )
        return found

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors  # torch refuses, if they have changed since
        # create_graph, or gradients in a batch, or with tangents
        if torch.is_grad_enabled() or is_transformed(upstream) or is_in_old_batch(upstream):
            return *_products(ctx, inputs, weights, upstream), None
        return *ctx.pull_back(upstream), None


def _products(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, upstream: torch.Tensor) -> Maybe:
    """The vector-Jacobian products as a step of the graph."""
    network: CircuitNetwork = ctx.network
    wants = ctx.needs_input_grad[:2]
    if not network.second_derivatives:
        return spread(run(Recorded(network, ctx.pull_back, upstream.dim()), inputs, weights, upstream), wants)
    leaves = aligned(inputs, weights)
    found = products(network, (*leaves, no_seeds(leaves)), upstream, wants, ctx.streams)
    return [
        None if each is None else each.reshape(leaf.shape) for each, leaf in zip(found, (inputs, weights), strict=True)
    ]
