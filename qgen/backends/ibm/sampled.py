"""A circuit in one layout on IBM's hardware, by its bits: the Sampler, and the way through the journal."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import numpy as np

from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.routing import RoutedCircuit, refuse_open_delays, route_layer
from qgen.backends.device.sampling import SampledSubmitter, tile
from qgen.backends.device.tiles import TiledCircuits, tiling_now
from qgen.backends.ibm.cost import CostModel
from qgen.backends.ibm.hardware import Hardware, HardwareLayout, Submit
from qgen.backends.ibm.layouts import Layout, load_tiling, save_tiling
from qgen.backends.ibm.readout_jobs import ReadoutJobs
from qgen.backends.ibm.results import ExpectedResult, unpack
from qgen.backends.ibm.runner import NotStoredError, Request
from qgen.backends.mitigation.sampled import Calibrated, MitigatedSubmitter
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams
from qgen.transpilation.cost import MAX_EXECUTIONS, WorkloadCost, total_cost
from qgen.transpilation.tiling import Tiling

#: Time between circuits and their calibration that is worth a word: devices are calibrated anew about every day.
MOST_APART = timedelta(days=1)
_log = logging.getLogger(__name__)


def sampled_layout(circuit: LayerCircuit, backend: Hardware, layout: Layout) -> HardwareLayout:
    """Compile a circuit for the Sampler, in this layout; by a backend that mitigates, with calibrations of readout.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """
    routed, measurement = route_layer(circuit, layout.target, saved=layout.saved)
    refuse_open_delays(routed, backend.name)
    tiled = _tiled(circuit, backend, layout, routed)
    if backend.mitigation is None or tiled is None:
        jobs = SamplerJobs(backend, layout, routed, tiled)
        submitter = SampledSubmitter(routed, measurement, tiled, backend.shots, jobs)
    else:
        jobs = calibrated = CalibratedJobs(backend, layout, routed, tiled)
        submitter = MitigatedSubmitter(routed, measurement, tiled, backend.shots, calibrated)
    return HardwareLayout(DeviceExecutable(circuit, backend, routed, submitter), jobs)


def _tiled(circuit: LayerCircuit, backend: Hardware, layout: Layout, routed: RoutedCircuit) -> TiledCircuits | None:
    """Return copies of the circuit by the tiling in the journal, else by the best one."""
    if not routed.circuits:
        return None
    choice = backend.tiles, routed.physical
    tiling = load_tiling(backend.notes, backend.name, circuit, choice, layout.number)
    if tiling is not None:
        return TiledCircuits(routed, tiling, layout.target)
    tiled = tile(routed, layout.target, backend.tiles)
    if tiled is not None and not layout.faulty:
        save_tiling(backend.notes, backend.name, circuit, choice, tiled.tiling, layout.number)
    return tiled


class SamplerJobs:
    """A `Sampler` whose circuits run as jobs on IBM's hardware, each paid for once.

    Args:
        backend: the device.
        layout: the circuit's layout.
        routed: the circuit in it.
        tiled: its copies; None where there is nothing to measure.

    Attributes:
        submit: see `Jobs`.
    """

    def __init__(self, backend: Hardware, layout: Layout, routed: RoutedCircuit, tiled: TiledCircuits | None) -> None:
        self._hardware, self._layout, self._routed, self._tiled = backend, layout, routed, tiled
        self.submit = Submit.ALL
        if layout.faulty:
            self.submit_no_circuits()
        self._circuits = () if tiled is None else tiled.circuits
        self._costs = CostModel(self._circuits, backend, faulty=layout.faulty)

    def submit_no_circuits(self) -> None:
        self.submit = Submit.NOTHING

    @property
    def tiling(self) -> Tiling | None:
        return None if self._tiled is None else self._tiled.tiling

    def tiling_now(self) -> Tiling | None:
        if self._tiled is None or self._layout.faulty:
            return self.tiling
        return tiling_now(self._tiled.tiling, self._routed, self._layout.target)

    def cost(self, samples: int, shots: int | None = None) -> WorkloadCost:
        rows, each = self._tiled.rows(samples) if self._tiled is not None else 0, shots or self._hardware.shots
        if self._routed.parameters:
            jobs = -(-rows // self._costs.max_rows(each)) if rows else 0
        else:
            jobs = -(-rows * each // self._most_shots())
        return self._costs.cost(rows * len(self._circuits), each, jobs)

    def sample(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Sequence[Any]:
        return _results(self._run(self._requests(pubs, rows, shots, streams)))

    def _run(self, requests: Sequence[Request]) -> list[bytes]:
        return self._hardware.runner.run(requests, stored_only=self.submit is not Submit.ALL)

    def _requests(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> list[Request]:
        seed = streams.joint_seed  # a device has no seeds: this one tells equal requests apart
        if self._routed.parameters:
            return self._by_rows(pubs, shots, seed)
        return self._by_shots(pubs, rows * shots, seed)

    def _by_rows(self, pubs: Sequence[Any], shots: int, seed: int) -> list[Request]:
        """Split rows into as many jobs as the limits of the service ask for."""
        self._costs.check_shots(shots)
        whole, most = self._costs.round_angles(pubs[0][1]), self._costs.max_rows(shots)
        requests = []
        for k, first in enumerate(range(0, len(whole), most)):
            table = whole[first : first + most]
            part = [(circuit, table) for circuit, _ in pubs]
            expected = ExpectedResult.bits(self._circuits, (len(table),), shots)
            size = len(table) * len(pubs), shots
            requests.append(self._costs.request("sampler", part, table, *size, (seed, k), expected))
        return requests

    def _by_shots(self, pubs: Sequence[Any], shots: int, seed: int) -> list[Request]:
        """Split shots likewise, where there are no angles."""
        most = self._most_shots()
        sizes = [min(most, shots - first) for first in range(0, shots, most)]
        return [
            self._costs.request("sampler", pubs, None, len(pubs), size, (seed, k), ExpectedResult.bits(pubs, (), size))
            for k, size in enumerate(sizes)
        ]

    def _most_shots(self) -> int:
        """How many shots of circuits without angles fit into one job."""
        return MAX_EXECUTIONS // max(1, len(self._circuits))


class CalibratedJobs(SamplerJobs):
    """The same with the jobs that find the errors of reading: one for each call, beside those of its circuits.

    Args:
        backend, layout, routed, tiled: see `SamplerJobs`.

    Raises:
        BackendError: see `SamplerJobs` and `ReadoutJobs`.
    """

    def __init__(self, backend: Hardware, layout: Layout, routed: RoutedCircuit, tiled: TiledCircuits) -> None:
        super().__init__(backend, layout, routed, tiled)
        self._readout = ReadoutJobs(backend, layout, tiled)

    def submit_no_circuits(self) -> None:
        self.submit = Submit.CALIBRATIONS

    def cost(self, samples: int, shots: int | None = None) -> WorkloadCost:
        plain = super().cost(samples, shots)
        return total_cost([plain, self._readout.cost(shots or self._hardware.shots)]) if plain.jobs else plain

    def sample_calibrated(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Calibrated:
        """See `CalibratedSampler`; all jobs that may be are submitted before any is waited for."""
        requests = self._requests(pubs, rows, shots, streams)
        calibration = self._readout.request(shots, requests)
        if self.submit is Submit.CALIBRATIONS:
            *packed, found = [*self._run(requests), self._calibrate(calibration)]
        else:
            *packed, found = self._run([*requests, calibration])
        self._warn_of_age(requests, calibration)
        return Calibrated(_results(packed), self._readout.errors(found))

    def _calibrate(self, calibration: Request) -> bytes:
        """Return the result of a calibration alone, whose circuits the journal has.

        Raises:
            NotStoredError: the journal does not have it, and it cannot be made where they ran; a line says why.
        """
        fault = self._readout.fault
        try:
            (found,) = self._hardware.runner.run([calibration], stored_only=fault is not None)
        except NotStoredError:
            _log.warning(
                "what was read and paid for on %s cannot be corrected, and with mitigation the circuit has to run anew "
                "in another layout; without, it is answered from the journal. Why it cannot: %s",
                self._hardware.name,
                fault,
            )
            raise
        return found

    def _warn_of_age(self, requests: Sequence[Request], calibration: Request) -> None:
        """Say so where the journal had either long before the other."""
        now = self._submitted(calibration)
        then = max(map(self._submitted, requests), key=lambda time: abs(now - time))
        if abs(now - then) > MOST_APART:
            _log.warning(
                "readout on %s was calibrated on %s for bits that were read on %s: errors may have changed in between",
                self._hardware.name,
                now.date(),
                then.date(),
            )

    def _submitted(self, request: Request) -> datetime:
        record = self._hardware.runner.journal.last_attempt(request.key)
        return datetime.now(UTC) if record is None else datetime.fromisoformat(record.created)


def _results(packed: Sequence[bytes]) -> Sequence[SimpleNamespace]:
    """Return the results of the circuits, one for each, from those of their jobs."""
    parts = [unpack(result) for result in packed]
    return parts[0] if len(parts) == 1 else [_joined(results) for results in zip(*parts, strict=True)]


def _joined(parts: Sequence[SimpleNamespace]) -> SimpleNamespace:
    """Concatenate the results of one circuit from several jobs along rows, or along shots where there are no rows."""
    names = vars(parts[0].data)
    joined = {
        name: SimpleNamespace(array=np.concatenate([getattr(part.data, name).array for part in parts]))
        for name in names
    }
    return SimpleNamespace(data=SimpleNamespace(**joined))
