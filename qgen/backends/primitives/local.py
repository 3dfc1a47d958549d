"""Backends `fake_DEVICE`: a device's snapshot through IBM Runtime's local mode, the rehearsal of the hardware path."""

from __future__ import annotations

from typing import Any

from qgen.backends.base import Capabilities
from qgen.backends.devices import Device
from qgen.backends.pins import Pins
from qgen.backends.primitives.executable import DEFAULT_SHOTS, LocalSamplerBackend

SEEDS = 2**31  # the local simulator's seeds are below it


class LocalRuntimeBackend(LocalSamplerBackend):
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
        self._snapshot, self._shots = device, shots or DEFAULT_SHOTS
        self.target, self.pins = device.target, pins

    @property
    def name(self) -> str:
        return self._snapshot.name

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(exact=False, noisy=True, shots=self._shots, qubits=self._snapshot.qubits)

    def facts(self) -> dict[str, Any]:
        calibrated = self._snapshot.calibrated
        return {"calibrated": calibrated and calibrated.date().isoformat()}

    def sampler(self, seed: int) -> Any:
        from qiskit_ibm_runtime.executor_sampler import Sampler

        return Sampler(self._snapshot.backend, options={"simulator": {"seed_simulator": seed % SEEDS}})
