"""Bases, estimates from counts and their errors, readout: against qiskit, closed forms and repetition."""

from __future__ import annotations

from itertools import repeat
from math import prod

import numpy as np
import numpy.typing as npt
import pytest
from drawn import observables as drawn_observables
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.quantum_info import Pauli, PauliList, SparsePauliOp, Statevector, random_statevector

from qgen.backends.measurement import (
    Basis,
    Measurement,
    measurement_bases,
    outcomes,
    permute_bits,
    permute_probabilities,
    sample_bitstrings,
)
from qgen.backends.measurement.estimates import _odd_by_mask, _odd_by_outcome
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]

EXACT = 1e-12
SURE = 22.0  # a deviation is called wrong where chance makes it with a probability below 2 exp(-22)

several_observables = st.integers(1, 5).flatmap(drawn_observables)
seeds = st.integers(0, 2**32)


def probabilities(state: Statevector, bases: tuple[Basis, ...]) -> list[Doubles]:
    """Those (1, 2^n) of the outcomes in each basis, the axes turned by qiskit."""
    found = []
    for basis in bases:
        turn = QuantumCircuit(state.num_qubits)
        for qubit, axis in enumerate(basis.axes):
            if axis == "Y":
                turn.sdg(qubit)
            if axis in "XY":
                turn.h(qubit)
        found.append(state.evolve(turn).probabilities()[None])
    return found


def shares_all_axes(basis: Basis, string: Pauli) -> bool:
    return all(letter in ("I", axis) for axis, letter in zip(basis.axes, reversed(string.to_label()), strict=True))


@given(several_observables)
def test_every_string_has_a_basis(observables: list[SparsePauliOp]) -> None:
    bases = measurement_bases(observables)
    strings = {string.to_label(): string for operator in observables for string in operator.paulis}
    strings.pop("I" * observables[0].num_qubits, None)
    assert all(any(shares_all_axes(basis, string) for basis in bases) for string in strings.values())
    assert len(bases) <= len(strings)
    assert Measurement(observables).bases == bases
    if not any(axis in label for label in strings for axis in "XY"):
        assert len(bases) == min(1, len(strings))
    if strings and PauliList(list(strings.values())).group_commuting(qubit_wise=True)[1:] == []:
        assert len(bases) == 1


def test_the_longest_strings_come_first() -> None:
    observables = [SparsePauliOp(["IIX", "IZI"]), SparsePauliOp(["XYZ", "III"])]
    assert measurement_bases(observables) == (Basis("ZYX"), Basis("XZI"))
    assert measurement_bases([SparsePauliOp("II")]) == ()
    assert measurement_bases([SparsePauliOp("IZ"), SparsePauliOp("ZI")]) == (Basis("ZZ"),)


@given(several_observables, seeds)
def test_exact_values_are_qiskits(observables: list[SparsePauliOp], seed: int) -> None:
    measurement = Measurement(observables)
    states = [random_statevector(2 ** observables[0].num_qubits, seed=seed + k) for k in range(2)]
    rows = [probabilities(state, measurement.bases) for state in states]
    found = measurement.from_probabilities([np.concatenate(some) for some in zip(*rows, strict=True)])
    wanted = [[state.expectation_value(operator).real for operator in observables] for state in states]
    np.testing.assert_allclose(np.broadcast_to(found, (2, len(observables))), wanted, rtol=0, atol=EXACT)
    alone = measurement.from_probabilities([*rows[1]])
    np.testing.assert_array_equal(alone[0], found[-1])  # rounded alike, whatever rows are beside it


@given(several_observables, seeds)
def test_counts_are_probabilities(observables: list[SparsePauliOp], seed: int) -> None:
    """Readings in which each outcome occurs as often as its probability says give what the probabilities give."""
    measurement, rng = Measurement(observables), np.random.default_rng(seed)
    readings = [rng.integers(0, 2 ** observables[0].num_qubits, size=(3, 40)) for _ in measurement.bases]
    shares = [
        np.array([np.bincount(row, minlength=2 ** observables[0].num_qubits) / 40 for row in some]) for some in readings
    ]
    found, wanted = measurement.from_outcomes(readings), measurement.from_probabilities(shares)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=EXACT)


def test_up_to_62_qubits_are_read_as_integers(rng: np.random.Generator) -> None:
    measurement = Measurement([SparsePauliOp.from_sparse_list([("XY", [3, 61], 2.0), ("", [], 0.5)], num_qubits=62)])
    readings = rng.integers(0, 2**62, size=(2, 30))
    signs = [[prod((-1) ** (int(reading) >> qubit & 1) for qubit in (3, 61)) for reading in row] for row in readings]
    wanted = 2 * np.mean(signs, axis=1, keepdims=True) + 0.5
    np.testing.assert_allclose(measurement.from_outcomes([readings]), wanted, rtol=0, atol=EXACT)


