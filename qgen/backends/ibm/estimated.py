"""A circuit at one place of IBM's hardware by mitigated values: the Estimator."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from qgen.backends.angles import Doubles
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.layouts import Layout, submit
from qgen.backends.ibm.meter import Meter
from qgen.backends.ibm.results import Expected, unpack
from qgen.backends.measuring import Basis
from qgen.backends.placed import PlacedExecutable
from qgen.backends.placement import place
from qgen.backends.tiles import one_tile
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling

#: Zero-noise extrapolation runs every circuit at so many strengths of the noise.
_STRENGTHS = {0: 1, 1: 1, 2: 3}
#: How much longer circuits are on average for that: gates are folded 1, 3 and 5 times.
_STRETCH = {0: 1, 1: 1, 2: 3}


class EstimatedLayout(PlacedExecutable):
    """See the module. Mitigation runs further circuits to learn of errors.

    Attributes:
        tiling: where the one copy of the circuit lies.
        only_known: answer from the journal alone, and submit nothing.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """

    def __init__(self, circuit: LayerCircuit, backend: Hardware, layout: Layout) -> None:
        pins, target, conditional = layout.pins, layout.target, circuit.conditional
        super().__init__(circuit, backend, target, seed=0, pins=pins)
        self._hardware, self._layout, self.only_known = backend, layout, layout.past
        routed, basis = pins.route(circuit, target), Basis("Z" * circuit.qubits)
        parameters = conditional.inputs + conditional.weights
        # No turns at the end: the Estimator adds its own.
        body = place(conditional.circuit, parameters, target, [basis], seed=0, routed=routed)
        (self._body,) = body.physical_circuits(measure=False)
        ends = [body.physical[wire] for wire in body.wires]
        self._observables = [[one.apply_layout(ends, body.device_qubits)] for one in conditional.observables]
        self.tiling: Tiling | None = one_tile(body, target)
        self._bases = max(1, len(self.measurement.bases))
        self._meter = Meter([self._body], backend, _STRETCH[backend.options.resilience], past=layout.past)

    def __reduce__(self) -> Any:
        return EstimatedLayout, (self.circuit, self._hardware, self._layout)

    def tiling_now(self) -> Tiling | None:
        """Its one copy: `tiling` has its success as the device is today."""
        return self.tiling

    def cost(self, samples: int) -> WorkloadCost:
        """What one submission of so many settings of the angles costs, as an upper bound."""
        jobs = -(-samples // self._most_rows()) if samples else 0
        return self._meter.cost(self._circuits(samples, jobs), self._hardware.shots, jobs)

    def values(self, table: Doubles, streams: Streams) -> Doubles:
        whole, most = self._meter.rounded(table), self._most_rows()
        requests = []
        for k, first in enumerate(range(0, len(whole), most)):
            part = whole[first : first + most]
            pubs = [(self._body, self._observables, part)]
            size = self._circuits(len(part), 1), self._hardware.shots
            expected = Expected.values((len(self._observables), len(part)), prod(size))
            requests.append(self._meter.request("estimator", pubs, part, *size, (streams.joint, k), expected))
        results = submit(self._hardware.runner, requests, self.only_known)
        found = [unpack(result)[0].data.evs.array for result in results]
        return np.concatenate(found, axis=1).T

    def _circuits(self, rows: int, jobs: int) -> int:
        """With the circuits that readout is learned from: as many shots as one more, for each job."""
        level = self._hardware.options.resilience
        return rows * self._bases * _STRENGTHS[level] + jobs * (level > 0)

    def _most_rows(self) -> int:
        return self._meter.most_rows(_STRENGTHS[self._hardware.options.resilience] * self._bases)
