"""Values by torch operations against the exact engine's, and their derivatives against its gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from noisy_points import drawn, random_point, total

from qgen.backends.noisy.autograd import AutogradValues
from qgen.backends.noisy.exact import Exact
from qgen.circuits import LayerCircuit, ansatz
from qgen.errors import BackendError


@given(circuit=layer_circuits(most_qubits=3, most_gates=10), seed=st.integers(0, 2**32))
@examples(10)
def test_values_and_first_derivatives_are_the_exact_engine_s(circuit: LayerCircuit, seed: int) -> None:
    program, *_, rng = drawn(circuit, seed)
    point = random_point(program, 3, 1, rng)
    exact, upstream = Exact(program), rng.normal(size=(3, program.observables))
    angles = torch.tensor(point.angles, requires_grad=True)
    values = AutogradValues(program)(angles)
    assert values.detach().numpy() == pytest.approx(exact.values(point), abs=1e-12)
    (slopes,) = torch.autograd.grad((values * torch.from_numpy(upstream)).sum() + 0 * angles.sum(), angles)
    wanted = total(exact.gradients(point, upstream, True, True), point)[0]
    assert slopes.numpy().sum(axis=0) == pytest.approx(wanted, abs=1e-10)


def test_second_derivatives_are_differences_of_gradients(rng: np.random.Generator) -> None:
    program = drawn(ansatz("hqconv", qubits=4, layers=1), int(rng.integers(2**32)))[0]
    point = random_point(program, 1, 1, rng)
    exact, values = Exact(program), AutogradValues(program)
    upstream, direction = rng.normal(size=(1, program.observables)), rng.normal(size=program.columns)

    def loss(angles: torch.Tensor) -> torch.Tensor:
        return (values(angles) * torch.from_numpy(upstream)).sum()

    angles = torch.from_numpy(point.angles)
    _, found = torch.autograd.functional.hvp(loss, angles, torch.from_numpy(direction)[None])
    ends = [point._replace(angles=point.angles + sign * 1e-5 * direction) for sign in (1, -1)]
    higher, lower = (total(exact.gradients(end, upstream, True, True), end) for end in ends)
    assert found.numpy() == pytest.approx((higher - lower) / 2e-5, abs=1e-6)


def test_more_than_six_wires_are_refused() -> None:
    program = drawn(ansatz("basic", qubits=7, layers=1), 0)[0]
    with pytest.raises(BackendError, match="at most 6 wires, and the circuit is placed on 7"):
        AutogradValues(program)
