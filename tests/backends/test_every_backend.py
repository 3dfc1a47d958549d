"""What every exact backend of the catalogue has to give: the numbers of Qiskit's own Statevector."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from drawn import layer_circuits
from hypothesis import given, settings
from hypothesis import strategies as st

from qgen import QuantumLayer
from qgen.backends import backend_names, open_backend
from qgen.circuits import LayerCircuit, ansatz, ansatz_names

BACKENDS = [
    name
    for name in backend_names()
    if name != "reference" and open_backend(name).capabilities.exact and not open_backend(name).capabilities.remote
]
EXACT, SINGLE = 1e-10, 1e-5  # tolerances in float64 and float32, for observables of norm 1

backends = pytest.mark.parametrize("backend", BACKENDS)
shapes = st.sampled_from([((), ()), ((3,), ()), ((2, 3), ()), ((2, 1), (3,)), ((), (2,)), ((5,), (5,))])


@backends
@settings(max_examples=50)
@given(circuit=layer_circuits(), shape=shapes, seed=st.integers(0, 2**31))
def test_values_are_those_of_qiskit(
    backend: str, circuit: LayerCircuit, shape: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    sizes = (*shape[0], circuit.num_inputs), (*shape[1], circuit.num_weights)
    inputs, weights = (torch.randn(size, generator=generator).double() for size in sizes)  # float32 numbers
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    executable = open_backend(backend).compile(circuit)
    found = executable.expectations(inputs, weights)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT * norm)
    found = executable.expectations(inputs.float(), weights.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=SINGLE * norm)


@backends
@pytest.mark.parametrize("name", ansatz_names())
def test_gradients_are_differences_of_its_own_values(backend: str, name: str) -> None:
    circuit = ansatz(name, layers=1)
    executable = open_backend(backend).compile(circuit)
    inputs, weights = torch.randn(circuit.num_inputs).double(), torch.rand(circuit.num_weights).double()
    upstream = torch.randn(circuit.num_observables).double()
    moves = 1e-5 * torch.eye(len(inputs) + len(weights)).double()
    moved = torch.cat([inputs, weights]) + torch.stack([moves, -moves])
    values = executable.expectations(moved[..., : len(inputs)], moved[..., len(inputs) :]) @ upstream
    found = executable.adjoint(inputs, weights, upstream, (True, True))
    torch.testing.assert_close(torch.cat(found), (values[0] - values[1]) / 2e-5, rtol=0, atol=1e-6)


@backends
def test_no_samples_give_no_values(backend: str) -> None:
    executable = open_backend(backend).compile(ansatz("basic"))
    assert executable.expectations(torch.zeros(0, 4), torch.zeros(16)).shape == (0, 4)


@backends
def test_a_copy_of_a_layer_gives_the_same_values(backend: str) -> None:
    layer = QuantumLayer(ansatz("basic"), backend=backend)
    inputs = torch.randn(3, 4)
    torch.testing.assert_close(deepcopy(layer)(inputs), layer(inputs))
