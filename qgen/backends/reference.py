"""The reference: Qiskit's own `Statevector`, one sample at a time. Slow, obvious, and the definition of right."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from qiskit.quantum_info import Statevector

from qgen.backends.api import Backend, Batch, Capabilities, Executable
from qgen.backends.drawing import Bits, bits_of
from qgen.backends.measurement import sample_bitstrings
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

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        return ReferenceExecutable(circuit, self)


class ReferenceExecutable(Executable):
    """See `ReferenceBackend`."""

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        observables = self.circuit.conditional.observables
        values = np.empty((len(batch.inputs), len(observables)))
        for n, state in enumerate(self._states(batch)):
            values[n] = [state.expectation_value(observable).real for observable in observables]
        return torch.from_numpy(values).to(batch.inputs.device)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        probabilities = np.array([state.probabilities() for state in self._states(batch)])
        return bits_of(sample_bitstrings(probabilities, shots, streams.generators()), range(self.circuit.qubits))

    def _states(self, batch: Batch) -> Iterator[Statevector]:
        conditional = self.circuit.conditional
        circuit = remove_delays(unroll_custom_gates(annotate_controls(conditional.circuit)))
        for n, inputs in enumerate(batch.inputs.tolist()):
            weights = batch.weights[batch.weight_rows[n]].tolist()
            yield Statevector(
                circuit.assign_parameters(
                    {
                        **dict(zip(conditional.inputs, inputs, strict=True)),
                        **dict(zip(conditional.weights, weights, strict=True)),
                    },
                    strict=False,  # a delay that was left out may have had some
                )
            )


def open_reference(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend; see `qgen.backends.registry`."""
    return ReferenceBackend()
