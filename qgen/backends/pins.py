"""Pinned circuits: what a search chose for a device, in a file that training and sampling on it take."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.circuits import LayerCircuit
from qgen.circuits.serialization import decode_qpy, encode_qpy
from qgen.errors import BackendError, CircuitError
from qgen.storage import write_text
from qgen.transpilation.schedule import device_instructions
from qgen.user_files import MOST_GENERATED, read_text

FORMAT = "qgen-pins"
VERSION = 2
_SHADES = ("aer:", "fake_", "ibm_")


@dataclass(frozen=True, eq=False)
class Pins:
    """Routed circuits of one device, by the circuits that they came from.

    Attributes:
        device: whose gates and qubits they are on, as in `fake_fez`.
        routed: digest of the layer circuit -> the circuit in the device's gates, with its layout.
        source: the file that they were read from, for messages.
    """

    device: str
    routed: dict[str, QuantumCircuit]
    source: str = field(default="the pins")

    def route(self, circuit: LayerCircuit, target: Target) -> QuantumCircuit:
        """The routed circuit, with the parameters of this one, checked against the device as it is now.

        Raises:
            BackendError: this circuit is not pinned, or the device no longer has a gate that it uses.
        """
        found = self.routed.get(circuit.digest)
        if found is None:
            raise BackendError(
                f"{self.source} pins {len(self.routed)} other circuits: pin those of this model with "
                f"`qgen transpile RUN --backend {self.device} --pin FILE.json`"
            )
        if found.num_qubits != target.num_qubits:
            raise BackendError(f"{self.source} is for a device of {found.num_qubits} qubits, not {target.num_qubits}")
        try:
            device_instructions(found, target)
        except BackendError as error:
            raise BackendError(f"{self.source} does not fit the device any more: {error}. Pin again") from error
        own = {parameter.name: parameter for parameter in circuit.conditional.circuit.parameters}
        strange = [parameter.name for parameter in found.parameters if parameter.name not in own]
        if strange:
            raise BackendError(f"{self.source} is damaged: its circuit has a parameter {strange[0]!r} of its own")
        return found.assign_parameters({parameter: own[parameter.name] for parameter in found.parameters})

    def check_device(self, name: str) -> None:
        """Refuses a backend other than that of the pins; a snapshot's are good for its machine, and for its noise.

        Raises:
            BackendError: it is another one.
        """
        if _city(name) != _city(self.device):
            raise BackendError(f"{self.source} pins circuits to {self.device}, not to {name}: pin them there")


def write_pins(path: str | Path, device: str, circuits: Iterable[tuple[LayerCircuit, QuantumCircuit]]) -> None:
    """Writes routed circuits to a file.

    Raises:
        BackendError: the file cannot be written.
    """
    routed = {circuit.digest: encode_qpy(isa) for circuit, isa in circuits}
    content = {"format": FORMAT, "version": VERSION, "device": device, "circuits": routed}
    content["sha256"] = _checksum(content)
    try:
        write_text(path, json.dumps(content, indent=1))
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror or error}") from error


def read_pins(path: str | Path) -> Pins:
    """What `write_pins` wrote.

    Raises:
        BackendError: the file cannot be read, is no such file, or is one of another version.
    """
    content = _content(path)
    if content.get("version") != VERSION:
        raise BackendError(
            f"{path} was written by another version of qgen, which knew circuits by other marks: pin them again with "
            "`qgen transpile RUN --backend fake_fez --pin FILE.json`"
        )
    if content.get("sha256") != _checksum(content):  # Qiskit may take minutes over a damaged circuit
        raise BackendError(f"{path} is damaged: it is not what was written. Pin again")
    try:
        return Pins(content["device"], {key: decode_qpy(text) for key, text in content["circuits"].items()}, str(path))
    except CircuitError as error:
        raise _no_pins(path) from error


def _checksum(content: dict[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()


def _content(path: str | Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path, MOST_GENERATED))
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # no text, no JSON, or brackets without end
        raise _no_pins(path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise _no_pins(path)
    return content


def _no_pins(path: str | Path) -> BackendError:
    return BackendError(
        f"{path} holds no pinned circuits: `qgen transpile RUN --backend fake_fez --pin FILE.json` writes some"
    )


def _city(name: str) -> str:
    for shade in _SHADES:
        name = name.removeprefix(shade)
    return name
