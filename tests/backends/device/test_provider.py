"""Any Qiskit BackendV2: an instance, one that a package offers by name, and one that can be imported."""

from __future__ import annotations

import pickle
import sys
from importlib.metadata import EntryPoint
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Measure, Parameter
from qiskit.circuit.library import RGate, RXXGate, RZGate
from qiskit.providers import BackendV2, Options
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import Adjoint, ParameterShift, open_backend
from qgen.backends.device import provider
from qgen.backends.device.provider import provider_offers
from qgen.circuits import ansatz
from qgen.errors import BackendError

LINE = [[k, k + 1] for k in range(5)] + [[k + 1, k] for k in range(5)]
SHOTS = 4096


def quiet_line() -> AerSimulator:
    """Six qubits in a line, simulated without noise: values have to be the ideal ones, up to their shots."""
    return AerSimulator(coupling_map=LINE, basis_gates=["rz", "sx", "x", "cx"], n_qubits=6)


class Vendor:
    """As vendors' packages have them: an object that gives its devices."""

    def __init__(self) -> None:
        self.offline = SimpleNamespace(trap=Trap)


class Trap(BackendV2):  # type: ignore[misc]  # qiskit ships no types
    """Five ions, all coupled, with the gates of a trap and without noise."""

    def __init__(self) -> None:
        super().__init__(name="trap")
        qubits = range(5)
        self._target = Target(num_qubits=5)
        self._target.add_instruction(RGate(Parameter("theta"), Parameter("phi")), {(q,): None for q in qubits})
        self._target.add_instruction(RZGate(Parameter("angle")), {(q,): None for q in qubits})
        pairs = {(a, b): None for a in qubits for b in qubits if a != b}
        self._target.add_instruction(RXXGate(Parameter("angle")), pairs)
        self._target.add_instruction(Measure(), {(q,): None for q in qubits})

    @property
    def target(self) -> Target:
        return self._target

    @property
    def max_circuits(self) -> int | None:
        return None

    @classmethod
    def _default_options(cls) -> Options:
        return Options(shots=100, seed_simulator=None)

    def run(self, run_input: Any, **options: Any) -> Any:
        for circuit in run_input if isinstance(run_input, list) else [run_input]:
            assert set(circuit.count_ops()) <= {"r", "rz", "rxx", "measure", "barrier"}
        return AerSimulator().run(run_input, **options)


def broken() -> BackendV2:
    raise RuntimeError("no key")


@pytest.fixture(autouse=True)
def _offers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "line_package", SimpleNamespace(device=quiet_line))
    traps = SimpleNamespace(Trap=Trap, make=lambda: Trap(), trap=Trap(), broken=broken, Vendor=Vendor)
    monkeypatch.setitem(sys.modules, "trap_package", traps)
    entries = [
        EntryPoint("line", "line_package:device", "qgen.backends"),
        EntryPoint("broken", "no_such_module:thing", "qgen.backends"),
        EntryPoint("number", "math:pi", "qgen.backends"),
    ]
    monkeypatch.setattr(provider, "entry_points", lambda group: [e for e in entries if e.group == group])


def off(found: np.ndarray, ideal: np.ndarray, shots: int = SHOTS) -> float:
    """The largest deviation, in units of five standard errors of a value of Z; rare outcomes count as a few more."""
    return float(np.max(np.abs(found - ideal) / (5 * np.sqrt(np.maximum(1 - ideal**2, 0) / shots) + 5 / shots)))


def test_offers_are_listed_by_name() -> None:
    assert list(provider_offers()) == ["broken", "line", "number"]


@pytest.mark.parametrize(
    "name",
    [
        "provider:line",
        "provider:trap_package:Trap",
        "provider:trap_package:make",
        "provider:trap_package:trap",
        "provider:trap_package:Vendor.offline.trap",
    ],
)
def test_values_are_ideal_up_to_shots(name: str) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs, weights = torch.randn(5, 4).double(), torch.rand(circuit.num_weights).double()
    backend = open_backend(name, shots=SHOTS)
    assert backend.name == name
    found = backend.compile(circuit).expectations(inputs, weights).numpy()
    assert off(found, open_backend("statevector").compile(circuit).expectations(inputs, weights).numpy()) < 1


