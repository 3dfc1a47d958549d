"""Derivatives of gradients, against differences of gradients: what a gradient penalty needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from drawn import layer_circuits
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit.circuit import ParameterExpression
from torch import nn

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import Encoding, ansatz, ansatz_names
from qgen.circuits.describe import flatten
from qgen.errors import BackendError

Function = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def values_of(layer: nn.Module) -> Function:
    """A layer's values as a function of inputs and weights."""
    return lambda inputs, weight: torch.func.functional_call(layer, {"weight": weight}, inputs)


def is_smooth(circuit: LayerCircuit) -> bool:
    """Whether no angle has a kink: differences across one say nothing."""
    angles = (angle for instruction in flatten(circuit.circuit).data for angle in instruction.operation.params)
    text = " ".join(str(angle.sympify()) for angle in angles if isinstance(angle, ParameterExpression))
    return "sign" not in text and "Abs" not in text


@examples(5)
@given(circuit=layer_circuits(most_qubits=3, most_gates=6), seed=st.integers(0, 2**31))
def test_random_circuits(circuit: LayerCircuit, seed: int) -> None:
    torch.manual_seed(seed)
    assume(circuit.num_inputs + circuit.num_weights > 0)
    assume(is_smooth(circuit))
    layer = QuantumLayer(circuit).double()
    inputs = torch.randn(2, circuit.num_inputs, dtype=torch.float64, requires_grad=circuit.num_inputs > 0)
    weight = layer.weight.detach().requires_grad_(circuit.num_weights > 0)
    assert layer.compiled.second_derivatives
    # Curved angles make third derivatives of hundreds, which the differences feel.
    assert torch.autograd.gradgradcheck(values_of(layer), (inputs, weight), eps=1e-6, atol=1e-4, rtol=1e-3)


@given(circuit=layer_circuits(most_qubits=5), shape=st.sampled_from([(), (3,), (2, 3)]), seed=st.integers(0, 2**31))
def test_what_is_traced_is_what_is_evaluated(circuit: LayerCircuit, shape: tuple[int, ...], seed: int) -> None:
    torch.manual_seed(seed)
    inputs, weights = (torch.randn(*shape, size).double() for size in (circuit.num_inputs, circuit.num_weights))
    executable = open_backend("statevector").compile(circuit)
    for dtype, tolerance in ((torch.float64, 1e-10), (torch.float32, 1e-4)):
        arguments = inputs.to(dtype), weights.to(dtype)
        traced = executable.expectations_autograd(*arguments)
        assert traced.dtype == dtype
        torch.testing.assert_close(traced, executable.expectations(*arguments), rtol=0, atol=tolerance)


@pytest.mark.rows(2)
@pytest.mark.parametrize(
    "circuit",
    [
        ansatz("masked", qubits=2, layers=2),  # a mixture, whose angles multiply weights
        ansatz("basic", qubits=2, layers=2, encoding=Encoding("ry", "arctan", reupload=True)),
        ansatz("fqconv", qubits=8, layers=1),
    ],
    ids=["masked", "basic", "fqconv"],
)
@pytest.mark.parametrize("backend", ["statevector", "aer"])
def test_several_rows_of_weights(circuit: LayerCircuit, backend: str) -> None:
    layers = QuantumLayer(circuit, backend, copies=2).double()
    inputs = torch.randn(2, 2, circuit.num_inputs, dtype=torch.float64, requires_grad=True)
    weight = layers.weight.detach().requires_grad_()
    assert torch.autograd.gradgradcheck(values_of(layers), (inputs, weight), fast_mode=True)


def test_third_derivatives_of_a_circuit_known_in_closed_form() -> None:
    """One RX(x), then RX(w): Z is cos(x + w)."""
    layer = QuantumLayer(ansatz("basic", qubits=1, layers=1)).double()
    turn = torch.tensor([0.7], dtype=torch.float64, requires_grad=True)
    value, signs = layer(turn), (-1, -1, 1, 1)
    for order, sign in enumerate(signs):
        wanted = sign * (torch.sin if order % 2 == 0 else torch.cos)(turn + layer.weight)
        (value,) = torch.autograd.grad(value, turn if order % 2 else layer.weight, create_graph=True)
        torch.testing.assert_close(value, wanted, rtol=0, atol=1e-12)


def test_weights_that_are_computed_from_inputs() -> None:
    """The circuit's own derivatives stop at its weights, and autograd's go on."""
    circuit = ansatz("basic", qubits=2, layers=1)
    values = values_of(QuantumLayer(circuit).double())
    inputs = torch.randn(2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda x: values(x, 3 * x.sin()), (inputs,))


