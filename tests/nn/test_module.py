"""QuantumLayer as users of torch expect any module to be: types, devices, checkpoints, threads, wrappers."""

from __future__ import annotations

import copy
import io
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import torch
from qiskit.primitives import StatevectorEstimator
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from qgen import LayerCircuit, QuantumLayer, QuantumProbabilities
from qgen.circuits import ansatz
from qgen.errors import InputError
from qgen.nn.initialisers import Normal

CIRCUIT = ansatz("basic", qubits=3, layers=2)


@pytest.fixture(params=[torch.float32, torch.float64])
def default_type(request: pytest.FixtureRequest) -> Any:
    before = torch.get_default_dtype()
    torch.set_default_dtype(request.param)
    yield request.param
    torch.set_default_dtype(before)


@pytest.mark.parametrize("copies", [None, 2])
def test_the_default_type_of_torch(default_type: torch.dtype, copies: int | None) -> None:
    thirds = np.full((6,) if copies is None else (copies, 6), 1 / 3)
    layer = QuantumLayer(CIRCUIT, initial=thirds, copies=copies)
    assert layer.weight.dtype == default_type == nn.Linear(1, 1).weight.dtype
    assert torch.equal(layer.weight, torch.tensor(thirds, dtype=default_type))
    assert layer(torch.rand(4, *thirds.shape[:-1], 3)).dtype == default_type


def stock() -> TorchConnector:
    network = EstimatorQNN(
        circuit=CIRCUIT.circuit,
        observables=list(CIRCUIT.observables),
        input_params=list(CIRCUIT.inputs),
        weight_params=list(CIRCUIT.weights),
        estimator=StatevectorEstimator(),
        default_precision=0.0,
    )
    return TorchConnector(network)


@pytest.mark.parametrize("inside", [False, True])
def test_a_stock_connectors_state_is_loaded(inside: bool) -> None:
    theirs, ours = stock(), QuantumLayer(CIRCUIT)
    x = torch.rand(2, 3)
    wanted = theirs(x)
    if inside:
        theirs, ours = nn.Sequential(nn.Identity(), theirs), nn.Sequential(nn.Identity(), ours)
    assert set(theirs.state_dict()) == {f"{'1.' if inside else ''}{name}" for name in ("weight", "_weights")}
    ours.load_state_dict(theirs.state_dict())
    torch.testing.assert_close(ours(x), wanted, rtol=0, atol=1e-5)
    with torch.no_grad():
        next(ours.parameters()).add_(0.3)
    theirs.load_state_dict(ours.state_dict(), strict=False)  # strict: it asks for the same weights twice
    torch.testing.assert_close(ours(x), theirs(x), rtol=0, atol=1e-5)


def test_other_states_are_refused_as_by_any_module() -> None:
    layer = QuantumLayer(CIRCUIT)
    with pytest.raises(RuntimeError, match="size mismatch for weight"):
        layer.load_state_dict({"weight": torch.zeros(5), "_weights": torch.zeros(5)})
    with pytest.raises(RuntimeError, match=r"Missing key.*weight"):
        layer.load_state_dict({})
    with pytest.raises(RuntimeError, match=r"Unexpected key.*bias"):
        layer.load_state_dict({"weight": torch.zeros(6), "bias": torch.zeros(6)})
    given = {"_weights": torch.ones(6)}
    layer.load_state_dict(given)
    assert torch.equal(layer.weight, torch.ones(6))
    assert list(given) == ["_weights"]


@pytest.mark.parametrize("copies", [None, 2])
@pytest.mark.parametrize("initial", [None, Normal(0.2)])
def test_built_without_numbers(copies: int | None, initial: Normal | None) -> None:
    """On torch's device without numbers, as large models are, then filled in or loaded."""
    wanted = QuantumProbabilities(CIRCUIT, [1], seed=4, initial=initial, copies=copies)
    with torch.device("meta"):
        layer = QuantumProbabilities(CIRCUIT, [1], seed=4, initial=initial, copies=copies)
    assert all(item.is_meta for item in (*layer.parameters(), *layer.buffers()))
    given = torch.rand(4, *(() if copies is None else (copies,)), 3)
    with pytest.raises(InputError, match="inputs are on cpu, weights on meta"):
        layer(given)
    loaded = copy.deepcopy(layer)
    loaded.load_state_dict(wanted.state_dict(), assign=True)
    layer.to_empty(device="cpu")
    for module in layer.modules():
        if hasattr(module, "reset_parameters"):
            module.reset_parameters()
    for item in (layer, loaded):
        assert torch.equal(item(given), wanted(given))
        assert isinstance(item.circuits.weight, nn.Parameter)


