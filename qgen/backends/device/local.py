"""Backends `fake_DEVICE`: a device's snapshot through IBM Runtime's local mode, the rehearsal of the hardware path."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt
from qiskit.transpiler import Target

from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.bound import compile_bound
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.noisy_device import open_calibrated
from qgen.backends.device.routing import RoutedCircuit, refuse_open_delays, route_layer
from qgen.backends.device.sampling import DEFAULT_SHOTS, SampledSubmitter, tile
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.settings import BackendSettings
from qgen.backends.statevector.backend import fits
from qgen.circuits import LayerCircuit
from qgen.devices import Device
from qgen.randomness import Streams

if TYPE_CHECKING:
    from qgen.backends.device.row_simulator import RowSimulator


class LocalRuntimeBackend(Backend):
    """IBM Runtime's client-side Sampler on a snapshot: what goes to hardware, but for the network and the queue.

    Args:
        device: the snapshot.
        shots: per circuit; None: 1,024.
        saved: layouts of circuits on this device; None: circuits are transpiled now.

    Raises:
        BackendError: layouts of another device.
    """

    def __init__(self, device: Device, shots: int | None = None, saved: SavedLayouts | None = None) -> None:
        if saved is not None:
            saved.check_device(device.name)
        self.snapshot, self._shots, self._saved = device, shots or DEFAULT_SHOTS, saved

    @property
    def name(self) -> str:
        return self.snapshot.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=False, noisy=True, shots=self._shots, qubits=self.snapshot.qubits)

    def facts(self) -> dict[str, Any]:
        calibrated = self.snapshot.calibrated
        return {"calibrated": calibrated and calibrated.date().isoformat()}

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        if weights is not None:
            return compile_bound(self, circuit, weights, self._saved)
        target = self.snapshot.target
        routed, measurement = route_layer(circuit, target, saved=self._saved)
        refuse_open_delays(routed, self.name)
        _check_memory(routed)
        sampler = LocalSampler(self.snapshot.backend.target, routed.physical)
        submitter = SampledSubmitter(routed, measurement, tile(routed, target), self._shots, sampler)
        return DeviceExecutable(circuit, self, routed, submitter)


class LocalSampler:
    """A `Sampler`: IBM Runtime's, on a simulator of the qubits in use.

    Args:
        target: the device.
        qubits: those that the circuits use.
    """

    def __init__(self, target: Target, qubits: Collection[int]) -> None:
        self._target, self._qubits = target, qubits

    def sample(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Sequence[Any]:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        from qgen.backends.aer.seeding import runs_of

        results = []
        for basis, pub in enumerate(pubs):
            self._simulator.runs = runs_of(streams, basis, shots)
            whole = shots if isinstance(pub, tuple) else rows * shots
            results += list(Sampler(self._simulator).run([pub], shots=whole).result())
        return results

    @cached_property
    def _simulator(self) -> RowSimulator:
        from qgen.backends.device.row_simulator import RowSimulator

        return RowSimulator.of(self._target, self._qubits)


def _check_memory(routed: RoutedCircuit) -> None:
    """Refuse what fits neither as a state vector nor as a matrix product state; see `Chain.check_memory`."""
    from qgen.backends.aer.wide import WITHOUT_ERRORS, Chain

    if not fits(len(routed.physical)):
        for circuit in routed.circuits:
            Chain.as_numbered(circuit).check_memory(WITHOUT_ERRORS)


def open_snapshot(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend of a device's snapshot; see `qgen.backends.registry`."""
    return LocalRuntimeBackend(open_calibrated(settings.name), settings.shots, settings.saved_layouts())
