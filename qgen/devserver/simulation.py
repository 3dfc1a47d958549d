"""Simulation of a device: the bits that a circuit measures, ideal or with the device's errors."""

from __future__ import annotations

from collections.abc import Sequence
from copy import deepcopy
from itertools import repeat
from typing import Any, Protocol

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.measurement import Outcomes, sample_bitstrings
from qgen.backends.parameters import Doubles
from qgen.devserver.components import Bits, Component, connected_components, group_by_register, parse_circuit
from qgen.devserver.noise import ErrorChannels
from qgen.devserver.probabilities import probabilities
from qgen.devserver.wide import sample_wide
from qgen.errors import BackendError
from qgen.noise import LocalNoise, apply_readout_error

MAX_WIRES = 24  # of a state: 256 MiB
MAX_DENSITY_WIRES = 11  # of a density matrix: 64 MiB
# A density matrix of k qubits takes as long as 2^k states, one for each shot, or as four times as many.
STATES_PER_SHOT = 4
MIN_STATES = 64  # below it a density matrix takes no time
SEEDS = 2**31  # Aer's seeds are below it


class Noise(Protocol):
    """The errors of a device."""

    def channels(self, qubits: Sequence[int]) -> ErrorChannels:
        """Return the errors on these qubits; qubits[k] becomes wire k."""


def simulate(
    circuit: QuantumCircuit, values: Doubles, shots: int, noise: Noise | None, rng: np.random.Generator
) -> dict[str, Bits]:
    """Simulate a circuit of a device's own gates, on physical qubits.

    Args:
        circuit: the circuit; what is neither measured nor connected to something measured is not simulated.
        values: values of its parameters, (B, P).
        shots: shots of each binding.
        noise: errors of the device; None: it has none.
        rng: source of randomness.

    Returns:
        Bits (B, shots, size) by classical register.

    Raises:
        CircuitError: see `parse_circuit`.
        BackendError: a component of more than 24 qubits goes on after measurements, or has too many gates across a cut;
            or Aer failed.
    """
    steps, table = parse_circuit(circuit, values)
    bits: dict[int, Bits] = {}
    for component in connected_components(steps, circuit.num_qubits):
        bits |= _sample(component, table, shots, noise, rng)
    return group_by_register(circuit, bits, (len(values), shots))


def _sample(
    component: Component, table: Doubles, shots: int, noise: Noise | None, rng: np.random.Generator
) -> dict[int, Bits]:
    wires = len(component.qubits)
    if wires > MAX_WIRES and not component.is_terminal:
        raise BackendError(
            f"{wires} qubits of the circuit are connected by gates, and it resets qubits or goes on after it measured "
            f"them; the devserver simulates up to {MAX_WIRES} then. Measure at the end only, or take fewer qubits"
        )
    channels = noise.channels(component.qubits) if noise else None
    if wires > MAX_WIRES:
        bits = sample_wide(component, table, shots, channels, rng)
        return {clbit: bits[..., k] for k, (_, clbit) in enumerate(component.measurements)}
    if not component.is_terminal or not _is_exact(component, shots, noise):
        return _sample_states(component, table, shots, channels.noise if channels else None, rng)
    measured, clbits = [wire for wire, _ in component.measurements], [clbit for _, clbit in component.measurements]
    outcomes = probabilities(component, table, channels)
    if channels:
        outcomes = apply_readout_error(outcomes, channels.noise.confusion[measured])
    return _split_bits(sample_bitstrings(outcomes, shots, repeat(rng)), clbits)


def _is_exact(component: Component, shots: int, noise: Noise | None) -> bool:
    wires = len(component.qubits)
    return noise is None or (wires <= MAX_DENSITY_WIRES and 1 << wires <= max(STATES_PER_SHOT * shots, MIN_STATES))


def _split_bits(outcomes: Outcomes, clbits: Sequence[int]) -> dict[int, Bits]:
    return {clbit: (outcomes >> k & 1).astype(np.bool_) for k, clbit in enumerate(clbits)}


def _sample_states(
    component: Component, table: Doubles, shots: int, noise: LocalNoise | None, rng: np.random.Generator
) -> dict[int, Bits]:
    """Sample on Aer, one state for each shot: mid-circuit measurements, or too wide for a density matrix."""
    from qiskit_aer import AerSimulator

    circuit, bindings = _build(component, table)
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
        raise BackendError(f"Aer could not run a component of {circuit.num_qubits} qubits: {status}")
    memory = np.array([[int(word, 16) for word in one.data.memory] for one in result.results], dtype=np.int64)
    return _split_bits(memory, sorted({clbit for _, clbit in component.measurements}))


def _build(component: Component, table: Doubles) -> tuple[QuantumCircuit, dict[Parameter, list[float]]]:
    wires = {qubit: wire for wire, qubit in enumerate(component.qubits)}
    order = {clbit: k for k, clbit in enumerate(sorted({clbit for _, clbit in component.measurements}))}
    circuit = QuantumCircuit(len(wires), len(order))
    names = {column: Parameter(f"a{column}") for step in component.steps for column in step.columns}
    for step in component.steps:
        operation = step.operation
        if step.columns:
            operation = type(operation)(*(names[column] for column in step.columns))
        circuit.append(operation, [wires[qubit] for qubit in step.qubits], [order[clbit] for clbit in step.clbits])
    return circuit, {name: table[:, column].tolist() for column, name in names.items()}


def _with_readout(noise: LocalNoise) -> Any:
    model = deepcopy(noise.model)
    for wire, confusion in enumerate(noise.confusion):
        model.add_readout_error(confusion, [wire])
    return model
