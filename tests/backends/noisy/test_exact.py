"""Exact values against density matrices gate by gate, and all ways to the same gradient against each other."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from dense_noise import dense_values
from drawn import layer_circuits
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from noisy_points import at, drawn, random_point, total
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp

from qgen.backends.noisy import plan, split_path, vectors
from qgen.backends.noisy.exact import Exact
from qgen.backends.noisy.pauli_blocks import build_ptms
from qgen.backends.noisy.pictures import dampings, divisions
from qgen.backends.noisy.point import Point
from qgen.circuits import LayerCircuit, ansatz
from qgen.errors import BackendError

STEP = 1e-5
CIRCUITS = layer_circuits(most_qubits=4, most_gates=16)
SEEDS = st.integers(0, 2**32)


def differences(exact: Exact, point: Point, upstream: np.ndarray) -> np.ndarray:
    """The same by differences of values."""
    slopes = np.zeros((len(point.first), exact.program.columns))
    for column in range(exact.program.columns):
        move = np.zeros(exact.program.columns)
        move[column] = STEP
        higher, lower = (exact.values(point._replace(angles=point.angles + sign * move)) for sign in (1, -1))
        each = (upstream * (higher - lower)).sum(axis=1) / (2 * STEP)
        np.add.at(slopes[:, column], point.weight_rows, each)
    return slopes


@given(circuit=CIRCUITS, seed=SEEDS)
@examples(8)
def test_values_are_those_of_the_density_matrix(circuit: LayerCircuit, seed: int) -> None:
    program, routed, measurement, noise, rng = drawn(circuit, seed)
    point = random_point(program, int(rng.integers(1, 4)), 1, rng)
    wanted = dense_values(routed, measurement, noise, point.angles)
    assert Exact(program).values(point) == pytest.approx(wanted, abs=1e-10)


@given(circuit=CIRCUITS, seed=SEEDS)
@examples(9)
def test_gradients_are_differences_of_values(circuit: LayerCircuit, seed: int) -> None:
    program, *_, rng = drawn(circuit, seed)
    rows = int(rng.integers(1, 4))
    point = random_point(program, int(rng.integers(1, 12)), rows, rng)
    exact = Exact(program)
    upstream = rng.normal(size=(len(point.angles), program.observables))
    slopes = exact.gradients(point, upstream, True, True)
    assert total(slopes, point) == pytest.approx(differences(exact, point, upstream), abs=1e-7)
    both = total(exact.gradients(point, upstream, True, False), point)
    both += total(exact.gradients(point, upstream, False, True), point)
    wanted = [exact.gradients(point, upstream, *wants) for wants in ((True, False), (False, True))]
    for (shared, own), columns in zip(wanted, (program.own_columns, ~program.own_columns), strict=True):
        assert shared[:, columns] == pytest.approx(slopes[0][:, columns], abs=1e-10)
        assert own[:, columns] == pytest.approx(slopes[1][:, columns], abs=1e-10)


@given(circuit=CIRCUITS, seed=SEEDS, data=st.data())
@examples(9)
def test_all_divisions_agree_undone_or_kept_in_parts_or_whole_split_or_not(
    circuit: LayerCircuit, seed: int, data: st.DataObject
) -> None:
    program, *_, rng = drawn(circuit, seed, strength=0.02)
    point = random_point(program, int(rng.integers(9, 40)), 1, rng)
    upstream = rng.normal(size=(len(point.angles), program.observables))
    reference = Exact(program, division=divisions(program)[0])
    values, slopes = reference.values(point), total(reference.gradients(point, upstream, True, True), point)
    with pytest.MonkeyPatch.context() as patch:
        for division in divisions(program):
            patch.setattr(plan, "KEEP_BYTES", data.draw(st.sampled_from((0, 1 << 20))))
            patch.setattr(plan, "PART_WORK", data.draw(st.sampled_from((1, 1 << 40))))
            patch.setattr(split_path, "SPLIT_ROWS", data.draw(st.sampled_from((16, 1 << 20))))
            exact = Exact(program, division=division)
            assert exact.values(point) == pytest.approx(values, abs=1e-12)
            found = total(exact.gradients(point, upstream, True, True), point)
            assert found == pytest.approx(slopes, abs=1e-11 * max(1, np.abs(slopes).max(initial=0)))


@given(circuit=CIRCUITS, seed=SEEDS)
@examples(9)
def test_a_gradient_is_the_same_whatever_was_evaluated_before(circuit: LayerCircuit, seed: int) -> None:
    """Values leave observables to the gradient at the same weights; the next one, and others, find none."""
    program, *_, rng = drawn(circuit, seed)
    samples = int(rng.integers(1, 40))
    points = [random_point(program, samples, int(rng.integers(1, 4)), rng) for _ in range(3)]
    upstream = rng.normal(size=(samples, program.observables))
    exact = Exact(program)
    for k in rng.integers(0, 3, 12):
        alone = Exact(program)
        if rng.random() < 0.6:
            np.testing.assert_array_equal(exact.values(points[k]), alone.values(points[k]))
        else:
            found, wanted = (one.gradients(points[k], upstream, True, True) for one in (exact, alone))
            for a, b in zip(found, wanted, strict=True):
                np.testing.assert_array_equal(a, b)


@given(circuit=CIRCUITS, seed=SEEDS)
@examples(9)
def test_a_batch_with_several_rows_of_weights_is_its_parts(circuit: LayerCircuit, seed: int) -> None:
    program, *_, rng = drawn(circuit, seed)
    samples = int(rng.integers(1, 20))
    point = random_point(program, samples, int(rng.integers(1, samples + 2)), rng)
    exact, upstream = Exact(program), rng.normal(size=(samples, program.observables))
    values, slopes = exact.values(point), total(exact.gradients(point, upstream, True, True), point)
    parts = np.zeros_like(slopes)
    for sample, row in enumerate(point.weight_rows):
        alone = at(point.angles[sample : sample + 1], np.zeros(1, np.int64), 1)
        assert values[sample] == pytest.approx(exact.values(alone)[0], abs=1e-12)
        parts[row] += total(exact.gradients(alone, upstream[sample : sample + 1], True, True), alone)[0]
    assert slopes == pytest.approx(parts, abs=1e-10)


@pytest.mark.slow  # no backend asks for it, and its kernels take eight seconds to compile
@given(circuit=CIRCUITS, seed=SEEDS)
@examples(6)
def test_float32_is_near(circuit: LayerCircuit, seed: int) -> None:
    program, *_, rng = drawn(circuit, seed, strength=0.05)
    point = random_point(program, 5, 1, rng)
    upstream = rng.normal(size=(5, program.observables))
    double, single = Exact(program), Exact(program, np.float32)
    scale = max(1.0, np.abs(program.strings.coefficient).sum(initial=0.0))
    assert single.values(point) == pytest.approx(double.values(point), abs=2e-5 * scale)
    wanted, found = (total(one.gradients(point, upstream, True, True), point) for one in (double, single))
    assert np.linalg.norm(found - wanted) <= 1e-4 * max(scale, np.linalg.norm(wanted))


@given(circuit=CIRCUITS, seed=SEEDS)
@examples(6)
def test_singular_channels(circuit: LayerCircuit, seed: int) -> None:
    """Where nothing is left of a state, blocks cannot be undone."""
    program, *_, rng = drawn(circuit, seed)
    for ptm in program.blocks.ops.ptms:
        if rng.random() < 0.3:
            ptm[1:, 1:] = 0
    assume(np.isinf(dampings(program.blocks)).any())
    point = random_point(program, 3, 1, rng)
    upstream = rng.normal(size=(3, program.observables))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "KEEP_BYTES", 0)
        for division in divisions(program):
            exact = Exact(program, division=division)
            slopes = total(exact.gradients(point, upstream, True, True), point)
            assert slopes == pytest.approx(differences(exact, point, upstream), abs=1e-7)


def test_strong_noise_keeps_copies_now_and_then(rng: np.random.Generator) -> None:
    program, *_ = drawn(ansatz("hqconv", qubits=4, layers=3), int(rng.integers(2**32)), strength=0.9)[:1]
    point = random_point(program, 3, 1, rng)
    upstream = rng.normal(size=(3, program.observables))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plan, "KEEP_BYTES", 0)
        for division in divisions(program):
            exact = Exact(program, division=division)
            slopes = total(exact.gradients(point, upstream, True, True), point)
            assert slopes == pytest.approx(differences(exact, point, upstream), abs=1e-7)


def test_dampings_bound_the_singular_values(rng: np.random.Generator) -> None:
    program = drawn(ansatz("hqconv", qubits=4, layers=1), int(rng.integers(2**32)))[0]
    ptms = np.empty((len(program.blocks.wires), 16, 16))
    build_ptms(program.blocks, rng.uniform(-3, 3, program.columns), np.arange(len(ptms)), ptms)
    least = np.linalg.svd(ptms, compute_uv=False)[:, -1]
    assert (-np.log(least) <= dampings(program.blocks) + 1e-9).all()


def test_threads_change_nothing(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    program = drawn(ansatz("hqconv", qubits=4, layers=2), int(rng.integers(2**32)))[0]
    monkeypatch.setattr(plan, "PART_WORK", 1)
    monkeypatch.setattr(split_path, "SPLIT_ROWS", 64)
    point = random_point(program, 41, 1, rng)
    upstream = rng.normal(size=(41, program.observables))
    threads, found = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            exact = Exact(program)
            found.append((exact.values(point), *exact.gradients(point, upstream, True, True)))
    finally:
        torch.set_num_threads(threads)
    for others in found[1:]:
        for wanted, array in zip(found[0], others, strict=True):
            assert np.array_equal(array, wanted)


def test_more_observables_than_lanes(rng: np.random.Generator) -> None:
    weights = ParameterVector("w", 4)
    circuit = QuantumCircuit(3)
    for wire in range(3):
        circuit.rx(weights[wire], wire)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.ry(weights[3], 1)
    names = ["".join(letters) for letters in product("IXYZ", repeat=3)][1:]
    layer = LayerCircuit(circuit, [], list(weights), [SparsePauliOp(name) for name in names])
    program, routed, measurement, noise, _ = drawn(layer, int(rng.integers(2**32)))
    point = random_point(program, 2, 1, rng)
    wanted = dense_values(routed, measurement, noise, point.angles)
    upstream = rng.normal(size=wanted.shape)
    for division in divisions(program):
        exact = Exact(program, division=division)
        assert exact.values(point) == pytest.approx(wanted, abs=1e-10)
        slopes = total(exact.gradients(point, upstream, True, True), point)
        assert slopes == pytest.approx(differences(exact, point, upstream), abs=1e-6)


def test_delays_of_open_length_are_never_undone(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    length, weight = Parameter("length"), Parameter("w")
    circuit = QuantumCircuit(2)
    circuit.ry(weight, 0)
    circuit.cx(0, 1)
    circuit.delay(length, 0, "us")
    circuit.cx(0, 1)
    program, routed, measurement, noise, _ = drawn(LayerCircuit(circuit, [length], [weight]), int(rng.integers(2**32)))
    angles = routed.parameter_map.values(np.array([[0.3, 0.2], [1.1, 0.2], [40.0, 0.2]]))
    point = at(angles, np.zeros(3, np.int64), 1)
    monkeypatch.setattr(plan, "KEEP_BYTES", 0)
    exact, upstream = Exact(program), rng.normal(size=(3, 2))
    assert exact.values(point) == pytest.approx(dense_values(routed, measurement, noise, angles), abs=1e-10)
    slopes = exact.gradients(point, upstream, True, True)[1] * program.own_columns
    for column in np.flatnonzero(program.own_columns):  # seconds
        move = 1e-10 * (np.arange(program.columns) == column)
        higher, lower = (exact.values(point._replace(angles=angles + sign * move)) for sign in (1, -1))
        wanted = (upstream * (higher - lower)).sum(axis=1) / 2e-10
        assert slopes[:, column] == pytest.approx(wanted, rel=1e-4, abs=1)


def test_an_empty_batch() -> None:
    program = drawn(ansatz("hqconv", qubits=4, layers=1), 0)[0]
    point = at(np.zeros((0, program.columns)), np.zeros(0, np.int64), 1)
    exact = Exact(program)
    assert exact.values(point).shape == (0, 4)
    shared, own = exact.gradients(point, np.zeros((0, 4)), True, True)
    assert not shared.any()
    assert own.shape == (0, program.columns)


def test_too_many_wires_are_refused_with_their_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    program = drawn(ansatz("hqconv", qubits=4, layers=1), 0)[0]
    monkeypatch.setattr(vectors, "free_memory", lambda: 10_000)
    with pytest.raises(BackendError, match=r"4 wires needs 32,768 bytes .* enough for 3 wires"):
        Exact(program)
