"""A routed circuit and what runs it: the executable of every backend that runs circuits in a device's own gates."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch

from qgen.backends.api import Backend, Executable, ShiftForm
from qgen.backends.batch import Batch, parameter_rows
from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.drawing import Bits, along_z, reads_all_along_z
from qgen.backends.parameters import Doubles
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams


class Submitter(Protocol):
    """Runs one routed circuit for many settings of its angles, and makes values of what it measures."""

    @property
    def method(self) -> str:
        """How values are obtained, see `Executable.method`."""
        ...

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        """Return the values (N, O) for the angles (N, C) of the routed circuit, or (1, O) where all are the same.

        Args:
            angles: the columns of `RoutedCircuit.parameters`; N is at least 1.
            streams: what the N rows draw from.
        """
        ...


@runtime_checkable
class Reader(Submitter, Protocol):
    """A submitter that can also return the bits which values are made of."""

    def bits(self, angles: Doubles, shots: int, streams: Streams) -> Bits:
        """Return what each qubit reads, (N, shots, n), where the routed circuit reads all qubits along Z; N from 1."""
        ...


class DeviceExecutable(Executable):
    """A circuit routed for a device, run by a submitter.

    Shift rules move the angles of the device's own gates: noise between the parts that a gate was taken apart into
    would make a rule for the whole gate inexact.

    Args:
        circuit: the layer's circuit.
        backend: that it was compiled for.
        routed: the circuit in the device's gates.
        submitter: runs it.
    """

    def __init__(self, circuit: LayerCircuit, backend: Backend, routed: RoutedCircuit, submitter: Submitter) -> None:
        super().__init__(circuit, backend)
        self.routed, self.submitter = routed, submitter

    def __reduce__(self) -> Any:
        return _compiled, (self.backend, self.circuit)  # simulators do not pickle: compile again

    @property
    def method(self) -> str:
        return self.submitter.method

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        angles = self.routed.parameter_map.values(parameter_rows(batch))
        return self._evaluate(angles, streams).to(batch.inputs.device)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        chosen = self.along_z
        if not isinstance(chosen.submitter, Reader):
            return super().draw_rows(batch, shots, streams)  # which refuses
        return chosen.submitter.bits(chosen.routed.parameter_map.values(parameter_rows(batch)), shots, streams)

    @cached_property
    def along_z(self) -> DeviceExecutable:
        """The circuit with all qubits read along Z: itself, where its observables are measured so."""
        if reads_all_along_z(self.routed.bases, self.circuit.qubits):
            return self
        compiled = self.backend.compile(along_z(self.circuit))
        return compiled if isinstance(compiled, DeviceExecutable) else self

    @cached_property
    def shift_form(self) -> ShiftForm:
        return ShiftForm(self.routed.parameter_map, self.routed.frequencies(self.circuit), self._evaluate)

    def _evaluate(self, angles: Doubles, streams: Streams) -> torch.Tensor:
        if not len(angles):
            return torch.zeros(0, self.circuit.num_observables, dtype=torch.float64)
        values = self.submitter.values(angles, streams)
        return torch.from_numpy(np.broadcast_to(values, (len(angles), values.shape[1])).copy())


def _compiled(backend: Backend, circuit: LayerCircuit) -> Executable:
    return backend.compile(circuit)
