"""Prices of gates, time and reading, from the numbers of a device."""

import math
from statistics import median

import numpy as np
import pytest
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.transpiler import Target

from qgen.devices import open_device
from qgen.transpilation.blocks import Block
from qgen.transpilation.route_prices import route_prices

BLOCKS = [Block((0, 1), 2, 1), Block((1, 2), 3, 0)]


def lost(error: float, dimensions: int) -> float:
    return -math.log(1 - error * (dimensions + 1) / dimensions)


@pytest.mark.parametrize(("name", "gate"), [("fake_brisbane", "ecr"), ("fake_fez", "cz")])
def test_prices_are_those_of_each_place_or_of_the_median(name: str, gate: str, rng: np.random.Generator) -> None:
    target = open_device(name).target
    usual, real = (route_prices(BLOCKS, target, usual=usual) for usual in (True, False))
    assert real.block_gates.tolist() == [2, 3]
    working = [pair for pair, one in target[gate].items() if one.error < 0.9]
    a, b = working[rng.integers(len(working))]
    pair, beside = target[gate][a, b], [target["sx"][site,] for site in (a, b)]
    assert real.gate[a, b] == pytest.approx(lost(pair.error, 4) + sum(lost(one.error, 2) for one in beside))
    assert real.gate[b, a] == pytest.approx(real.gate[a, b], rel=1e-12)  # the sum in another order
    assert real.seconds[a, b] == pytest.approx(pair.duration + beside[0].duration)
    qubit = target.qubit_properties[a]
    assert real.waiting[a] == pytest.approx(1 / (4 * qubit.t1) + 1 / (2 * min(qubit.t2, 2 * qubit.t1)))
    assert real.reading[a] == pytest.approx(-math.log(1 - target["measure"][a,].error))
    errors = [one.error for one in target[gate].values()]
    ones = [lost(one.error, 2) for one in target["sx"].values() if one.error < 0.6]
    assert usual.gate == pytest.approx(np.full_like(usual.gate, lost(median(errors), 4) + 2 * median(ones)), rel=0.01)
    assert len(np.unique(usual.waiting)) == len(np.unique(usual.reading)) == len(np.unique(usual.seconds)) == 1


def test_a_device_without_numbers_has_gates_that_lose_alike() -> None:
    target = Target(num_qubits=3)
    target.add_instruction(RZGate(Parameter("angle")), {(site,): None for site in range(3)})
    target.add_instruction(SXGate(), {(site,): None for site in range(3)})
    target.add_instruction(CZGate(), dict.fromkeys([(0, 1), (1, 2)]))
    for usual in (True, False):
        prices = route_prices(BLOCKS, target, usual)
        assert len(np.unique(prices.gate)) == 1
        assert prices.gate.min() > 0
        assert prices.seconds.max() == prices.waiting.max() == prices.reading.max() == 0
