"""Parse the calibration of a device from the JSON of IBM's service into a Target."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from math import isfinite
from typing import Any, NamedTuple

from qiskit.circuit import Measure
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qgen.errors import ConfigError

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}


class Calibration(NamedTuple):
    """The calibration of a device.

    Attributes:
        target: gates with durations and errors, T1 and T2, readout.
        name: of the device, if given.
        day: of the measurements, if given.
    """

    target: Target
    name: str | None
    day: date | None


def is_properties(content: Mapping[str, Any]) -> bool:
    """Return whether the content has the form of `backend.properties().to_dict()`."""
    return isinstance(content.get("qubits"), list) and isinstance(content.get("gates"), list)


def parse_properties(content: Mapping[str, Any]) -> Calibration:
    """Parse IBM's backend properties.

    Raises:
        ConfigError: they do not have that form, or hold no gate on two qubits.
    """
    try:
        return Calibration(_target(content), _name(content), _day(content.get("last_update_date")))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        reason = f"{type(error).__name__}: {error}"
        raise ConfigError(f"these are no backend properties as IBM gives them ({reason})") from error


def _target(content: Mapping[str, Any]) -> Target:
    qubits, standard = content["qubits"], get_standard_gate_name_mapping()
    coherence = [QubitProperties(t1=_time(entries, "T1"), t2=_time(entries, "T2")) for entries in qubits]
    target = Target(num_qubits=len(qubits), qubit_properties=coherence)
    gates: dict[str, dict[tuple[int, ...], InstructionProperties]] = {}
    for gate in content["gates"]:
        name, sites, entries = gate["gate"], tuple(map(int, gate["qubits"])), gate["parameters"]
        if len(set(sites)) < len(sites) or not set(sites) <= set(range(len(qubits))):
            raise ValueError(f"a gate on qubits {list(sites)} of {len(qubits)}")
        if name in standard and name not in ("measure", "reset", "delay"):
            duration, error = _time(entries, "gate_length"), _error(entries, "gate_error")
            gates.setdefault(name, {})[sites] = InstructionProperties(duration=duration, error=error)
    if not any(len(sites) == 2 for by_sites in gates.values() for sites in by_sites):
        raise ValueError("no gate on two qubits")
    for name, by_sites in gates.items():
        target.add_instruction(standard[name], by_sites)
    readout = {
        (k,): InstructionProperties(_time(entries, "readout_length"), _error(entries, "readout_error"))
        for k, entries in enumerate(qubits)
    }
    target.add_instruction(Measure(), readout)
    return target


def _name(content: Mapping[str, Any]) -> str | None:
    given = content.get("backend_name")
    return given if isinstance(given, str) and given.isprintable() else None


def _day(given: Any) -> date | None:
    return datetime.fromisoformat(given).date() if isinstance(given, str) else None


def _entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    entry = next((entry for entry in entries if entry["name"] == name), None)
    return entry if entry is not None and entry.get("value") is not None else None


def _time(entries: list[dict[str, Any]], name: str) -> float | None:
    """Return a time in seconds; None if it is missing or was not measured."""
    entry = _entry(entries, name)
    if entry is None:
        return None
    seconds = float(entry["value"]) * _SECONDS[entry["unit"]]
    if seconds < 0:
        raise ValueError(f"{name} is negative")
    return seconds if isfinite(seconds) else None


def _error(entries: list[dict[str, Any]], name: str) -> float | None:
    """Return a probability; None if it was not measured."""
    entry = _entry(entries, name)
    error = float("nan") if entry is None else float(entry["value"])
    if not isfinite(error):
        return None
    if not 0 <= error <= 1:
        raise ValueError(f"{name} is {error:g}, and not between 0 and 1")
    return error
