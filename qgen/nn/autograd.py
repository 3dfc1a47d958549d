"""Circuits in torch's graph: a short way for ordinary training, and one that all of torch's transforms can take."""

from __future__ import annotations

from typing import Any

import torch

from qgen.backends.batch import check_shapes
from qgen.nn.compiled import CompiledCircuit
from qgen.nn.functions import MaybeTensors, apply_rule, fill
from qgen.nn.recomputation import once
from qgen.nn.rules import RecordedVJP, aligned, no_seeds, products, values
from qgen.nn.torch_internals import is_legacy_batch, is_transformed


def evaluate(compiled: CompiledCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Return expectation values (..., O), with all that a gradient takes only where one may be asked for.

    Args:
        compiled: the compiled circuit.
        inputs: (..., I).
        weights: (..., W), with leading axes that broadcast against those of `inputs`.

    Raises:
        InputError: see `Executable.expectations`.
        BackendError: from derivatives that this backend does not have.
    """
    if is_transformed(inputs, weights):
        check_shapes(compiled.circuit, inputs, weights)
        return values(compiled, inputs, weights)
    if torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad):
        return _Expectations.apply(inputs, weights, compiled)  # type: ignore[no-any-return, no-untyped-call]
    return compiled.executable.expectations(inputs, weights)


class _Expectations(torch.autograd.Function):
    """Expectation values forward, vector-Jacobian products backward, for whichever of inputs and weights want one.

    Written without `setup_context`, which costs a call's time at few qubits, and cannot keep a vector-Jacobian product.
    """

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, compiled: CompiledCircuit) -> torch.Tensor:
        ctx.save_for_backward(inputs, weights)
        ctx.compiled = compiled
        ctx.streams = compiled.executable.streams(inputs, weights)  # backward sees what forward drew

        def run() -> torch.Tensor:
            result, ctx.vjp = compiled.gradient.value_and_vjp(
                compiled.executable, inputs, weights, (ctx.needs_input_grad[0], ctx.needs_input_grad[1]), ctx.streams
            )
            return result

        # A node that is made again in a recomputation has no backward pass of its own: the first one's is called.
        return once(run).detach()

    @staticmethod
    def backward(ctx: Any, upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors  # torch refuses, if they have changed since
        # create_graph, or gradients in a batch, or with tangents
        if torch.is_grad_enabled() or is_transformed(upstream) or is_legacy_batch(upstream):
            return *_products(ctx, inputs, weights, upstream), None
        return *ctx.vjp(upstream), None


def _products(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, upstream: torch.Tensor) -> MaybeTensors:
    """Return the vector-Jacobian products as nodes of the graph."""
    compiled: CompiledCircuit = ctx.compiled
    wants = ctx.needs_input_grad[:2]
    if not compiled.adjoint:
        return fill(apply_rule(RecordedVJP(compiled, ctx.vjp, upstream.dim()), inputs, weights, upstream), wants)
    leaves = aligned(inputs, weights)
    gradients = products(compiled, (*leaves, no_seeds(leaves)), upstream, wants, ctx.streams)
    return [
        None if gradient is None else gradient.reshape(leaf.shape)
        for gradient, leaf in zip(gradients, (inputs, weights), strict=True)
    ]
