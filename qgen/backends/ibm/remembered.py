"""Where circuits were put on a device, kept in the journal: what is run again has to be the same circuit.

A device is calibrated anew about every day, and a search for good qubits then finds others. Bits that were paid for
would be those of another circuit, and would be paid for again.
"""

from __future__ import annotations

import json

from qiskit import QuantumCircuit

from qgen.backends.ibm.journal import Journal
from qgen.backends.pins import Pins
from qgen.circuits import LayerCircuit
from qgen.circuits.storage import pack, unpack
from qgen.transpilation.result import Success
from qgen.transpilation.tiling import Tile, Tiling


def recall_circuit(journal: Journal, device: str, circuit: LayerCircuit) -> Pins | None:
    """The circuit as it was routed for this device before; None where it was not."""
    known = journal.fact(_name("circuit", device, circuit))
    return None if known is None else Pins(device, {circuit.digest: unpack(known)}, str(journal.path))


def remember_circuit(journal: Journal, device: str, circuit: LayerCircuit, isa: QuantumCircuit) -> Pins:
    """Keeps it, and returns what `recall_circuit` will."""
    journal.note(_name("circuit", device, circuit), pack(isa))
    return Pins(device, {circuit.digest: isa}, str(journal.path))


def recall_tiles(journal: Journal, device: str, circuit: LayerCircuit, wanted: object) -> Tiling | None:
    """Where its copies were put before; None where they were not.

    Args:
        journal: of the run.
        device: its name.
        circuit: what is copied.
        wanted: all that the choice depended on, beside the calibration.
    """
    known = journal.fact(_name(f"tiles {wanted}", device, circuit))
    if known is None:
        return None
    plain = json.loads(known)
    tiles = tuple(Tile(dict(tile["places"]), Success(*tile["success"])) for tile in plain["tiles"])
    return Tiling(tiles, plain["margin"], tuple(plain["blocked"]), tuple(plain["idle"]))


def remember_tiles(journal: Journal, device: str, circuit: LayerCircuit, wanted: object, tiling: Tiling) -> None:
    """Keeps them."""
    tiles = [{"places": list(tile.places.items()), "success": _parts(tile.success)} for tile in tiling.tiles]
    plain = {"tiles": tiles, "margin": tiling.margin, "blocked": tiling.blocked, "idle": tiling.idle}
    journal.note(_name(f"tiles {wanted}", device, circuit), json.dumps(plain))


def _parts(success: Success) -> tuple[float, float, float]:
    return success.gates, success.readout, success.idle


def _name(what: str, device: str, circuit: LayerCircuit) -> str:
    return f"{what} on {device}: {circuit.digest}"
