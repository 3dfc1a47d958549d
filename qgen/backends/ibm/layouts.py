"""Layouts: where a circuit lies on a device, kept in the journal: a repeated run has to be the same circuit.

A device is calibrated anew about every day, and a search for good qubits then finds others. Bits that were paid for
would be those of another circuit, and would be paid for again. A circuit that has to move, because a gate that it used
is out of order, gets one more layout; the earlier ones stay, with all that was run there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Measure
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import Target

from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.ibm.journal import Journal
from qgen.circuits import LayerCircuit
from qgen.circuits.serialization import decode_qpy, encode_qpy
from qgen.errors import BackendError, CircuitError, HardwareError
from qgen.transpilation import Success
from qgen.transpilation.schedule import device_instructions
from qgen.transpilation.tiling import Tile, Tiling


@dataclass(frozen=True, eq=False)
class Layout:
    """One layout of a circuit on a device.

    Attributes:
        saved: the routed circuit.
        target: the device, with all that the circuit uses.
        number: index among the layouts that the journal has of the circuit; 0: the first, or one that the user pinned.
        faulty: whether a gate of it is out of order by now: what was run there is answered from the journal, and
            nothing more runs.
    """

    saved: SavedLayouts
    target: Target
    number: int = 0
    faulty: bool = False


class PendingNotes:
    """Notes that are written to a journal once something is submitted: a plan alone leaves nothing behind.

    Args:
        journal: the journal.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal, self._pending = journal, dict[str, str]()

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def get(self, name: str) -> str | None:
        """Return the note of this name, pending or written; None where there is none."""
        return self._pending[name] if name in self._pending else self._journal.get_note(name)

    def set(self, name: str, value: str) -> None:
        """Set a note, in place of an earlier one."""
        self._pending[name] = value

    def write(self) -> None:
        """Write all pending notes to the journal."""
        for name, value in self._pending.items():
            self._journal.set_note(name, value)
        self._pending.clear()


def load_layouts(notes: PendingNotes, device: str, circuit: LayerCircuit) -> list[SavedLayouts]:
    """Return all layouts of the circuit on this device, the oldest first."""
    layouts: list[SavedLayouts] = []
    while (packed := notes.get(_name("circuit", device, circuit, len(layouts)))) is not None:
        try:
            layouts.append(SavedLayouts(device, {circuit.digest: decode_qpy(packed)}, str(notes.path)))
        except CircuitError as error:
            raise _damaged(notes) from error
    return layouts


def save_layout(
    notes: PendingNotes, device: str, circuit: LayerCircuit, isa: QuantumCircuit, number: int, calibrated: str | None
) -> SavedLayouts:
    """Save a layout, and return what `load_layouts` will.

    Args:
        notes: of the run's journal.
        device: its name.
        circuit: what was routed.
        isa: the circuit on the device.
        number: index of the layout.
        calibrated: the time of the calibration that it was chosen by.
    """
    notes.set(_name("circuit", device, circuit, number), encode_qpy(isa))
    if calibrated is not None:
        notes.set(_name("calibration", device, circuit, number), calibrated)
    return SavedLayouts(device, {circuit.digest: isa}, str(notes.path))


def load_calibration(notes: PendingNotes, device: str, circuit: LayerCircuit, number: int) -> str | None:
    """Return the time of the calibration by which this layout was chosen; None where it is not known."""
    return notes.get(_name("calibration", device, circuit, number))


def load_tiling(
    notes: PendingNotes, device: str, circuit: LayerCircuit, choice: object, number: int = 0
) -> Tiling | None:
    """Return the saved tiling of a circuit; None where there is none.

    Args:
        notes: of the run's journal.
        device: its name.
        circuit: what is copied.
        choice: all that the tiling depends on beside the calibration.
        number: index of the circuit's layout.
    """
    text = notes.get(_name(f"tiles {choice}", device, circuit, number))
    if text is None:
        return None
    try:
        plain = json.loads(text)
        tiles = tuple(Tile(dict(tile["places"]), Success(*tile["success"])) for tile in plain["tiles"])
        return Tiling(tiles, plain["margin"], tuple(plain["blocked"]), tuple(plain["idle"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(notes) from error


def save_tiling(
    notes: PendingNotes, device: str, circuit: LayerCircuit, choice: object, tiling: Tiling, number: int = 0
) -> None:
    """Save a tiling, see `load_tiling`."""
    tiles = [{"places": list(tile.mapping.items()), "success": _factors(tile.success)} for tile in tiling.tiles]
    plain = {"tiles": tiles, "margin": tiling.margin, "blocked": tiling.blocked, "idle": tiling.idle}
    notes.set(_name(f"tiles {choice}", device, circuit, number), json.dumps(plain))


def check_isa(circuits: Sequence[QuantumCircuit], machine: Any) -> None:
    """Refuse what the device cannot run, before anything is sent.

    Args:
        circuits: circuits of the device's own gates.
        machine: the device, as IBM's client has it.

    Raises:
        BackendError: a gate that the device does not have there, or a qubit or coupler that is out of order.
    """
    for circuit in circuits:
        if circuit.num_qubits != machine.target.num_qubits:
            raise BackendError(f"{machine.name} has {machine.target.num_qubits} qubits, not {circuit.num_qubits}")
        device_instructions(circuit, machine.target)
        try:
            machine.check_faulty(circuit)
        except ValueError as error:
            raise BackendError(f"{machine.name} cannot run this circuit now: {error}. Pin it anew") from error


def with_faulty_gates(
    target: Target, couplers: Sequence[tuple[int, int]], circuits: Iterable[QuantumCircuit]
) -> Target:
    """Return a device with all of its gates, including those that are out of order today: nothing is to run on it.

    Circuits that were transpiled for the device on another day come out on it as they did then.

    Args:
        target: the device today.
        couplers: all pairs of qubits that it was built with, in the directions of its gates.
        circuits: circuits that ran on it, with gates that it may have nowhere today.
    """
    whole = Target(num_qubits=target.num_qubits, dt=target.dt, qubit_properties=target.qubit_properties)
    used = {step.operation.name for circuit in circuits for step in circuit.data}
    operations = {name: target.operation_from_name(name) for name in target.operation_names}
    standard = get_standard_gate_name_mapping()
    operations |= {name: standard[name] for name in used if name in standard and name not in operations}
    for name, operation in operations.items():
        if not isinstance(operation, Gate | Measure):
            continue
        today = target[name] if name in target.operation_names else {}
        known: dict[tuple[int, ...], Any] = {qubits: entry for qubits, entry in today.items() if qubits is not None}
        single = operation.num_qubits == 1
        places = [(qubit,) for qubit in range(target.num_qubits)] if single else [tuple(pair) for pair in couplers]
        whole.add_instruction(operation, dict.fromkeys(places) | known, name=name)
    return whole


def _factors(success: Success) -> tuple[float, float, float]:
    return success.gates, success.readout, success.idle


def _name(kind: str, device: str, circuit: LayerCircuit, number: int) -> str:
    suffix = f", layout {number}" if number else ""
    return f"{kind} on {device}{suffix}: {circuit.digest}"


def _damaged(notes: PendingNotes) -> HardwareError:
    return HardwareError(
        f"the journal {notes.path} is damaged: where it put a circuit cannot be read. Move it away, and run the same "
        "command again: jobs that IBM still has are found by their tags"
    )
