"""Backends `fake_DEVICE`: a device's snapshot through IBM Runtime's local mode, the rehearsal of the hardware path."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from qgen.backends.base import Capabilities, Executable
from qgen.backends.pins import Pins
from qgen.backends.primitives.executable import DEFAULT_SHOTS, SamplerBackend, SamplerExecutable
from qgen.circuits import LayerCircuit
from qgen.devices import Device
from qgen.randomness import Streams

if TYPE_CHECKING:
    from qgen.backends.primitives.simulator import RowSimulator


class LocalRuntimeBackend(SamplerBackend):
    """IBM Runtime's client-side Sampler on a snapshot: what goes to hardware, but for the network and the queue.

    Args:
        device: the snapshot.
        shots: how often each circuit is measured; None: 1,024 times.
        pins: circuits that are placed already.

    Raises:
        BackendError: pins of another device.
    """

    def __init__(self, device: Device, shots: int | None = None, pins: Pins | None = None) -> None:
        if pins is not None:
            pins.check_device(device.name)
        self.snapshot, self._shots = device, shots or DEFAULT_SHOTS
        self.target, self.pins = device.target, pins

    @property
    def name(self) -> str:
        return self.snapshot.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=False, noisy=True, shots=self._shots, qubits=self.snapshot.qubits)

    def facts(self) -> dict[str, Any]:
        calibrated = self.snapshot.calibrated
        return {"calibrated": calibrated and calibrated.date().isoformat()}

    def compile(self, circuit: LayerCircuit) -> Executable:
        return LocalRuntimeExecutable(circuit, self)


class LocalRuntimeExecutable(SamplerExecutable):
    """A circuit through IBM Runtime's Sampler on a simulator of the qubits that it uses."""

    def __init__(self, circuit: LayerCircuit, backend: LocalRuntimeBackend) -> None:
        super().__init__(circuit, backend, backend.pins, backend.target)
        self._local = backend

    def __reduce__(self) -> Any:
        return LocalRuntimeExecutable, (self.circuit, self._local)

    def read(self, pubs: Sequence[Any], shots: int, streams: Streams) -> Sequence[Any]:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        from qgen.backends.aer.seeding import runs_of

        results = []
        for basis, pub in enumerate(pubs):
            self._simulator.runs = runs_of(streams, basis, self._local.capabilities.shots or DEFAULT_SHOTS)
            results += list(Sampler(self._simulator).run([pub], shots=shots).result())
        return results

    @cached_property
    def _simulator(self) -> RowSimulator:
        from qgen.backends.primitives.simulator import RowSimulator

        return RowSimulator.of(self._local.snapshot.backend.target, self.placement.physical)
