"""The noise of a file: settings, the same for all qubits, or the calibration of a device."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import combinations
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Delay, Measure, ParameterVector
from qiskit.circuit.library import get_standard_gate_name_mapping
from qiskit.transpiler import InstructionProperties, QubitProperties, Target, TranspilerError

from qgen.errors import BackendError, ConfigError
from qgen.noise.channels import NO_RELAXATION, GateNoise, Rates, gate_noise, relaxation, relaxation_rates
from qgen.noise.device_noise import DeviceNoise
from qgen.noise.model import KINDS, LocalNoise, NoiseSelection, NoiseSource, aer_noise
from qgen.noise.properties import is_properties, parse_properties
from qgen.noise.readout import confusion_matrices
from qgen.noise.settings import TWO_QUBIT_GATES, NoiseSettings, Pair
from qgen.user_files import MAX_GENERATED_BYTES, MAX_WRITTEN_BYTES, printable, read_text
from qgen.yaml_values import parse_yaml

if TYPE_CHECKING:
    from qiskit_aer.noise import NoiseModel


@dataclass(frozen=True)
class FileNoise:
    """The noise of settings, on a device with as many qubits as a circuit needs.

    After each gate that is not virtual comes a depolarising channel on all its qubits, then relaxation of each of them
    for the duration of the gate, as in Aer's models of devices; after a `delay`, relaxation for its length. Scale s
    multiplies depolarising probabilities, up to 1; durations; and readout errors, up to one half (larger ones do not
    grow). Kinds are independent of one another.

    Args:
        settings: the content of the file.
        name: of the file.

    Raises:
        ConfigError: circuits cannot be rewritten in the basis of the settings.
    """

    settings: NoiseSettings
    name: str = "noise.yaml"

    def __post_init__(self) -> None:
        _check_universal(self.settings.basis)

    @property
    def qubits(self) -> int | None:
        """The number of qubits in `coupling` if it is a list of pairs; else None."""
        coupling = self.settings.coupling
        return 1 + max(map(max, coupling)) if isinstance(coupling, tuple) else None

    def target(self, qubits: int) -> Target:
        """Return a target of this many qubits; if `coupling` is a list of pairs, of all qubits in it.

        Its gates have durations and average infidelities, its qubits T1 and T2 (seconds).

        Raises:
            BackendError: `coupling` is a list of pairs, and has fewer qubits.
        """
        available = self.qubits
        if available is not None and qubits > available:
            raise BackendError(
                f"the circuit has {qubits} qubits, the pairs in `coupling` of {self.name} only {available}: "
                "add pairs, or leave `coupling` out for a device of any size"
            )
        size = qubits if available is None else available
        target = Target(num_qubits=size, qubit_properties=[self._qubit_properties()] * size)
        pairs = [direction for pair in self._pairs(size) for direction in (pair, pair[::-1])]
        for name in self.settings.basis:
            sites: Sequence[tuple[int, ...]] = pairs if name in TWO_QUBIT_GATES else [(k,) for k in range(size)]
            if sites:
                reported = self._reported(name)
                target.add_instruction(get_standard_gate_name_mapping()[name], dict.fromkeys(sites, reported))
        readout = InstructionProperties(error=sum(self._readout_errors()) / 2)
        target.add_instruction(Measure(), {(k,): readout for k in range(size)})
        return target

    def local(self, qubits: Sequence[int], scale: float = 1.0, kinds: Collection[str] = KINDS) -> LocalNoise:
        """See `NoiseSource.local`."""
        selection = NoiseSelection.check(qubits, scale, kinds, self.qubits)
        errors = [self._readout_errors()] * len(selection.qubits)
        confusion = confusion_matrices(errors, selection.scale if "readout" in selection.active else 0)
        return LocalNoise(
            _FileErrors(self.settings, selection), confusion, {**self.provenance(), **selection.provenance()}
        )

    def provenance(self) -> dict[str, Any]:
        """See `NoiseSource.provenance`; `settings` is the content of the file."""
        return {"name": self.name, "calibrated": None, "settings": self.settings.plain()}

    def _reported(self, gate: str) -> InstructionProperties:
        noise = _FileErrors(self.settings, NoiseSelection.check((), 1.0, KINDS, None)).of_gate(gate)
        infidelity = 0.0 if noise is None else noise.infidelity
        return InstructionProperties(duration=self.settings.duration_ns(gate) * 1e-9, error=infidelity)

    def _qubit_properties(self) -> QubitProperties:
        t1, t2 = _times(self.settings)
        return QubitProperties(t1=t1, t2=t2)

    def _readout_errors(self) -> tuple[float, float]:
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


class _FileErrors:
    """The errors that settings make, the same on all wires: `WireErrors`."""

    def __init__(self, settings: NoiseSettings, selection: NoiseSelection) -> None:
        self._settings, self._selection = settings, selection
        relaxes = settings.relaxation is not None and "relaxation" in selection.active
        self._rates = relaxation_rates(*_times(settings), selection.scale) if relaxes else NO_RELAXATION

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        return self.of_gate(name) if name in self._settings.basis else None

    def rates(self, wire: int) -> Rates:
        return self._rates

    def of_gate(self, name: str) -> GateNoise | None:
        """Return the errors after a gate of the basis, wherever it is; None if it has none."""
        depolarizes = "gates" in self._selection.active
        p = min(1.0, self._selection.scale * self._settings.probability(name)) if depolarizes else 0.0
        relaxed = relaxation(self._rates, self._settings.duration_ns(name) * 1e-9)
        return gate_noise(p, [relaxed] * (2 if name in TWO_QUBIT_GATES else 1))

    def aer_model(self) -> NoiseModel:
        model = aer_noise().NoiseModel(basis_gates=list(self._settings.basis))
        for name in self._settings.basis:
            error = self._aer_error(name)
            if error is not None:
                model.add_all_qubit_quantum_error(error, name)
        if self._rates != NO_RELAXATION and self._selection.qubits:
            t1, t2 = ([time] * len(self._selection.qubits) for time in self._aer_times())
            waiting = aer_noise().RelaxationNoisePass(t1, t2, op_types=Delay)
            model._custom_noise_passes.append(waiting)  # noqa: SLF001  # as from_backend does; there is no public way
        return model

    def _aer_error(self, gate: str) -> Any:
        """Aer's error after this gate, depolarisation first; None if there is none."""
        noise = self.of_gate(gate)
        if noise is None:
            return None
        aer, width = aer_noise(), len(noise.relaxation)
        error = aer.depolarizing_error(noise.depolarizing, width) if noise.depolarizing else None
        time = self._settings.duration_ns(gate) * 1e-9
        if self._rates != NO_RELAXATION and time:
            single = aer.thermal_relaxation_error(*self._aer_times(), time)
            relaxed = single if width == 1 else single.tensor(single)
            error = relaxed if error is None else error.compose(relaxed)
        return error

    def _aer_times(self) -> tuple[float, float]:
        """T1 and T2 in seconds, divided by the scale, which is the same as multiplying all durations."""
        t1, t2 = (inf if time is None else time / self._selection.scale for time in _times(self._settings))
        return t1, min(t2, 2 * t1)


def _times(settings: NoiseSettings) -> tuple[float | None, float | None]:
    """T1 and T2 in seconds; None: never."""
    times = settings.relaxation.times_us() if settings.relaxation else (inf, inf)
    t1, t2 = (None if time == inf else time * 1e-6 for time in times)
    return t1, t2


def read_noise(path: str | os.PathLike[str]) -> NoiseSource:
    """Read a noise file: settings in YAML, or a device's calibration in JSON (docs/noise-files.md).

    Raises:
        ConfigError: the file cannot be read or has content that is not allowed; the message names the file, what was
            given and what is allowed.
    """
    file, given = Path(path).expanduser(), printable(path)
    try:
        content = _content(file)
        if is_properties(content):
            calibration = parse_properties(content)
            return DeviceNoise(calibration.target, calibration.name or file.name, calibration.day)
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
    text = read_text(file, MAX_GENERATED_BYTES if is_json else MAX_WRITTEN_BYTES)
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
