"""Where circuits were put on a device, kept in the journal: what is run again has to be the same circuit.

A device is calibrated anew about every day, and a search for good qubits then finds others. Bits that were paid for
would be those of another circuit, and would be paid for again. A circuit that has to move, because a gate that it used
is out of order, gets one more layout; the earlier ones stay, with all that was run there.
"""

from __future__ import annotations

import json
from pathlib import Path

from qiskit import QuantumCircuit

from qgen.backends.device.saved_layouts import SavedLayouts
from qgen.backends.ibm.journal import Journal
from qgen.circuits import LayerCircuit
from qgen.circuits.serialization import decode_qpy, encode_qpy
from qgen.errors import CircuitError, HardwareError
from qgen.transpilation import Success
from qgen.transpilation.tiling import Tile, Tiling


class Notes:
    """What is to be kept in a journal once something is submitted: a plan alone leaves nothing behind.

    Args:
        journal: in which it is kept.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal, self._new = journal, dict[str, str]()

    @property
    def path(self) -> Path:
        """The journal's file."""
        return self._journal.path

    def fact(self, name: str) -> str | None:
        """What is noted under this name, kept or not."""
        return self._new[name] if name in self._new else self._journal.fact(name)

    def note(self, name: str, value: str) -> None:
        """Notes something under a name, in place of what is noted there."""
        self._new[name] = value

    def keep(self) -> None:
        """Writes it all down."""
        for name, value in self._new.items():
            self._journal.note(name, value)
        self._new.clear()


def recall_circuit(journal: Notes, device: str, circuit: LayerCircuit) -> list[SavedLayouts]:
    """The circuit as it was routed for this device before, each time that it was; the oldest first."""
    found: list[SavedLayouts] = []
    while (known := journal.fact(_name("circuit", device, circuit, len(found)))) is not None:
        try:
            found.append(SavedLayouts(device, {circuit.digest: decode_qpy(known)}, str(journal.path)))
        except CircuitError as error:
            raise _damaged(journal) from error
    return found


def remember_circuit(
    journal: Notes, device: str, circuit: LayerCircuit, isa: QuantumCircuit, number: int, calibrated: str | None
) -> SavedLayouts:
    """Keeps it as layout number `number`, and returns what `recall_circuit` will.

    Args:
        journal: of the run.
        device: its name.
        circuit: what was routed.
        isa: the circuit on the device.
        number: of the layout.
        calibrated: the moment of the calibration that it was chosen by, in words.
    """
    journal.note(_name("circuit", device, circuit, number), encode_qpy(isa))
    if calibrated is not None:
        journal.note(_name("calibration", device, circuit, number), calibrated)
    return SavedLayouts(device, {circuit.digest: isa}, str(journal.path))


def recall_calibration(journal: Notes, device: str, circuit: LayerCircuit, number: int) -> str | None:
    """The moment of the calibration by which this layout was chosen; None where that is not known."""
    return journal.fact(_name("calibration", device, circuit, number))


def recall_tiles(journal: Notes, device: str, circuit: LayerCircuit, wanted: object, number: int = 0) -> Tiling | None:
    """Where its copies were put before; None where they were not.

    Args:
        journal: of the run.
        device: its name.
        circuit: what is copied.
        wanted: all that the choice depended on, beside the calibration.
        number: of the circuit's layout.
    """
    known = journal.fact(_name(f"tiles {wanted}", device, circuit, number))
    if known is None:
        return None
    try:
        plain = json.loads(known)
        tiles = tuple(Tile(dict(tile["places"]), Success(*tile["success"])) for tile in plain["tiles"])
        return Tiling(tiles, plain["margin"], tuple(plain["blocked"]), tuple(plain["idle"]))
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(journal) from error


def remember_tiles(
    journal: Notes, device: str, circuit: LayerCircuit, wanted: object, tiling: Tiling, number: int = 0
) -> None:
    """Keeps them."""
    tiles = [{"places": list(tile.mapping.items()), "success": _parts(tile.success)} for tile in tiling.tiles]
    plain = {"tiles": tiles, "margin": tiling.margin, "blocked": tiling.blocked, "idle": tiling.idle}
    journal.note(_name(f"tiles {wanted}", device, circuit, number), json.dumps(plain))


def _parts(success: Success) -> tuple[float, float, float]:
    return success.gates, success.readout, success.idle


def _name(what: str, device: str, circuit: LayerCircuit, number: int) -> str:
    again = f", layout {number}" if number else ""
    return f"{what} on {device}{again}: {circuit.digest}"


def _damaged(journal: Notes) -> HardwareError:
    return HardwareError(
        f"the journal {journal.path} is damaged: where it put a circuit cannot be read. Move it away, and run the same "
        "command again: jobs that IBM still has are found by their tags"
    )
