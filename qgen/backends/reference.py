"""The reference: Qiskit's own `Statevector`, one sample at a time. Slow, obvious, and the definition of right."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from qiskit.quantum_info import Statevector

from qgen.backends.api import Backend, Batch, Capabilities, Executable
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit
from qgen.circuits.custom_gates import unroll_custom_gates
from qgen.circuits.exact_synthesis import annotate_controls, remove_delays
from qgen.randomness import Streams


class ReferenceBackend(Backend):
    """Exact values by `qiskit.quantum_info.Statevector`, for tests and for doubts; no gradients."""

    @property
    def name(self) -> str:
        return "reference"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=True)

    def compile(self, circuit: LayerCircuit) -> Executable:
        return ReferenceExecutable(circuit, self)


class ReferenceExecutable(Executable):
    """See `ReferenceBackend`."""

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        conditional = self.circuit.conditional
        circuit = remove_delays(unroll_custom_gates(annotate_controls(conditional.circuit)))
        values = np.empty((len(batch.inputs), conditional.num_observables))
        for n, inputs in enumerate(batch.inputs.tolist()):
            weights = batch.weights[batch.weight_rows[n]].tolist()
            bound = circuit.assign_parameters(
                {
                    **dict(zip(conditional.inputs, inputs, strict=True)),
                    **dict(zip(conditional.weights, weights, strict=True)),
                },
                strict=False,  # a delay that was left out may have had some
            )
            state = Statevector(bound)
            values[n] = [state.expectation_value(observable).real for observable in conditional.observables]
        return torch.from_numpy(values).to(batch.inputs.device)


def open_reference(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend; see `qgen.backends.registry`."""
    return ReferenceBackend()
