"""The noise that a file describes: settings, the same for all qubits, or what was measured on a device."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Delay, Measure, ParameterVector
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import InstructionProperties, QubitProperties, Target, TranspilerError

from qgen.errors import BackendError, ConfigError
from qgen.noise.device import DeviceNoise
from qgen.noise.properties import is_properties, read_properties
from qgen.noise.settings import TWO_QUBIT_GATES, NoiseSettings, Pair
from qgen.noise.source import KINDS, Choice, LocalNoise, NoiseSource, aer_noise, confusions
from qgen.user_files import MOST_GENERATED, MOST_WRITTEN, read_text, shown
from qgen.yaml_values import parse_yaml


@dataclass(frozen=True)
class FileNoise:
    """The noise that settings describe, on a device of as many qubits as a circuit needs.

    After each gate that is not virtual comes a depolarising channel on all its qubits, then relaxation of each of them
    for as long as the gate takes, as in Aer's models of devices; after a `delay`, relaxation for as long as it says.
    Scale s takes depolarising probabilities to s times theirs, up to 1; durations to s times theirs; and the
    probabilities of reading wrongly to s times theirs, up to one half (one beyond that does not grow). Kinds are
    independent of one another.

    Args:
        settings: what is in the file.
        name: what it is called.

    Raises:
        ConfigError: circuits cannot be rewritten in the basis of the settings.
    """

    settings: NoiseSettings
    name: str = "noise.yaml"

    def __post_init__(self) -> None:
        _check_universal(self.settings.basis)

    @property
    def qubits(self) -> int | None:
        """As many as `coupling` names, where it is a list of pairs; else None."""
        coupling = self.settings.coupling
        return 1 + max(map(max, coupling)) if isinstance(coupling, tuple) else None

    def target(self, qubits: int) -> Target:
        """A device of so many qubits; of all those that `coupling` names, where it is a list of pairs.

        Its gates have their durations and average infidelities, and its qubits T1 and T2 (seconds).

        Raises:
            BackendError: `coupling` is a list of pairs, and has fewer qubits; or qiskit-aer is not installed.
        """
        most = self.qubits
        if most is not None and qubits > most:
            raise BackendError(
                f"the circuit has {qubits} qubits, the pairs in `coupling` of {self.name} only {most}: "
                "add pairs, or leave `coupling` out for a device of any size"
            )
        size = qubits if most is None else most
        target = Target(num_qubits=size, qubit_properties=[self._life()] * size)
        pairs = [way for pair in self._pairs(size) for way in (pair, pair[::-1])]
        for name in self.settings.basis:
            places: Sequence[tuple[int, ...]] = pairs if name in TWO_QUBIT_GATES else [(k,) for k in range(size)]
            if places:
                reported = self._reported(name)
                target.add_instruction(get_standard_gate_name_mapping()[name], dict.fromkeys(places, reported))
        read = InstructionProperties(error=sum(self._wrongly_read()) / 2)
        target.add_instruction(Measure(), {(k,): read for k in range(size)})
        return target

    def local(self, qubits: Sequence[int], scale: float = 1.0, kinds: Collection[str] = KINDS) -> LocalNoise:
        """The noise on these qubits: see `NoiseSource.local`."""
        choice = Choice.of(qubits, scale, kinds, self.qubits)
        model = aer_noise().NoiseModel(basis_gates=list(self.settings.basis))
        for name in self.settings.basis:
            error = self._error(name, choice.scale, choice.active)
            if error is not None:
                model.add_all_qubit_quantum_error(error, name)
        relaxation = self.settings.relaxation
        if relaxation is not None and "relaxation" in choice.active and choice.qubits:
            t1, t2 = ([time * 1e-6 / choice.scale] * len(choice.qubits) for time in relaxation.times_us())
            waiting = aer_noise().RelaxationNoisePass(t1, t2, op_types=Delay)
            model._custom_noise_passes.append(waiting)  # noqa: SLF001  # as from_backend does; there is no other way
        wrong = [self._wrongly_read()] * len(choice.qubits)
        confusion = confusions(wrong, choice.scale if "readout" in choice.active else 0)
        return LocalNoise(model, confusion, {**self.facts(), **choice.facts()})

    def facts(self) -> dict[str, Any]:
        """See `NoiseSource.facts`; with `settings`, all that is in the file."""
        return {"name": self.name, "calibrated": None, "settings": self.settings.plain()}

    def _error(self, gate: str, scale: float, kinds: Collection[str]) -> Any:
        """Aer's error after this gate, depolarisation first; None where there is none."""
        aer, width = aer_noise(), 2 if gate in TWO_QUBIT_GATES else 1
        error = None
        p = min(1.0, scale * self.settings.probability(gate))
        if "gates" in kinds and p > 0:
            error = aer.depolarizing_error(p, width)
        relaxation, time_us = self.settings.relaxation, scale * self.settings.duration_ns(gate) / 1000
        if "relaxation" in kinds and relaxation is not None and time_us > 0:
            one = aer.thermal_relaxation_error(*relaxation.times_us(), time_us)
            both = one if width == 1 else one.tensor(one)
            error = both if error is None else error.compose(both)
        return error

    def _reported(self, gate: str) -> InstructionProperties:
        from qiskit.quantum_info import average_gate_fidelity

        error = self._error(gate, 1.0, KINDS)
        infidelity = 0.0 if error is None else 1 - average_gate_fidelity(error)
        return InstructionProperties(duration=self.settings.duration_ns(gate) * 1e-9, error=infidelity)

    def _life(self) -> QubitProperties:
        relaxation = self.settings.relaxation
        times = relaxation.times_us() if relaxation else (inf, inf)
        t1, t2 = (None if time == inf else time * 1e-6 for time in times)
        return QubitProperties(t1=t1, t2=t2)

    def _wrongly_read(self) -> tuple[float, float]:
        readout = self.settings.readout
        return (0.0, 0.0) if readout is None else (readout[0][1], readout[1][0])

    def _pairs(self, size: int) -> list[Pair]:
        coupling = self.settings.coupling
        if isinstance(coupling, tuple):
            return list(coupling)
        if coupling is None:
            return list(combinations(range(size), 2))
        line = [(k, k + 1) for k in range(size - 1)]
        return [*line, (size - 1, 0)] if coupling == "ring" and size > 2 else line


