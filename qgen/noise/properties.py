"""The calibration of a device in the JSON that IBM's service gives out for it, as a Target."""

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
    """A device as it was measured.

    Attributes:
        target: gates with durations and errors, T1 and T2, readout.
        name: of the device, where the file says it.
        day: of the measurements, where the file says it.
    """

    target: Target
    name: str | None
    day: date | None


def is_properties(content: Mapping[str, Any]) -> bool:
    """Whether these are a device's properties (`backend.properties().to_dict()`) rather than something else."""
    return isinstance(content.get("qubits"), list) and isinstance(content.get("gates"), list)


def read_properties(content: Mapping[str, Any]) -> Calibration:
    """The device that IBM's backend properties describe.

    Raises:
        ConfigError: they do not have that form, or hold no gate on two qubits.
    """
    try:
        return Calibration(_target(content), _name(content), _day(content.get("last_update_date")))
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError) as error:
        words = f"{type(error).__name__}: {error}"
        raise ConfigError(f"these are no backend properties as IBM gives them ({words})") from error


def _target(content: Mapping[str, Any]) -> Target:
    qubits, known = content["qubits"], get_standard_gate_name_mapping()
    lives = [QubitProperties(t1=_time(each, "T1"), t2=_time(each, "T2")) for each in qubits]
    target = Target(num_qubits=len(qubits), qubit_properties=lives)
    gates: dict[str, dict[tuple[int, ...], InstructionProperties]] = {}
    for gate in content["gates"]:
        name, places, measured = gate["gate"], tuple(map(int, gate["qubits"])), gate["parameters"]
        if len(set(places)) < len(places) or not set(places) <= set(range(len(qubits))):
            raise ValueError(f"a gate on qubits {list(places)} of {len(qubits)}")
        if name in known and name not in ("measure", "reset", "delay"):
            facts = InstructionProperties(duration=_time(measured, "gate_length"), error=_error(measured, "gate_error"))
            gates.setdefault(name, {})[places] = facts
    if not any(len(place) == 2 for where in gates.values() for place in where):
        raise ValueError("no gate on two qubits")
    for name, where in gates.items():
        target.add_instruction(known[name], where)
    readout = {
        (k,): InstructionProperties(_time(each, "readout_length"), _error(each, "readout_error"))
        for k, each in enumerate(qubits)
    }
    target.add_instruction(Measure(), readout)
    return target


def _name(content: Mapping[str, Any]) -> str | None:
    given = content.get("backend_name")
    return given if isinstance(given, str) and given.isprintable() else None


def _day(given: Any) -> date | None:
    return datetime.fromisoformat(given).date() if isinstance(given, str) else None


def _entry(entries: list[dict[str, Any]], name: str) -> dict[str, Any] | None:
    found = next((entry for entry in entries if entry["name"] == name), None)
    return found if found is not None and found.get("value") is not None else None


def _time(entries: list[dict[str, Any]], name: str) -> float | None:
    """In seconds; None where it is not there, or was not measured."""
    entry = _entry(entries, name)
    if entry is None:
        return None
    seconds = float(entry["value"]) * _SECONDS[entry["unit"]]
    if seconds < 0:
        raise ValueError(f"{name} is negative")
    return seconds if isfinite(seconds) else None


def _error(entries: list[dict[str, Any]], name: str) -> float | None:
    """A probability; None where it was not measured."""
    entry = _entry(entries, name)
    error = float("nan") if entry is None else float(entry["value"])
    if not isfinite(error):
        return None
    if not 0 <= error <= 1:
        raise ValueError(f"{name} is {error:g}, and not between 0 and 1")
    return error
