"""Saved layouts: circuits as a search routed them for a device, in a file that training and sampling on it take."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.backends.device.layout_file import not_a_layout_file, read_layout_file, write_layout_file
from qgen.circuits import LayerCircuit
from qgen.circuits.expressions import with_parameters_of
from qgen.circuits.serialization import decode_qpy, encode_qpy
from qgen.devices import simulated
from qgen.errors import BackendError, CircuitError
from qgen.transpilation.schedule import device_instructions

_PREFIXES = ("fake_", "ibm_")


@dataclass(frozen=True, eq=False)
class SavedLayouts:
    """Routed circuits of one device, by the circuits that they came from.

    Attributes:
        device: the device whose gates and qubits they are on, as in `fake_fez`.
        routed: digest of the layer circuit -> the circuit in the device's gates, with its layout.
        source: the file that they were read from, for messages.
    """

    device: str
    routed: dict[str, QuantumCircuit]
    source: str = field(default="the pins")

    def route(self, circuit: LayerCircuit, target: Target) -> QuantumCircuit:
        """Return the routed circuit with the parameters of this one, checked against the device of today.

        Raises:
            BackendError: this circuit is not among them, or the device no longer has a gate that it uses.
        """
        isa = self.routed.get(circuit.digest)
        if isa is None:
            raise BackendError(
                f"{self.source} pins {len(self.routed)} other circuits: pin those of this model with "
                f"`qgen transpile RUN --backend {self.device} --pin FILE.json`"
            )
        if isa.num_qubits != target.num_qubits:
            raise BackendError(f"{self.source} is for a device of {isa.num_qubits} qubits, not {target.num_qubits}")
        try:
            device_instructions(isa, target)
        except BackendError as error:
            raise BackendError(f"{self.source} does not fit the device any more: {error}. Pin again") from error
        own = circuit.conditional.circuit.parameters
        names = {parameter.name for parameter in own}
        strange = [parameter.name for parameter in isa.parameters if parameter.name not in names]
        if strange:
            raise BackendError(f"{self.source} is damaged: its circuit has a parameter {strange[0]!r} of its own")
        return with_parameters_of(isa, own)

    def bind(self, circuit: LayerCircuit, weights: npt.NDArray[np.float64], bound: LayerCircuit) -> None:
        """Take the routed circuit of open weights for these numbers, where none was saved for them.

        Args:
            circuit: the circuit with its weights open.
            weights: (W,).
            bound: the same at these weights.
        """
        isa = self.routed.get(circuit.digest)
        if isa is None or bound.digest in self.routed:
            return
        numbers = {parameter.name: number for parameter, number in zip(circuit.weights, weights.tolist(), strict=True)}
        named = {parameter: numbers[parameter.name] for parameter in isa.parameters if parameter.name in numbers}
        self.routed[bound.digest] = isa.assign_parameters(named)

    def check_device(self, name: str) -> None:
        """Refuse a backend of another device; the layouts of a snapshot are good for its machine, and for its noise.

        Raises:
            BackendError: it is another one.
        """
        if _machine(name) != _machine(self.device):
            raise BackendError(f"{self.source} pins circuits to {self.device}, not to {name}: pin them there")


def write_layouts(path: str | Path, device: str, circuits: Iterable[tuple[LayerCircuit, QuantumCircuit]]) -> None:
    """Write routed circuits to a file.

    Raises:
        BackendError: the file cannot be written.
    """
    write_layout_file(path, device, {circuit.digest: encode_qpy(isa) for circuit, isa in circuits})


def read_layouts(path: str | Path) -> SavedLayouts:
    """Read what `write_layouts` wrote.

    Raises:
        BackendError: the file cannot be read, is no such file, is damaged, or is of another version.
    """
    content = read_layout_file(path)
    try:
        routed = {key: decode_qpy(text) for key, text in content["circuits"].items()}
    except CircuitError as error:
        raise not_a_layout_file(path) from error
    return SavedLayouts(content["device"], routed, str(path))


def _machine(name: str) -> str:
    name = simulated(name)
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    return name
