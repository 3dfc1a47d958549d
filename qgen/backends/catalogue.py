"""Backends by name, imported when they are opened."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

from qgen.errors import BackendError, shown

if TYPE_CHECKING:
    from qgen.backends.base import Backend
    from qgen.backends.ibm import HardwareOptions
    from qgen.backends.pins import Pins
    from qgen.devices import Device
    from qgen.noise import NoiseSource


@dataclass(frozen=True)
class BackendOptions:
    """How a backend's values come about, where it leaves a choice; None: the backend's usual way.

    Attributes:
        shots: how often each circuit is measured, for every sample and every basis that observables share; None: values
            are exact where the backend can compute them, else 1,024 shots.
        noise_scale: how strong a device's errors are; 1: as they are, 0: none.
        noise: the kinds of errors that are on: some of `gates`, `relaxation` and `readout`; None: all.
        layout: the file of circuits that `qgen transpile --pin` has put on this device; None: they are put there now.
        hardware: how circuits run on IBM's hardware; None: as `HardwareOptions` has it.
        journal: the file in which jobs on hardware are noted; None: one in the user's data folder.

    Raises:
        BackendError: shots are not a positive whole number.
    """

    shots: int | None = None
    noise_scale: float | None = None
    noise: Collection[str] | None = None
    layout: str | None = None
    hardware: HardwareOptions | None = None
    journal: Path | None = None

    def __post_init__(self) -> None:
        if self.shots is not None and (type(self.shots) is not int or self.shots < 1):
            raise BackendError(
                f"shots = {shown(self.shots)} must be a whole number from 1 on; leave it out for exact values"
            )

    def pins(self) -> Pins | None:
        """The circuits of `layout`.

        Raises:
            BackendError: the file cannot be read, or is no such file.
        """
        from qgen.backends.pins import read_pins

        return None if self.layout is None else read_pins(self.layout)

    def refuse(self, name: str, *unused: str) -> None:
        """Refuse options that a backend has no use for.

        Raises:
            BackendError: one of those was given.
        """
        for option in unused:
            value = getattr(self, option)
            if value is not None:
                why, way = _USELESS.get(option, _USELESS["noise"])
                raise BackendError(f"backend `{name}` {why}: {option} = {value!r} would change nothing. {way}")


_USELESS = {
    "shots": ("is exact", "`aer` samples"),
    "noise": ("has no noise of its own to change", "`aer:fake_brisbane`, say, has"),
    "layout": ("has no qubits of a device to choose", "`aer:fake_brisbane` and `fake_brisbane`, say, have"),
}


def _statevector(options: BackendOptions) -> Backend:
    from qgen.backends.statevector import StatevectorBackend

    options.refuse("statevector", "shots", "noise_scale", "noise", "layout")
    return StatevectorBackend()


def _aer(options: BackendOptions) -> Backend:
    from qgen.backends.aer import AerBackend

    options.refuse("aer", "noise_scale", "noise", "layout")
    return AerBackend(options.shots)


def _reference(options: BackendOptions) -> Backend:
    from qgen.backends.reference import ReferenceBackend

    options.refuse("reference", "shots", "noise_scale", "noise", "layout")
    return ReferenceBackend()


def _noisy_aer(rest: str, options: BackendOptions) -> Backend:
    from qgen.backends.aer.noisy import NoisyAerBackend
    from qgen.noise import KINDS

    scale = 1.0 if options.noise_scale is None else options.noise_scale
    kinds = KINDS if options.noise is None else options.noise
    return NoisyAerBackend(_noise_source(rest), options.shots, scale, kinds, pins=options.pins())


def _noise_source(rest: str) -> NoiseSource:
    from qgen.devices import open_device
    from qgen.noise import DeviceNoise, read_noise
    from qgen.noise.settings import ENDINGS

    if rest.lower().endswith(ENDINGS):
        return read_noise(Path(rest))
    device = _calibrated(open_device(rest))
    return DeviceNoise(device.target, device.name, device.calibrated and device.calibrated.date())


def _snapshot(name: str, options: BackendOptions) -> Backend:
    from qgen.backends.primitives import LocalRuntimeBackend
    from qgen.devices import open_device

    options.refuse(name, "noise_scale", "noise")
    return LocalRuntimeBackend(_calibrated(open_device(name)), options.shots, options.pins())


def _calibrated(device: Device) -> Device:
    if device.qubits > 1 and device.summary.two_qubit_error is None:
        raise BackendError(
            f"the snapshot `{device.name}` was taken when none of its two-qubit gates was calibrated: no entangling "
            "circuit can run there. `qgen backends` lists others"
        )
    return device


def _ibm(name: str, options: BackendOptions) -> Backend:
    from qgen.backends.ibm import open_hardware

    options.refuse(name, "noise_scale", "noise")
    return open_hardware(name, options.shots, options.hardware, options.journal, pins=options.pins())


def _provider(rest: str, options: BackendOptions) -> Backend:
    from qgen.backends.primitives import ProviderBackend

    options.refuse(f"provider:{rest}", "noise_scale", "noise", "layout")
    return ProviderBackend(rest, options.shots)


_BACKENDS: dict[str, Callable[[BackendOptions], Backend]] = {
    "statevector": _statevector,
    "aer": _aer,
    "reference": _reference,
}
#: Families of backends: what their names look like, and what they are.
FORMS = {
    "aer:DEVICE": "Aer with the noise of a device, as in aer:fake_brisbane",
    "aer:FILE.yaml": "Aer with the noise of a file: docs/noise-files.md",
    "fake_DEVICE": "a device through IBM Runtime's local mode",
    "ibm_DEVICE": "IBM's hardware, with an account; or least_busy",
    "provider:NAME": "what installed packages offer",
}


def backend_names() -> tuple[str, ...]:
    """The names that `open_backend` knows; beside them it takes those of the forms in `FORMS`."""
    return tuple(_BACKENDS)


def open_backend(
    name: str,
    shots: int | None = None,
    noise_scale: float | None = None,
    noise: Collection[str] | None = None,
    layout: str | None = None,
    hardware: HardwareOptions | None = None,
    journal: Path | None = None,
) -> Backend:
    """The backend of that name.

    Args:
        name: one of `backend_names()`, or of the forms in `FORMS`.
        shots: see `BackendOptions`; likewise the others.
        noise_scale: where the backend has the noise of a device or a file.
        noise: likewise.
        layout: where the backend is a device, or has the noise of one.
        hardware: for IBM's hardware. Nothing runs there before its `allow` was called.
        journal: likewise.

    Raises:
        BackendError: there is none, and the message says which there are; or an option that it has no use for.
        HardwareError: IBM's hardware without an account, or a device that the account does not have.
    """
    options, given = BackendOptions(shots, noise_scale, noise, layout, hardware, journal), str(name)
    if given in _BACKENDS:
        return _BACKENDS[given](options)
    family, colon, rest = given.partition(":")
    if colon and family == "aer":
        return _noisy_aer(rest, options)
    if colon and family == "provider":
        return _provider(rest, options)
    if given.startswith("fake_"):
        return _snapshot(given, options)
    if given == "least_busy" or given.startswith("ibm_"):
        return _ibm(given, options)
    raise BackendError(_refusal(given))


def _refusal(name: str) -> str:
    near = get_close_matches(name, _BACKENDS, 1)
    hint = f", did you mean `{near[0]}`?" if near else "."
    known = ", ".join((*_BACKENDS, *FORMS))
    return f"there is no backend `{name}`{hint} Known: {known}. `qgen backends` lists devices."