def test_reset_parameters() -> None:
    layer = QuantumLayer(CIRCUIT, seed=3)
    start, kept = layer.weight.detach().clone(), layer.weight
    with torch.no_grad():
        layer.weight += 1
    layer.reset_parameters()
    assert layer.weight is kept
    assert torch.equal(layer.weight, start)
    layer = QuantumLayer(CIRCUIT, seed=None)
    start = layer.weight.detach().clone()
    layer.reset_parameters()
    assert not torch.equal(layer.weight, start)


def test_copies_are_as_many_layers_with_shots_too() -> None:
    several = QuantumLayer(CIRCUIT, "aer", shots=20_000, copies=3)
    assert [name for name, _ in several.named_parameters()] == list(several.state_dict()) == ["weight"]
    assert len(several.weight.unique(dim=0)) == 3
    given = torch.rand(2, 3, 3)
    with torch.no_grad():
        result = several(given)
        for k in range(3):
            single = QuantumLayer(CIRCUIT, initial=several.weight[k])(given[:, k])
            assert 0 < (result[:, k] - single).abs().max() < 6 / 20_000**0.5
    with pytest.raises(InputError, match=r"takes inputs \(\.\.\., 3, 3\), not \(3,\)"):
        several(torch.rand(3))


def test_copies_of_a_circuit_without_inputs() -> None:
    bare = LayerCircuit(CIRCUIT.circuit, [], [*CIRCUIT.inputs, *CIRCUIT.weights])
    layer = QuantumLayer(bare, copies=2)
    layer().sum().backward()
    assert layer().shape == (2, 3)
    assert layer.weight.grad is not None


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("weights", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_half_precision(kind: torch.dtype, weights: torch.dtype) -> None:
    layer = QuantumLayer(CIRCUIT).to(weights)
    given = torch.rand(4, 3).to(kind).requires_grad_()
    values = layer(given)
    values.sum().backward()
    assert values.dtype == torch.promote_types(kind, weights)
    assert given.grad is not None
    assert given.grad.dtype == kind
    exact = QuantumLayer(CIRCUIT, initial=layer.weight).double()(given.detach().double())
    torch.testing.assert_close(values.double(), exact, rtol=0, atol=0.02)


def test_autocast() -> None:
    model = nn.Sequential(nn.Linear(3, 3), QuantumLayer(CIRCUIT), nn.Linear(3, 1))
    given = torch.rand(4, 3)
    with torch.autocast("cpu", torch.bfloat16):
        result = model(given)
        slopes = torch.func.vmap(torch.func.grad(lambda x: model[1](x).sum()))(given)
    result.float().sum().backward()
    torch.testing.assert_close(result.float(), model(given), rtol=0, atol=0.05)
    assert slopes.dtype == torch.float32  # the layer itself loses nothing
    torch.testing.assert_close(slopes, torch.func.vmap(torch.func.grad(lambda x: model[1](x).sum()))(given))


@pytest.mark.parametrize("copies", [None, 2])
def test_empty_batches(copies: int | None) -> None:
    for layer in (QuantumLayer(CIRCUIT, copies=copies), QuantumLayer(CIRCUIT, "aer", shots=10, copies=copies)):
        given = torch.zeros(0, *(() if copies is None else (copies,)), 3, requires_grad=True)
        values = layer(given)
        assert values.shape == given.shape
        values.sum().backward()
        assert given.grad is not None
        assert layer.weight.grad is not None
        assert torch.equal(layer.weight.grad, torch.zeros_like(layer.weight))


def test_tensors_however_they_lie() -> None:
    layer = QuantumLayer(CIRCUIT).double()
    numbers = torch.rand(3, 4, 2, dtype=torch.float64)
    views = {
        "transposed": numbers.permute(1, 2, 0),
        "strided": torch.rand(4, 6, dtype=torch.float64)[::2, ::2],
        "expanded": torch.rand(3, dtype=torch.float64).expand(5, 3),
        "negated in place of a copy": torch.rand(4, 3, dtype=torch.complex128).conj().imag,
        "flipped": numbers[:, :, 0].T.flip(0),
        "of a parameter": nn.Parameter(torch.rand(2, 3, dtype=torch.float64)),
    }
    for name, view in views.items():
        for given in (view, view.detach().requires_grad_()):
            plain = given.detach().resolve_neg().contiguous().clone()
            torch.testing.assert_close(layer(given), layer(plain), rtol=0, atol=0, msg=name)
            layer(given).sum().backward()
    given = torch.rand(3, dtype=torch.float64, requires_grad=True)
    values = layer(given)
    torch.complex(torch.zeros_like(values), values).conj().imag.sum().backward()  # an upstream that is negated so
    (wanted,) = torch.autograd.grad(-layer(given).sum(), given)
    assert given.grad is not None
    torch.testing.assert_close(given.grad, wanted)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (torch.zeros(2, 3, dtype=torch.complex64), "complex64; give real floating-point numbers"),
        (torch.zeros(2, 3, dtype=torch.bool), "bool; give real floating-point numbers"),
        (torch.zeros(2, 3, dtype=torch.uint8), "uint8; give real floating-point numbers"),
        (torch.zeros(2, 3).to_sparse(), r"a dense tensor, not torch.sparse_coo: give inputs.to_dense\(\)"),
        (torch.zeros(2, 3, device="meta"), "inputs are on meta, weights on cpu: move one to the other"),
        (np.zeros((2, 3)), r"takes a tensor \(\.\.\., 3\), not array"),
    ],
    ids=str,
)
def test_other_inputs_are_refused(given: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        QuantumLayer(CIRCUIT)(given)


@pytest.mark.parametrize("copies", [None, 2])
def test_weights_that_are_computed(copies: int | None) -> None:
    """`parametrize` puts a function in the place of the parameter."""

    class Halved(nn.Module):
        def forward(self, given: torch.Tensor) -> torch.Tensor:
            return given / 2

        def right_inverse(self, given: torch.Tensor) -> torch.Tensor:
            return given * 2

    layer = QuantumLayer(CIRCUIT, copies=copies)
    given = torch.rand(4, *layer.weight.shape[:-1], 3)
    before, start = layer(given), layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Halved())
    assert torch.equal(layer.parametrizations["weight"].original, 2 * start)
    torch.testing.assert_close(layer(given), before)
    layer(given).sum().backward()
    assert layer.parametrizations["weight"].original.grad is not None
    parametrize.remove_parametrizations(layer, "weight")
    torch.testing.assert_close(layer(given), before)
    if copies is not None:
        parametrizations.weight_norm(layer, "weight")
        torch.testing.assert_close(layer(given), before)


