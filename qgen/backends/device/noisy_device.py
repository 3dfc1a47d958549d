"""Noise by name, and circuits placed on the device that it is of: what `aer:` and `noisy:` backends have in common."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from qgen.backends.device.routing import RoutedCircuit, route_folded
from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.measurement import Measurement
from qgen.backends.settings import BackendSettings
from qgen.circuits import LayerCircuit
from qgen.devices import Device, open_device
from qgen.errors import BackendError
from qgen.noise import KINDS, DeviceNoise, LocalNoise, NoiseSource, read_noise
from qgen.noise.settings import ENDINGS


class Placed(NamedTuple):
    """A layer's circuit in a device's own gates, how its observables are measured, and the noise of its qubits."""

    routed: RoutedCircuit
    measurement: Measurement
    noise: LocalNoise


@dataclass(frozen=True, eq=False)
class NoisyDevice:
    """A device, or a file that describes one, and how much of its noise there is.

    Attributes:
        source: the device or file that the noise comes from.
        scale: how strong the errors are; 1: as the source has them, 0: the ideal circuit, transpiled.
        kinds: those of `qgen.noise.KINDS` that are on.
        seed: of the transpiler.
        saved: layouts of circuits on this device; None: circuits are transpiled now.
        idle: qubits relax while they wait, too: circuits are scheduled as late as possible, and have a `delay` wherever
            a qubit waits. Aer's model of a device has no such noise.

    Raises:
        BackendError: a scale or kind that is not allowed; layouts of another device.
    """

    source: NoiseSource
    scale: float = 1.0
    kinds: Collection[str] = KINDS
    seed: int = 0
    saved: SavedLayouts | None = None
    idle: bool = False

    def __post_init__(self) -> None:
        self.source.local([], self.scale, self.kinds)  # refuses wrong scales and kinds
        if self.saved is not None:
            self.saved.check_device(self.source.name)

    @property
    def noisy(self) -> bool:
        """Whether there is any noise."""
        return self.scale > 0 and bool(self.kinds)

    def place(self, circuit: LayerCircuit) -> Placed:
        """Transpile a layer's circuit for the device.

        Raises:
            BackendError: it does not fit there, or is none of the saved ones; with `idle`, a time that is not known.
        """
        return self.place_folded(circuit, (1,))[0]

    def place_folded(self, circuit: LayerCircuit, factors: Sequence[int]) -> tuple[Placed, ...]:
        """Transpile a layer's circuit for the device, and fold it for each of these noise factors.

        Raises:
            BackendError: see `place`; or a gate cannot be folded.
        """
        target = self.source.target(circuit.qubits)
        folded, measurement = route_folded(circuit, target, factors, self.seed, self.saved, self.idle)
        noise = self.source.local(folded[0].physical, self.scale, self.kinds)
        return tuple(Placed(routed, measurement, noise) for routed in folded)

    def facts(self) -> dict[str, Any]:
        """Return the noise as plain values, for a run's provenance."""
        facts = self.source.provenance() | {"scale": self.scale, "kinds": list(self.kinds)}
        return facts | {"idle": True} if self.idle else facts


def open_noisy_device(settings: BackendSettings) -> NoisyDevice:
    """Open the device or file in the name of a backend, as in `aer:fake_fez`, with the noise of its settings.

    Raises:
        BackendError, ConfigError: there is none, the file is not one of noise, or see `NoisyDevice`.
    """
    scale = 1.0 if settings.noise_scale is None else settings.noise_scale
    kinds = KINDS if settings.noise is None else settings.noise
    source = _noise_source(settings.name.partition(":")[2])
    return NoisyDevice(source, scale, kinds, saved=settings.saved_layouts(), idle=bool(settings.idle_noise))


def open_calibrated(name: str) -> Device:
    """Return the snapshot of that name.

    Raises:
        BackendError: there is none, or none of its two-qubit gates was calibrated.
    """
    device = open_device(name)
    if device.qubits > 1 and device.summary.two_qubit_error is None:
        raise BackendError(
            f"the snapshot `{device.name}` was taken when none of its two-qubit gates was calibrated: no entangling "
            "circuit can run there. `qgen backends` lists others"
        )
    return device


def _noise_source(name: str) -> NoiseSource:
    if name.lower().endswith(ENDINGS):
        return read_noise(Path(name))
    return _device_noise(name)


@lru_cache(maxsize=8)  # reading a target takes a second or two, and a worker of a study opens a device for each cell
def _device_noise(name: str) -> DeviceNoise:
    device = open_calibrated(name)
    return DeviceNoise(device.target, device.name, device.calibrated and device.calibrated.date())
