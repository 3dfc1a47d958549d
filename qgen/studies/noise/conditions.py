"""Conditions: the backend, noise, shots and mitigation under which a cell's images are sampled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import PurePath
from typing import Any

from qgen.backends.mitigation.method import Mitigation
from qgen.devices.names import SIMULATORS, simulated
from qgen.errors import ConfigError, exact_text, short_repr, suggestion
from qgen.noise.model import KINDS as KINDS
from qgen.noise.model import MAX_SCALE

#: The backend of the ideal cells.
IDEAL = "statevector"
#: The backend of shots without noise.
NOISELESS = "aer"
#: Stand for all kinds of errors, exact values and no mitigation on command lines.
ALL, EXACT, NONE = "all", "exact", "none"
#: Digits of a number of shots, at most.
_DIGITS = 18


@dataclass(frozen=True)
class Condition:
    """Where and how circuits run.

    Attributes:
        backend: its name, as `open_backend` takes it.
        scale: of the noise, from 0 on; 0 where there is none.
        kinds: those of `qgen.noise.KINDS` that are on, in their order.
        shots: of each circuit; None: values are exact.
        mitigation: as `BackendSettings.mitigation`.
    """

    backend: str = IDEAL
    scale: float = 0.0
    kinds: tuple[str, ...] = KINDS
    shots: int | None = None
    mitigation: str | None = None

    @property
    def ideal(self) -> bool:
        """Whether circuits are run exactly and without errors."""
        return self.backend == IDEAL

    @property
    def device(self) -> str:
        """Short name of the backend, fit for a file: `fake_fez` of `noisy:fake_fez`, `aer-fake_fez` of the other."""
        return device_label(self.backend)

    @property
    def name(self) -> str:
        """All of it, fit for the name of a file; different conditions of one study have different names."""
        if self.ideal:
            return "ideal"
        parts = [self.device]
        if self.backend != NOISELESS:
            parts.append(f"scale{exact_text(self.scale)}")
        if self.kinds != KINDS:
            parts.append(f"only-{kinds_label(self.kinds)}")
        if self.shots is not None:
            parts.append(f"shots{self.shots}")
        if self.mitigation is not None:
            parts.append(f"with-{self.mitigation.replace(':', '').replace(',', '-')}")
        return "-".join(parts)

    def settings(self) -> dict[str, Any]:
        """Return the values that it sets of `BackendSettings`."""
        if self.ideal:
            return {"name": IDEAL}
        found: dict[str, Any] = {"name": self.backend, "shots": self.shots, "mitigation": self.mitigation}
        if self.backend != NOISELESS:
            found |= {"noise_scale": self.scale, "noise": None if self.kinds == KINDS else self.kinds}
        return {key: value for key, value in found.items() if value is not None}


def device_label(backend: str) -> str:
    """Return the short name of a backend; see `Condition.device`."""
    source = simulated(backend)
    stem = PurePath(source).stem if source != backend and "." in PurePath(source).name else source
    return f"aer-{stem}" if backend.startswith("aer:") else stem


def kinds_label(kinds: Sequence[str]) -> str:
    """Return kinds of errors in words: `all`, or as in `gates+readout`."""
    return ALL if tuple(kinds) == KINDS else "+".join(kinds)


def conditions(
    backends: Sequence[str],
    scales: Sequence[float],
    kinds: Sequence[Sequence[str]],
    shots: Sequence[int | None],
    mitigations: Sequence[str | None],
) -> tuple[Condition, ...]:
    """Return the conditions of a full product of axes, each once, the ideal one first.

    At scale 0 all kinds of errors are the same, and without shots all devices. A mitigation is left out where none of
    the errors that it is for are on.
    """
    found = [Condition()]
    for backend, scale, on, number, mitigation in product(backends, scales, kinds, shots, mitigations):
        scale = 0.0 if backend == NOISELESS else scale
        if scale == 0 and number is None:
            continue
        if mitigation is None or (scale > 0 and _has_a_use(mitigation, on)):
            found.append(Condition(backend, scale, tuple(on) if scale > 0 else KINDS, number, mitigation))
    return tuple(dict.fromkeys(found))


def _has_a_use(mitigation: str, kinds: Sequence[str]) -> bool:
    of_gates, of_readout = set(kinds) & {"gates", "relaxation"}, "readout" in kinds
    return bool(("zne" in mitigation and of_gates) or ("readout" in mitigation and of_readout))


def read_backend(name: str) -> str:
    """Return the full name of a simulated device: `noisy:fake_fez` for `fake_fez`; files by absolute paths.

    Raises:
        ConfigError: it is no simulated device.
    """
    bare = name.startswith("fake_") or name.lower().endswith((".yaml", ".yml"))
    full = f"{SIMULATORS[1]}{name}" if bare and not name.startswith(SIMULATORS) else name
    if not full.startswith(SIMULATORS):
        raise ConfigError(
            f"backend `{name}` has no noise to vary: give `noisy:DEVICE`, `aer:DEVICE`, a file of noise, as in "
            "noisy:noise.yaml, or the name of a device, as fake_fez"
        )
    prefix, _, source = full.partition(":")
    return f"{prefix}:{_absolute(source)}" if "." in source else full


def _absolute(path: str) -> str:
    from qgen.data.sources import expand_home

    return str(expand_home(path).resolve())


def read_scales(texts: Iterable[str]) -> tuple[float, ...]:
    """Parse scales of noise, as in "0,0.5,1"; ascending, and with 0, the ideal circuit.

    Raises:
        ConfigError: one is no number from 0 to 1e6, or there is none above 0.
    """
    scales = {0.0}
    for word in _words(texts):
        try:
            scales.add(float(word))
        except ValueError as error:
            raise ConfigError(
                f"a scale of the noise is a number, as in --scales 0,0.5,1; given: {short_repr(word)}"
            ) from error
    if wrong := [scale for scale in scales if not 0 <= scale <= MAX_SCALE]:
        raise ConfigError(f"a scale of the noise lies in [0, {MAX_SCALE:g}]; given: {wrong[0]:g}")
    if len(scales) < 2:
        raise ConfigError("at scale 0 there is no noise: give one above it, as in --scales 0,1")
    return tuple(sorted(scales))


def read_kinds(texts: Iterable[str]) -> tuple[tuple[str, ...], ...]:
    """Parse kinds of errors, as in "all,gates,relaxation+readout".

    Raises:
        ConfigError: there is no such kind.
    """
    found = []
    for word in _words(texts):
        parts = KINDS if word == ALL else tuple(word.split("+"))
        if unknown := [part for part in parts if part not in KINDS]:
            near = suggestion(unknown[0], (*KINDS, ALL))
            raise ConfigError(f"there are no errors of kind `{unknown[0]}`; kinds: {ALL}, {', '.join(KINDS)}.{near}")
        found.append(tuple(kind for kind in KINDS if kind in parts))
    if not found:
        raise ConfigError(f"give at least one kind of errors: {ALL}, {', '.join(KINDS)}, or several joined by +")
    return tuple(dict.fromkeys(found))


def read_shots(texts: Iterable[str]) -> tuple[int | None, ...]:
    """Parse numbers of shots, as in "128,1024,exact"; ascending, exact values last.

    Raises:
        ConfigError: one is neither a whole number from 1 on nor `exact`.
    """
    found = set[int | None]()
    for word in _words(texts):
        number = None if word == EXACT else int(word) if word.isdecimal() and len(word) <= _DIGITS else 0
        if number == 0:
            raise ConfigError(f"shots are whole numbers from 1 to 1e{_DIGITS}, or {EXACT}; given: {short_repr(word)}")
        found.add(number)
    if not found:
        raise ConfigError(f"give at least one number of shots, or {EXACT}, as in --shots 128,{EXACT}")
    return tuple(sorted(found, key=lambda number: (number is None, number or 0)))


def read_mitigations(texts: Iterable[str]) -> tuple[str | None, ...]:
    """Parse ways of mitigation, one a text, as "none", "readout" and "zne:1,3"; no mitigation comes first.

    Raises:
        ConfigError: there is no such mitigation.
    """
    ways = (str(Mitigation.parse(text)) for text in texts)
    return tuple(dict.fromkeys((None, *(way for way in ways if way != NONE))))


def _words(texts: Iterable[str]) -> Iterator[str]:
    """Yield the words of lists that are separated by commas."""
    for text in texts:
        yield from (word.strip() for word in text.split(",") if word.strip())
