"""Circuits compiled for the weights that they run with: the same values, fewer gates, and no others' weights."""

from __future__ import annotations

import copy
import pickle
from functools import lru_cache

import numpy as np
import pytest
import torch
from drawn import layer_circuits, small_ansatz
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen import QuantumLayer
from qgen.backends import Backend, open_backend
from qgen.backends.device.routing import route_layer
from qgen.circuits import LayerCircuit, ansatz, ansatz_names
from qgen.circuits.bound import bind_weights
from qgen.circuits.mixture import Mixture
from qgen.devices import open_device
from qgen.errors import BackendError, CircuitError, InputError
from qgen.nn import bind_weights as bind_module

#: Of those that begin at eight qubits one is enough: the others are of the same gates.
NAMES = [name for name in ansatz_names() if name not in ("fqconv", "hqconv-published")]
#: Placed and routed, with every error at strength zero.
QUIET = ("noisy:fake_lagos", "aer:fake_lagos")


@lru_cache
def quiet(name: str) -> Backend:
    return open_backend(name, noise_scale=0.0)


def numbers(rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Angles, some of them special ones, at which gates vanish or merge."""
    drawn = rng.uniform(-4, 4, shape)
    special = rng.integers(-4, 5, shape) * np.pi / 2
    return np.where(rng.random(shape) < 0.3, special, drawn)


def allowed(circuit: LayerCircuit) -> float:
    """The tolerance of values, by the norm of what is measured."""
    return 1e-10 * max(1.0, *(float(np.abs(one.coeffs).sum()) for one in circuit.observables))


@given(layer_circuits(), st.sampled_from(QUIET), st.integers(0, 2**32))
@examples(12)
def test_bound_is_open(circuit: LayerCircuit, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    inputs, weights = numbers(rng, 3, circuit.num_inputs), numbers(rng, circuit.num_weights)
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    bound = quiet(name).compile(circuit, weights)
    assert bound.expectations(inputs, weights) == pytest.approx(wanted, abs=allowed(circuit))


@pytest.mark.parametrize("name", QUIET)
@given(st.sampled_from(NAMES), st.integers(1, 2), st.integers(0, 2**32))
@examples(3)
def test_every_ansatz_with_several_rows(name: str, of: str, layers: int, seed: int) -> None:
    rng, circuit = np.random.default_rng(seed), small_ansatz(of, layers)
    circuit = ansatz(of, qubits=4, layers=layers) if circuit.qubits > 7 else circuit
    inputs, weights = numbers(rng, 2, 3, circuit.num_inputs), numbers(rng, 3, circuit.num_weights)
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    bound = quiet(name).compile(circuit, weights)
    assert bound.expectations(inputs, weights) == pytest.approx(wanted, abs=1e-10)
    assert bound.expectations(inputs, weights[1]) == pytest.approx(
        open_backend("reference").compile(circuit).expectations(inputs, weights[1]), abs=1e-10
    )


def small() -> LayerCircuit:
    return ansatz("hqconv", qubits=4, layers=1)


def test_a_mixture_and_an_input_times_a_weight_of_zero(rng: np.random.Generator) -> None:
    x, y, w, v, m = (Parameter(name) for name in "xywvm")
    circuit = QuantumCircuit(2)
    circuit.ry(w * x, 0)
    circuit.rx(y + m, 1)
    circuit.crz(v, 0, 1)
    circuit.h(1)
    mixed = LayerCircuit(circuit, [x, y], [w, v], None, Mixture([m], [[0.3], [1.1]]))
    inputs, weights = rng.normal(size=(4, 2)), np.array([0.0, 0.7])
    bound = bind_weights(mixed, weights)
    assert bound.circuit.num_weights == 0
    assert bound.circuit.inputs == tuple([x, y, m][k] for k in bound.columns)
    assert {1, 2} <= set(bound.columns)  # y, and the mixture's
    wanted = open_backend("reference").compile(mixed).expectations(inputs, weights)
    for name in QUIET:
        found = quiet(name).compile(mixed, weights).expectations(inputs, weights)
        assert found == pytest.approx(wanted, abs=1e-10)


def test_a_circuit_is_known_by_its_weights(rng: np.random.Generator) -> None:
    circuit, weights = small(), rng.normal(size=small().num_weights)
    other = weights.copy()
    other[3] *= 1 + 8 * np.finfo(float).eps  # neighbours may be the same angle, once rounded
    digests = {bind_weights(circuit, one).circuit.digest for one in (weights, other, weights.copy())}
    assert len(digests) == 2
    zero = np.zeros_like(weights)
    assert bind_weights(circuit, zero).circuit.digest == bind_weights(circuit, -zero).circuit.digest


def test_fewer_gates(rng: np.random.Generator) -> None:
    circuit = ansatz("hqconv", qubits=8, layers=1)  # in rings, on a device without any
    bound, target = (
        bind_weights(circuit, rng.uniform(0.1, 3, circuit.num_weights)),
        open_device("fake_guadalupe").target,
    )
    pairs = [route_layer(one, target)[0].circuits[0].num_nonlocal_gates() for one in (circuit, bound.circuit)]
    assert pairs[1] < pairs[0]


@pytest.mark.parametrize("name", [*QUIET, "fake_lagos"])
def test_other_weights_are_refused(name: str, rng: np.random.Generator) -> None:
    circuit, backend = small(), open_backend(name)
    inputs, weights = rng.normal(size=(2, 4)), rng.normal(size=small().num_weights)
    bound = backend.compile(circuit, weights)
    for wrong in (weights + 1e-12, np.stack([weights, weights + 1])):
        with pytest.raises(InputError, match=r"not those that the circuit was compiled for: compile it for them"):
            bound.expectations(inputs, wrong)
    for shape in [(1,), (2, 2, len(weights)), (3, len(weights) + 1)]:
        with pytest.raises(InputError, match="weights have shape"):
            backend.compile(circuit, np.zeros(shape))
    with pytest.raises(InputError, match=r"weights\[1\] is nan"):
        backend.compile(circuit, [0.0, np.nan, *weights[2:]])


@pytest.mark.parametrize("name", ["statevector", "reference", "aer"])
def test_where_nothing_is_placed_weights_change_nothing(name: str, rng: np.random.Generator) -> None:
    circuit, backend = small(), open_backend(name)
    inputs, weights = rng.normal(size=(2, 4)), rng.normal(size=(2, small().num_weights))
    bound, opened = backend.compile(circuit, weights[0]), backend.compile(circuit)
    assert not bound.bound
    for row in weights:
        assert (bound.expectations(inputs, row) == opened.expectations(inputs, row)).all()


def test_an_angle_without_a_value_is_refused() -> None:
    w, circuit = Parameter("w"), QuantumCircuit(1)
    circuit.rx(w.log(), 0)
    with pytest.raises(CircuitError):
        bind_weights(LayerCircuit(circuit, [], [w]), np.array([0.0]))


@pytest.mark.parametrize("name", ["noisy:fake_lagos", "aer:fake_lagos"])
def test_gradients_by_inputs_or_a_line(name: str, rng: np.random.Generator) -> None:
    circuit, backend = small(), open_backend(name, noise_scale=0.0)
    inputs = torch.tensor(rng.normal(size=(3, 4)))
    weights = torch.tensor(rng.normal(size=circuit.num_weights))
    upstream, bound = torch.tensor(rng.normal(size=(3, 4))), backend.compile(circuit, weights.numpy())
    if backend.capabilities.adjoint:
        found, none = bound.vjp(inputs, weights, upstream, (True, False))
        wanted = open_backend("statevector").compile(circuit).vjp(inputs, weights, upstream, (True, False))[0]
        assert none is None
        assert found is not None
        assert wanted is not None
        assert torch.allclose(found, wanted, atol=1e-9)
    layer = QuantumLayer(circuit, backend)
    layer.bind_weights()
    with pytest.raises(BackendError, match="compiled for fixed weights"):
        layer(inputs.float()).sum().backward()
    layer.release_weights()
    layer(inputs.float()).sum().backward()
    assert layer.weight.grad is not None


@pytest.mark.parametrize("copies", [None, 3])
def test_a_layer(copies: int | None, rng: np.random.Generator) -> None:
    circuit = small()
    layer = QuantumLayer(circuit, quiet("noisy:fake_lagos"), copies=copies)
    exact = QuantumLayer(circuit, copies=copies)
    inputs = torch.tensor(rng.normal(size=(2, 5, *([] if copies is None else [copies]), 4)), dtype=torch.float32)
    bind_module(torch.nn.Sequential(layer))
    with torch.no_grad():
        assert layer.compiled.executable.bound
        assert torch.allclose(layer(inputs), exact(inputs), atol=1e-6)
        for again in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
            assert torch.equal(again(inputs), layer(inputs))
        layer.weight += 0.1  # as another checkpoint has them
        with pytest.raises(InputError, match=r"QuantumLayer\.bind_weights\(\)"):
            layer(inputs)
        layer.bind_weights()
        exact.weight.copy_(layer.weight)
        assert torch.allclose(layer(inputs), exact(inputs), atol=1e-6)


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["aer:fake_lagos", "noisy:fake_lagos", "fake_lagos"])
def test_bits_of_single_shots(name: str, rng: np.random.Generator) -> None:
    circuit, shots = small(), 2000
    inputs, weights = rng.normal(size=(2, 4)), rng.normal(size=small().num_weights)
    bound = open_backend(name).compile(circuit, weights)
    bits = bound.draw(inputs, weights, shots, 3)
    assert bits.shape == (2, shots, 4)
    assert np.array_equal(bits, bound.draw(inputs, weights, shots, 3))
    wanted = open_backend("aer:fake_lagos").compile(circuit, weights).expectations(inputs, weights)
    assert 1 - 2 * bits.mean(axis=1) == pytest.approx(wanted, abs=6 / np.sqrt(shots))
    with pytest.raises(InputError, match="not those that the circuit was compiled for"):
        bound.draw(inputs, weights + 1, shots, 3)


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["aer:fake_lagos", "noisy:fake_lagos", "fake_lagos"])
def test_a_row_of_several_draws_the_same_in_any_batch(name: str, rng: np.random.Generator) -> None:
    circuit, backend = small(), open_backend(name, shots=30)
    weights, inputs = rng.normal(size=(2, small().num_weights)), rng.normal(size=(3, 2, 4))
    bound, seeds = backend.compile(circuit, weights), [5, 6, 7]
    whole = bound.expectations(inputs, weights, seeds)
    for k, seed in enumerate(seeds):
        assert np.array_equal(bound.expectations(inputs[k : k + 1], weights, [seed])[0], whole[k])
    assert not np.array_equal(bound.expectations(inputs, weights, [8, 6, 7])[0], whole[0])
