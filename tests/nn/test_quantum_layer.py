"""QuantumLayer as a torch module, and the stock TorchConnector over the same network."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from drawn import layer_circuits
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import efficient_su2, real_amplitudes, zz_feature_map
from qiskit_machine_learning.connectors import TorchConnector
from torch import nn
from torch.nn.parallel import replicate

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import ansatz
from qgen.errors import BackendError, CircuitError, InputError
from qgen.nn import CircuitNetwork


@pytest.fixture
def circuit() -> LayerCircuit:
    return ansatz("fqconv", qubits=8, layers=1)


@given(circuit=layer_circuits(most_qubits=4, most_gates=8), seed=st.integers(0, 2**31))
def test_gradcheck(circuit: LayerCircuit, seed: int) -> None:
    torch.manual_seed(seed)
    assume(circuit.num_inputs + circuit.num_weights > 0)
    layer = QuantumLayer(circuit).double()
    inputs = torch.randn(2, circuit.num_inputs, dtype=torch.float64, requires_grad=circuit.num_inputs > 0)
    weight = layer.weight.detach().requires_grad_(circuit.num_weights > 0)

    def values(inputs: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, inputs)

    # The drawn expressions bend sharply, which is felt by the differences that gradcheck compares with.
    assert torch.autograd.gradcheck(values, (inputs, weight), eps=1e-6, atol=1e-5, rtol=1e-3)


def test_a_stock_connector_over_our_network_gives_the_same_numbers(circuit: LayerCircuit) -> None:
    ours = QuantumLayer(circuit)
    stock = TorchConnector(CircuitNetwork(circuit), initial_weights=ours.weight.detach().numpy())
    inputs = [torch.randn(5, 8).requires_grad_() for _ in range(2)]
    inputs[1].data.copy_(inputs[0].data)
    values = [layer(x) for layer, x in zip((ours, stock), inputs, strict=True)]
    torch.testing.assert_close(*values, rtol=0, atol=1e-6)
    upstream = torch.randn_like(values[0])
    for value in values:
        value.backward(upstream)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=0, atol=1e-5)
    torch.testing.assert_close(ours.weight.grad, stock.weight.grad, rtol=0, atol=1e-5)
    assert isinstance(ours, TorchConnector)


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 1, 4)])
def test_any_number_of_batch_axes(circuit: LayerCircuit, shape: tuple[int, ...]) -> None:
    layer = QuantumLayer(circuit)
    inputs = torch.randn(*shape, 8, requires_grad=True)
    values = layer(inputs)
    assert values.shape == (*shape, 8)
    flat = layer(inputs.detach().reshape(-1, 8)).reshape(*shape, 8)
    torch.testing.assert_close(values, flat, rtol=0, atol=1e-6)
    values.sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.shape == inputs.shape


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_type_is_kept(circuit: LayerCircuit, dtype: torch.dtype) -> None:
    layer = QuantumLayer(circuit).to(dtype)
    inputs = torch.randn(3, 8, dtype=dtype, requires_grad=True)
    values = layer(inputs)
    values.sum().backward()
    assert values.dtype == dtype
    assert inputs.grad is not None
    assert inputs.grad.dtype == dtype
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == dtype


def test_half_precision_inputs_work(circuit: LayerCircuit) -> None:
    layer = QuantumLayer(circuit).bfloat16()
    inputs = torch.randn(3, 8).bfloat16().requires_grad_()
    values = layer(inputs)
    assert values.dtype == torch.bfloat16
    values.float().sum().backward()
    assert inputs.grad is not None
    assert inputs.grad.dtype == torch.bfloat16


def test_frozen_weights_and_plain_inputs_get_no_gradient(circuit: LayerCircuit) -> None:
    layer = QuantumLayer(circuit)
    layer.weight.requires_grad_(False)
    inputs = torch.randn(3, 8, requires_grad=True)
    layer(inputs).sum().backward()
    assert layer.weight.grad is None
    assert inputs.grad is not None
    layer.weight.requires_grad_(True)
    plain = torch.randn(3, 8)
    layer(plain).sum().backward()
    assert layer.weight.grad is not None
    assert plain.grad is None
    assert not layer.requires_grad_(False)(plain).requires_grad


def test_state_dict_holds_the_weights_once(circuit: LayerCircuit) -> None:
    layer = QuantumLayer(circuit)
    assert list(layer.state_dict()) == ["weight"]
    assert [name for name, _ in layer.named_parameters()] == ["weight"]
    second = QuantumLayer(circuit, seed=1)
    assert not torch.equal(layer.weight, second.weight)
    second.load_state_dict(layer.state_dict())
    assert torch.equal(layer.weight, second.weight)


def test_seeds(circuit: LayerCircuit) -> None:
    assert torch.equal(QuantumLayer(circuit, seed=3).weight, QuantumLayer(circuit, seed=3).weight)
    torch.manual_seed(0)
    first = QuantumLayer(circuit, seed=None).weight
    assert not torch.equal(first, QuantumLayer(circuit, seed=None).weight)
    torch.manual_seed(0)
    assert torch.equal(first, QuantumLayer(circuit, seed=None).weight)


@pytest.mark.parametrize("twin_of", [copy.deepcopy, lambda layer: pickle.loads(pickle.dumps(layer))])
def test_copies_are_independent_and_equal(circuit: LayerCircuit, twin_of: object) -> None:
    layer = QuantumLayer(circuit)
    inputs = torch.randn(3, 8)
    before = layer(inputs)
    assert callable(twin_of)
    twin = twin_of(layer)
    assert torch.equal(twin(inputs), before)
    with torch.no_grad():
        twin.weight += 0.1
    assert torch.equal(layer(inputs), before)
    assert not torch.allclose(twin(inputs), before)


def test_replicas_send_their_gradients_home(circuit: LayerCircuit, monkeypatch: pytest.MonkeyPatch) -> None:
    """What DataParallel does: replicas hold bare tensors. There being one device, its broadcast is replaced."""

    def to_every_place(tensors: list[torch.Tensor], devices: list[int], detach: bool) -> list[list[torch.Tensor]]:
        return [[tensor * 1 for tensor in tensors] for _ in devices]

    module = __import__("torch.nn.parallel.replicate", fromlist=["replicate"])
    monkeypatch.setattr(module, "_broadcast_coalesced_reshape", to_every_place)
    monkeypatch.setattr(module, "_get_device_index", lambda device, *_: device)
    model = nn.Sequential(nn.Linear(4, 8), QuantumLayer(circuit))
    inputs = torch.randn(6, 4)
    model(inputs).square().sum().backward()
    wanted = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    halves = [twin(part) for twin, part in zip(replicate(model, [0, 1]), inputs.chunk(2), strict=True)]
    torch.cat(halves).square().sum().backward()
    result = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert len(result) == 3
    for actual, expected in zip(result, wanted, strict=True):
        torch.testing.assert_close(actual, expected, rtol=0, atol=1e-4)


def test_compiled_models_give_the_same(circuit: LayerCircuit) -> None:
    model = nn.Sequential(nn.Linear(4, 8), QuantumLayer(circuit), nn.Linear(8, 2))
    compiled = torch.compile(model, backend="aot_eager")
    inputs = torch.randn(3, 4)
    model(inputs).sum().backward()
    wanted = [parameter.grad.clone() for parameter in model.parameters() if parameter.grad is not None]
    model.zero_grad()
    torch.testing.assert_close(compiled(inputs), model(inputs), rtol=0, atol=1e-6)
    compiled(inputs).sum().backward()
    for parameter, gradient in zip(model.parameters(), wanted, strict=True):
        torch.testing.assert_close(parameter.grad, gradient, rtol=0, atol=1e-5)


def test_circuits_of_the_qiskit_library() -> None:
    features, learned = zz_feature_map(3, reps=1), real_amplitudes(3, reps=1)
    circuit = LayerCircuit(features.compose(learned), list(features.parameters), list(learned.parameters))
    layer, reference = QuantumLayer(circuit).double(), open_backend("reference").compile(circuit)
    inputs = torch.randn(4, 3, dtype=torch.float64)
    torch.testing.assert_close(layer(inputs), reference.expectations(inputs, layer.weight.detach()), rtol=0, atol=1e-10)
    bare = efficient_su2(3, reps=1)
    layer = QuantumLayer(LayerCircuit(bare, [], list(bare.parameters))).double()
    reference = open_backend("reference").compile(layer.circuit)
    wanted = reference.expectations(torch.zeros(0).double(), layer.weight.detach())
    torch.testing.assert_close(layer(), wanted, rtol=0, atol=1e-10)
    layer().sum().backward()
    assert layer.weight.grad is not None


def test_the_two_forms_of_the_masked_ansatz_agree() -> None:
    layers = [QuantumLayer(ansatz("masked", form=form)).double() for form in ("ancilla", "mixture")]
    inputs = [torch.randn(5, 4, dtype=torch.float64).requires_grad_() for _ in layers]
    inputs[1].data.copy_(inputs[0].data)
    layers[1].load_state_dict(layers[0].state_dict())
    upstream = torch.randn(5, 4, dtype=torch.float64)
    values = [layer(x) for layer, x in zip(layers, inputs, strict=True)]
    torch.testing.assert_close(*values, rtol=0, atol=1e-10)
    for value in values:
        value.backward(upstream)
    torch.testing.assert_close(inputs[0].grad, inputs[1].grad, rtol=0, atol=1e-10)
    torch.testing.assert_close(layers[0].weight.grad, layers[1].weight.grad, rtol=0, atol=1e-10)


def test_weights_may_differ_along_leading_axes() -> None:
    """Channel groups with weights of their own, in one call: the waist below the layer."""
    circuit = ansatz("hqconv", qubits=8, layers=1)
    engine = open_backend("statevector").compile(circuit)
    inputs, weights = torch.randn(6, 5, 8).double(), torch.rand(5, circuit.num_weights).double()
    values = engine.expectations(inputs, weights)
    for group in range(5):
        alone = engine.expectations(inputs[:, group], weights[group])
        torch.testing.assert_close(values[:, group], alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (torch.zeros(3, 7), r"inputs have shape \(3, 7\).*give shape \(\.\.\., 8\)"),
        (torch.zeros(()), r"inputs have shape \(\)"),
        (torch.tensor([0.0] * 7 + [float("nan")]), r"inputs\[7\] is nan"),
        (torch.full((2, 8), float("inf")), r"inputs\[0, 0\] is inf"),
        (torch.zeros(3, 8, dtype=torch.int64), "torch.int64; give real floating-point"),
        ([0.0] * 8, "takes a tensor"),
    ],
)
def test_bad_inputs_are_named(circuit: LayerCircuit, inputs: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        QuantumLayer(circuit)(inputs)


def test_bad_arguments_are_named(circuit: LayerCircuit) -> None:
    with pytest.raises(BackendError, match="no backend `statevectr`, did you mean `statevector`"):
        QuantumLayer(circuit, backend="statevectr")
    with pytest.raises(BackendError, match="no gradient method `adjiont`, did you mean `adjoint`"):
        QuantumLayer(circuit, gradient="adjiont")
    with pytest.raises(BackendError, match="`reference` has no adjoint gradients"):
        QuantumLayer(circuit, backend="reference", gradient="adjoint")
    with pytest.raises(BackendError, match="takes no shots: shots = 100"):
        QuantumLayer(circuit, shots=100)
    with pytest.raises(InputError, match=r"initial weights have shape \(3,\); give shape \(16,\)"):
        QuantumLayer(circuit, initial=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="do not broadcast"):
        open_backend("statevector").compile(circuit).expectations(torch.zeros(3, 8), torch.zeros(2, 16))


def test_too_many_qubits_are_refused_before_anything_is_allocated() -> None:
    circuit = QuantumCircuit(45)
    angle = Parameter("a")
    circuit.rx(angle, 0)
    with pytest.raises(BackendError, match=r"45 qubits need 562,949,953,421,312 bytes.*enough for \d+ qubits"):
        QuantumLayer(LayerCircuit(circuit, [angle], [], ["I" * 44 + "Z"]))


def test_an_instruction_without_a_definition_is_named_with_its_position() -> None:
    class Mystery(Gate):
        def __init__(self) -> None:
            super().__init__("mystery", 2, [])

    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.append(Mystery(), [0, 1])
    with pytest.raises(
        CircuitError, match=r"Instruction 1 \(mystery on qubits \[0, 1\]\) cannot run on the exact engine"
    ):
        QuantumLayer(LayerCircuit(circuit, [], []))
