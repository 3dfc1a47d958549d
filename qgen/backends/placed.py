"""A circuit placed on a device: what every backend has in common that runs circuits as a device would."""

from __future__ import annotations

from abc import abstractmethod
from functools import cached_property
from typing import ClassVar

import numpy as np
import torch
from qiskit.transpiler import Target

from qgen.backends.angle_form import angle_frequencies
from qgen.backends.angles import Doubles
from qgen.backends.base import Angled, Backend, Executable
from qgen.backends.batching import Batch, parameter_rows
from qgen.backends.measuring import Measurement
from qgen.backends.pins import Pins
from qgen.backends.placement import Placement, place
from qgen.circuits import LayerCircuit
from qgen.circuits.observables import support
from qgen.errors import BackendError
from qgen.randomness import Streams
from qgen.transpilation.delays import delay_parameters


class PlacedExecutable(Executable):
    """A circuit transpiled once for a target. A backend fills in `values`.

    Shift rules move the angles of the device's own gates: noise between the parts that a gate was taken apart into
    would make a rule for the whole gate inexact.

    Attributes:
        placement: the circuit in the target's gates, and where its qubits lie.
        measurement: the bases that its observables are measured in.
        open_delays: whether a delay may be as long as a parameter says.

    Raises:
        BackendError: the circuit does not fit on the target, or has a delay of open length where there can be none.
    """

    open_delays: ClassVar[bool] = False

    def __init__(
        self, circuit: LayerCircuit, backend: Backend, target: Target, seed: int, pins: Pins | None = None
    ) -> None:
        super().__init__(circuit, backend)
        conditional = circuit.conditional
        self.measurement = Measurement(conditional.observables)
        parameters = conditional.inputs + conditional.weights
        bases = self.measurement.bases
        routed = None if pins is None else pins.route(circuit, target)
        self.placement: Placement = place(conditional.circuit, parameters, target, bases, seed=seed, routed=routed)
        if self._waits_openly() and not self.open_delays:
            raise BackendError(f"`{backend.name}` takes delays of a fixed length only: give this one a number")

    def _waits_openly(self) -> bool:
        return any(map(delay_parameters, self.placement.circuits))

    @abstractmethod
    def values(self, table: Doubles, streams: Streams) -> Doubles:
        """Values (N, O) for the angles (N, A) of the placed circuit's gates, or (1, O) where all are the same."""

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        return self._evaluate(self.placement.angles.values(parameter_rows(batch)), streams).to(batch.inputs.device)

    @cached_property
    def angled(self) -> Angled:
        placement = self.placement
        if self._waits_openly():
            raise BackendError(
                "no shift rule gives derivatives of values by the length of a delay, which decay as it grows: take "
                "gradient spsa, or give the delay a number"
            )
        measured = [placement.wires[qubit] for qubit in support(self.circuit.observables)]
        frequencies = (
            angle_frequencies(placement.circuits[0], placement.parameters, measured) if placement.circuits else ()
        )
        return Angled(placement.angles, frequencies, self._evaluate)

    def _evaluate(self, table: Doubles, streams: Streams) -> torch.Tensor:
        if not len(table):
            return torch.zeros(0, self.circuit.num_observables, dtype=torch.float64)
        values = self.values(table, streams)
        return torch.from_numpy(np.broadcast_to(values, (len(table), values.shape[1])).copy())
