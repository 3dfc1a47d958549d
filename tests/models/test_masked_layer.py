"""Masks that are drawn anew: against the ansatz with those masks, their averages, their removal, and their settings."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen.backends import open_backend
from qgen.circuits import Encoding, ansatz
from qgen.errors import ConfigError
from qgen.generators.inspection import count_circuits
from qgen.models.branch_settings import BranchSettings
from qgen.models.circuit_context import CircuitContext
from qgen.models.masked_layer import MaskedLayer
from qgen.models.quantum_branch import QuantumBranch
from qgen.nn import QuantumLayer, mean_outputs

RAW = Encoding("ry", "raw")


def branch(**given: Any) -> QuantumBranch:
    usual = {"kind": "circuit", "ansatz": "masked", "qubits": 3, "layers": 2, "options": {"masks": 2}}
    context = CircuitContext(open_backend("statevector"), "auto", 7)
    return QuantumBranch(4, BranchSettings.read(usual | {"redraw": "step"} | given), context)


def layer(**given: Any) -> MaskedLayer:
    made = branch(**given).values
    assert isinstance(made, MaskedLayer)
    return made.double()


def reference(made: MaskedLayer, masks: np.ndarray, inputs: torch.Tensor) -> np.ndarray:
    """The average over masks of the ansatz at one mask each, by Qiskit's Statevector."""
    plain = ansatz("masked", qubits=made.circuit.qubits, layers=2, encoding=RAW).conditional
    executable, rows = open_backend("reference").compile(plain), inputs.detach().numpy()
    weights = made.weight.detach().numpy()
    given = [np.concatenate([rows, np.broadcast_to(mask, rows.shape)], axis=-1) for mask in masks]
    return np.mean([np.asarray(executable.expectations(angles, weights, 0)) for angles in given], axis=0)


