"""Backends that other packages offer, through a Qiskit BackendV2."""

from __future__ import annotations

import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit_aer import AerSimulator

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import open_backend
from qgen.backends.primitives import provider, provider_offers
from qgen.circuits import ansatz
from qgen.errors import BackendError

LINE = [[k, k + 1] for k in range(5)] + [[k + 1, k] for k in range(5)]


def quiet_line() -> AerSimulator:
    """Six qubits in a line, simulated without noise: values have to be the ideal ones, up to their shots."""
    return AerSimulator(coupling_map=LINE, basis_gates=["rz", "sx", "x", "cx"], n_qubits=6)


@pytest.fixture(autouse=True)
def _offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "line_package", SimpleNamespace(device=quiet_line))
    entries = [
        EntryPoint("line", "line_package:device", "qgen.backends"),
        EntryPoint("broken", "no_such_module:thing", "qgen.backends"),
        EntryPoint("number", "math:pi", "qgen.backends"),
    ]
    monkeypatch.setattr(provider, "entry_points", lambda group: [e for e in entries if e.group == group])


def test_offers_are_listed_by_name() -> None:
    assert list(provider_offers()) == ["broken", "line", "number"]


def test_values_are_ideal_up_to_shots() -> None:
    shots = 4096
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs, weights = torch.randn(5, 4).double(), torch.rand(circuit.num_weights).double()
    backend = open_backend("provider:line", shots=shots)
    assert backend.name == "provider:line"
    found = backend.compile(circuit).expectations(inputs, weights).numpy()
    ideal = open_backend("statevector").compile(circuit).expectations(inputs, weights).numpy()
    np.testing.assert_array_less(np.abs(found - ideal), 5 * np.sqrt((1 - ideal**2) / shots) + 5 / shots)


def test_circuits_without_parameters_have_shots_of_their_own_for_each_sample() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    layer = LayerCircuit(circuit, [], [], ["ZI", "ZZ", "XX"])
    found = open_backend("provider:line", shots=256).compile(layer).expectations(np.zeros((40, 0)), np.zeros(0))
    assert found.shape == (40, 3)
    assert len(set(found[:, 0].tolist())) > 5
    np.testing.assert_array_less(np.abs(found[:, 0]), 5 / 16)
    np.testing.assert_array_equal(found[:, 1:], 1.0)


def test_a_layer_learns_there() -> None:
    layer = QuantumLayer(ansatz("basic", qubits=2, layers=1), backend="provider:line", shots=256)
    loss = layer(torch.zeros(3, 2)).sum()
    loss.backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lines", "did you mean `provider:line`"),
        ("broken", "cannot be loaded: No module named 'no_such_module'"),
        ("number", "not a Qiskit BackendV2"),
    ],
)
def test_offers_that_do_not_hold_are_named(name: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend(f"provider:{name}")
