"""What a device would answer: the bits that a circuit's measurements read, ideal or with the device's errors."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import repeat
from typing import Any, Protocol

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.measurement import Outcomes, apply_readout_error, sample_bitstrings
from qgen.backends.parameters import Doubles
from qgen.devserver.channels import Channels
from qgen.devserver.exact import probabilities
from qgen.devserver.pieces import Bits, Piece, pieces_of, registers_of, steps_of
from qgen.errors import BackendError
from qgen.noise import LocalNoise

MOST_WIRES = 24  # of a state: 256 MiB
MOST_DENSE = 11  # of a density matrix: 64 MiB
# A density matrix of k qubits takes as long as 2^k states, one for each shot, or as four times as many.
SHOTS_WORTH = 4
LEAST_DENSE = 64  # states: where a density matrix takes no time
SEEDS = 2**31  # Aer's seeds are below it


class Noise(Protocol):
    """Where the errors on some qubits come from."""

    def channels(self, qubits: Sequence[int]) -> Channels:
        """The errors on these qubits; qubits[k] becomes wire k."""


def simulate(
    circuit: QuantumCircuit, values: Doubles, shots: int, noise: Noise | None, rng: np.random.Generator
) -> dict[str, Bits]:
    """Run a circuit of a device's own gates, on physical qubits.

    Args:
        circuit: what is neither measured nor connected to something measured is not simulated.
        values: of its parameters, (B, P).
        shots: of each binding.
        noise: of the device; None: it has no errors.
        rng: where the randomness comes from.

    Returns:
        By classical register, bits (B, shots, size).

    Raises:
        CircuitError: see `steps_of`.
        BackendError: a piece of the circuit has more than 24 qubits, or Aer failed.
    """
    steps, table = steps_of(circuit, values)
    bits: dict[int, Bits] = {}
    for piece in pieces_of(steps, circuit.num_qubits):
        bits |= _read(piece, table, shots, noise, rng)
    return registers_of(circuit, bits, (len(values), shots))


def _read(piece: Piece, table: Doubles, shots: int, noise: Noise | None, rng: np.random.Generator) -> dict[int, Bits]:
    if len(piece.qubits) > MOST_WIRES:
        raise BackendError(
            f"{len(piece.qubits)} qubits of the circuit are connected by gates; the devserver simulates "
            f"up to {MOST_WIRES}"
        )
    here = noise.channels(piece.qubits) if noise else None
    if not piece.ends_measured or not _is_exact(piece, shots, noise):
        return _by_shots(piece, table, shots, here.noise if here else None, rng)
    wires, clbits = [wire for wire, _ in piece.reads], [clbit for _, clbit in piece.reads]
    found = probabilities(piece, table, here)
    if here:
        found = apply_readout_error(found, here.noise.confusion[wires])
    return _spread(sample_bitstrings(found, shots, repeat(rng)), clbits)


def _is_exact(piece: Piece, shots: int, noise: Noise | None) -> bool:
    wires = len(piece.qubits)
    return noise is None or (wires <= MOST_DENSE and 1 << wires <= max(SHOTS_WORTH * shots, LEAST_DENSE))


def _spread(outcomes: Outcomes, clbits: Sequence[int]) -> dict[int, Bits]:
    return {clbit: (outcomes >> place & 1).astype(np.bool_) for place, clbit in enumerate(clbits)}


def _by_shots(
    piece: Piece, table: Doubles, shots: int, noise: LocalNoise | None, rng: np.random.Generator
) -> dict[int, Bits]:
    """On Aer, one state for each shot: what is measured along the way, or too wide for a density matrix."""
    from qiskit_aer import AerSimulator

    circuit, bindings = _build(piece, table)
    simulator = AerSimulator(method="statevector", noise_model=_with_readout(noise) if noise else None)
    result = simulator.run(
        circuit if bindings else [circuit] * len(table),
        parameter_binds=[bindings] if bindings else None,
        runtime_parameter_bind_enable=True,
        shots=shots,
        memory=True,
        seed_simulator=int(rng.integers(SEEDS)),
    ).result()
    if not result.success:
        status = next((one.status for one in result.results if not one.success), result.status)
        raise BackendError(f"Aer could not run a piece of {circuit.num_qubits} qubits: {status}")
    memory = np.array([[int(word, 16) for word in one.data.memory] for one in result.results], dtype=np.int64)
    return _spread(memory, sorted({clbit for _, clbit in piece.reads}))


def _build(piece: Piece, table: Doubles) -> tuple[QuantumCircuit, dict[Parameter, list[float]]]:
    wires = {qubit: wire for wire, qubit in enumerate(piece.qubits)}
    places = {clbit: place for place, clbit in enumerate(sorted({clbit for _, clbit in piece.reads}))}
    circuit = QuantumCircuit(len(wires), len(places))
    names = {column: Parameter(f"a{column}") for step in piece.steps for column in step.columns}
    for step in piece.steps:
        operation = step.operation
        if step.columns:
            operation = type(operation)(*(names[column] for column in step.columns))
        circuit.append(operation, [wires[qubit] for qubit in step.qubits], [places[clbit] for clbit in step.clbits])
    return circuit, {name: table[:, column].tolist() for column, name in names.items()}


def _with_readout(noise: LocalNoise) -> Any:
    model = deepcopy(noise.model)
    for wire, wrong in enumerate(noise.confusion):
        model.add_readout_error(wrong, [wire])
    return model
