"""Which wire most errors happen on: sums by hand, and the probability of a trajectory without errors."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit.quantum_info import Kraus, SuperOp

from qgen.devices import open_device
from qgen.noise import DeviceNoise, FileNoise, LocalNoise, NoiseSettings
from qgen.noise.dominance import dominant_wire, expected_errors


def local(content: dict[str, Any], wires: int = 3) -> LocalNoise:
    return FileNoise(NoiseSettings.read(content)).local(range(wires))


@given(p=st.floats(1e-6, 0.9), count=st.integers(1, 50))
def test_paulis_count_half_for_each_qubit_of_a_gate(p: float, count: int) -> None:
    noise = local({"depolarizing": {"one_qubit": p, "two_qubit": p}})
    gates = [("cx", (2, 0))] * count + [("sx", (0,)), ("rz", (1,))]
    both, one = -count * math.log(1 - p * 15 / 16), -math.log(1 - p * 3 / 4)
    assert expected_errors(gates, noise) == pytest.approx([both / 2 + one, 0.0, both / 2], rel=1e-9)


def test_relaxation_counts_decays_and_flips() -> None:
    t1, t2 = 50.0, 60.0
    noise = local({"relaxation": {"t1_us": t1, "t2_us": t2, "one_qubit_ns": 400, "two_qubit_ns": 0}})

    def wanted(us: float) -> float:
        decay, flip = (1 - math.exp(-us / t1)) / 2, (1 - math.exp(-us / t2 + us / (2 * t1))) / 2
        return -math.log(1 - decay) - math.log(1 - flip)

    gates, waits = [("sx", (0,)), ("cx", (0, 1))], [(1, 7e-6), (0, 2e-6)]
    assert expected_errors(gates, noise, waits) == pytest.approx([wanted(0.4) + wanted(2), wanted(7), 0.0], rel=1e-9)


def test_no_error_is_as_likely_as_kraus_operators_say() -> None:
    """The largest weight of a gate's errors as Kraus operators is that of no error, but for products of small ones."""
    target = open_device("fake_torino").target
    qubits = [0, 1, 2, 3]
    noise = DeviceNoise(target, "fake_torino").local(qubits)
    for wires in ((0, 1), (1, 2), (2, 3)):
        channel = SuperOp(noise.model._local_quantum_errors["cz"][wires])
        largest = max(np.linalg.norm(operator) ** 2 / 4 for operator in Kraus(channel).data)
        expected = expected_errors([("cz", wires)], noise).sum()
        assert math.exp(-expected) == pytest.approx(largest, abs=0.02 * (1 - largest))


def test_qubit_119_dominates_and_is_named() -> None:
    noise = DeviceNoise(open_device("fake_brisbane").target, "fake_brisbane").local([118, 119, 120])
    gates = [("sx", (wire,)) for wire in range(3)] * 60
    expected = expected_errors(gates, noise)
    found = dominant_wire(expected)
    assert found is not None
    assert found.wire == 1
    assert found.share == pytest.approx(expected[1] / expected.sum())
    assert found.no_error == pytest.approx(math.exp(-expected.sum()))
    assert found.without == pytest.approx(math.exp(-expected[0] - expected[2]))
    assert dominant_wire(expected_errors(gates[:6], noise)) is None  # too few errors to speak of


@pytest.mark.parametrize(
    ("expected", "wire"),
    [
        ([0.3, 0.3, 0.3], None),
        ([0.3, 1.25, 0.3], 1),
        ([0.3, 1.15, 0.3], None),
        ([0.01, 0.0], None),
        ([0.0, 0.2], 1),
        ([5.0], None),
        ([], None),
    ],
)
def test_a_wire_dominates_with_four_times_the_mean_of_the_others(expected: list[float], wire: int | None) -> None:
    found = dominant_wire(np.array(expected))
    assert (found and found.wire) == wire


def test_errors_that_are_certain_are_survived() -> None:
    noise = DeviceNoise(open_device("fake_perth").target, "fake_perth").local([0, 1, 2], scale=1e6)
    expected = expected_errors([("sx", (0,)), ("cx", (0, 1))], noise, [(2, 1.0)])
    assert np.isfinite(expected).all()
    assert expected[0] > 1
    assert expected[2] == pytest.approx(2 * math.log(2))  # a decay and a flip, each with probability 1/2
