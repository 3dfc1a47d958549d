"""Backends by name: a table of prefixes, each with the function that opens one, imported when it is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from qgen.errors import BackendError, ConfigError, short_repr

if TYPE_CHECKING:
    from qiskit.providers import BackendV2

    from qgen.backends.api import Backend
    from qgen.backends.settings import BackendSettings

#: Opens a backend by its settings, and the file in which jobs on hardware are recorded (None: the user's own).
Opener: TypeAlias = "Callable[[BackendSettings, Path | None], Backend]"


@dataclass(frozen=True)
class Row:
    """Backends of one kind.

    Attributes:
        prefix: what their names begin with; of a single backend, its name.
        opener: `module:function` of an `Opener`.
        options: the fields of `BackendSettings` in `_USELESS` that it has a use for; the others are refused.
        forms: what names look like, and what they are; empty for a single backend.
        instead: what is said of options that it has no use for, where it is not what `_USELESS` says.
        names: further names, without the prefix.
        billed: whether running costs money.
        find: refuses a name of which there is no device or file, without importing the backend.
        combine: likewise refuses options that do not go together.
    """

    prefix: str
    opener: str
    options: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    instead: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    names: tuple[str, ...] = ()
    billed: bool = False
    find: Callable[[str], object] | None = None
    combine: Callable[[BackendSettings], None] | None = None

    def has(self, name: str) -> bool:
        """Whether a backend of this name is one of these."""
        return name in (self.prefix, *self.names) or (bool(self.forms) and name.startswith(self.prefix))

    def check(self, settings: BackendSettings) -> None:
        """Refuse options that these backends have no use for, or that do not go together.

        Raises:
            BackendError: one of them was given.
        """
        for option, usual in _USELESS.items():
            value, (why, instead) = getattr(settings, option), self.instead.get(option, usual)
            if option not in self.options and value is not None:
                raise BackendError(
                    f"backend `{settings.name}` {why}: {option} = {short_repr(value)} would change nothing. {instead}"
                )
        if self.combine is not None:
            self.combine(settings)


_NO_NOISE = ("has no noise of its own to change", "`noisy:fake_brisbane` and `aer:fake_brisbane`, say, have")
_ONE_METHOD = ("has one way to its values", "`noisy:fake_brisbane`, say, has several")
#: What is said of an option that a backend has no use for, and which backend has.
_USELESS = {
    "shots": ("takes no shots", "`aer` does, and with a device's noise `aer:fake_brisbane`, say"),
    "noise_scale": _NO_NOISE,
    "noise": _NO_NOISE,
    "idle_noise": _NO_NOISE,
    "mitigation": _NO_NOISE,
    "layout": ("has no qubits of a device to choose", "`noisy:fake_brisbane` and `fake_brisbane`, say, have"),
    "method": _ONE_METHOD,
    "paths": _ONE_METHOD,
    "tolerance": _ONE_METHOD,
}
_REHEARSAL = ("returns bits as hardware does", "`aer:fake_brisbane` and `noisy:fake_brisbane`, say, mitigate")


def _find_noise(name: str) -> None:
    from qgen.devices import open_device, simulated
    from qgen.noise.settings import ENDINGS

    source = simulated(name)
    if source.lower().endswith(ENDINGS):
        from qgen.noise import read_noise

        read_noise(Path(source))
    else:
        open_device(source)


def _find_snapshot(name: str) -> None:
    from qgen.devices import open_device

    open_device(name)


def _check_hardware(settings: BackendSettings) -> None:
    from qgen.backends.ibm.options import check_mitigation

    check_mitigation(settings.name, settings.mitigated(), settings.hardware)


_NOISY_FORMS = {
    "noisy:DEVICE": "our engine with a device's noise and adjoint gradients",
    "noisy:FILE.yaml": "our engine with the noise of a file: docs/noise-files.md",
}
_AER_FORMS = {
    "aer:DEVICE": "Aer with the noise of a device, as in aer:fake_brisbane",
    "aer:FILE.yaml": "Aer with the noise of a file: docs/noise-files.md",
}
_SNAPSHOT_FORMS = {"fake_DEVICE": "a device through IBM Runtime's local mode"}
_HARDWARE_FORMS = {"ibm_DEVICE": "IBM's hardware, with an account; or least_busy"}
_PROVIDER_FORMS = {
    "provider:NAME": "what installed packages offer",
    "provider:MODULE:OBJECT": "any Qiskit BackendV2 that can be imported",
}
_PROVIDER = Row("provider:", "qgen.backends.device.provider:open_provider", ("shots",), _PROVIDER_FORMS)
_ROWS = (
    Row("statevector", "qgen.backends.statevector.backend:open_statevector"),
    Row("aer", "qgen.backends.aer.exact:open_aer", ("shots",)),
    Row("reference", "qgen.backends.reference:open_reference"),
    Row(
        "noisy:",
        "qgen.backends.noisy.backend:open_noisy",
        ("shots", "noise_scale", "noise", "idle_noise", "mitigation", "layout", "method", "paths", "tolerance"),
        _NOISY_FORMS,
        find=_find_noise,
    ),
    Row(
        "aer:",
        "qgen.backends.aer.noisy:open_noisy",
        ("shots", "noise_scale", "noise", "idle_noise", "mitigation", "layout"),
        _AER_FORMS,
        find=_find_noise,
    ),
    Row(
        "fake_",
        "qgen.backends.device.local:open_snapshot",
        ("shots", "layout"),
        _SNAPSHOT_FORMS,
        {"mitigation": _REHEARSAL},
        find=_find_snapshot,
    ),
    Row(
        "ibm_",
        "qgen.backends.ibm.backend:open_ibm",
        ("shots", "mitigation", "layout"),
        _HARDWARE_FORMS,
        names=("least_busy",),
        billed=True,
        combine=_check_hardware,
    ),
    _PROVIDER,
)
#: What the names of backends look like that are one of many, and what they are.
FORMS = {form: about for row in _ROWS for form, about in row.forms.items()}


def backend_names() -> tuple[str, ...]:
    """Return the names of single backends; beside them `open_backend` takes names of the forms in `FORMS`."""
    return tuple(row.prefix for row in _ROWS if not row.forms)


def is_billed(name: str) -> bool:
    """Whether circuits on a backend of this name cost money; nothing is opened."""
    return any(row.has(name) and row.billed for row in _ROWS)


def open_backend(
    name: str | BackendV2,
    shots: int | None = None,
    noise_scale: float | None = None,
    *,
    journal: Path | None = None,
    **options: Any,
) -> Backend:
    """Open a backend.

    Args:
        name: one of `backend_names()`, or of the forms in `FORMS`; or a Qiskit `BackendV2`.
        shots: per circuit; None: values are exact where the backend can compute them, else 1,024 shots.
        noise_scale: how strong a device's errors are; None or 1: as they are, 0: none.
        journal: the file in which jobs on hardware are recorded; None: one in the user's data folder.
        options: further ones by the names of the fields of `BackendSettings`, as `noise`, `method` and `layout`; None
            is the default. Nothing runs on IBM's hardware before the backend's `allow` was called.

    Raises:
        BackendError: there is no such backend, and the message says which there are; an unknown option, one of a value
            that is not allowed, or one that this backend has no use for.
        HardwareError: IBM's hardware without an account, or a device that the account does not have.
    """
    given = {"shots": shots, "noise_scale": noise_scale, **options}
    chosen = {option: _plain(value) for option, value in given.items() if value is not None}
    if isinstance(name, str):
        return open_settings(_settings(name, chosen), journal)
    return _open_instance(name, chosen)


def _plain(value: Any) -> Any:
    """Return a path as text, as settings have it; anything else as it is."""
    return os.fspath(value) if isinstance(value, os.PathLike) else value


def open_settings(settings: BackendSettings, journal: Path | None = None) -> Backend:
    """Open the backend that these settings name.

    Raises:
        BackendError: see `open_backend`.
        HardwareError: likewise.
    """
    row = _row(settings)
    module, _, function = row.opener.partition(":")
    opener: Opener = getattr(import_module(module), function)
    return opener(settings, journal)


def check_settings(settings: BackendSettings) -> None:
    """Check the name and the options of a backend, without opening or importing it.

    Raises:
        BackendError, ConfigError: there is no such backend, device or file, or an option that the backend has no use
            for.
    """
    row = _row(settings)
    if row.find is not None:
        row.find(settings.name)


def _row(settings: BackendSettings) -> Row:
    row = next((row for row in _ROWS if row.has(settings.name)), None)
    if row is None:
        raise BackendError(_refusal(settings.name))
    row.check(settings)
    return row


def _settings(name: str, options: Mapping[str, Any]) -> BackendSettings:
    from qgen.backends.settings import BackendSettings

    try:
        return BackendSettings.read({"name": name, **options})
    except ConfigError as error:
        raise BackendError(f"backend `{name}`: {error}") from error


def _open_instance(device: BackendV2, options: Mapping[str, Any]) -> Backend:
    from qiskit.providers import BackendV2

    from qgen.backends.device.provider import ProviderBackend

    if not isinstance(device, BackendV2):
        raise BackendError(f"{short_repr(device)} is no backend: give a name, as 'statevector', or a Qiskit BackendV2")
    settings = _settings(str(device.name or type(device).__name__), options)
    _PROVIDER.check(settings)
    return ProviderBackend(device, settings.shots)


def _refusal(name: str) -> str:
    near = get_close_matches(name, backend_names(), 1)
    hint = f", did you mean `{near[0]}`?" if near else "."
    known = ", ".join((*backend_names(), *FORMS))
    return f"there is no backend `{name}`{hint} Known: {known}. `qgen backends` lists devices."
