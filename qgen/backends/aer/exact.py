"""Backend `aer`: values from Aer, exact or sampled; gradients of exact ones from the exact engine."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from qiskit import QuantumCircuit

from qgen.backends.aer.lowering import Lowering
from qgen.backends.aer.observables import Probabilities, StatevectorObservables
from qgen.backends.aer.runner import RUN_BYTES, Runner
from qgen.backends.aer.wide import WideExecutable
from qgen.backends.api import Backend, Batch, Capabilities, Executable
from qgen.backends.drawing import Bits, bits_of, reads_all_along_z
from qgen.backends.measurement import ONTO_Z, Basis, Measurement, Outcomes, sample_bitstrings
from qgen.backends.settings import BackendSettings
from qgen.backends.statevector import StatevectorBackend
from qgen.backends.statevector.backend import check_memory, fits
from qgen.backends.statevector.program import compile_program
from qgen.circuits import LayerCircuit
from qgen.extras import require_aer
from qgen.randomness import Streams


class AerBackend(Backend):
    """Expectation values by Aer's statevector method, always in double precision.

    Beyond the qubits that memory holds a state of, circuits run as matrix product states, without gradients.

    Aer has no adjoint gradients: for exact values they come from the engine of backend `statevector`, which is exact
    too. Sampled values are drawn from the probabilities that Aer computes.

    Args:
        shots: per circuit; None: values are exact.

    Raises:
        BackendError: qiskit-aer is not installed.
    """

    def __init__(self, shots: int | None = None) -> None:
        require_aer("backend `aer`")
        self._shots = shots

    @property
    def name(self) -> str:
        return "aer"

    @property
    def capabilities(self) -> Capabilities:
        exact = self._shots is None
        return Capabilities(exact=exact, adjoint=exact, shots=self._shots, countable=exact)

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        if not fits(circuit.qubits):
            return WideExecutable(circuit, self)
        if self._shots is None:
            return AerExecutable(circuit, self)
        return SampledExecutable(circuit, self, self._shots)


def open_aer(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend; see `qgen.backends.registry`."""
    return AerBackend(settings.shots)


class AerExecutable(Executable):
    """A circuit on Aer; tensors on a GPU are evaluated on the processor, and their values go back."""

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        super().__init__(circuit, backend)
        self._engine = StatevectorBackend().compile(circuit)
        program = compile_program(circuit.conditional)
        self._lowering = Lowering(program)
        readout = StatevectorObservables(program.strings, program.wires, circuit.num_observables)
        self._runner = Runner(self._lowering, readout, program.wires)

    def __reduce__(self) -> Any:
        return AerExecutable, (self.circuit, self.backend)  # what is compiled does not pickle: compile again

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not len(batch.inputs):
            return batch.inputs.new_zeros(0, self.circuit.num_observables)
        values = self._runner.values(self._lowering.table(batch))
        return torch.from_numpy(values).to(batch.inputs.device)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        return self._along_z.bits(batch, shots, streams)

    @cached_property
    def _along_z(self) -> _Setting:
        return _prepared(self.circuit.conditional, Basis("Z" * self.circuit.qubits))

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
        return self._engine.evaluate_vjp(batch, upstream, wants, streams)

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self._engine.evaluate_autograd(batch, streams)


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
            setting.outcomes(batch, self._shots, streams.generators(basis))
            for basis, setting in enumerate(self._settings)
        ]
        values = self._measurement.from_outcomes(outcomes)  # one row, where nothing but identities is measured
        wide = np.broadcast_to(values, (len(batch.inputs), values.shape[1])).copy()
        return torch.from_numpy(wide).to(batch.inputs.device)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        return self._along_z.bits(batch, shots, streams)

    @cached_property
    def _along_z(self) -> _Setting:
        if reads_all_along_z(self._measurement.bases, self.circuit.qubits):
            return self._settings[0]
        return _prepared(self.circuit.conditional, Basis("Z" * self.circuit.qubits))


class _Setting(NamedTuple):
    """The circuit, turned so that a basis is read along Z; its n qubits."""

    lowering: Lowering
    runner: Runner
    qubits: int

    def outcomes(self, batch: Batch, shots: int, rngs: Iterator[np.random.Generator]) -> Outcomes:
        """Return outcomes (N, shots); bit q is the reading of qubit q."""
        table, rows = self.lowering.table(batch), max(1, RUN_BYTES >> (3 + self.qubits))
        chunks = (table[start : start + rows] for start in range(0, len(table), rows))
        return np.concatenate([sample_bitstrings(self.runner.values(chunk), shots, rngs) for chunk in chunks])

    def bits(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        """Return what each qubit reads, (N, shots, n)."""
        return bits_of(self.outcomes(batch, shots, streams.generators()), range(self.qubits))


def _prepared(circuit: LayerCircuit, basis: Basis) -> _Setting:
    turned = circuit.circuit
    append_basis_change(turned, basis)
    program = compile_program(LayerCircuit(turned, circuit.inputs, circuit.weights))
    lowering = Lowering(program)
    return _Setting(lowering, Runner(lowering, Probabilities(program.ends), program.wires), circuit.qubits)


def append_basis_change(circuit: QuantumCircuit, basis: Basis) -> None:
    """Turn each qubit's axis onto Z."""
    for qubit, axis in enumerate(basis.axes):
        for gate in ONTO_Z.get(axis, ()):
            getattr(circuit, gate)(qubit)
