"""Find and read the snapshots of qiskit-ibm-runtime without importing it, which takes seconds.

No snapshot tells whether the physical machine still runs: that is a table here, with a date.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime
from difflib import get_close_matches
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from qgen.devices.device import PREFIX, Coupler, Device, MachineStatus, Values
from qgen.devices.names import simulated
from qgen.errors import BackendError

_PACKAGE = "qiskit_ibm_runtime"
_MICROSECONDS = {"s": 1e6, "ms": 1e3, "us": 1.0, "µs": 1.0, "μs": 1.0, "ns": 1e-3}

#: The day on which the tables below were true.
#: Sources: IBM Quantum documentation, pages "Retired QPUs" and "IBM Quantum Compute Service changelogs" (to August
#: 2026), and "Compute resources" as it was shown on that day.
AS_OF = date(2026, 9, 25)

_OPEN_PLAN = "in IBM's free Open Plan"
_ON_PREMISES = "stands at a customer's; nothing is published about it"
_SYNTHETIC = "no such machine: a model, for tests"

_LIVE = {
    "aachen": "",
    "berlin": "",
    "boston": "",
    "fez": _OPEN_PLAN,
    "kingston": _OPEN_PLAN,
    "marrakesh": f"{_OPEN_PLAN}; paused",
    "miami": "",
    "pittsburgh": "",
}

#: None: the day was not published.
_RETIRED: dict[str, date | None] = {
    "brussels": date(2026, 4, 27),
    "strasbourg": date(2026, 4, 27),
    "torino": date(2026, 4, 1),
    "brisbane": date(2025, 11, 3),
    "sherbrooke": date(2025, 7, 31),
    "kyiv": date(2025, 4, 18),
    "kyoto": date(2024, 9, 5),
    "osaka": date(2024, 8, 13),
    "cusco": date(2024, 8, 13),
    "algiers": date(2024, 4, 30),
    "cairo": date(2024, 4, 30),
    "hanoi": date(2024, 4, 30),
    "kolkata": date(2024, 4, 1),
    "mumbai": date(2024, 4, 1),
    "nairobi": date(2023, 11, 28),
    "lagos": date(2023, 11, 28),
    "perth": date(2023, 11, 28),
    "auckland": date(2023, 11, 9),
    "guadalupe": date(2023, 10, 27),
    "lima": date(2023, 9, 26),
    "belem": date(2023, 9, 26),
    "quito": date(2023, 9, 26),
    "manila": date(2023, 9, 26),
    "jakarta": date(2023, 9, 26),
    "washington": date(2023, 6, 3),
    "oslo": date(2023, 5, 4),
    "geneva": date(2023, 5, 4),
    "montreal": date(2023, 4, 11),
    "toronto": date(2023, 4, 11),
    "armonk": date(2022, 7, 7),
    "brooklyn": date(2022, 6, 28),
    "bogota": date(2022, 6, 17),
    "santiago": date(2022, 6, 17),
    "casablanca": date(2022, 3, 2),
    "sydney": date(2022, 1, 11),
    "manhattan": date(2021, 9, 22),
    "yorktown": date(2021, 8, 9),
    "melbourne": date(2021, 8, 9),
    "paris": date(2021, 6, 30),
    "rome": date(2021, 6, 30),
    "athens": date(2021, 6, 30),
    "boeblingen": date(2021, 1, 31),
    "ourense": date(2021, 1, 15),
    "vigo": date(2021, 1, 15),
    "valencia": date(2021, 1, 15),
    "rochester": date(2020, 10, 31),
    "cambridge": date(2020, 10, 31),
    "almaden": date(2020, 8, 31),
    "singapore": date(2020, 8, 31),
    "johannesburg": date(2020, 8, 31),
    "essex": date(2020, 8, 31),
    "burlington": date(2020, 8, 31),
    "london": date(2020, 8, 31),
    "peekskill": None,
    "poughkeepsie": None,
}

_UNKNOWN = {
    "kawasaki": _ON_PREMISES,
    "quebec": _ON_PREMISES,
    "fractional": _SYNTHETIC,
    "nighthawk": _SYNTHETIC,
}


def device_names() -> tuple[str, ...]:
    """Return the names of all snapshots, such as `fake_brisbane`, sorted; none without qiskit-ibm-runtime."""
    return tuple(sorted(_folders()))


def open_device(name: str) -> Device:
    """Open a snapshot.

    Raises:
        BackendError: no snapshot has this name (the message gives the nearest ones), qiskit-ibm-runtime is missing, or
            its files cannot be read.
    """
    folders = _folders()
    if name not in folders:
        raise BackendError(_refusal(str(name), tuple(folders)))
    city = name.removeprefix(PREFIX)
    configuration, properties = (folders[name] / f"{kind}_{city}.json" for kind in ("conf", "props"))
    try:
        states = _state(configuration), _state(properties) if properties.is_file() else None
        return replace(_read(name, configuration, properties, states))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BackendError(
            f"the snapshot `{name}` in {folders[name]} cannot be read ({error}): reinstall qiskit-ibm-runtime"
        ) from error


def _state(file: Path) -> tuple[int, int]:
    """Return what differs once a file was written anew."""
    found = file.stat()
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=128)
def _read(name: str, configuration: Path, properties: Path, states: tuple[Any, Any]) -> Device:
    """Read a snapshot, once for as long as its files stay as they are; without properties their state is None."""
    about = json.loads(configuration.read_text(encoding="utf-8"))
    measured = {} if states[1] is None else json.loads(properties.read_text(encoding="utf-8"))
    return parse_device(name, about, measured, machine_status=machine_status(name.removeprefix(PREFIX)))


def machine_status(city: str) -> MachineStatus:
    """Return the status of the machine `ibm_` + city on the day `AS_OF`; "unknown" for any other word."""
    if city in _LIVE:
        return MachineStatus("live", note=_LIVE[city])
    if city in _RETIRED:
        return MachineStatus("retired", _RETIRED[city])
    return MachineStatus("unknown", note=_UNKNOWN.get(city, ""))


def _folders() -> dict[str, Path]:
    package = find_spec(_PACKAGE)
    if package is None or not package.submodule_search_locations:
        return {}
    return _found(Path(package.submodule_search_locations[0]) / "fake_provider" / "backends")


@lru_cache(maxsize=8)
def _found(root: Path) -> dict[str, Path]:
    """Look through a folder for snapshots, once: a package that is imported does not change."""
    return {f"{PREFIX}{path.parent.name}": path.parent for path in root.glob("*/conf_*.json")}


def _refusal(name: str, names: tuple[str, ...]) -> str:
    if not names:
        return f"`{name}` needs device snapshots, and they come with a package: pip install qiskit-ibm-runtime"
    city = simulated(name.lower()).removeprefix(PREFIX).removeprefix("ibmq_").removeprefix("ibm_")
    if f"{PREFIX}{city}" in names:
        retired = machine_status(city).retired
        past = f" (retired on {retired})" if retired else ""
        return f"`{name}` is no device snapshot; the one of ibm_{city}{past} is `{PREFIX}{city}`"
    near = get_close_matches(city, [known.removeprefix(PREFIX) for known in names], 3)
    hint = f", did you mean {' or '.join(f'`{PREFIX}{nearest}`' for nearest in near)}?" if near else "."
    return f"there is no device snapshot `{name}`{hint} `qgen backends --all` lists all {len(names)}."


def parse_device(
    name: str,
    configuration: dict[str, Any],
    properties: dict[str, Any],
    machine: Any = None,
    machine_status: MachineStatus | None = None,
) -> Device:
    """Parse IBM's configuration and properties of a device, as dictionaries of their JSON.

    Args:
        name: of the device.
        configuration: as of `backend.configuration()`.
        properties: as of `backend.properties()`; empty if there are none.
        machine: the live backend; None for a snapshot.
        machine_status: whether the physical machine still runs; None: a live backend does, of others it is unknown.

    Raises:
        KeyError, TypeError, ValueError: they do not have that form.
    """
    qubits, basis = configuration["n_qubits"], tuple(configuration["basis_gates"])
    gates = properties.get("gates", [])
    pairs = [gate for gate in gates if len(gate["qubits"]) == 2 and gate["gate"] in basis]
    by_qubit = [*properties.get("qubits", []), *([[]] * qubits)][:qubits]
    return Device(
        name=name,
        qubits=qubits,
        processor=_processor(configuration.get("processor_type")),
        basis=basis,
        two_qubit_gates=tuple(sorted({gate["gate"] for gate in pairs})),
        calibrated=_date(properties.get("last_update_date")),
        coupler_errors=_coupler_errors(configuration.get("coupling_map") or [], pairs),
        sx_errors=_gate_errors([gate for gate in gates if gate["gate"] == "sx"], qubits),
        readout_errors=tuple(_value(values, "readout_error") for values in by_qubit),
        t1_us=tuple(_value(values, "T1") for values in by_qubit),
        t2_us=tuple(_value(values, "T2") for values in by_qubit),
        coordinates=_coordinates(configuration.get("coords"), qubits),
        rep_delay_us=configuration.get("default_rep_delay"),
        readout_us=max(filter(None, (_value(values, "readout_length") for values in by_qubit)), default=None),
        machine=machine,
        machine_status=machine_status or MachineStatus("unknown" if machine is None else "live"),
    )


def _processor(kind: dict[str, Any] | None) -> str | None:
    return f"{kind['family']} r{kind['revision']}" if kind else None


def _date(date: str | datetime | None) -> datetime | None:
    return datetime.fromisoformat(date) if isinstance(date, str) else date


def _value(values: Iterable[dict[str, Any]], name: str) -> float | None:
    """Return the value of that name, times in microseconds; None if it is missing or not a number."""
    for entry in values:
        if entry["name"] == name and entry.get("value") is not None:
            number = float(entry["value"]) * _MICROSECONDS.get(entry.get("unit", ""), 1.0)
            return number if math.isfinite(number) else None
    return None


def _gate_errors(gates: Iterable[dict[str, Any]], qubits: int) -> Values:
    errors = {gate["qubits"][0]: _value(gate["parameters"], "gate_error") for gate in gates}
    return tuple(errors.get(qubit) for qubit in range(qubits))


def _coupler_errors(coupling: Iterable[list[int]], pairs: Iterable[dict[str, Any]]) -> dict[Coupler, float | None]:
    """Return the smallest error over the gates of a coupler and their directions."""
    errors: dict[Coupler, float | None] = {(min(pair), max(pair)): None for pair in sorted(map(sorted, coupling))}
    for gate in pairs:
        coupler = min(gate["qubits"]), max(gate["qubits"])
        best, error = errors.get(coupler), _value(gate["parameters"], "gate_error")
        errors[coupler] = error if best is None or (error is not None and error < best) else best
    return errors


def _coordinates(listed: list[list[int]] | None, qubits: int) -> tuple[tuple[int, int], ...] | None:
    coordinates = tuple((column, row) for column, row in listed or ())
    return coordinates if len(set(coordinates)) == qubits else None