@examples(10)
@given(st.integers(1, 4), st.integers(0, 2**31), st.data())
def test_training_averages_over_the_masks_that_it_draws(qubits: int, seed: int, data: st.DataObject) -> None:
    made = layer(qubits=qubits, options={"masks": data.draw(st.integers(1, 2**qubits))})
    inputs = torch.randn(3, qubits, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        masks = made._draw().numpy()
        torch.manual_seed(seed)
        values = made.train()(inputs).detach().numpy()
    np.testing.assert_allclose(values, reference(made, masks, inputs), atol=1e-9)
    assert len({tuple(mask) for mask in masks}) == len(masks)


def test_values_and_gradients_are_unbiased(monkeypatch: pytest.MonkeyPatch) -> None:
    made = layer(options={"masks": 1}).train()
    every = QuantumLayer(ansatz("masked", qubits=3, layers=2, encoding=RAW), seed=7).double()
    with torch.no_grad():
        every.weight.copy_(made.weight)
    inputs = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    upstream = torch.randn(5, 3, dtype=torch.float64)
    expected = torch.autograd.grad((every(inputs) * upstream).sum(), [inputs, every.weight])
    found = [torch.zeros_like(gradient) for gradient in expected]
    for number in range(8):
        mask = torch.tensor([[(number >> qubit) & 1 for qubit in range(3)]], dtype=torch.float64)
        monkeypatch.setattr(made, "_draw", lambda mask=mask: mask)
        gradients = torch.autograd.grad((made(inputs) * upstream).sum() / 8, [inputs, made.weight])
        found = [total + gradient for total, gradient in zip(found, gradients, strict=True)]
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("qubits", [4, 14])
def test_every_mask_is_as_likely_as_any_other(qubits: int) -> None:
    context = CircuitContext(open_backend("statevector"), "auto", 7)
    few = ansatz("masked", qubits=qubits, layers=1, masks=3)
    made, draws = MaskedLayer(few, few, True, None, context), 800
    masks = torch.cat([made._draw() for _ in range(draws)]).double()
    # Each coin and each pair of coins, within 6 standard errors of a fair one (once in 10^8).
    error = 6 * (0.25 / len(masks)) ** 0.5
    assert (masks.mean(0) - 0.5).abs().max() < error
    same = (masks.unsqueeze(2) == masks.unsqueeze(1)).double().mean(0) - torch.eye(qubits, dtype=torch.float64) / 2
    assert (same - 0.5).abs().max() < error * 1.5


def test_sampling_has_masks_of_its_own() -> None:
    inputs = torch.randn(2, 3, dtype=torch.float64)
    for sampling, masks in ((None, 2), (5, 5), ("all", 8)):
        made = layer(sampling_masks=sampling).eval()
        assert made.circuit.mixture is not None
        points = made.circuit.mixture.points
        assert len(points) == masks
        state = torch.random.get_rng_state()
        values = made(inputs)
        assert torch.equal(torch.random.get_rng_state(), state)
        np.testing.assert_allclose(values.detach(), reference(made, points, inputs), atol=1e-9)
        assert count_circuits(made, lambda made=made: made(inputs)) == 2 * masks
        assert branch(sampling_masks=sampling).circuits == masks
        assert branch(sampling_masks=sampling).settings.circuits_in_training == 2
    ancilla = QuantumLayer(ansatz("masked", qubits=3, layers=2, form="ancilla", encoding=RAW)).double()
    with torch.no_grad():
        ancilla.weight.copy_(made.weight)
    torch.testing.assert_close(values, ancilla(inputs), rtol=1e-9, atol=1e-9)


def test_without_redrawing_training_has_the_masks_of_the_ansatz() -> None:
    made, inputs = layer(redraw="never", sampling_masks="all").train(), torch.randn(2, 3, dtype=torch.float64)
    points = ansatz("masked", qubits=3, layers=2, masks=2).mixture.points
    np.testing.assert_allclose(made(inputs).detach(), reference(made, points, inputs), atol=1e-9)


def test_masks_are_removed_after_so_many_steps_and_stay_away() -> None:
    made = branch(masks_removed_after=3, sampling_masks="all").double()
    features = torch.randn(2, 4, dtype=torch.float64)
    for step in range(3):
        assert (made.values.removed, made.circuits) == (False, 8), step
        made(features)
    again = branch(masks_removed_after=3, sampling_masks="all").double()
    again.load_state_dict(made.state_dict())
    inputs = torch.randn(2, 3, dtype=torch.float64)
    for removed in (made, again):
        for mode in (True, False):
            values = removed.train(mode).values(inputs).detach()
            np.testing.assert_allclose(values, reference(removed.values, np.ones((1, 3)), inputs), atol=1e-9)
        assert removed.circuits == 1
        assert count_circuits(removed, lambda removed=removed: removed.values(inputs)) == 2
    with torch.no_grad():  # calls without a gradient are no steps
        fresh = branch(masks_removed_after=1)
        fresh(features.float())
    assert not fresh.values.removed


@pytest.mark.parametrize("removed", [False, True])
def test_sampling_may_bind_the_weights(removed: bool) -> None:
    made, inputs = layer(masks_removed_after=1), torch.randn(2, 3, dtype=torch.float64)
    made.train()(inputs)
    made.calls.fill_(int(removed))
    before = made.eval()(inputs).detach()
    made.bind_weights()
    assert made.compiled.weights is not None
    torch.testing.assert_close(made(inputs).detach(), before, rtol=1e-9, atol=1e-9)
    made.release_weights()
    with torch.no_grad():
        made.weight.add_(0.3)
    points = np.ones((1, 3)) if made.circuit.mixture is None else made.circuit.mixture.points
    np.testing.assert_allclose(made(inputs).detach(), reference(made, points, inputs), atol=1e-9)
    made.train()(inputs).sum().backward()
    assert made.weight.grad is not None


def test_the_branch_leaves_arctan_to_its_encoding_once() -> None:
    own = BranchSettings.read({"kind": "circuit", "ansatz": "masked", "qubits": 2, "layers": 1})
    assert own.circuit == ansatz("masked", qubits=2, layers=1, encoding=RAW)
    given = {"encoding": {"gate": "rx", "map": "arctan"}}
    kept = BranchSettings.read({"kind": "circuit", "ansatz": "masked", "qubits": 2, "layers": 1, "options": given})
    assert kept.circuit == ansatz("masked", qubits=2, layers=1, encoding=Encoding("rx", "arctan"))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"redraw": "step"}, "for a circuit with masks, and `strongly-entangling` has none"),
        ({"ansatz": "masked", "redraw": "step"}, r"set how many, `options: \{masks: 1\}`"),
        ({"ansatz": "masked", "options": {"form": "ancilla"}, "masks_removed_after": 3}, "in its usual form"),
        ({"ansatz": "masked", "qubits": 16, "options": {"masks": 1}, "sampling_masks": "all"}, r"2\^16 masks"),
        ({"ansatz": "masked", "options": {"masks": 1}, "sampling_masks": 300}, "300 cannot be drawn"),
    ],
)
def test_settings_that_contradict_are_one_line(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        BranchSettings.read(given)
    assert "redraw" not in BranchSettings().plain()


def test_gates_by_scalar_with_a_warm_up() -> None:
    made = branch(gate_by="scalar", gate_warm_up=2, post="published")
    assert made.gate.shape == ()
    for step in range(4):
        made.zero_grad()
        made(torch.randn(3, 4)).square().sum().backward()
        assert made.gate.grad is not None
        assert bool(made.gate.grad) == (step >= 2)


def test_the_published_post_has_a_way_for_constants() -> None:
    made = branch(post="published", redraw="never", options={})
    width, qubits = 4, 3
    around = 2 * width + width * qubits + qubits + qubits * 16 + 16 + 16 * width + width + 2 * width + width
    assert sum(weight.numel() for weight in made.parameters()) == around + 2 * 3 * qubits
    features, mean = torch.randn(6, width), torch.rand(qubits)
    with mean_outputs(made.eval(), {"values": mean}):
        change = made.change(features)
    assert change is not None
    values = made.gate * made.out(mean)
    torch.testing.assert_close(change, values.expand(6, width))
    assert change.abs().max() > 0.01
