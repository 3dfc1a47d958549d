"""The snapshots that qiskit-ibm-runtime ships, found and read without importing it: that takes seconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qgen.devices.device import PREFIX, Coupler, Device, Values
from qgen.devices.fleet import standing
from qgen.errors import BackendError

_PACKAGE = "qiskit_ibm_runtime"
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ns": 1e-3}


def device_names() -> tuple[str, ...]:
    """The names of all device snapshots, such as `fake_brisbane`, sorted; none without qiskit-ibm-runtime."""
    return tuple(sorted(_folders()))


def open_device(name: str) -> Device:
    """The device snapshot of that name.

    Raises:
        BackendError: there is none, and the message offers the nearest names; or qiskit-ibm-runtime is missing, or
            what it ships cannot be read.
    """
    folders = _folders()
    if name not in folders:
        raise BackendError(_refusal(str(name), tuple(folders)))
    city = name.removeprefix(PREFIX)
    configuration, properties = (folders[name] / f"{kind}_{city}.json" for kind in ("conf", "props"))
    try:
        about = json.loads(configuration.read_text(encoding="utf-8"))
        measured = json.loads(properties.read_text(encoding="utf-8")) if properties.is_file() else {}
        return read_device(name, about, measured)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"the snapshot `{name}` in {folders[name]} cannot be read ({error}): reinstall qiskit-ibm-runtime"
        ) from error


def _folders() -> dict[str, Path]:
    found = find_spec(_PACKAGE)
    if found is None or not found.submodule_search_locations:
        return {}
    root = Path(found.submodule_search_locations[0]) / "fake_provider" / "backends"
    return {f"{PREFIX}{path.parent.name}": path.parent for path in root.glob("*/conf_*.json")}


def _refusal(name: str, names: tuple[str, ...]) -> str:
    if not names:
        return f"`{name}` needs device snapshots, and they come with a package: pip install qiskit-ibm-runtime"
    city = name.lower().removeprefix("aer:").removeprefix(PREFIX).removeprefix("ibmq_").removeprefix("ibm_")
    if f"{PREFIX}{city}" in names:
        gone = standing(city).retired
        past = f" (retired on {gone})" if gone else ""
        return f"`{name}` is no device snapshot; the one of ibm_{city}{past} is `{PREFIX}{city}`"
    near = get_close_matches(city, [one.removeprefix(PREFIX) for one in names], 3)
    hint = f", did you mean {' or '.join(f'`{PREFIX}{one}`' for one in near)}?" if near else "."
    return f"there is no device snapshot `{name}`{hint} `qgen backends --all` lists all {len(names)}."


def read_device(name: str, about: dict[str, Any], measured: dict[str, Any], machine: Any = None) -> Device:
    """The device that IBM's configuration and properties describe, in the form of their JSON.

    Args:
        name: what it is called here.
        about: its configuration.
        measured: its properties; empty where there are none.
        machine: the live one behind it; None for a snapshot.

    Raises:
        KeyError, TypeError, ValueError: they do not have that form.
    """
    qubits, basis, gates = about["n_qubits"], tuple(about["basis_gates"]), measured.get("gates", [])
    pairs = [gate for gate in gates if len(gate["qubits"]) == 2 and gate["gate"] in basis]
    by_qubit = [*measured.get("qubits", []), *([[]] * qubits)][:qubits]
    return Device(
        name=name,
        qubits=qubits,
        processor=_processor(about.get("processor_type")),
        basis=basis,
        two_qubit_gates=tuple(sorted({gate["gate"] for gate in pairs})),
        calibrated=_date(measured.get("last_update_date")),
        coupler_errors=_coupler_errors(about.get("coupling_map") or [], pairs),
        sx_errors=_gate_errors([gate for gate in gates if gate["gate"] == "sx"], qubits),
        readout_errors=tuple(_value(values, "readout_error") for values in by_qubit),
        t1_us=tuple(_value(values, "T1") for values in by_qubit),
        t2_us=tuple(_value(values, "T2") for values in by_qubit),
        places=_places(about.get("coords"), qubits),
        rep_delay_us=about.get("default_rep_delay"),
        readout_us=max(filter(None, (_value(values, "readout_length") for values in by_qubit)), default=None),
        machine=machine,
    )


def _processor(kind: dict[str, Any] | None) -> str | None:
    return f"{kind['family']} r{kind['revision']}" if kind else None


def _date(given: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(given) if isinstance(given, str) else given


def _value(values: Iterable[dict[str, Any]], name: str) -> float | None:
    """The value of that name, times in microseconds; None where it is missing or not a number."""
    for entry in values:
        if entry["name"] == name and entry.get("value") is not None:
            number = float(entry["value"]) * _MICROSECONDS.get(entry.get("unit", ""), 1.0)
            return number if math.isfinite(number) else None
    return None


def _gate_errors(gates: Iterable[dict[str, Any]], qubits: int) -> Values:
    errors = {gate["qubits"][0]: _value(gate["parameters"], "gate_error") for gate in gates}
    return tuple(errors.get(qubit) for qubit in range(qubits))


def _coupler_errors(coupling: Iterable[list[int]], pairs: Iterable[dict[str, Any]]) -> dict[Coupler, float | None]:
    """The smallest error that either direction of any gate has: what a compiler would choose."""
    errors: dict[Coupler, float | None] = {(min(pair), max(pair)): None for pair in sorted(map(sorted, coupling))}
    for gate in pairs:
        coupler = min(gate["qubits"]), max(gate["qubits"])
        known, error = errors.get(coupler), _value(gate["parameters"], "gate_error")
        errors[coupler] = error if known is None or (error is not None and error < known) else known
    return errors


def _places(coordinates: list[list[int]] | None, qubits: int) -> tuple[tuple[int, int], ...] | None:
    places = tuple((column, row) for column, row in coordinates or ())
    return places if len(set(places)) == qubits else None
