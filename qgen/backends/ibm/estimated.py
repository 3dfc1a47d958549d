"""A circuit in one layout on IBM's hardware, by mitigated values: the Estimator."""

from __future__ import annotations

from math import prod

import numpy as np

from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import refuse_open_delays, route, route_layer
from qgen.backends.device.tiles import single_tile
from qgen.backends.ibm.cost import CostModel
from qgen.backends.ibm.hardware import Hardware, HardwareLayout, Submit
from qgen.backends.ibm.layouts import Layout
from qgen.backends.ibm.results import ExpectedResult, unpack
from qgen.backends.measurement import Basis
from qgen.backends.parameters import Doubles
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams
from qgen.transpilation.cost import WorkloadCost
from qgen.transpilation.tiling import Tiling

#: Noise strengths at which every circuit runs, by resilience level: zero-noise extrapolation takes three.
_STRENGTHS = {0: 1, 1: 1, 2: 3}
#: Factor on the average length of circuits for that: gates are folded 1, 3 and 5 times.
_STRETCH = {0: 1, 1: 1, 2: 3}
#: Why nothing is drawn.
NO_BITS = (
    "bits of single shots are the Sampler's: with `hardware.resilience` above 0 a device returns mitigated values; "
    "leave it at 0 to draw"
)


def estimated_layout(circuit: LayerCircuit, backend: Hardware, layout: Layout) -> HardwareLayout:
    """Compile a circuit for the Estimator, in this layout.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """
    routed, measurement = route_layer(circuit, layout.target, saved=layout.saved)
    refuse_open_delays(routed, backend.name)
    jobs = EstimatorJobs(circuit, backend, layout, len(measurement.bases))
    return HardwareLayout(DeviceExecutable(circuit, backend, routed, jobs), jobs)


class EstimatorJobs:
    """A `Submitter` whose values are the Estimator's, by jobs that are each paid for once.

    Mitigation runs further circuits to learn the errors.

    Args:
        circuit: the layer's circuit.
        backend: the device.
        layout: the circuit's layout.
        bases: number of measurement bases of its observables.

    Attributes:
        submit: see `Jobs`.
    """

    def __init__(self, circuit: LayerCircuit, backend: Hardware, layout: Layout, bases: int) -> None:
        conditional, target = circuit.conditional, layout.target
        self._hardware, self.submit = backend, Submit.NOTHING if layout.faulty else Submit.ALL
        isa, basis = layout.saved.route(circuit, target), Basis("Z" * circuit.qubits)
        parameters = conditional.inputs + conditional.weights
        # No basis changes at the end: the Estimator adds its own.
        body = route(conditional.circuit, parameters, target, [basis], seed=0, isa=isa)
        (self._body,) = body.physical_circuits(measure=False)
        ends = [body.physical[wire] for wire in body.wires]
        self._observables = [[one.apply_layout(ends, body.device_qubits)] for one in conditional.observables]
        self._tiling = single_tile(body, target)
        self._bases = max(1, bases)
        self._costs = CostModel([self._body], backend, _STRETCH[backend.options.resilience], faulty=layout.faulty)

    @property
    def method(self) -> str:
        return f"{self._hardware.shots:,} shots"

    def submit_no_circuits(self) -> None:
        self.submit = Submit.NOTHING

    @property
    def tiling(self) -> Tiling | None:
        return self._tiling

    def tiling_now(self) -> Tiling | None:
        return self._tiling  # of the one copy as the device is today

    def cost(self, samples: int, shots: int | None = None) -> WorkloadCost:
        jobs = -(-samples // self._max_rows()) if samples else 0
        return self._costs.cost(self._circuits(samples, jobs), self._hardware.shots, jobs)

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        whole, most = self._costs.round_angles(angles), self._max_rows()
        requests = []
        for k, first in enumerate(range(0, len(whole), most)):
            part = whole[first : first + most]
            pubs = [(self._body, self._observables, part)]
            size = self._circuits(len(part), 1), self._hardware.shots
            expected = ExpectedResult.values((len(self._observables), len(part)), prod(size))
            requests.append(self._costs.request("estimator", pubs, part, *size, (streams.joint_seed, k), expected))
        results = self._hardware.runner.run(requests, stored_only=self.submit is not Submit.ALL)
        values = [unpack(result)[0].data.evs.array for result in results]
        return np.concatenate(values, axis=1).T

    def _circuits(self, rows: int, jobs: int) -> int:
        """Return the number of circuits, with those that learn the readout errors: one more for each job."""
        level = self._hardware.options.resilience
        return rows * self._bases * _STRENGTHS[level] + jobs * (level > 0)

    def _max_rows(self) -> int:
        return self._costs.max_rows(self._hardware.shots, _STRENGTHS[self._hardware.options.resilience] * self._bases)
