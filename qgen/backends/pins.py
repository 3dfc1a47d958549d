"""Pinned circuits: what a search chose for a device, in a file that training and sampling on it take."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field
from math import tau
from pathlib import Path
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.circuits import LayerCircuit
from qgen.circuits.storage import pack, unpack
from qgen.errors import BackendError, CircuitError
from qgen.storage import write_text
from qgen.transpilation.figures import read_steps

FORMAT = "qgen-pins"
VERSION = 1
_SHADES = ("aer:", "fake_", "ibm_")
_BYTES = 6


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
        found = self.routed.get(digest(circuit))
        if found is None:
            raise BackendError(
                f"{self.source} pins {len(self.routed)} other circuits: pin those of this model with "
                f"`qgen transpile RUN --backend {self.device} --pin FILE.json`"
            )
        if found.num_qubits != target.num_qubits:
            raise BackendError(f"{self.source} is for a device of {found.num_qubits} qubits, not {target.num_qubits}")
        try:
            read_steps(found, target)
        except BackendError as error:
            raise BackendError(f"{self.source} does not fit the device any more: {error}. Pin again") from error
        own = {parameter.name: parameter for parameter in circuit.conditional.circuit.parameters}
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
    routed = {digest(circuit): pack(isa) for circuit, isa in circuits}
    content = {"format": FORMAT, "version": VERSION, "device": device, "circuits": routed}
    try:
        write_text(path, json.dumps(content, indent=1))
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror or error}") from error


def read_pins(path: str | Path) -> Pins:
    """What `write_pins` wrote.

    Raises:
        BackendError: the file cannot be read, or is no such file.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
        if content["format"] != FORMAT or content["version"] != VERSION:
            raise KeyError("format")
        routed = {key: unpack(text) for key, text in content["circuits"].items()}
        return Pins(str(content["device"]), routed, str(path))
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, KeyError, TypeError, AttributeError, CircuitError) as error:
        raise BackendError(
            f"{path} holds no pinned circuits: `qgen transpile RUN --backend fake_fez --pin FILE.json` writes some"
        ) from error


def digest(circuit: LayerCircuit) -> str:
    """What is the same for circuits that compute the same from parameters of the same names, in any process.

    Angles are compared by their values where every parameter has a number that follows from its name: texts of
    expressions may differ.
    """
    whole = circuit.conditional.circuit
    bound = whole.assign_parameters({parameter: _number(parameter.name) for parameter in whole.parameters})
    index = {qubit: k for k, qubit in enumerate(bound.qubits)}
    gates = [
        (
            step.operation.name,
            [index[qubit] for qubit in step.qubits],
            [_rounded(angle) for angle in step.operation.params],
        )
        for step in bound.data
    ]
    measured = [observable.to_list() for observable in circuit.observables]
    content = json.dumps([bound.num_qubits, gates, [[(text, _rounded(c)) for text, c in one] for one in measured]])
    return hashlib.sha256(content.encode()).hexdigest()


def _number(name: str) -> float:
    """In [0, 2 pi)."""
    return tau * int.from_bytes(hashlib.sha256(name.encode()).digest()[:_BYTES]) / (1 << 8 * _BYTES)


def _rounded(value: Any) -> list[float]:
    flat = np.asarray(value, dtype=complex).reshape(-1)
    return [float(part) + 0.0 for number in flat for part in (np.round(number.real, 9), np.round(number.imag, 9))]


def _city(name: str) -> str:
    for shade in _SHADES:
        name = name.removeprefix(shade)
    return name
