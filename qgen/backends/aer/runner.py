"""One call of Aer for a whole batch: its bindings carry all samples."""

from __future__ import annotations

from math import log2, sqrt
from typing import Any, NamedTuple

import numpy as np
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter

from qgen.backends.aer.lowering import Lowering
from qgen.backends.aer.observables import Readout
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError

RUN_BYTES = 1 << 27  # what one run may hold; larger batches take several
NUMBER_BYTES = 64  # of a bound number: a Python float in a list, and its copy in Aer
BINDING_BYTES = 8192  # of a binding's result, beside the state
# Microseconds that Aer spends on a binding whatever its circuit is, on an instruction whatever the batch is, and on an
# amplitude of an instruction that sets the state.
BINDING, INSTRUCTION, AMPLITUDE = 30.0, 5.0, 0.04
MOST_COPIES = 16
# From so many qubits on Aer takes several threads. Its OpenMP shares libgomp with torch's, which lets waiting threads
# sleep at once when both have threads: small layers around a small circuit then take nearly twice as long.
SHARED_WIRES = 12


class Runner:
    """A lowered circuit with its readout, on Aer's statevector method.

    Aer's bookkeeping for one binding takes several times as long as a circuit of few qubits. So one binding carries
    several samples, one after the other, each from |0...0> on, and each saves a state of its own.
    """

    def __init__(self, lowering: Lowering, readout: Readout, wires: int) -> None:
        from qiskit_aer import AerSimulator

        self._lowering, self._readout, self._wires = lowering, readout, wires
        # Aer would fuse gates for each binding anew, all on one thread: that takes longer than the gates do.
        self._simulator = AerSimulator(method="statevector", fusion_enable=False)
        self._circuits: dict[int, _Copies] = {}

    def values(self, table: Doubles) -> Doubles:
        """What the readout makes of bound numbers (N, C), in one run if memory allows, else in as few as it takes.

        Raises:
            BackendError: Aer failed, with its own words.
        """
        if not self._lowering.columns:  # all samples are the same one
            return np.repeat(self._run(table[:1]), len(table), axis=0)
        most = max(1, RUN_BYTES // (self._readout.sample_bytes + NUMBER_BYTES * table.shape[1] + BINDING_BYTES))
        return np.concatenate([self._run(table[start : start + most]) for start in range(0, len(table), most)])

    def _run(self, table: Doubles) -> Doubles:
        copies = self._copies(len(table))
        if copies not in self._circuits:
            self._circuits[copies] = _Copies.of(self._lowering, self._readout, self._wires, copies)
        circuit, parameters, labels = self._circuits[copies]
        bindings = -(-len(table) // copies)
        full = table[np.minimum(np.arange(bindings * copies), len(table) - 1)]  # the last sample fills the last binding
        columns = full.reshape(bindings, -1).T.tolist()
        threads = torch.get_num_threads() if self._wires >= SHARED_WIRES else 1
        result = self._simulator.run(
            circuit,
            parameter_binds=[dict(zip(parameters, columns, strict=True))] if parameters else None,
            runtime_parameter_bind_enable=True,
            shots=threads,  # nothing is sampled: Aer shares bindings among as many threads as there are shots
            max_parallel_threads=threads,
        ).result()
        if not result.success:
            status = next((one.status for one in result.results if not one.success), result.status)
            raise BackendError(f"Aer could not run this circuit of {self._wires} qubits: {status}")
        saved = [getattr(one.data, label) for one in result.results for label in labels]
        return self._readout.values(saved[: len(table)])

    def _copies(self, samples: int) -> int:
        """How many samples share a binding: where bookkeeping for bindings and for instructions add up to least."""
        a_copy = INSTRUCTION * (len(self._lowering.gates) + 2) + AMPLITUDE * (1 << self._wires)
        return min(MOST_COPIES, 1 << max(0, int(log2(sqrt(samples * BINDING / a_copy)))))


class _Copies(NamedTuple):
    """The circuit several times in a row.

    parameters: copy by copy, each copy's in the order of the table's columns; labels: of the saved states.
    """

    circuit: QuantumCircuit
    parameters: list[Parameter]
    labels: list[str]

    @classmethod
    def of(cls, lowering: Lowering, readout: Readout, wires: int, copies: int) -> _Copies:
        from qiskit_aer.library import SetStatevector

        circuit, labels = QuantumCircuit(wires), [f"sample{copy}" for copy in range(copies)]
        table = [[Parameter(f"{label}_{k}") for k in range(lowering.columns)] for label in labels]
        start = np.zeros(1 << wires, dtype=np.complex128)
        start[0] = 1
        for label, parameters in zip(labels, table, strict=True):
            if label != labels[0]:
                circuit.append(SetStatevector(start), range(wires))
            for gate in lowering.gates:
                angles: list[Any] = [parameters[k] for k in gate.columns] or list(gate.numbers)
                # Qiskit builds its own gate classes anew each time that Aer looks at them, a plain `Gate` it keeps.
                circuit.append(Gate(gate.name, len(gate.wires), angles), gate.wires)
            readout.save(circuit, label)
        return cls(circuit, [parameter for row in table for parameter in row], labels)
