"""A circuit at one place of IBM's hardware by its bits: the Sampler, and the way through the journal."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from qiskit.transpiler import Target

from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.layouts import Layout, submit
from qgen.backends.ibm.meter import Meter
from qgen.backends.ibm.remembered import recall_tiles, remember_tiles
from qgen.backends.ibm.results import Expected, unpack
from qgen.backends.ibm.runner import Request
from qgen.backends.primitives.executable import SamplerBackend, SamplerExecutable
from qgen.backends.tiles import tiling_now
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams
from qgen.transpilation.cost import MAX_EXECUTIONS, WorkloadCost
from qgen.transpilation.tiling import Tiling


class SampledLayout(SamplerExecutable):
    """See the module.

    Attributes:
        only_known: answer from the journal alone, and submit nothing.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """

    def __init__(self, circuit: LayerCircuit, backend: Hardware, layout: Layout) -> None:
        self._hardware, self._layout, self.only_known = backend, layout, layout.past
        super().__init__(circuit, backend, layout.pins, layout.target)
        self._meter = Meter(self.circuits, backend, past=layout.past)

    def __reduce__(self) -> Any:
        return SampledLayout, (self.circuit, self._hardware, self._layout)

    def choose_tiles(self, backend: SamplerBackend, target: Target) -> Tiling:
        """As before, where the journal knows of a choice."""
        journal, wanted = self._hardware.notes, (backend.tiles, self.placement.physical)
        number = self._layout.number
        known = recall_tiles(journal, backend.name, self.circuit, wanted, number)
        if known is None:
            known = super().choose_tiles(backend, target)
            if not self._layout.past:
                remember_tiles(journal, backend.name, self.circuit, wanted, known, number)
        return known

    def tiling_now(self) -> Tiling | None:
        """Its copies, with their success as the device is today."""
        if self.tiling is None or self._layout.past:
            return self.tiling
        return tiling_now(self.tiling, self.placement, self._layout.target)

    def cost(self, samples: int) -> WorkloadCost:
        """What one submission of so many settings of the angles costs, as an upper bound."""
        rows = self.tiled.rows(samples) if self.tiled is not None else 0
        jobs = -(-rows // self._meter.most_rows()) if rows else 0
        return self._meter.cost(rows * len(self.circuits), self._hardware.shots, jobs)

    def read(self, pubs: Sequence[Any], shots: int, streams: Streams) -> Sequence[Any]:
        split = self._by_rows if self.placement.parameters else self._by_shots
        requests = split(pubs, shots, streams.joint)  # a device has no seeds: this one tells equal requests apart
        parts = [unpack(result) for result in submit(self._hardware.runner, requests, self.only_known)]
        return parts[0] if len(parts) == 1 else [_joined(some) for some in zip(*parts, strict=True)]

    def _by_rows(self, pubs: Sequence[Any], shots: int, seed: int) -> list[Request]:
        """As many jobs as the limits of the service ask for, of some rows each."""
        whole, most = self._meter.rounded(pubs[0][1]), self._meter.most_rows()
        requests = []
        for k, first in enumerate(range(0, len(whole), most)):
            table = whole[first : first + most]
            part = [(circuit, table) for circuit, _ in pubs]
            expected = Expected.bits(self.circuits, (len(table),), shots)
            size = len(table) * len(pubs), shots
            requests.append(self._meter.request("sampler", part, table, *size, (seed, k), expected))
        return requests

    def _by_shots(self, pubs: Sequence[Any], shots: int, seed: int) -> list[Request]:
        """The same without angles, of some shots each."""
        most = MAX_EXECUTIONS // len(pubs)
        sizes = [min(most, shots - first) for first in range(0, shots, most)]
        return [
            self._meter.request("sampler", pubs, None, len(pubs), size, (seed, k), Expected.bits(pubs, (), size))
            for k, size in enumerate(sizes)
        ]


def _joined(parts: Sequence[SimpleNamespace]) -> SimpleNamespace:
    """The results of one circuit from several jobs, one after the other: rows, or shots where there are no rows."""
    names = vars(parts[0].data)
    joined = {
        name: SimpleNamespace(array=np.concatenate([getattr(part.data, name).array for part in parts]))
        for name in names
    }
    return SimpleNamespace(data=SimpleNamespace(**joined))