def test_saved_and_loaded_by_torch() -> None:
    layer, file = QuantumLayer(CIRCUIT, copies=2), io.BytesIO()
    torch.save(layer.state_dict(), file)
    file.seek(0)
    second = QuantumLayer(CIRCUIT, seed=1, copies=2)
    second.load_state_dict(torch.load(file, weights_only=True))
    assert torch.equal(layer.weight, second.weight)


def test_threads() -> None:
    layer = QuantumLayer(CIRCUIT)
    batches = [torch.rand(size, 3) for size in range(1, 25)]

    def slope(given: torch.Tensor) -> torch.Tensor:
        here = given.clone().requires_grad_()
        return torch.autograd.grad(layer(here).square().sum(), here)[0]

    with ThreadPoolExecutor(8) as pool:
        for first, second in zip(pool.map(slope, batches), map(slope, batches), strict=True):
            torch.testing.assert_close(first, second, rtol=0, atol=1e-6)


def test_checkpointing_repeats_the_shots() -> None:
    """`torch.utils.checkpoint` computes values again for the backward pass: they have to be the same ones."""
    layer, seen = QuantumLayer(CIRCUIT, "aer", shots=20), []

    def noted(given: torch.Tensor) -> torch.Tensor:
        seen.append(layer(given))
        return seen[-1].square()

    given = torch.rand(2, 3, requires_grad=True)
    torch.utils.checkpoint.checkpoint(noted, given, use_reentrant=False).sum().backward()
    assert len(seen) == 2
    assert torch.equal(*seen)


@pytest.mark.parametrize("way", [lambda model: model, torch.func.vmap])
def test_compiled_with_a_break_in_the_graph(way: Any) -> None:
    model = nn.Sequential(nn.Linear(3, 3), QuantumLayer(CIRCUIT))
    given = torch.rand(4, 3)
    torch.testing.assert_close(torch.compile(way(model), backend="eager")(given), model(given))