def test_identities_need_no_readings() -> None:
    measurement = Measurement([SparsePauliOp(["II"], [0.7]), SparsePauliOp(["II"], [-2.0])])
    assert measurement.bases == ()
    for values in (measurement.from_outcomes([]), measurement.from_probabilities([])):
        np.testing.assert_array_equal(values, [[0.7, -2.0]])
    np.testing.assert_array_equal(measurement.variances([], shots=5), [[0.0, 0.0]])


@given(several_observables, seeds)
def test_large_batches_go_in_chunks(observables: list[SparsePauliOp], seed: int) -> None:
    measurement, rng = Measurement(observables), np.random.default_rng(seed)
    readings = [rng.integers(0, 2 ** observables[0].num_qubits, size=(7, 5)) for _ in measurement.bases]
    whole = measurement.from_outcomes(readings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(outcomes, "CHUNK", 11)
        np.testing.assert_array_equal(measurement.from_outcomes(readings), whole)


def test_variances_in_closed_form() -> None:
    """On a Bell state Z0 and Z1 are one coin: their sum has four times its variance, their difference none."""
    bell = Statevector(np.array([1, 0, 0, 1]) / np.sqrt(2))
    measurement = Measurement([SparsePauliOp(["IZ", "ZI"], [1, sign]) for sign in (1, -1)] + [SparsePauliOp("ZZ")])
    (variances,) = measurement.variances(probabilities(bell, measurement.bases), shots=50)
    np.testing.assert_allclose(variances, [4 / 50, 0, 0], rtol=0, atol=EXACT)


def test_a_string_that_two_bases_read_takes_the_shots_of_both() -> None:
    """Z0 is read beside Z1 and beside X1: twice the shots, half the variance."""
    plus = Statevector(np.full(4, 0.5))
    alone = Measurement([SparsePauliOp("IZ")])
    shared = Measurement([SparsePauliOp("IZ"), SparsePauliOp("ZZ"), SparsePauliOp("XZ")])
    assert set(shared.bases) == {Basis("ZZ"), Basis("ZX")}
    assert alone.variances(probabilities(plus, alone.bases), 10)[0, 0] == pytest.approx(1 / 10)
    assert shared.variances(probabilities(plus, shared.bases), 10)[0, 0] == pytest.approx(1 / 20)


@given(several_observables, seeds)
def test_variances_are_those_of_single_readings(observables: list[SparsePauliOp], seed: int) -> None:
    """Basis by basis every outcome once, the other bases held: its values, weighted by the probabilities."""
    measurement, size = Measurement(observables), 2 ** observables[0].num_qubits
    exact = probabilities(random_statevector(size, seed=seed), measurement.bases)
    wanted = np.zeros(len(observables))
    for k, (some,) in enumerate(exact):
        readings = [np.zeros((size, 1), dtype=np.int64) for _ in exact]
        readings[k] = np.arange(size)[:, None]
        values = measurement.from_outcomes(readings)
        wanted += some @ (values - some @ values) ** 2 / 7
    np.testing.assert_allclose(measurement.variances(exact, shots=7)[0], wanted, rtol=0, atol=EXACT)


@given(several_observables, seeds)
def test_estimates_scatter_as_predicted(observables: list[SparsePauliOp], seed: int) -> None:
    measurement, rng = Measurement(observables), np.random.default_rng(seed)
    state = random_statevector(2 ** observables[0].num_qubits, seed=seed)
    exact = probabilities(state, measurement.bases)
    shots, repeats = 8, 4000
    drawn = [sample_bitstrings(np.repeat(some, repeats, axis=0), shots, repeat(rng)) for some in exact]
    estimates = np.broadcast_to(measurement.from_outcomes(drawn), (repeats, len(observables)))
    (variances,) = measurement.variances(exact, shots)
    wanted = [state.expectation_value(operator).real for operator in observables]
    largest = np.array([np.abs(operator.coeffs).sum() for operator in observables])
    # Bernstein's inequality: 5 standard errors and more, and right for rare outcomes, too.
    mean_error = np.sqrt(2 * SURE * variances / repeats) + 2 * SURE / 3 * largest / (shots * repeats) + EXACT
    assert (np.abs(estimates.mean(axis=0) - wanted) <= mean_error).all()
    squares = (estimates - wanted) ** 2
    bound = 4 * largest**2  # of a square
    variance_error = np.sqrt(2 * SURE * squares.var(axis=0) / repeats) + 3 * SURE * bound / repeats + EXACT
    assert (np.abs(squares.mean(axis=0) - variances) <= variance_error).all()


def test_drawn_outcomes_follow_the_probabilities(rng: np.random.Generator) -> None:
    wanted = rng.dirichlet(np.full(32, 0.3), size=3)
    shots = 20_000
    drawn = sample_bitstrings(wanted, shots, repeat(rng))
    assert (drawn.shape, drawn.dtype) == ((3, shots), np.int64)
    found = np.array([np.bincount(row, minlength=32) for row in drawn]) / shots
    assert (np.abs(found - wanted) <= np.sqrt(2 * SURE * wanted / shots) + SURE / shots).all()


def test_impossible_outcomes_are_never_drawn(rng: np.random.Generator) -> None:
    """Though rounding leaves negative probabilities and sums beside one."""
    wanted = np.zeros((200, 16))
    wanted[:, [3, 9]] = rng.dirichlet([1, 1], size=200)
    wanted *= 1 + 1e-6 * rng.normal(size=(200, 1))
    wanted[:, [0, 4, 15]] = -1e-16
    assert set(np.unique(sample_bitstrings(wanted, 500, repeat(rng)))) == {3, 9}


def test_the_ends_of_the_random_numbers_are_possible_outcomes() -> None:
    class Ends(np.random.Generator):
        def random(self, *, out: Doubles) -> None:  # type: ignore[override]
            out[:] = [0.0, np.nextafter(1, 0)]

    for scale in (1.0, 1 + 1e-9, 1 - 1e-9):
        drawn = sample_bitstrings(np.array([[0, 0.3, 0, 0.7, 0]]) * scale, 2, repeat(Ends(np.random.PCG64(0))))
        assert drawn.tolist() == [[1, 3]]


def test_draws_depend_on_the_generator_alone(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = rng.dirichlet(np.ones(8), size=9)
    seed = int(rng.integers(2**32))
    first, other = (sample_bitstrings(wanted, 20, repeat(np.random.default_rng(one))) for one in (seed, seed + 1))
    monkeypatch.setattr(outcomes, "CHUNK", 50)
    np.testing.assert_array_equal(sample_bitstrings(wanted, 20, repeat(np.random.default_rng(seed))), first)
    assert (first != other).any()
    assert (first[0] != first[1]).any()


@pytest.mark.parametrize(("row", "total"), [([0.5, 0.4], "0.9"), ([0.0, 0.0], "0"), ([np.nan, 1.0], "nan")])
def test_what_is_no_distribution_is_refused(row: list[float], total: str, rng: np.random.Generator) -> None:
    with pytest.raises(BackendError, match=f"sum to {total}, not to 1"):
        sample_bitstrings(np.array([[0.5, 0.5], row]), 3, repeat(rng))


@given(st.permutations(range(5)), st.integers(1, 5), st.integers(0, 2), seeds)
def test_wires_become_qubits(order: list[int], qubits: int, missing: int, seed: int) -> None:
    """Against qiskit's own marginals, for qubits that have a wire; the bits of the others are 0."""
    wires = [*order[:qubits], *[-1] * missing]
    state = random_statevector(32, seed=seed)
    found = permute_probabilities(state.probabilities()[None], wires)
    np.testing.assert_allclose(found[0, : 2**qubits], state.probabilities(order[:qubits]), rtol=0, atol=EXACT)
    assert not found[0, 2**qubits :].any()
    readings = np.random.default_rng(seed).integers(0, 32, size=(2, 3))
    rewired = permute_bits(readings, wires)
    for qubit, wire in enumerate(wires):
        np.testing.assert_array_equal(rewired >> qubit & 1, readings >> wire & 1 if wire >= 0 else 0)


@given(st.integers(1, 6), st.integers(1, 70), seeds)
def test_parities_are_counted_alike_by_mask_and_by_outcome(qubits: int, shots: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    outcomes, masks = rng.integers(1 << qubits, size=(3, shots)), rng.integers(1 << qubits, size=4)
    odd = [[sum(bin(int(one & mask)).count("1") % 2 for one in row) for mask in masks] for row in outcomes]
    for found in (_odd_by_mask(outcomes, masks), _odd_by_outcome(outcomes, masks, 1 << qubits)):
        np.testing.assert_array_equal(found, odd)
