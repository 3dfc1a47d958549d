"""Controls of circuits: means of their outputs, and outputs of other images, in any module."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.circuits import ansatz
from qgen.nn import (
    QuantumLayer,
    QuantumProbabilities,
    mean_outputs,
    output_means,
    quantum_layers,
    shuffled_outputs,
)
from qgen.randomness import image_streams


class Hybrid(torch.nn.Module):
    """Two circuits of one form on each patch of an image, then one circuit on their sums."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = QuantumLayer(ansatz("basic", qubits=2, layers=1), seed=1, copies=2)
        self.whole = QuantumLayer(ansatz("basic", qubits=2, layers=1), seed=2)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the outputs (B, patches, 2, 2) of the first, and (B, 2) of the second."""
        first = self.patches(inputs)
        return first, self.whole(first.sum((1, 2)))


def drawn(rng: np.random.Generator, *shape: int) -> torch.Tensor:
    return torch.from_numpy(rng.uniform(-2, 2, shape))


def test_means_are_those_of_all_rows_of_all_calls(rng: np.random.Generator) -> None:
    network, batches = Hybrid().double(), [drawn(rng, count, 3, 2, 2) for count in (4, 1, 0, 7)]
    with torch.no_grad():
        expected = [network(batch) for batch in batches]
        with output_means(network) as means:
            for batch, own in zip(batches, expected, strict=True):
                assert all(map(torch.equal, network(batch), own))
        first, whole = (torch.cat(parts) for parts in zip(*expected, strict=True))
        assert list(means) == ["patches", "whole"]
        torch.testing.assert_close(means["patches"], first.mean((0, 1)))  # a mean for each copy and observable
        torch.testing.assert_close(means["whole"], whole.mean(0))
        with mean_outputs(network, means):
            replaced = network(batches[0])
        assert torch.equal(replaced[0], means["patches"].expand(4, 3, 2, 2))
        assert torch.equal(replaced[1], means["whole"].expand(4, 2))
        assert all(map(torch.equal, network(batches[0]), expected[0]))


def test_means_run_no_circuits(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    network, inputs = Hybrid().double(), drawn(rng, 4, 3, 2, 2)
    with torch.no_grad(), output_means(network) as means:
        network(inputs)

    def spent(*_: object) -> None:
        raise AssertionError("a circuit ran")

    monkeypatch.setattr(QuantumLayer, "forward", spent)
    with mean_outputs(network, means):
        network(inputs)
    with pytest.raises(AssertionError, match="a circuit ran"), mean_outputs(network, {"whole": means["whole"]}):
        network(inputs)


@examples(20)
@given(st.integers(2, 9), st.integers(1, 3), st.integers(0, 2**31))
def test_every_image_gets_the_outputs_of_another_one(images: int, rows: int, seed: int) -> None:
    """With all rows of one image together, and patches in their places."""
    rng = np.random.default_rng(seed)
    network, inputs = Hybrid().double(), drawn(rng, images * rows, 2, 2, 2)
    with torch.no_grad(), image_streams(range(images)):
        own = network(inputs)[0].unflatten(0, (images, rows))
        orders = []
        for _ in range(2):
            with shuffled_outputs(network, seed):
                other = network(inputs)[0].unflatten(0, (images, rows))
                distances = (other[:, None] - own[None]).flatten(2).norm(dim=2)
                orders.append(distances.argmin(1).tolist())
                assert distances.min(1).values.max() == 0
        assert orders[0] == orders[1]  # of this seed
        assert sorted(orders[0]) == list(range(images))
        assert all(source != place for place, source in enumerate(orders[0]))


def test_cycles_differ_by_call_and_seed(rng: np.random.Generator) -> None:
    layer, inputs = QuantumLayer(ansatz("basic", qubits=2, layers=1)), drawn(rng, 40, 2)
    found = []
    for seed in (1, 2):
        with torch.no_grad(), shuffled_outputs(layer, seed):
            found += [layer(inputs), layer(inputs)]
    assert all(not torch.equal(one, two) for number, one in enumerate(found) for two in found[:number])
    with shuffled_outputs(layer):
        assert torch.equal(layer(inputs[:1]), layer.forward(inputs[:1]))  # alone
        assert layer(inputs[:0]).shape == (0, 2)


def test_probabilities_of_a_mean_are_the_mean_probabilities(rng: np.random.Generator) -> None:
    network, inputs = QuantumProbabilities(ansatz("basic", qubits=3, layers=1)).double(), drawn(rng, 6, 3)
    with torch.no_grad():
        with output_means(network) as means:
            own = network(inputs)
        with mean_outputs(network, means):
            torch.testing.assert_close(network(inputs), own.mean(0).expand(6, 8))
        with shuffled_outputs(network):
            other = network(inputs)
    order = torch.cdist(other, own).argmin(1)
    assert torch.equal(other, own[order])
    assert sorted(order.tolist()) == list(range(6))


def test_everything_is_as_before_after_an_error(rng: np.random.Generator) -> None:
    network, inputs = Hybrid().double(), drawn(rng, 4, 3, 2, 2)
    with pytest.raises(ValueError, match="wrong"), output_means(network), shuffled_outputs(network):
        raise ValueError("wrong")
    assert all("forward" not in vars(layer) for layer in quantum_layers(network).values())
    with torch.no_grad(), output_means(network) as means, shuffled_outputs(network):
        network(inputs)
    assert len(means) == 2  # what is noted is what the circuits gave


def test_a_layer_without_inputs_has_a_mean_too() -> None:
    from qiskit import QuantumCircuit
    from qiskit.circuit import Parameter

    from qgen.circuits import LayerCircuit

    angle, circuit = Parameter("a"), QuantumCircuit(1)
    circuit.ry(angle, 0)
    layer = QuantumLayer(LayerCircuit(circuit, inputs=[], weights=[angle]))
    with torch.no_grad(), output_means(layer) as means:
        own = layer()
    with torch.no_grad(), shuffled_outputs(layer):
        assert torch.equal(layer(), own)
    with mean_outputs(layer, means):
        torch.testing.assert_close(layer(), own)
