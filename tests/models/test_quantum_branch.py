"""The gated branch of a circuit: what it adds, that it has no way for a constant, and the controls of its circuit."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from threads_together import together

from qgen.backends import open_backend
from qgen.errors import ConfigError
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.quantum_branch import MOMENTUM, CosineMap, QuantumBranch, branches
from qgen.nn import QuantumLayer, mean_outputs, output_means, shuffled_outputs


def branch(width: int = 5, seed: int = 3, **settings: object) -> QuantumBranch:
    given = {"kind": "circuit", "qubits": 3, "layers": 1} | settings
    context = CircuitContext(open_backend("statevector"), "auto", seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return QuantumBranch(width, BranchSettings.read(given), context)


def test_it_adds_what_the_formula_says(rng: np.random.Generator) -> None:
    made = branch()
    features = torch.tensor(rng.normal(size=(4, 2, 5)), dtype=torch.float32)
    made.mean.copy_(torch.tensor(rng.normal(size=3)))
    with torch.no_grad():
        made.gate.copy_(torch.tensor(rng.normal(size=5)))
    weight = {name: value.detach().double().numpy() for name, value in made.named_parameters()}
    angles = np.arctan(features.double().numpy() @ weight["pre.weight"].T + weight["pre.bias"])
    assert isinstance(made.values, QuantumLayer)
    executable = open_backend("reference").compile(made.values.circuit)
    values = np.asarray(executable.expectations(angles, weight["values.weight"], 0))
    change = weight["gate"] * ((values - made.mean.double().numpy()) @ weight["out.weight"].T)
    made.eval()
    torch.testing.assert_close(made(features), (features + torch.tensor(change)).float(), rtol=1e-4, atol=1e-5)
    share = np.linalg.norm(change) / np.linalg.norm(features.double().numpy() + change)
    assert made.metrics()["branch_share"].item() == pytest.approx(share, rel=1e-4)
    assert made.metrics()["gate"].item() == pytest.approx(np.abs(weight["gate"]).mean(), rel=1e-5)


@pytest.mark.parametrize("kind", ["circuit", "classical"])
def test_a_circuit_that_does_not_see_its_input_adds_nothing(kind: str, rng: np.random.Generator) -> None:
    made = branch(kind=kind)
    with torch.no_grad():
        made.pre.weight.zero_()
    features = torch.tensor(rng.normal(size=(6, 5)), dtype=torch.float32)
    changed = made(features)  # the first batch of training
    torch.testing.assert_close(changed, features, rtol=0, atol=1e-6)
    torch.testing.assert_close(made.eval()(features), features, rtol=0, atol=1e-6)


def test_the_running_mean_is_that_of_training_batches(rng: np.random.Generator) -> None:
    made, expected = branch(), np.zeros(3)
    for number in range(1, 15):
        features = torch.tensor(rng.normal(size=(4, 5)), dtype=torch.float32)
        values = made.values(made.pre(features).arctan()).detach().double().numpy()
        expected += max(MOMENTUM, 1 / number) * (values.mean(0) - expected)
        made(features)
        np.testing.assert_allclose(made.mean.numpy(), expected, atol=1e-6)
    with torch.no_grad():
        made(features)
    made.eval()(features)
    np.testing.assert_allclose(made.mean.numpy(), expected, atol=1e-6)
    assert made.updates.item() == 14


@examples(10)
@given(st.integers(1, 3), st.integers(1, 3), st.integers(0, 2**31))
def test_several_processes_have_the_mean_of_one(processes: int, rows: int, seed: int) -> None:
    drawn = torch.Generator().manual_seed(seed)
    batches = [torch.randn(processes * rows, 5, generator=drawn) for _ in range(3)]

    def train(made: QuantumBranch, share: slice) -> list[torch.Tensor]:
        return [made(batch[share]) for batch in batches]

    alone, them = branch(), [branch() for _ in range(processes)]
    expected = train(alone, slice(None))
    shares = [slice(rank * rows, (rank + 1) * rows) for rank in range(processes)]
    found = together(lambda given: train(*given), list(zip(them, shares, strict=True)))
    for number, whole in enumerate(expected):
        torch.testing.assert_close(torch.cat([each[number] for each in found]), whole, rtol=1e-5, atol=1e-6)
    for made in them:
        torch.testing.assert_close(made.mean, alone.mean, rtol=1e-5, atol=1e-6)


def test_all_rows_are_one_call() -> None:
    made, calls = branch(), []
    made.values.register_forward_pre_hook(lambda _, given: calls.append(tuple(given[0].shape)))
    made(torch.zeros(2, 7, 5))
    assert calls == [(2, 7, 3)]


def test_the_controls(rng: np.random.Generator) -> None:
    made = branch()
    features = torch.tensor(rng.normal(size=(32, 5)), dtype=torch.float32)
    made(features)
    network = torch.nn.Sequential(torch.nn.Identity(), made).eval()
    assert branches(network) == [made]
    with output_means(network) as means:
        own = network(features) - features
    with mean_outputs(network, means):
        constant = network(features) - features
    torch.testing.assert_close(constant, own.mean(0).expand_as(own), rtol=1e-3, atol=1e-5)
    with shuffled_outputs(network):
        other = network(features) - features
    assert torch.equal(network(features) - features, own)
    order = [int((own - row).abs().sum(1).argmin()) for row in other]
    assert sorted(order) == list(range(32))  # each row's values went to another row
    assert all(source != place for place, source in enumerate(order))


@examples(30)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 90), st.integers(0, 2**31))
def test_the_classical_twin_has_the_parameters_that_it_is_given(
    inputs: int, outputs: int, parameters: int, seed: int
) -> None:
    made = CosineMap(inputs, outputs, parameters, seed)
    assert sum(weight.numel() for weight in made.parameters()) == parameters
    x = torch.randn(3, inputs, generator=torch.Generator().manual_seed(seed))
    values = x.double().numpy()
    for width, weight in zip(made.widths, made.weights, strict=True):
        numbers = weight.detach().double().numpy()
        matrix, bias = np.zeros((outputs, width)), np.zeros(outputs)
        for place, number in enumerate(numbers):
            diagonal, row = divmod(place, outputs)
            if diagonal == 1:
                bias[row] = number
            else:
                matrix[row, (row + max(0, diagonal - 1)) % width] = number
        values = np.cos(values @ matrix.T + bias)
    np.testing.assert_allclose(made(x).detach().numpy(), values, atol=1e-4)
    again = CosineMap(inputs, outputs, parameters, seed)
    assert all(torch.equal(one, two) for one, two in zip(made.weights, again.weights, strict=True))


@pytest.mark.parametrize(("ansatz", "qubits", "layers"), [("strongly-entangling", 8, 2), ("basic", 3, 1)])
def test_the_twin_of_a_circuit(ansatz: str, qubits: int, layers: int) -> None:
    twins = {kind: branch(kind=kind, ansatz=ansatz, qubits=qubits, layers=layers) for kind in ("circuit", "classical")}
    counts = {kind: sum(weight.numel() for weight in made.parameters()) for kind, made in twins.items()}
    assert counts["circuit"] == counts["classical"]
    assert (twins["circuit"].circuits, twins["classical"].circuits) == (1, 0)
    assert not any(isinstance(inner, QuantumLayer) for inner in twins["classical"].modules())


def test_no_branch_has_nothing() -> None:
    made = branch(kind="none")
    features = torch.randn(2, 5)
    assert torch.equal(made(features), features)
    assert list(made.state_dict()) == []
    assert made.metrics() == {}
    assert made.circuits == 0


def test_gradients_reach_all_of_it(rng: np.random.Generator) -> None:
    made = branch()
    made(torch.tensor(rng.normal(size=(6, 5)), dtype=torch.float32)).square().sum().backward()
    dead = {name for name, weight in made.named_parameters() if weight.grad is None or not weight.grad.any()}
    assert dead == set()


def test_a_circuit_that_cannot_be_is_one_line() -> None:
    with pytest.raises(ConfigError, match="nope"):
        BranchSettings.read({"kind": "circuit", "ansatz": "nope"})
    with pytest.raises(ConfigError, match="`qubits` is no option here"):
        BranchSettings.read({"kind": "circuit", "options": {"qubits": 3}})
    assert math.isclose(BranchSettings().gate, 0.1)
