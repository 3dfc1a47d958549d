"""Probabilities of all outcomes of a circuit at once, and their adjoint: 2^n numbers, where observables are few."""

from __future__ import annotations

import numpy as np
import torch

from qgen.backends.batch import Batch, Gradients
from qgen.backends.drawing import Bits, along_z, bits_of
from qgen.backends.measurement import permute_bits, sample_bitstrings
from qgen.backends.statevector.angles import Angles
from qgen.backends.statevector.program import compile_program
from qgen.backends.statevector.torch_engine import DeviceEngine
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams

PART_BYTES = 1 << 27  # of the probabilities that are held while bits are drawn


class OutcomeProbabilities:
    """The distribution of what all n qubits of a circuit read along Z.

    Args:
        circuit: without a mixture, or the conditional one; its observables do not matter.
    """

    def __init__(self, circuit: LayerCircuit) -> None:
        self._program = compile_program(along_z(circuit))
        self._angles, self._engine = Angles(self._program), DeviceEngine(self._program)
        self._qubits = circuit.qubits
        ends, outcomes = self._program.ends, np.arange(1 << circuit.qubits)
        in_order = ends == tuple(range(circuit.qubits))
        self._places = None if in_order else torch.from_numpy(permute_bits(outcomes, ends))

    def values(self, batch: Batch) -> torch.Tensor:
        """Return probabilities (N, 2^n), of the batch's type: bit q of an outcome is what qubit q reads."""
        rows = batch.weight_rows
        with torch.no_grad():
            shared, own = self._angles.tensors(batch.inputs.double(), batch.weights.double(), rows)
            found = self._engine.probabilities(shared, own, rows, batch.inputs.dtype)
        if self._places is None:
            return found
        permuted = torch.empty_like(found)
        permuted[:, self._places.to(found.device)] = found
        return permuted

    def vjp(self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool]) -> Gradients:
        """Return the gradients (N, I) and (R, W) of sum(upstream (N, 2^n) * values); None for what is not wanted."""
        inputs = batch.inputs.detach().double().requires_grad_(wants[0])
        weights = batch.weights.detach().double().requires_grad_(wants[1])
        leaves = [leaf for leaf in (inputs, weights) if leaf.requires_grad]
        if not leaves:
            return None, None
        with torch.enable_grad():
            angles = self._angles.tensors(inputs, weights, batch.weight_rows)
        if self._places is not None:
            upstream = upstream[:, self._places.to(upstream.device)]
        shared, own = (angle.detach() for angle in angles)
        d_angles = self._engine.probability_gradients(shared, own, batch.weight_rows, upstream, batch.inputs.dtype)
        outputs = [(angle, d) for angle, d in zip(angles, d_angles, strict=True) if angle.requires_grad]
        found = torch.autograd.grad(
            [angle for angle, _ in outputs], leaves, [d for _, d in outputs], allow_unused=True, materialize_grads=True
        )
        return found[0] if wants[0] else None, found[-1] if wants[1] else None

    def bits(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        """Draw what each qubit reads, (N, shots, n), from probabilities in double precision."""
        double = batch._replace(inputs=batch.inputs.double(), weights=batch.weights.double())
        rngs, most = streams.generators(), max(1, PART_BYTES >> (3 + self._qubits))
        drawn = []
        for rows in torch.arange(len(batch.inputs), device=batch.inputs.device).split(most):
            part = double._replace(inputs=double.inputs[rows], weight_rows=double.weight_rows[rows])
            drawn.append(sample_bitstrings(self.values(part).cpu().numpy(), shots, rngs))
        return bits_of(np.concatenate(drawn), range(self._qubits))
