"""Probabilities of outcomes, against the probabilities of Qiskit's Statevector, projected and counted."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterVector
from qiskit.quantum_info import SparsePauliOp, Statevector

from qgen import LayerCircuit, QuantumLayer, QuantumProbabilities
from qgen.backends import Backend, open_backend
from qgen.backends.measurement.walsh import walsh_hadamard
from qgen.circuits import Mixture, ansatz, with_z_products, z_products
from qgen.errors import CircuitError, InputError
from qgen.nn import describe_runs

SHOTS = 2000


def state(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> Statevector:
    values = [*inputs.tolist(), *weights.tolist()]
    return Statevector(
        circuit.circuit.assign_parameters(dict(zip(circuit.inputs + circuit.weights, values, strict=True)))
    )


def projected(result: Statevector, ancillas: list[int]) -> NDArray[np.float64]:
    """The distribution of the qubits that are left, after the ancillas were found in 0: qubit by qubit."""
    amplitudes = result.data.reshape([2] * result.num_qubits)  # axis k belongs to qubit n - 1 - k
    for qubit in sorted(ancillas):
        amplitudes = np.delete(amplitudes, 1, axis=result.num_qubits - 1 - qubit)
    weights = np.abs(amplitudes.ravel()) ** 2
    return weights / weights.sum()


def test_observables_are_products_of_z() -> None:
    result = z_products([2, 0], 3)
    assert result == [SparsePauliOp(label) for label in ("III", "ZII", "IIZ", "ZIZ")]
    circuit = ansatz("masked", qubits=2, layers=1)
    measured = with_z_products(circuit, [1])
    assert measured.observables == (SparsePauliOp("II"), SparsePauliOp("ZI"))
    assert (
        LayerCircuit(measured.circuit, measured.inputs, measured.weights, circuit.observables, measured.mixture)
        == circuit
    )


@pytest.mark.parametrize("bits", [0, 1, 3, 7])
def test_the_transform_is_its_definition(bits: int, rng: np.random.Generator) -> None:
    numbers = rng.normal(size=(3, 1 << bits))
    signs = [[(-1) ** (s & i).bit_count() for i in range(1 << bits)] for s in range(1 << bits)]
    wanted = numbers @ np.array(signs).T
    assert np.allclose(walsh_hadamard(torch.from_numpy(numbers)), wanted, rtol=0, atol=1e-10)


@examples(30)
@given(circuit=layer_circuits(most_qubits=6), seed=st.integers(0, 2**31), data=st.data())
def test_probabilities_are_those_of_qiskit(circuit: LayerCircuit, seed: int, data: st.DataObject) -> None:
    torch.manual_seed(seed)
    ancillas = data.draw(st.lists(st.integers(0, circuit.qubits - 1), unique=True, max_size=circuit.qubits - 1))
    layer = QuantumProbabilities(circuit, ancillas=ancillas).double()
    inputs = torch.randn(2, circuit.num_inputs, dtype=torch.float64)
    result, joint = layer(inputs), layer.joint(inputs)
    assert result.shape == (2, 2 ** (circuit.qubits - len(ancillas)))
    for row in range(2):
        wanted = state(circuit, inputs[row], layer.circuits.weight.detach())
        assert np.allclose(joint[row].detach(), wanted.probabilities(), rtol=0, atol=1e-10)
        survived = wanted.probabilities(ancillas)[0] if ancillas else 1.0
        if survived > 1e-6:
            assert np.allclose(result[row].detach(), projected(wanted, ancillas), rtol=0, atol=1e-10 / survived)


def test_a_mixture_is_averaged_before_it_is_conditioned() -> None:
    """Qubit 1 is a copy of qubit 0, or in half of the runs its opposite: then given 0 there, qubit 0 is as it was."""
    circuit, x, m = QuantumCircuit(2), Parameter("x"), Parameter("m")
    circuit.ry(x, 0)
    circuit.rx(m, 1)
    circuit.cx(0, 1)
    mixed = LayerCircuit(circuit, [x], [], None, Mixture([m], [[0.0], [np.pi]]))
    result = QuantumProbabilities(mixed, ancillas=[1])(torch.tensor([0.8]))
    torch.testing.assert_close(result, torch.tensor([np.cos(0.4) ** 2, np.sin(0.4) ** 2], dtype=torch.float32))


@pytest.mark.parametrize("ancillas", [[], [1], [2, 0]])
def test_derivatives(ancillas: list[int]) -> None:
    layer = QuantumProbabilities(ansatz("ry-cz", qubits=3, layers=2), ancillas, copies=2).double()
    inputs = torch.randn(3, 2, 3, dtype=torch.float64, requires_grad=True)
    weight = layer.circuits.weight.detach().requires_grad_()

    def values(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"circuits.weight": weight}, inputs)

    torch.testing.assert_close(layer(inputs).sum(dim=-1), torch.ones(3, 2, dtype=torch.float64))
    assert torch.autograd.gradcheck(values, (inputs, weight), fast_mode=True, atol=1e-4)
    assert torch.autograd.gradgradcheck(values, (inputs, weight), fast_mode=True, atol=1e-3, rtol=1e-2)


def test_second_derivatives_where_a_probability_is_zero() -> None:
    """p(1) = sin(x / 2)^2 at x = 0, where clamping would lose the curvature."""
    circuit, x = QuantumCircuit(1), Parameter("x")
    circuit.ry(x, 0)
    layer = QuantumProbabilities(LayerCircuit(circuit, [x], []))
    at = torch.zeros(1, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(at)[1], at, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, at)
    torch.testing.assert_close(curvature, torch.tensor([0.5]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_where_nothing_survives_there_are_zeros(dtype: torch.dtype) -> None:
    circuit, x, w = QuantumCircuit(3), ParameterVector("x", 3), Parameter("w")
    for qubit in range(3):
        circuit.ry(x[qubit], qubit)
    circuit.ry(w, 1)
    layer = QuantumProbabilities(LayerCircuit(circuit, x, [w]), ancillas=[2], initial=[0.3]).to(dtype)
    inputs = torch.tensor([[0.4, 1.2, np.pi], [0.4, 1.2, 1.0]], dtype=dtype, requires_grad=True)
    result = layer(inputs)
    assert torch.equal(result[0], torch.zeros(4, dtype=dtype))
    torch.testing.assert_close(result[1].sum(), torch.ones((), dtype=dtype))
    result[:, 0].sum().backward()
    assert inputs.grad is not None
    assert torch.equal(inputs.grad[0], torch.zeros(3, dtype=dtype))
    assert inputs.grad[1, :2].abs().min() > 0
    assert layer.circuits.weight.grad is not None
    assert layer.circuits.weight.grad.isfinite().all()


@pytest.mark.parametrize("backend", ["statevector", "aer"])
def test_several_circuits_are_as_many_single_ones(backend: str) -> None:
    circuit = ansatz("style", qubits=3, layers=1)
    several = QuantumProbabilities(circuit, [0], backend, copies=3).double()
    inputs = torch.randn(2, 4, 3, 3, dtype=torch.float64)
    result = several(inputs)
    assert result.shape == (2, 4, 3, 4)
    weights = several.circuits.weight.detach()
    assert not torch.equal(weights[0], weights[1])
    for k in range(3):
        single = QuantumProbabilities(circuit, [0], backend, initial=weights[k]).double()
        torch.testing.assert_close(result[..., k, :], single(inputs[..., k, :]), rtol=0, atol=1e-12)


def run(backend: Backend, circuit: LayerCircuit, inputs: torch.Tensor, ancillas: list[int]) -> torch.Tensor:
    layer = QuantumProbabilities(circuit, backend=backend, ancillas=ancillas).double()
    with torch.no_grad():
        return layer(inputs)


@pytest.mark.parametrize(
    ("name", "exact"), [("aer", "statevector"), ("aer:fake_lagos", "aer:fake_lagos"), ("fake_lagos", "aer:fake_lagos")]
)
def test_what_is_sampled_are_relative_frequencies(name: str, exact: str) -> None:
    circuit = ansatz("ry-cz", qubits=3, layers=1)
    inputs = torch.randn(2, 3, dtype=torch.float64)
    result = run(open_backend(name, SHOTS), circuit, inputs, [])
    counts = result * SHOTS
    torch.testing.assert_close(counts, counts.round(), rtol=0, atol=1e-6)
    torch.testing.assert_close(result.sum(dim=-1), torch.ones(2, dtype=torch.float64))
    assert result.min() > -1e-9
    wanted = run(open_backend(exact), circuit, inputs, [])
    # A rare outcome comes once or not at all: that is far from normal, and worth a few counts.
    limits = 5 * (wanted * (1 - wanted)).clamp(min=0).div(SHOTS).sqrt() + 10 / SHOTS
    assert ((result - wanted).abs() <= limits).all()


def test_shots_that_survive_are_counted() -> None:
    circuit, x = QuantumCircuit(2), ParameterVector("x", 2)
    circuit.ry(x[0], 0)
    circuit.ry(x[1], 1)
    inputs = torch.tensor([[1.0, np.pi / 2], [1.0, np.pi]], dtype=torch.float64)
    result = run(open_backend("aer", SHOTS), LayerCircuit(circuit, x, []), inputs, [1])
    error = np.sqrt(np.cos(0.5) ** 2 * np.sin(0.5) ** 2 / (SHOTS / 2))
    assert abs(result[0, 0].item() - np.cos(0.5) ** 2) < 6 * error
    torch.testing.assert_close(result[0].sum(), torch.ones((), dtype=torch.float64))
    assert torch.equal(result[1], torch.zeros(2, dtype=torch.float64))


def test_gradients_from_shots() -> None:
    layer = QuantumProbabilities(ansatz("ry-cz", qubits=2, layers=1), ancillas=[1], backend=open_backend("aer", 20_000))
    exact = QuantumProbabilities(ansatz("ry-cz", qubits=2, layers=1), ancillas=[1])
    inputs, slopes = torch.tensor([0.5, 0.7]), []
    for first in (layer, exact):
        first.circuits.weight.data = torch.tensor([0.4, 0.3])
        first(inputs)[0].backward()
        slopes.append(first.circuits.weight.grad)
    torch.testing.assert_close(*slopes, rtol=0, atol=0.05)


@pytest.mark.parametrize("count", [None, 2])
def test_weights_may_be_given(count: int | None) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    weights = torch.rand(2) if count is None else torch.rand(count, 2)
    layer = QuantumProbabilities(circuit, initial=weights, copies=count)
    assert torch.equal(layer.circuits.weight, weights)
    with pytest.raises(InputError, match="initial weights have shape"):
        QuantumProbabilities(circuit, initial=torch.rand(3, 2), copies=count)


def test_compiled_models_give_the_same() -> None:
    model = torch.nn.Sequential(torch.nn.Linear(4, 3), QuantumProbabilities(ansatz("ry-cz", qubits=3), ancillas=[0]))
    compiled = torch.compile(model, backend="aot_eager")
    inputs = torch.randn(3, 4)
    torch.testing.assert_close(compiled(inputs), model(inputs), rtol=0, atol=1e-6)
    compiled(inputs)[:, 0].sum().backward()
    assert model[1].circuits.weight.grad is not None


def test_other_code_finds_its_circuits() -> None:
    for copies in (None, 2):
        layer = QuantumProbabilities(ansatz("basic", qubits=2, layers=1), copies=copies)
        assert [module for module in layer.modules() if isinstance(module, QuantumLayer)] == [layer.circuits]
        assert [name for name, _ in layer.named_parameters()] == list(layer.state_dict()) == ["circuits.weight"]
        assert describe_runs(layer) == "statevector (exact)"


@pytest.mark.parametrize(
    ("qubits", "ancillas", "message"),
    [
        (2, [2], "The ancillas are 2: give each qubit once, from 0 to 1"),
        (2, [0, 0], "The ancillas are 0, 0: give each qubit once"),
        (2, [0, 1], "All 2 qubits are ancillas"),
        (13, [], r"outcomes of 13 qubits are asked for; from 1 to 12 qubits \(4,096 outcomes\)"),
    ],
)
def test_what_is_refused(qubits: int, ancillas: list[int], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        QuantumProbabilities(ansatz("basic", qubits=qubits, layers=1), ancillas=ancillas)
    with pytest.raises(CircuitError, match="The measured qubits are -1, 0: give each qubit once, from 0 to 2"):
        z_products([-1, 0], 3)