def test_an_instance_is_a_backend(rng: np.random.Generator) -> None:
    """Its values, and gradients by the shift rules of its own gates."""
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs = torch.from_numpy(rng.uniform(-2, 2, (3, circuit.num_inputs)))
    weights = torch.from_numpy(rng.uniform(-2, 2, circuit.num_weights))
    backend = open_backend(Trap(), SHOTS)
    assert (backend.name, backend.facts()) == ("trap", {"device": "trap"})
    executable, exact = backend.compile(circuit), open_backend("statevector").compile(circuit)
    values, vjp = ParameterShift().value_and_vjp(executable, inputs, weights, (True, True))
    wanted, wanted_vjp = Adjoint().value_and_vjp(exact, inputs, weights, (True, True))
    assert off(values.numpy(), wanted.numpy()) < 1
    # An angle's slope is (f(+) - f(-)) / 2, of variance 1 / (2 SHOTS) at most. An input turns one angle of one row by
    # itself, a weight two angles of every row by pi times itself.
    deviations = np.sqrt(1 / 2 / SHOTS), np.pi * np.sqrt(2 * len(inputs) / 2 / SHOTS)
    for output in range(values.shape[-1]):
        upstream = torch.zeros_like(values)
        upstream[:, output] = 1
        for found, gradient, deviation in zip(vjp(upstream), wanted_vjp(upstream), deviations, strict=True):
            assert (found - gradient).abs().max() < 6 * deviation


def test_a_compiled_circuit_can_be_copied() -> None:
    executable = open_backend("provider:trap_package:trap").compile(ansatz("basic", qubits=2, layers=1))
    again = pickle.loads(pickle.dumps(executable))
    seeded = [one.expectations(np.zeros((2, 2)), np.ones(2), 5) for one in (executable, again)]
    np.testing.assert_array_equal(*seeded)


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


@pytest.mark.parametrize(
    "backend", ["provider:line", "provider:trap_package:make", Trap()], ids=["name", "path", "instance"]
)
def test_a_layer_learns_there(backend: str | BackendV2) -> None:
    layer = QuantumLayer(ansatz("basic", qubits=2, layers=1), backend=backend, shots=256)
    loss = layer(torch.zeros(3, 2)).sum()
    loss.backward()
    assert layer.weight.grad.abs().sum() > 0


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("lines", "did you mean `provider:line`"),
        ("lines", "`provider:module:callable` opens one that any package has"),
        ("broken", "cannot be loaded: No module named 'no_such_module'"),
        ("number", "`provider:number` .math:pi. is 3.14.*, not a Qiskit BackendV2"),
        ("no_such_module:Trap", "`provider:no_such_module:Trap` cannot be loaded: No module named 'no_such_module'"),
        ("trap_package:Trip", "cannot be loaded: .*no attribute 'Trip'"),
        ("trap_package:broken", "cannot be loaded: no key"),
        ("math:pi", "is 3.14.*, not a Qiskit BackendV2"),
        ("trap_package:", "cannot be loaded"),
    ],
)
def test_offers_that_do_not_hold_are_named(name: str, message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend(f"provider:{name}")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise_scale": 1.0}, "backend `trap` has no noise of its own to change"),
        ({"layout": "layouts.json"}, "backend `trap` has no qubits of a device to choose"),
        ({"shots": 0}, "backend `trap`: `shots`: input should be greater than 0"),
        ({"shot": 3}, "backend `trap`: unknown key `shot`. Did you mean `shots`"),
    ],
)
def test_options_of_an_instance_are_checked(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend(Trap(), **options)


def test_what_is_no_backend_is_refused() -> None:
    with pytest.raises(BackendError, match="3 is no backend: give a name, as 'statevector', or a Qiskit BackendV2"):
        open_backend(3)  # type: ignore[arg-type]
