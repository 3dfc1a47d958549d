"""Circuits on IBM's hardware for fixed weights: what an earlier version ran with open ones is not paid for again."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import numpy.typing as npt
import torch

from qgen.backends.api import Executable
from qgen.backends.batch import Batch
from qgen.backends.device.bound import BoundExecutable, bound_rows
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.drawing import Bits, refuse_mixture
from qgen.backends.ibm.executable import HardwareExecutable
from qgen.backends.ibm.hardware import Hardware, Submit
from qgen.backends.ibm.runner import NotStoredError
from qgen.circuits import LayerCircuit
from qgen.circuits.bound import BoundCircuit
from qgen.randomness import Streams
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling


class BoundHardwareExecutable(BoundExecutable):
    """A circuit for one row of weights.

    Versions before this one ran it with its weights open. What the journal has of that is answered from there.

    Args:
        circuit: the layer's circuit, with its weights open.
        backend: the device.
        weights: (1, W).
        bound: the circuit at these weights.
    """

    def __init__(
        self, circuit: LayerCircuit, backend: Hardware, weights: npt.NDArray[Any], bound: BoundCircuit
    ) -> None:
        self._own = HardwareExecutable(bound.circuit, backend)
        super().__init__(circuit, backend, weights, [bound.columns], [self._own])
        layouts = backend.layouts(circuit) if backend.runner.journal.records() else []
        known = bool(layouts) and all(circuit.digest in layout.routed for layout in layouts)
        self._earlier = HardwareExecutable(circuit, backend, Submit.CALIBRATIONS) if known else None
        self._mitigates = backend.mitigation is not None

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        own, earlier = super().evaluate, self._earlier
        if earlier is None:
            return own(batch, streams)
        with suppress(NotStoredError), earlier.submitting(Submit.NOTHING):
            return earlier.evaluate(batch, streams)
        if self._mitigates:
            with suppress(NotStoredError), self._own.submitting(Submit.NOTHING):
                return own(batch, streams)
            with suppress(NotStoredError):  # what was run with open weights may lack a calibration alone
                return earlier.evaluate(batch, streams)
        return own(batch, streams)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        refuse_mixture(self.circuit, self.backend.name)
        return super().draw_rows(batch, shots, streams)

    @property
    def tiling(self) -> Tiling | None:
        """See `BilledExecutable`; likewise what follows."""
        return self._own.tiling

    @property
    def tiling_now(self) -> Tiling | None:
        return self._own.tiling_now

    @property
    def calibration(self) -> str | None:
        return self._own.calibration

    @property
    def moved(self) -> str | None:
        return self._own.moved

    def place_anew(self) -> None:
        self._own.place_anew()

    def cost(self, samples: int) -> WorkloadCost:
        return self._own.cost(samples)

    def cost_of_draws(self, samples: int, shots: int) -> WorkloadCost:
        refuse_mixture(self.circuit, self.backend.name)
        return self._own.cost_of_draws(samples, shots)


def compile_for_hardware(
    circuit: LayerCircuit, backend: Hardware, weights: npt.ArrayLike | None, saved: SavedLayouts | None
) -> Executable:
    """Compile a circuit for IBM's hardware; see `Backend.compile`.

    Several rows of weights stay open: one circuit with open weights is one job for all of them, where as many circuits
    would be as many jobs, of two QPU seconds each beside their executions.

    Args:
        circuit: the circuit.
        backend: the device.
        weights: (W,) or (K, W); None: they stay open.
        saved: layouts that the user chose.
    """
    if weights is None or not circuit.num_weights:
        return HardwareExecutable(circuit, backend)
    rows, bound = bound_rows(circuit, weights, saved)
    if len(rows) > 1:
        return HardwareExecutable(circuit, backend)
    return BoundHardwareExecutable(circuit, backend, rows, bound[0])
