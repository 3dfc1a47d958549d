"""Backends `aer:DEVICE` and `aer:FILE.yaml`: circuits as a device would run them, with its errors, on Aer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.aer.runner import RUN_BYTES
from qgen.backends.aer.seeding import GAP, runs_of
from qgen.backends.aer.wide import WITHOUT_ERRORS, Chain
from qgen.backends.api import Backend, Capabilities, Executable
from qgen.backends.device.bound import compile_bound
from qgen.backends.device.executable import DeviceExecutable
from qgen.backends.device.noisy_device import NoisyDevice, open_noisy_device
from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.drawing import Bits, bits_of
from qgen.backends.measurement import (
    Measurement,
    as_outcomes,
    permute_columns,
    permute_probabilities,
    sample_bitstrings,
)
from qgen.backends.mitigation.compile import Part, compile_mitigated
from qgen.backends.mitigation.method import Mitigation
from qgen.backends.mitigation.readout import Calibration
from qgen.backends.parameters import Doubles
from qgen.backends.settings import BackendSettings
from qgen.backends.statevector.backend import fits
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError
from qgen.extras import require_aer
from qgen.noise import LocalNoise, apply_readout_error
from qgen.randomness import Streams
from qgen.transpilation.delays import delay_parameters

# A density matrix of k qubits takes as long as 2^k states, one for each shot; what Aer spends on a shot beside its
# state makes up for a factor of four (measured at 8 to 12 qubits).
SHOTS_WORTH = 4
MOST_DENSE = 13  # qubits of a density matrix: 1 GiB
MOST_EXACT = 26  # qubits of the circuit, of which others than those of the density matrix read 0: 512 MiB for each row
LABEL = "read"
READING = 1 << 32  # beyond all numbers of bases: readout errors draw from a stream of their own


class NoisyAerBackend(Backend):
    """Circuits transpiled for a device and run with its errors on the qubits that they use.

    Readout errors are part of every value. Without shots values are exact: those of the noisy state, found as a density
    matrix. With shots, a density matrix or one noisy state for each shot (trajectories), whichever takes less.

    Args:
        device: the device or file that the noise comes from.
        shots: per circuit; None: values are exact.
        mitigation: what is done against errors; None: nothing.

    Raises:
        BackendError: qiskit-aer is not installed.
    """

    def __init__(self, device: NoisyDevice, shots: int | None = None, mitigation: Mitigation | None = None) -> None:
        require_aer(f"backend `aer:{device.source.name}`")
        self.device, self._shots, self.mitigation = device, shots, mitigation

    @property
    def name(self) -> str:
        return f"aer:{self.device.source.name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            exact=self._shots is None,
            noisy=self.device.noisy,
            shots=self._shots,
            countable=self._shots is None,
            qubits=self.device.source.qubits,
        )

    def compile(self, circuit: LayerCircuit, weights: npt.ArrayLike | None = None) -> Executable:
        if weights is not None:
            return compile_bound(self, circuit, weights, self.device.saved)
        return compile_mitigated(circuit, self, self.device, self.mitigation, self._shots, self._compile)

    def _compile(self, circuit: LayerCircuit, part: Part) -> DeviceExecutable:
        simulation = NoisySimulation(*part.placed, part.shots, part.calibration)
        return DeviceExecutable(circuit, self, part.placed.routed, simulation)

    def facts(self) -> dict[str, Any]:
        facts: dict[str, Any] = {"noise": self.device.facts()}
        return facts | {"mitigation": str(self.mitigation)} if self.mitigation else facts


def open_noisy(settings: BackendSettings, journal: Path | None) -> Backend:
    """Open the backend with the noise of a device or a file; see `qgen.backends.registry`."""
    return NoisyAerBackend(open_noisy_device(settings), settings.shots, settings.mitigated())


class NoisySimulation:
    """A `Submitter` that simulates a routed circuit with the noise of the qubits in use.

    Args:
        routed: the circuit.
        measurement: of the layer's observables, in the bases of `routed`.
        noise: of the qubits `routed.physical`.
        shots: per circuit; None: values are exact.
        calibration: by which errors of reading are inverted, shot by shot; None: they are part of values.

    Raises:
        BackendError: the density matrix, or the matrix product state of a shot, does not fit into memory.
    """

    def __init__(
        self,
        routed: RoutedCircuit,
        measurement: Measurement,
        noise: LocalNoise,
        shots: int | None,
        calibration: Calibration | None = None,
    ) -> None:
        self._measurement, self._wires = measurement, routed.wires
        self._confusion, self._shots, self._calibration = noise.confusion, shots, calibration
        if shots is None and len(routed.wires) > MOST_EXACT:
            raise BackendError(
                f"exact values of a noisy circuit of {len(routed.wires)} qubits are sums over all their outcomes; "
                f"{MOST_EXACT} qubits are the most. Give shots (--shots 1024)"
            )
        self._dense = _is_dense(len(routed.physical), shots)
        kind = Density if self._dense else Trajectories
        self._runs: list[Density | Trajectories] = [
            kind(circuit, routed.parameters, noise.model) for circuit in routed.circuits
        ]

    @property
    def method(self) -> str:
        values = "exact" if self._shots is None else f"{self._shots:,} shots"
        wide = any(isinstance(run, Trajectories) and run.method != "statevector" for run in self._runs)
        states = "trajectories of matrix product states" if wide else "trajectories"
        return f"{'density matrix' if self._dense else states}, {values}"

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        if self._shots is None:
            states = [run.probabilities(angles) for run in self._runs if isinstance(run, Density)]  # all of them
            read = [permute_probabilities(apply_readout_error(state, self._confusion), self._wires) for state in states]
            return self._measurement.from_probabilities(read)
        bits = [run.bits(angles, self._shots, streams, basis, self._confusion) for basis, run in enumerate(self._runs)]
        weights = self._calibration.weights(streams) if self._calibration else None
        outcomes = [as_outcomes(permute_columns(of_wires, self._wires)) for of_wires in bits]
        return self._measurement.from_outcomes(outcomes, weights)

    def bits(self, angles: Doubles, shots: int, streams: Streams) -> Bits:
        (run,) = self._runs
        return permute_columns(run.bits(angles, shots, streams, 0, self._confusion), self._wires)


def _is_dense(wires: int, shots: int | None) -> bool:
    """Whether a density matrix is simulated, not trajectories.

    Raises:
        BackendError: exact values need one that is too large.
    """
    if shots is not None:
        return wires <= MOST_DENSE and 1 << wires <= SHOTS_WORTH * shots
    if wires > MOST_DENSE:
        raise BackendError(
            f"exact values of a noisy circuit on {wires} qubits need a density matrix of {16 << 2 * wires:,} "
            f"bytes; {MOST_DENSE} qubits are the most. Give shots (--shots 1024): one noisy state is drawn for each"
        )
    return True


class NoisyRun:
    """A circuit and its noise on one of Aer's methods."""

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any, method: str) -> None:
        from qiskit_aer import AerSimulator

        self.circuit, self.parameters = circuit, tuple(parameters)
        self.open_delays = delay_parameters(circuit)
        self.simulator = AerSimulator(method=method, noise_model=model)

    def results(self, table: Doubles, shots: int, seed: int, late: bool = True, memory: bool = False) -> Any:
        """Return Aer's results, one a row, of one run; a circuit without parameters is run once for each.

        `memory` keeps the readings of all shots. Numbers are bound `late`, by Aer, which is quicker, but draws
        otherwise for a row in a table than for it alone. Delays are as long in all rows: their relaxation is worked
        out before Aer binds the other numbers.
        """
        bound = dict(zip(self.parameters, table.T.tolist(), strict=True))
        delays = {parameter: _length(bound.pop(parameter)[0]) for parameter in self.open_delays}
        circuit = self.circuit.assign_parameters(delays)
        result = self.simulator.run(
            circuit if bound else [circuit] * len(table),
            parameter_binds=[bound] if bound else None,
            runtime_parameter_bind_enable=late,
            shots=shots,
            memory=memory,
            seed_simulator=seed,
            max_parallel_threads=torch.get_num_threads(),
        ).result()
        if not result.success:
            status = next((one.status for one in result.results if not one.success), result.status)
            raise BackendError(f"Aer could not run this noisy circuit of {circuit.num_qubits} qubits: {status}")
        return result

    def parts(self, table: Doubles, most: int) -> Iterator[npt.NDArray[np.int64]]:
        """Split the numbers of rows into runs of at most so many, whose delays are equally long."""
        columns = [self.parameters.index(parameter) for parameter in self.open_delays]
        alike: dict[tuple[float, ...], list[int]] = defaultdict(list)
        for row, lengths in enumerate(map(tuple, table[:, columns].tolist())):
            alike[lengths].append(row)
        for rows in alike.values():
            yield from (np.array(rows[at : at + most]) for at in range(0, len(rows), most))