def penalty(critic: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    """How far the gradient of a critic is from length one (Gulrajani et al. 2017, arXiv:1704.00028)."""
    (slope,) = torch.autograd.grad(critic(inputs).sum(), inputs, create_graph=True)
    return (slope.norm(dim=1) - 1).square().mean()


def penalty_without_graph(critic: nn.Module, inputs: torch.Tensor) -> torch.Tensor:
    (slope,) = torch.autograd.grad(critic(inputs).sum(), inputs)
    return (slope.norm(dim=1) - 1).square().mean()


@pytest.mark.parametrize("frozen", [False, True])
def test_a_gradient_penalty(frozen: bool) -> None:
    critic = nn.Sequential(nn.Linear(5, 3), QuantumLayer(ansatz("hardware-efficient", qubits=3)), nn.Linear(3, 1))
    critic.double()
    critic[1].requires_grad_(not frozen)
    inputs = torch.randn(4, 5, dtype=torch.float64, requires_grad=True)
    leaves = [inputs, *(parameter for parameter in critic.parameters() if parameter.requires_grad)]
    result = torch.autograd.grad(penalty(critic, inputs), leaves, allow_unused=True, materialize_grads=True)
    for leaf, slope in zip(leaves, result, strict=True):
        torch.testing.assert_close(slope, differences(critic, inputs, leaf), rtol=1e-6, atol=1e-7)


def differences(critic: nn.Module, inputs: torch.Tensor, leaf: torch.Tensor, step: float = 1e-5) -> torch.Tensor:
    """Central differences of the penalty, which takes first derivatives only."""
    slopes = torch.zeros_like(leaf)
    for place in range(leaf.numel()):
        sides = []
        for sign in (1, -1):
            with torch.no_grad():
                leaf.view(-1)[place] += sign * step
            sides.append(penalty_without_graph(critic, inputs).item())
            with torch.no_grad():
                leaf.view(-1)[place] -= sign * step
        slopes.view(-1)[place] = (sides[0] - sides[1]) / (2 * step)
    return slopes


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-3), (torch.bfloat16, 0.1)])
def test_types_are_kept(dtype: torch.dtype, tolerance: float) -> None:
    layer, result = QuantumLayer(ansatz("basic", qubits=2, layers=1)), []
    inputs = torch.randn(3, 2).to(dtype)
    for kind in (dtype, torch.float64):
        layer.to(kind).zero_grad()
        here = inputs.to(kind, copy=True).requires_grad_()
        penalty(layer, here).backward()
        assert here.grad is not None
        assert layer.weight.grad is not None
        assert here.grad.dtype == layer.weight.grad.dtype == kind
        result.append([here.grad.double(), layer.weight.grad.double()])
    for first, second in zip(*result, strict=True):
        torch.testing.assert_close(first, second, rtol=tolerance, atol=tolerance)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_gpu_gives_the_numbers_of_the_processor() -> None:
    result, inputs = [], torch.randn(4, 2, dtype=torch.float64)
    for device in ("cpu", "cuda"):
        layer = QuantumLayer(ansatz("masked", qubits=2, layers=1)).to(device, torch.float64)
        here = inputs.to(device, copy=True).requires_grad_()
        penalty(layer, here).backward()
        result.append([here.grad.cpu(), layer.weight.grad.cpu()])
    for first, second in zip(*result, strict=True):
        torch.testing.assert_close(first, second, rtol=0, atol=1e-10)


@pytest.mark.rows(3)
@pytest.mark.parametrize("name", ansatz_names())
def test_all_of_it_stays_on_one_device(name: str) -> None:
    """On torch's device without numbers, where any tensor of another device would be refused."""
    circuit = ansatz(name, layers=1)
    inputs, weights = (
        torch.zeros(*shape, device="meta", requires_grad=True)
        for shape in ((3, circuit.num_inputs), (circuit.num_weights,))
    )
    values = open_backend("statevector").compile(circuit).expectations_autograd(inputs, weights)
    (slope,) = torch.autograd.grad(values.sum(), inputs, create_graph=True)
    slope.square().sum().backward()
    assert inputs.grad is not None
    assert values.device == inputs.grad.device == inputs.device


def test_after_values_in_inference_mode() -> None:
    """What is remembered there must not stay out of later graphs."""
    layer = QuantumLayer(ansatz("hqconv", qubits=4, layers=1))
    inputs = torch.randn(3, 4)
    with torch.inference_mode():
        layer(inputs)
    penalty(layer, inputs.requires_grad_()).backward()
    assert inputs.grad is not None


@pytest.mark.parametrize(
    ("backend", "shots", "gradient", "named"),
    [
        ("aer", 100, "auto", r"aer \(100 shots\), differentiated by ParameterShift"),
        ("statevector", None, "parameter-shift", r"statevector \(exact\), differentiated by ParameterShift"),
        ("statevector", None, "spsa", r"statevector \(exact\), differentiated by SPSA"),
    ],
)
def test_others_are_refused_not_wrong(backend: str, shots: int | None, gradient: str, named: str) -> None:
    layer = QuantumLayer(ansatz("basic", qubits=2, layers=1), backend, gradient, shots)
    assert not layer.compiled.second_derivatives
    inputs = torch.randn(3, 2, requires_grad=True)
    with pytest.raises(BackendError, match=f"second derivative .* none on {named}.* Take backend `statevector`"):
        penalty(layer, inputs).backward()


@pytest.mark.parametrize("backend", ["reference", "aer:fake_lagos"])
def test_backends_without_an_adjoint_say_so(backend: str) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    executable = open_backend(backend).compile(circuit)
    with pytest.raises(BackendError, match=f"backend `{backend}` has no derivatives of gradients"):
        executable.expectations_autograd(torch.zeros(2), torch.zeros(2))
