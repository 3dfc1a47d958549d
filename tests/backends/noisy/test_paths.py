"""Method `paths`: channels are averages of events, values average to exact ones, gradients are slopes of values."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from dense_noise import BASES, RandomNoise, dense_values, depolarization, random_routed, relaxation
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector, SuperOp

from qgen.backends.noisy import paths as module
from qgen.backends.noisy.path_blocks import happen
from qgen.backends.noisy.path_events import FLIP, FLIP_BIT, JUMP, JUMP_BIT, PAULI_1Q, draw_path, make_events
from qgen.backends.noisy.paths import Paths
from qgen.backends.noisy.philox import philox, stream_keys
from qgen.backends.noisy.point import Point
from qgen.backends.noisy.program import NoisyProgram, compile_program
from qgen.backends.noisy.steps import NOISE_1Q, NOISE_2Q
from qgen.circuits import LayerCircuit, ansatz
from qgen.errors import BackendError
from qgen.noise.channels import GateNoise, Relaxation
from qgen.randomness import Streams

STEP = 1e-5


def compiled(circuit: LayerCircuit, seed: int, strength: float = 0.1) -> tuple[NoisyProgram, Any]:
    rng = np.random.default_rng(seed)
    routed, measurement, noise = random_routed(circuit, BASES[seed % len(BASES)], rng, strength)
    return compile_program(routed, noise, circuit, 1e-9, prefix=False), (routed, measurement, noise)


def make_point(program: NoisyProgram, samples: int, rng: np.random.Generator, rows: int = 1, seed: int = 0) -> Point:
    """Angles at random, those of weights equal in all samples of a row of weights."""
    weight_rows = rng.integers(rows, size=samples)
    angles, of_rows = rng.uniform(-3, 3, (samples, program.columns)), rng.uniform(-3, 3, (rows, program.columns))
    angles[:, ~program.own_columns] = of_rows[weight_rows][:, ~program.own_columns]
    return point_of(angles, weight_rows, rows, Streams((seed,), samples))


def point_of(angles: np.ndarray, weight_rows: np.ndarray, rows: int, streams: Streams) -> Point:
    first = [int(np.append(np.flatnonzero(weight_rows == row), len(angles))[0]) for row in range(rows)]
    return Point(angles, weight_rows, np.argsort(weight_rows, kind="stable"), np.array(first), streams)


def moved(point: Point, program: NoisyProgram, sample: int, column: int, step: float) -> Point:
    """An angle turned by `step`: of one sample, or of all samples of its row of weights."""
    angles = point.angles.copy()
    rows = point.weight_rows == point.weight_rows[sample]
    angles[[sample] if program.own_columns[column] else rows, column] += step
    return point._replace(angles=angles)


@given(key=st.lists(st.integers(0, 2**64 - 1), min_size=4, max_size=4), block=st.integers(1, 2**62))
@examples(12)
def test_random_words_are_those_of_numpy(key: list[int], block: int) -> None:
    words = np.empty(4, dtype=np.uint64)
    philox(np.array(key, dtype=np.uint64), block, words)
    # numpy counts up before it makes a block of numbers
    other = np.random.Philox(
        key=np.array([key[0], 0], dtype=np.uint64), counter=np.array([block - 1, *key[1:]], dtype=np.uint64)
    )
    assert words.tolist() == other.random_raw(4).tolist()


def test_every_row_seed_and_evaluation_has_a_stream_of_its_own() -> None:
    keys = stream_keys(Streams((3, 2**62), 4, range(1, 3)))
    assert len(keys) == len({tuple(key) for key in keys.tolist()}) == 16
    alone = stream_keys(Streams((2**62,), 4, range(2, 3)))
    assert np.array_equal(keys[12:], alone)


@given(seed=st.integers(0, 2**32), strength=st.sampled_from([0.0, 0.05, 0.3, 1.0]))
@examples(6)
def test_each_channel_is_the_average_of_what_can_happen(seed: int, strength: float) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    program, _ = compiled(LayerCircuit(circuit, [], []), seed, strength)
    events, ops = make_events(program.blocks), program.blocks.ops
    chances = -np.expm1(-np.diff(np.concatenate([[0.0], events.hazard])))
    for noise, op in enumerate(events.op.tolist()):
        of_noise = [(int(events.kind[e]), chances[e]) for e in np.flatnonzero(events.noise == noise)]
        found = np.zeros((16, 16), dtype=complex)
        for code, chance in _outcomes(of_noise, int(events.site[noise])):
            matrix = np.eye(4, dtype=complex)
            happen(matrix, events.still, events.jump, noise, code)
            found += chance * np.kron(matrix.conj(), matrix)
        lam, *left = ops.noise[op].tolist()
        wanted = SuperOp(np.eye(16))
        if ops.kind[op] == NOISE_2Q:
            wanted = SuperOp(depolarization(lam, 2)) & SuperOp(relaxation(*left[2:4]) ^ relaxation(*left[:2]))
        elif ops.kind[op] == NOISE_1Q:
            one = SuperOp(depolarization(lam, 1)) & SuperOp(relaxation(*left[:2]))
            wanted = SuperOp(np.eye(4)) ^ one if ops.site[op] == 0 else one ^ SuperOp(np.eye(4))
        assert found == pytest.approx(wanted.data, abs=1e-12)


def _outcomes(events: list[tuple[int, float]], site: int) -> list[tuple[int, float]]:
    """All that can happen at a noise, and with which probability."""
    outcomes = [(0, 1.0)]
    for kind, chance in events:
        if kind >= JUMP:
            fired = [(JUMP_BIT << (kind - JUMP), 1.0)]
        elif kind >= FLIP:
            fired = [(FLIP_BIT << (kind - FLIP), 1.0)]
        elif kind == PAULI_1Q:
            fired = [(pauli << 2 * site, 1 / 3) for pauli in (1, 2, 3)]
        else:
            fired = [(pauli, 1 / 15) for pauli in range(1, 16)]
        outcomes = [
            *[(code, chance_before * (1 - chance)) for code, chance_before in outcomes],
            *[(code | bits, before * chance * share) for code, before in outcomes for bits, share in fired],
        ]
    return outcomes


def test_events_fire_as_often_as_they_should(rng: np.random.Generator) -> None:
    program, _ = compiled(ansatz("basic", qubits=3, layers=1), int(rng.integers(2**32)), 0.05)
    events, paths, samples = make_events(program.blocks), 64, 300
    at, code = np.zeros(len(events.op), dtype=np.int64), np.zeros(len(events.op), dtype=np.int64)
    fired, firsts = np.zeros(len(events.op)), []
    for key in stream_keys(Streams((int(rng.integers(2**62)),), samples)):
        first = []
        for path in range(paths):
            count = draw_path(events, key, path, paths, at, code)
            assert count
            assert np.all(np.diff(at[:count]) > 0)
            fired[at[:count]] += 1
            first.append(at[0])
        assert first == sorted(first)  # systematic
        firsts += first
    hazard = np.diff(np.concatenate([[0.0], events.hazard]))
    silent = np.exp(-np.bincount(events.noise, hazard, minlength=len(events.op)))
    wanted = (1 - silent) / -np.expm1(-events.total)  # given that at least one fires
    total = samples * paths
    assert np.abs(fired - total * wanted).max() < 5 * np.sqrt(total * wanted.max())


@given(circuit=layer_circuits(most_qubits=5, most_gates=12), seed=st.integers(0, 2**32))
@examples(9)
def test_without_noise_the_one_path_is_the_ideal_state(circuit: LayerCircuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    routed, _, noise = random_routed(circuit, BASES[seed % len(BASES)], rng)
    ideal = _NoNoise(np.tile(np.eye(2), (len(noise.confusion), 1, 1)), rng)
    program = compile_program(routed, ideal, circuit, 1e-9, prefix=False)
    if program.has_open_delays:
        return
    inputs, weights = rng.uniform(-3, 3, (2, circuit.num_inputs)), rng.uniform(-3, 3, circuit.num_weights)
    parameters = np.concatenate([inputs, np.broadcast_to(weights, (2, len(weights)))], axis=1)
    angles = routed.parameter_map.values(parameters)
    method = Paths(program, 3, np.float64)
    assert method.error_free == 1
    found = method.values(point_of(angles, np.zeros(2, dtype=np.int64), 1, Streams((0,), 2)))
    for row, values in zip(parameters, found, strict=True):
        names = circuit.inputs + circuit.weights
        state = Statevector(circuit.circuit.assign_parameters(dict(zip(names, row, strict=True))))
        wanted = [state.expectation_value(observable).real for observable in circuit.observables]
        assert values == pytest.approx(wanted, abs=1e-9)


class _NoNoise(RandomNoise):
    def after(self, name: str, wires: tuple[int, ...]) -> None:
        return None

    def rates(self, wire: int) -> tuple[float, float]:
        return 0.0, 0.0


class _LostAtTwo(RandomNoise):
    """Nothing survives a gate on two qubits, as at the largest scale: a block with one is a singular matrix."""

    def after(self, name: str, wires: tuple[int, ...]) -> GateNoise | None:
        if len(wires) == 1:
            return super().after(name, wires)
        return GateNoise(16 / 15, (Relaxation(0.0, 0.0), Relaxation(0.0, 0.0)))


@given(circuit=layer_circuits(most_qubits=4, most_gates=12), seed=st.integers(0, 2**32))
@examples(8)
def test_gradients_are_differences_of_values_with_the_same_streams(circuit: LayerCircuit, seed: int) -> None:
    program, _ = compiled(circuit, seed, strength=(0.02, 0.2, 1.0)[seed % 3])
    if program.has_open_delays:
        return
    rng = np.random.default_rng(seed)
    point, upstream = make_point(program, 3, rng, rows=2), rng.normal(size=(3, program.observables))
    method = Paths(program, 3, np.float64)
    by_row, by_sample = method.gradients(point, upstream, True, True)
    for sample in range(3):
        for column in range(program.columns):
            ahead, behind = (moved(point, program, sample, column, step) for step in (STEP, -STEP))
            wanted = ((method.values(ahead) - method.values(behind)) * upstream).sum() / (2 * STEP)
            own = program.own_columns[column]
            found = by_sample[sample, column] if own else by_row[point.weight_rows[sample], column]
            assert found == pytest.approx(wanted, abs=1e-6 * (1 + np.abs(upstream).sum()))


def test_where_nothing_survives_a_gate_states_are_kept_on_the_way_back(rng: np.random.Generator) -> None:
    circuit = ansatz("basic", qubits=3, layers=2)
    routed, _, noise = random_routed(circuit, BASES[0], rng)
    lost = _LostAtTwo(noise.confusion, rng, 0.1)
    program = compile_program(routed, lost, circuit, 1e-9, prefix=False)
    method = Paths(program, 4, np.float64)
    point, upstream = make_point(program, 2, rng), rng.normal(size=(2, program.observables))
    by_row, by_sample = method.gradients(point, upstream, True, True)
    for column in range(program.columns):
        ahead, behind = (moved(point, program, 0, column, step) for step in (STEP, -STEP))
        wanted = ((method.values(ahead) - method.values(behind)) * upstream).sum() / (2 * STEP)
        found = by_sample[0, column] if program.own_columns[column] else by_row[0, column]
        assert found == pytest.approx(wanted, abs=1e-6)


@pytest.mark.parametrize("seed", range(3))
def test_values_average_to_those_of_the_density_matrix(seed: int) -> None:
    """Fixed seeds: the deviations are what they are, in units of their standard errors."""
    circuit = ansatz("basic", qubits=4, layers=2)
    program, (routed, measurement, noise) = compiled(circuit, seed, 0.05)
    point = make_point(program, 2, np.random.default_rng(seed))
    wanted = dense_values(routed, measurement, noise, point.angles)
    method = Paths(program, 64)
    found = np.array([method.values(point._replace(streams=Streams((k,), 2))) for k in range(200)])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    deviations = (found.mean(axis=0) - wanted) / error
    assert np.sqrt((deviations**2).mean()) < 1.8
    assert np.abs(deviations).max() < 4.5


def test_single_precision_is_close(rng: np.random.Generator) -> None:
    program, _ = compiled(ansatz("hqconv", qubits=4, layers=2), int(rng.integers(2**32)), 0.02)
    point, upstream = make_point(program, 3, rng), rng.normal(size=(3, program.observables))
    double, single = Paths(program, 8, np.float64), Paths(program, 8)
    assert single.values(point) == pytest.approx(double.values(point), abs=1e-5)
    for found, wanted in zip(
        single.gradients(point, upstream, True, True), double.gradients(point, upstream, True, True), strict=True
    ):
        assert found == pytest.approx(wanted, abs=1e-4)


def test_results_are_the_same_for_threads_parts_and_orders(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 4)
    program, _ = compiled(ansatz("hqconv", qubits=4, layers=1), int(rng.integers(2**32)), 0.05)
    point, upstream = make_point(program, 6, rng, rows=3, seed=5), rng.normal(size=(6, program.observables))
    method = Paths(program, 10)
    threads, results = torch.get_num_threads(), []
    try:
        for count in (1, 2, 3):
            torch.set_num_threads(count)
            results.append((method.values(point), *method.gradients(point, upstream, True, True)))
    finally:
        torch.set_num_threads(threads)
    for other in results[1:]:
        assert all(np.array_equal(found, wanted) for found, wanted in zip(other, results[0], strict=True))
    one = point_of(point.angles[:1], np.zeros(1, dtype=np.int64), 1, Streams((5,), 1))
    assert np.array_equal(method.values(one), results[0][0][:1])
    parts = [method.gradients(point, np.where(np.arange(6)[:, None] == k, upstream, 0), True, True) for k in range(6)]
    for k in range(2):
        assert sum(part[k] for part in parts) == pytest.approx(results[0][1 + k], abs=1e-6)


def test_equal_samples_have_paths_of_their_own(rng: np.random.Generator) -> None:
    program, _ = compiled(ansatz("basic", qubits=3, layers=1), int(rng.integers(2**32)), 0.2)
    angles = np.repeat(rng.uniform(-3, 3, (1, program.columns)), 4, axis=0)
    values = Paths(program, 2).values(point_of(angles, np.zeros(4, dtype=np.int64), 1, Streams((1,), 4)))
    assert len(np.unique(values[:, 0])) == 4


def test_only_what_is_wanted_is_pulled_back(rng: np.random.Generator) -> None:
    program, _ = compiled(ansatz("basic", qubits=3, layers=1), int(rng.integers(2**32)), 0.1)
    point, upstream = make_point(program, 2, rng), rng.normal(size=(2, program.observables))
    method = Paths(program, 4)
    both = method.gradients(point, upstream, True, True)
    own = program.own_columns
    assert method.gradients(point, upstream, True, False)[1][:, own] == pytest.approx(both[1][:, own], abs=1e-6)
    assert method.gradients(point, upstream, False, True)[0] == pytest.approx(both[0], abs=1e-6)
    assert not any(part.any() for part in method.gradients(point, upstream, False, False))


@pytest.mark.parametrize("paths", [0, -1, 2.0, True])
def test_paths_are_a_whole_number_from_1_on(paths: Any) -> None:
    program, _ = compiled(ansatz("basic", qubits=2, layers=1), 0)
    with pytest.raises(BackendError, match="from 1 on"):
        Paths(program, paths)


def test_delays_of_open_length_are_refused() -> None:
    length = Parameter("length")
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.delay(length, 0, "us")
    circuit.cx(0, 1)
    program, _ = compiled(LayerCircuit(circuit, [length], []), 0)
    with pytest.raises(BackendError, match="delay"):
        Paths(program)


def test_too_many_wires_are_refused_with_the_bytes_they_take() -> None:
    program, _ = compiled(ansatz("basic", qubits=2, layers=1), 0)
    with pytest.raises(BackendError, match="bytes"):
        module.check_memory(replace(program, wires=60))


def test_method_says_how_many_paths() -> None:
    program, _ = compiled(ansatz("basic", qubits=2, layers=1), 0)
    assert [Paths(program, paths).method for paths in (1, 16, 2000)] == ["1 path", "16 paths", "2,000 paths"]
