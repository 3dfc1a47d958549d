"""The tables of a noisy circuit against density matrices gate by gate, and their slopes against differences."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from dense_noise import BASES, dense_values, depolarization, random_routed, relaxation
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import DensityMatrix, Operator, Pauli

from qgen.backends.noisy.pauli_blocks import build_ptms, pull_back
from qgen.backends.noisy.prefix import bloch_vectors, pull_back_prefix
from qgen.backends.noisy.program import NoisyProgram, compile_program
from qgen.backends.noisy.steps import FIXED_1Q, FIXED_2Q, NOISE_1Q, NOISE_2Q, ROTATION
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError

STEP = 1e-5


def pauli_vector(program: NoisyProgram, angles: np.ndarray) -> np.ndarray:
    """The Pauli vector (4^k,) at the end, by dense matrices."""
    vectors = bloch_vectors(program.prefix, angles[None])[0]
    state = np.ones((1,) * 0)
    for vector in vectors:  # the last wire is the first axis
        state = np.multiply.outer(vector, state)
    ptms = np.empty((len(program.blocks.wires), 16, 16))
    build_ptms(program.blocks, angles, np.arange(len(ptms)), ptms)
    for (low, high), ptm in zip(program.blocks.wires, ptms, strict=True):
        axes = (program.wires - 1 - high, program.wires - 1 - low)
        turned = np.tensordot(ptm.reshape(4, 4, 4, 4), state, axes=((2, 3), axes))
        state = np.moveaxis(turned, (0, 1), axes)
    return state.reshape(-1)


def values(program: NoisyProgram, angles: np.ndarray) -> np.ndarray:
    start, key, coefficient = program.strings
    rows = [coefficient * pauli_vector(program, row)[key] for row in angles]
    return np.array([[row[a:b].sum() for a, b in pairwise(start)] for row in rows])


def compiled(circuit: LayerCircuit, seed: int, prefix: bool = True) -> Any:
    rng = np.random.default_rng(seed)
    routed, measurement, noise = random_routed(circuit, BASES[seed % len(BASES)], rng)
    program = compile_program(routed, noise, circuit, 1e-9, prefix)
    angles = rng.uniform(-3, 3, (2, program.columns))
    for column in delay_columns(program):
        angles[:, column] = rng.uniform(0, 2e-6, 2)
    return program, angles, routed, measurement, noise


def delay_columns(program: NoisyProgram) -> set[int]:
    parts = program.prefix.ops, program.blocks.ops
    return {int(column) for ops in parts for column, kind in zip(ops.column, ops.kind, strict=True) if kind == 5} - {-1}


@given(circuit=layer_circuits(most_qubits=4, most_gates=10), seed=st.integers(0, 2**32))
@examples(8)
def test_values_are_those_of_the_density_matrix(circuit: LayerCircuit, seed: int) -> None:
    program, angles, routed, measurement, noise = compiled(circuit, seed)
    wanted = dense_values(routed, measurement, noise, angles)
    assert values(program, angles) == pytest.approx(wanted, abs=1e-10)


@given(circuit=layer_circuits(most_qubits=3, most_gates=8), seed=st.integers(0, 2**32))
@examples(9)
def test_slopes_of_blocks_and_prefix_are_differences(circuit: LayerCircuit, seed: int) -> None:
    program, angles, *_ = compiled(circuit, seed)
    rng, blocks = np.random.default_rng(seed), np.arange(len(program.blocks.wires))
    moments, upstream = rng.normal(size=(len(blocks), 16, 16)), rng.normal(size=(1, program.wires, 4))
    scale = np.ones(program.columns)
    scale[list(delay_columns(program))] = 1e-6

    def total(row: np.ndarray) -> float:
        ptms = np.empty((len(blocks), 16, 16))
        build_ptms(program.blocks, row, blocks, ptms)
        return float((moments * ptms).sum() + (upstream * bloch_vectors(program.prefix, row[None])).sum())

    slopes, by_prefix = np.zeros(program.columns), np.zeros((1, program.columns))
    for block in blocks:
        pull_back(program.blocks, block, angles[0], moments[block].copy(), slopes)
    pull_back_prefix(program.prefix, angles[:1], upstream, by_prefix)
    for column in range(program.columns):
        move = np.zeros(program.columns)
        move[column] = STEP * scale[column]
        wanted = (total(angles[0] + move) - total(angles[0] - move)) / (2 * STEP)
        assert (slopes + by_prefix[0])[column] * scale[column] == pytest.approx(wanted, abs=1e-7 * len(angles[0]))


@given(circuit=layer_circuits(most_qubits=3, most_gates=8), seed=st.integers(0, 2**32))
@examples(9)
def test_each_gate_and_noise_of_its_own_make_the_same_circuit(circuit: LayerCircuit, seed: int) -> None:
    program, angles, routed, measurement, noise = compiled(circuit, seed, prefix=False)
    assert not len(program.prefix.ops.kind)
    wanted = dense_values(routed, measurement, noise, angles[:1])[0]
    state = gate_by_gate(program, angles[0])
    start, key, coefficient = program.strings
    read = np.array([state.expectation_value(pauli(int(one), program.wires)).real for one in key])
    found = [(coefficient * read)[a:b].sum() for a, b in pairwise(start)]
    assert found == pytest.approx(wanted, abs=1e-10)


def gate_by_gate(program: NoisyProgram, angles: np.ndarray) -> DensityMatrix:
    """The state by what the tables say of each operation."""
    state, ops = DensityMatrix.from_int(0, 2**program.wires), program.blocks.ops
    for wires, bounds in zip(program.blocks.wires, pairwise(program.blocks.start), strict=True):
        pair = wires.tolist()
        for op in range(*bounds):
            kind, site, noise = ops.kind[op], int(ops.site[op]), ops.noise[op]
            column = ops.column[op]
            angle = ops.offset[op] + (ops.factor[op] * angles[column] if column >= 0 else 0)
            if kind == ROTATION:
                turn = np.cos(angle / 2) * np.eye(4) - 1j * np.sin(angle / 2) * pauli(site, 2).to_matrix()
                state = state.evolve(Operator(turn), pair)
            elif kind == FIXED_2Q:
                state = state.evolve(Operator(ops.unitaries[ops.matrix[op]]), pair)
            elif kind == FIXED_1Q:
                state = state.evolve(Operator(ops.unitaries[ops.matrix[op]][:2, :2]), [pair[site]])
            elif kind == NOISE_2Q:
                state = state.evolve(depolarization(noise[0], 2), pair)
                state = state.evolve(relaxation(*noise[1:3]), pair[:1]).evolve(relaxation(*noise[3:5]), pair[1:])
            elif kind == NOISE_1Q:
                state = state.evolve(depolarization(noise[0], 1), [pair[site]])
                state = state.evolve(relaxation(*noise[1:3]), [pair[site]])
            else:
                state = state.evolve(relaxation(*np.exp(-noise[:2] * angle)), [pair[site]])
    return state


def pauli(key: int, wires: int) -> Pauli:
    return Pauli("".join("IXYZ"[key >> 2 * wire & 3] for wire in reversed(range(wires))))


def test_delays_of_fixed_and_open_length(rng: np.random.Generator) -> None:
    length, weight = Parameter("length"), Parameter("w")
    circuit = QuantumCircuit(3)
    circuit.rx(0.7, 0)
    circuit.delay(length, 0, "us")
    circuit.ry(weight, 1)
    circuit.cx(0, 1)
    circuit.delay(400, 1, "ns")
    circuit.delay(length, 0, "us")
    circuit.cx(1, 2)
    circuit.h(0)
    layer = LayerCircuit(circuit, [length], [weight])
    program, _, routed, measurement, noise = compiled(layer, int(rng.integers(2**32)))
    assert program.has_open_delays
    angles = routed.parameter_map.values(np.array([[0.3, 0.2], [1.1, -2.0]]))
    assert values(program, angles) == pytest.approx(dense_values(routed, measurement, noise, angles), abs=1e-10)


def test_inputs_before_the_first_two_qubit_gates_leave_all_blocks_shared() -> None:
    x, w = Parameter("x"), Parameter("w")
    circuit = QuantumCircuit(2)
    circuit.ry(x, 0)
    circuit.cx(0, 1)
    circuit.ry(w, 0)
    encoded = LayerCircuit(circuit, [x], [w])
    again = circuit.copy()
    again.ry(x, 1)
    again.cx(0, 1)
    program, *_ = compiled(encoded, 0)
    assert program.shared
    assert program.own_columns.any()
    program, *_ = compiled(LayerCircuit(again, [x], [w]), 0)
    assert not program.shared


@pytest.mark.parametrize(("qubits", "label", "message"), [
    (24, "Z" * 24, "sum of more than 2,097,152 Pauli strings"),
    (32, "Z" + "I" * 31, "up to 31 qubits of a device, and this one is on 32"),
])  # fmt: skip
def test_what_has_too_many_strings_is_refused(qubits: int, label: str, message: str, rng: np.random.Generator) -> None:
    circuit = QuantumCircuit(qubits)
    circuit.sx(range(qubits))
    layer = LayerCircuit(circuit, [], [], [label])
    routed, _, noise = random_routed(layer, BASES[0], rng)
    with pytest.raises(BackendError, match=message):
        compile_program(routed, noise, layer)
