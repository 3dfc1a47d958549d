"""Calibrations of readout on IBM's hardware: two circuits in a job of their own, beside those that they correct.

Beside, and not in their job, so that circuits are the same requests with and without mitigation: what was paid for
without it is corrected for the price of a calibration, and what cannot be corrected is kept. That holds in layouts that
the circuit has left, too: a calibration takes the qubits that were read and no coupler, and runs there while they work.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from qgen.backends.device.tiles import TiledCircuits
from qgen.backends.ibm.cost import CostModel
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.layouts import Layout
from qgen.backends.ibm.results import ExpectedResult, unpack
from qgen.backends.ibm.runner import Request
from qgen.backends.mitigation.readout import unreadable
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.transpilation.cost import WorkloadCost

#: Shots of a calibration circuit at most, however many its circuits have: those of M3 (`mthree`) by default.
MOST_SHOTS = 10_000


class ReadoutJobs:
    """Calibrations of the qubits that a circuit is read on: all prepared as 0, and all as 1, on all of its tiles.

    Source: Nation, Kang, Sundaresan and Gambetta, "Scalable mitigation of measurement errors on quantum computers", PRX
    Quantum 2, 040326, 2021, arXiv:2108.12518. The prepared states are taken to be free of errors.

    Args:
        backend: the device.
        layout: the circuit's layout.
        tiled: its copies.

    Attributes:
        fault: why there are none today, in a layout that is known to be faulty; None: there are.

    Raises:
        BackendError: a qubit that is read is out of order, or by what the device reports its readings are hardly better
            than chance.
    """

    def __init__(self, backend: Hardware, layout: Layout, tiled: TiledCircuits) -> None:
        self._hardware, self._tiled, self._tiles = backend, tiled, len(tiled.tiling.tiles)
        self.fault = _fault(backend, tiled)
        if self.fault is not None and not layout.faulty:
            raise BackendError(self.fault)
        self._circuits = tiled.calibrations()
        self._costs = CostModel(self._circuits, backend, faulty=self.fault is not None)

    def cost(self, shots: int) -> WorkloadCost:
        """Return what calibrating for circuits of so many shots costs."""
        return self._costs.cost(len(self._circuits), self._shots(shots), 1)

    def request(self, shots: int, requests: Sequence[Request]) -> Request:
        """Return the request for one job, another one for every call: errors change from day to day.

        Args:
            shots: of the circuits that it is for.
            requests: these circuits.
        """
        size, keys = (len(self._circuits), self._shots(shots)), tuple(request.key for request in requests)
        expected = ExpectedResult.bits(self._circuits, (), self._shots(shots))
        return self._costs.request("sampler", list(self._circuits), None, *size, keys, expected)

    def errors(self, packed: bytes) -> Doubles:
        """Return the errors of reading a prepared 0 and 1, (T, n, 2), by the result of the job; 0 of what is not read.

        Args:
            packed: the result, as the journal has it.
        """
        zeros, ones = (bits.mean(axis=1) for bits in self._tiled.bits(unpack(packed), self._tiles))
        found = np.zeros((*zeros.shape, 2))
        read = list(self._tiled.read)
        found[:, read, 0], found[:, read, 1] = zeros[:, read], 1 - ones[:, read]
        return found

    def _shots(self, shots: int) -> int:
        return self._hardware.round_shots(min(shots, MOST_SHOTS))


def _fault(backend: Hardware, tiled: TiledCircuits) -> str | None:
    """Return why the qubits that are read cannot be calibrated, or what they read not be inverted; None: they can."""
    for qubit in sorted(place for logical in tiled.read for place in tiled.places(logical)):
        if not all(backend.target.instruction_supported(name, (qubit,)) for name in ("x", "measure")):
            return f"qubit {qubit} of {backend.name} is out of order: it cannot be prepared as 1 and read"
        entry = backend.target["measure"][qubit,]
        error = entry.error or 0.0 if entry is not None else 0.0  # the mean of both errors
        if (reason := unreadable(error, error)) is not None:
            return f"qubit {qubit} of {backend.name} {reason}"
    return None