class Density:
    """By the density matrix: exact probabilities of all outcomes."""

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any) -> None:
        self._wires, saved = circuit.num_qubits, circuit.copy()
        saved.save_probabilities(range(self._wires), label=LABEL)
        self._run = NoisyRun(saved, parameters, model, "density_matrix")

    def probabilities(self, table: Doubles) -> Doubles:
        """Return probabilities (N, 2^k) for numbers (N, C), bit w of an outcome being wire w, before readout errors."""
        most = max(1, RUN_BYTES >> (3 + self._wires))
        probabilities = np.empty((len(table), 1 << self._wires))
        for rows in self._run.parts(table, most):
            experiments = self._run.results(table[rows], 1, 0).results
            probabilities[rows] = [getattr(experiment.data, LABEL) for experiment in experiments]
        return probabilities

    def bits(self, table: Doubles, shots: int, streams: Streams, basis: int, confusion: Doubles) -> Bits:
        """See `Trajectories.bits`."""
        read = apply_readout_error(self.probabilities(table), confusion)
        return bits_of(sample_bitstrings(read, shots, streams.generators(basis)), range(self._wires))


class Trajectories:
    """By one state for each shot, on which errors happen at random: a vector, or a matrix product state beyond memory.

    Raises:
        BackendError: the matrix product state does not fit either.
    """

    def __init__(self, circuit: QuantumCircuit, parameters: Sequence[Parameter], model: Any) -> None:
        self._wires, self.method = circuit.num_qubits, "statevector"
        if not fits(self._wires):
            Chain.as_numbered(circuit).check_memory(WITHOUT_ERRORS)
            self.method = "matrix_product_state"
        self._run = NoisyRun(circuit.measure_all(inplace=False), parameters, model, self.method)

    def bits(self, table: Doubles, shots: int, streams: Streams, basis: int, confusion: Doubles) -> Bits:
        """Return what the k wires read, (N, shots, k), for numbers (N, C).

        Args:
            table: the numbers.
            shots: of each row.
            streams: what the rows draw from.
            basis: the number of the basis that the circuit measures in.
            confusion: (k, 2, 2); see `qgen.noise.apply_readout_error`.
        """
        bits = np.empty((len(table), shots, self._wires), dtype=np.uint8)
        # Delays of open length are bound before a run.
        for rows, seed in runs_of(streams, basis, GAP + 1 if self._run.open_delays else shots):
            result = self._run.results(table[rows], shots, seed, late=False, memory=True)
            bits[rows] = [_bits_of_words(one.data.memory, self._wires) for one in result.results]
        for row, rng in zip(bits, streams.generators(basis + READING), strict=True):
            _add_readout_error(row, confusion, rng)
        return bits


def _length(seconds: float) -> float:
    if seconds < 0:
        raise InputError(f"a delay is {seconds:g} s long: keep its parameters where it is not below zero")
    return seconds


def _bits_of_words(words: Sequence[str], wires: int) -> Bits:
    """Bits (shots, k) of Aer's readings, hexadecimal numbers in which wire w is bit w."""
    size = -(-wires // 8)
    packed = b"".join(int(word, 16).to_bytes(size, "little") for word in words)
    columns = np.frombuffer(packed, dtype=np.uint8).reshape(len(words), size)
    return np.unpackbits(columns, axis=-1, count=wires, bitorder="little")


def _add_readout_error(bits: Bits, confusion: Doubles, rng: np.random.Generator) -> None:
    """Flip bits (shots, k) where they are read wrongly."""
    for wire, wrong in enumerate(confusion):
        probability = wrong[[0, 1], [1, 0]][bits[:, wire]]
        bits[:, wire] ^= rng.random(len(bits)) < probability
