"""A circuit compiled for one of the methods: from inputs and weights to angles, and from their gradients back."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cached_property
from typing import TypeVar

import numpy as np
import torch

from qgen.backends.api import Backend
from qgen.backends.batch import Batch, Gradients, parameter_rows
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.noisy.choice import Choice
from qgen.backends.noisy.method import Method
from qgen.backends.noisy.point import Doubles, Integers, Point
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError
from qgen.randomness import Streams

_log = logging.getLogger(__name__)
Result = TypeVar("Result")


class NoisySimulation:
    """A `Submitter` that runs a circuit by the method chosen for it, or by another where that one fails.

    Which of the two it is follows from the weights of a call alone, so that a resumed run goes the same way.

    Args:
        choice: of the method.
        on_fallback: called with the other method, the first time that it takes over.
    """

    def __init__(self, choice: Choice, on_fallback: Callable[[str], None]) -> None:
        self.choice = choice
        self._own = choice.program.own_columns
        self._on_fallback = on_fallback
        self._fallback: Method | None = None

    @property
    def method(self) -> str:
        method = self.choice.method.method
        return method if self._fallback is None else f"{method}; {self._fallback.method} where that failed"

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        """Return the values (N, O) for angles (N, C); rows share work that differ in the samples' own angles only."""
        _, first, rows = np.unique(angles[:, ~self._own], axis=0, return_index=True, return_inverse=True)
        rows = rows.reshape(-1).astype(np.int64)
        return self.values_at(Point(angles, rows, np.argsort(rows, kind="stable"), first.astype(np.int64), streams))

    def values_at(self, point: Point) -> Doubles:
        """Return the values (N, O) at a point, N from 1 on."""
        for column in self.choice.program.delay_columns:
            shortest = point.angles[:, column].min()
            if shortest < 0:
                raise InputError(f"a delay is {shortest:g} s long: keep its parameters where it is not below zero")
        return self._run(lambda method: method.values(point))

    def gradients_at(self, point: Point, upstream: Doubles, wants: tuple[bool, bool]) -> tuple[Doubles, Doubles]:
        """Return the gradients for the angles; see `Method.gradients`."""
        return self._run(lambda method: method.gradients(point, upstream, *wants))

    def _run(self, call: Callable[[Method], Result]) -> Result:
        try:
            return call(self.choice.method)
        except self.choice.failures as error:
            if self._fallback is None:
                self._fallback = self.choice.fallback()
                _log.warning("%s: %s instead", error, self._fallback.method)
                self._on_fallback(self._fallback.method)
            return call(self._fallback)


class NoisyExecutable(DeviceExecutable):
    """A circuit routed for a device, run by the noisy engine.

    Args:
        circuit: the layer's circuit.
        backend: that it was compiled for.
        routed: the circuit in the device's gates.
        choice: of its method.
        on_fallback: see `NoisySimulation`.
        reader: returns the circuit with all qubits read along Z, and its bits drawn.

    Attributes:
        choice: the same.
    """

    def __init__(
        self,
        circuit: LayerCircuit,
        backend: Backend,
        routed: RoutedCircuit,
        choice: Choice,
        on_fallback: Callable[[str], None],
        reader: Callable[[], DeviceExecutable],
    ) -> None:
        self.simulation = NoisySimulation(choice, on_fallback)
        super().__init__(circuit, backend, routed, self.simulation)
        self.draws, self.second_derivatives = choice.draws, choice.autograd is not None
        self.choice, self._reader = choice, reader

    @cached_property
    def along_z(self) -> DeviceExecutable:
        return self._reader()

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if not len(batch.inputs):
            return batch.inputs.new_zeros(0, self.circuit.num_observables)
        point = self._point(batch, parameter_rows(batch), streams)
        return torch.from_numpy(self.simulation.values_at(point)).to(batch.inputs.device)

    def evaluate_vjp(
        self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
    ) -> Gradients:
        inputs, device = batch.inputs.shape[1], batch.inputs.device
        if not (len(batch.inputs) and any(wants)):
            zeros = torch.zeros_like(batch.inputs), torch.zeros_like(batch.weights)
            return zeros[0] if wants[0] else None, zeros[1] if wants[1] else None
        parameters = parameter_rows(batch)
        point = self._point(batch, parameters, streams)
        d_shared, d_own = self.simulation.gradients_at(point, upstream.detach().double().cpu().numpy(), wants)
        to_parameters = self.routed.parameter_map.vjp
        of_samples = to_parameters(parameters, d_own)
        d_inputs = torch.from_numpy(of_samples[:, :inputs]).to(device) if wants[0] else None
        if not wants[1]:
            return d_inputs, None
        d_weights = to_parameters(parameters[point.first], d_shared)[:, inputs:]
        np.add.at(d_weights, point.weight_rows, of_samples[:, inputs:])
        return d_inputs, torch.from_numpy(d_weights).to(device)

    def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if self.choice.autograd is None:
            raise BackendError(self.choice.no_autograd)
        rows = torch.cat([batch.inputs, batch.weights[batch.weight_rows]], dim=1)
        return self.choice.autograd(self.routed.parameter_map(rows.double().cpu())).to(batch.inputs.device)

    def _point(self, batch: Batch, parameters: Doubles, streams: Streams) -> Point:
        rows, order = batch.weight_rows.cpu().numpy(), batch.order.cpu().numpy()
        first = _first(rows, order, len(batch.weights))
        return Point(self.routed.parameter_map.values(parameters), rows, order, first, streams)


def _first(rows: Integers, order: Integers, count: int) -> Integers:
    """Return a sample (count,) of each row of weights, each of which has some."""
    if count == 1:
        return np.zeros(1, dtype=np.int64)
    first: Integers = order[np.searchsorted(rows[order], np.arange(count))]
    return first
