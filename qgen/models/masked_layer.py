"""MaskedLayer: a quantum layer whose masks are drawn anew while it is trained, and that can outgrow them."""

from __future__ import annotations

import torch
from torch import Tensor

from qgen.circuits import LayerCircuit
from qgen.circuits.ansatze.masked import mask_of_weights, without_masks
from qgen.models.circuit_context import CircuitContext
from qgen.nn import QuantumLayer
from qgen.nn.autograd import evaluate
from qgen.nn.compiled import CompiledCircuit
from qgen.nn.recomputation import once

#: Up to so many qubits the masks of one draw are distinct, as those of the ansatz; beyond, equal ones are rare.
MOST_DISTINCT = 12


class MaskedLayer(QuantumLayer):
    """A circuit whose rotations masks switch on and off, qubit by qubit, averaged over K masks.

    In training each call draws its masks, or has always the same; a mask is a row of weights, some of them 0, so that
    no ancilla and no controlled rotation is needed. The average over fresh masks is an unbiased estimate of that over
    all 2^n, and so are its gradients. In evaluation it is an ordinary layer with the masks of its circuit.

    Masks are drawn from torch's global generator, which training seeds for each step.

    Args:
        circuit: as it is evaluated: a mixture over masks (ansatz `masked`).
        trained: as it is trained; its number of masks is K.
        redraw: whether each call in training draws K masks; else they are those of `trained`.
        removed_after: calls in training after which all rotations are on, in evaluation too; None: never.
        context: where it runs, and the seed of its weights.

    Raises:
        CircuitError: the circuit has no masks.
    """

    points: Tensor
    columns: Tensor
    calls: Tensor

    def __init__(
        self,
        circuit: LayerCircuit,
        trained: LayerCircuit,
        redraw: bool,
        removed_after: int | None,
        context: CircuitContext,
    ) -> None:
        super().__init__(circuit, context.backend, context.gradient, seed=context.seed)
        self.redraw, self.removed_after = redraw, removed_after
        self._unmasked = CompiledCircuit.build(without_masks(circuit), context.backend, context.gradient)
        points = () if trained.mixture is None else trained.mixture.points
        self.register_buffer("columns", torch.tensor(mask_of_weights(circuit)), persistent=False)
        self.register_buffer("points", torch.tensor(points, dtype=self.weight.dtype), persistent=False)
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    @property
    def compiled(self) -> CompiledCircuit:
        """The circuit as it is evaluated: with its masks, or once they are removed without."""
        return self._unmasked if self.removed else self._masked

    @compiled.setter
    def compiled(self, compiled: CompiledCircuit) -> None:
        if self.removed:
            self._unmasked = compiled
        else:
            self._masked = compiled

    @property
    def removed(self) -> bool:
        """Whether training has gone on without masks."""
        limit = getattr(self, "removed_after", None)  # not yet there while the layer is made
        return limit is not None and not self.calls.is_meta and int(self.calls) >= limit

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # as the layer itself
    def forward(self, input_data: Tensor | None = None) -> Tensor:
        """Return expectation values (..., O) at inputs (..., I), averaged over masks."""
        if not self.training or input_data is None or once(self._step):
            return super().forward(input_data)  # type: ignore[no-any-return]
        masks = self._draw() if self.redraw else self.points
        rows = self.weight * masks[:, self.columns]  # (K, W)
        return evaluate(self._unmasked, input_data.unsqueeze(-2), rows).mean(-2)

    def _step(self) -> bool:
        """Count a call of training; return whether it has no masks any more."""
        removed = self.removed
        if torch.is_grad_enabled():
            self.calls += 1
        return removed

    def _draw(self) -> Tensor:
        """Draw K masks (K, n) of 0 and 1."""
        count, qubits = self.points.shape
        if qubits <= MOST_DISTINCT:
            numbers = torch.randperm(2**qubits)[:count]
            bits = (numbers.unsqueeze(1) >> torch.arange(qubits)) & 1
        else:
            bits = torch.randint(2, (count, qubits))
        return bits.to(self.points)
