"""Values from shots on an ideal device: outcomes drawn from the probabilities that Aer computes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from qiskit import QuantumCircuit

from qgen.backends.aer.lowering import Lowering
from qgen.backends.aer.readout import Probabilities
from qgen.backends.aer.runner import RUN_BYTES, Runner
from qgen.backends.angles import Doubles
from qgen.backends.base import Backend, Batch, Executable
from qgen.backends.measuring import ONTO_Z, Basis, Measurement, Outcomes, draw_outcomes
from qgen.backends.statevector.backend import check_memory
from qgen.backends.statevector.program import compile_program
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams


class SampledExecutable(Executable):
    """A circuit on Aer, measured `shots` times for every sample in each basis that its observables need."""

    def __init__(self, circuit: LayerCircuit, backend: Backend, shots: int) -> None:
        super().__init__(circuit, backend)
        check_memory(circuit.qubits)
        conditional = circuit.conditional
        self._shots = shots
        self._measurement = Measurement(conditional.observables)
        self._settings = [_prepared(conditional, basis) for basis in self._measurement.bases]

    def __reduce__(self) -> Any:
        return SampledExecutable, (self.circuit, self.backend, self._shots)

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not len(batch.inputs):
            return batch.inputs.new_zeros(0, self.circuit.num_observables)
        outcomes = [
            self._outcomes(setting.lowering.table(batch), setting, streams.generators(basis))
            for basis, setting in enumerate(self._settings)
        ]
        values = self._measurement.from_outcomes(outcomes)  # one row, where nothing but identities is measured
        wide = np.broadcast_to(values, (len(batch.inputs), values.shape[1])).copy()
        return torch.from_numpy(wide).to(batch.inputs.device)

    def _outcomes(self, table: Doubles, setting: _Setting, rngs: Iterator[np.random.Generator]) -> Outcomes:
        rows = max(1, RUN_BYTES >> (3 + self.circuit.qubits))
        chunks = (table[start : start + rows] for start in range(0, len(table), rows))
        return np.concatenate([draw_outcomes(setting.runner.values(chunk), self._shots, rngs) for chunk in chunks])


class _Setting(NamedTuple):
    """The circuit, turned so that a basis is read along Z."""

    lowering: Lowering
    runner: Runner


def _prepared(circuit: LayerCircuit, basis: Basis) -> _Setting:
    turned = circuit.circuit
    append_basis_change(turned, basis)
    program = compile_program(LayerCircuit(turned, circuit.inputs, circuit.weights))
    lowering = Lowering(program)
    return _Setting(lowering, Runner(lowering, Probabilities(program.ends), program.wires))


def append_basis_change(circuit: QuantumCircuit, basis: Basis) -> None:
    """Turn each qubit's axis onto Z."""
    for qubit, axis in enumerate(basis.axes):
        for gate in ONTO_Z.get(axis, ()):
            getattr(circuit, gate)(qubit)