def read_noise(path: str | os.PathLike[str]) -> NoiseSource:
    """The noise that a file describes: settings in YAML, or a device's calibration in JSON (docs/noise-files.md).

    Raises:
        ConfigError: the file cannot be read, or holds something that is not allowed; the message names the file, what
            was given and what is allowed.
    """
    file, given = Path(path).expanduser(), shown(path)
    try:
        content = _content(file)
        if is_properties(content):
            measured = read_properties(content)
            return DeviceNoise(measured.target, measured.name or file.name, measured.day)
        if isinstance(content.get("errors"), list):
            raise ConfigError(f"it is a noise model of Aer, which says nothing of gates that have no errors. {_READ}")
        return FileNoise(NoiseSettings.read(content), file.name)
    except OSError as error:
        raise ConfigError(f"the noise file {given} cannot be read: {error.strerror}") from error
    except ConfigError as error:
        raise ConfigError(f"the noise file {given}: {error}") from error


_READ = "Read are settings in YAML and IBM's backend properties in JSON; docs/noise-files.md shows both"


def _content(file: Path) -> dict[str, Any]:
    is_json = file.suffix.lower() == ".json"
    text = read_text(file, MOST_GENERATED if is_json else MOST_WRITTEN)
    try:
        content = json.loads(text) if is_json else parse_yaml(text)
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"it is not {'JSON' if is_json else 'YAML'}: {error}. {_READ}") from error
    content = {} if content is None else content
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise ConfigError(f"it does not hold settings: its top level has to be `key: value` lines. {_READ}")
    return content


def _check_universal(basis: Sequence[str]) -> None:
    angles = ParameterVector("a", 4)
    circuit = QuantumCircuit(2)
    circuit.u(*angles[:3], 0)
    circuit.cx(0, 1)
    circuit.rzz(angles[3], 0, 1)
    try:
        transpile(circuit, basis_gates=list(basis), optimization_level=0)
    except TranspilerError as error:
        raise ConfigError(
            f"circuits cannot be rewritten in the basis {', '.join(basis)}: Qiskit's transpiler finds no way. "
            "Two kinds of rotations and an entangling gate do, as rz, sx and cx"
        ) from error
