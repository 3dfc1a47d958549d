"""Backends `noisy:`: the noise of `aer:` ones to rounding, adjoint gradients, the method that suits the circuit."""

from __future__ import annotations

import logging
import pickle
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from dense_noise import AER_ACCURACY, aer_gradient_accuracy, dense_values
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import Adjoint, Backend, ParameterShift, open_backend
from qgen.backends.measurement import Measurement
from qgen.backends.noisy.executable import NoisyExecutable
from qgen.backends.noisy.propagate import Propagation
from qgen.circuits import ansatz
from qgen.errors import BackendError
from qgen.nn import QuantumProbabilities

NOISE = """
depolarizing: {one_qubit: 0.01, two_qubit: 0.03, sx: 0.02}
relaxation: {t1_us: 40, t2_us: 60, one_qubit_ns: 100, two_qubit_ns: 900}
readout: [[0.97, 0.03], [0.08, 0.92]]
"""
#: Gates of each kind that devices have: ECR and CX one way round, CZ, and CX of a file.
PLACES = ("fake_brisbane", "fake_lagos", "fake_fez", "noise.yaml")
ANSAETZE = ("hqconv", "strongly-entangling", "style", "masked")


@pytest.fixture(scope="module", autouse=True)
def _noise_file(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "noise.yaml").write_text(NOISE)
    (folder / "line.yaml").write_text(NOISE + "coupling: line\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@lru_cache
def opened(name: str, **options: Any) -> Backend:
    return open_backend(name, **options)


def norm(circuit: LayerCircuit) -> float:
    return max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))


def point(circuit: LayerCircuit, rng: np.random.Generator, lead: int = 3, rows: int = 1) -> tuple[torch.Tensor, ...]:
    sizes = (lead, circuit.num_inputs), (*([rows] if rows > 1 else []), circuit.num_weights)
    return tuple(torch.from_numpy(rng.uniform(-3, 3, size)) for size in sizes)


@pytest.mark.rows(2)
@pytest.mark.parametrize("place", PLACES)
@examples(2)
@given(circuit=layer_circuits(most_qubits=5, most_gates=10), seed=st.integers(0, 2**32 - 1))
def test_values_are_those_of_aer(place: str, circuit: LayerCircuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    options = {"noise_scale": float(rng.choice([0.3, 1.0, 4.0]))}
    inputs, weights = point(circuit, rng, rows=int(rng.choice([1, 3])))
    wanted = opened(f"aer:{place}", **options).compile(circuit).expectations(inputs, weights)
    executable = opened(f"noisy:{place}", **options).compile(circuit)
    found = executable.expectations(inputs, weights)
    torch.testing.assert_close(found, wanted, rtol=0, atol=AER_ACCURACY * norm(circuit))
    assert executable.method.startswith("exact")
    assert not executable.draws


@pytest.mark.parametrize("kinds", [("gates",), ("relaxation",), ("readout",), ()])
def test_each_kind_of_noise_is_that_of_aer(kinds: tuple[str, ...], rng: np.random.Generator) -> None:
    circuit = ansatz("hardware-efficient", qubits=3, layers=1)
    inputs, weights = point(circuit, rng)
    found, wanted = (
        opened(f"{simulator}:fake_fez", noise=kinds).compile(circuit).expectations(inputs, weights)
        for simulator in ("noisy", "aer")
    )
    torch.testing.assert_close(found, wanted, rtol=0, atol=AER_ACCURACY)


def test_values_are_those_of_aers_errors(rng: np.random.Generator) -> None:
    """Aer's own error channels, applied by Qiskit's density matrix: sharper than Aer's simulation."""
    place, circuit = str(rng.choice(PLACES[:-1])), ansatz("hqconv", qubits=4, layers=1)  # a file's are of all wires
    inputs, weights = point(circuit, rng, lead=1)
    executable: Any = opened(f"aer:{place}").compile(circuit)
    device: Any = executable.backend
    noise = device.device.source.local(executable.routed.physical)
    bound = np.concatenate([inputs.numpy(), weights.numpy()[None]], axis=1)
    angles = executable.routed.parameter_map.values(bound)
    measurement = Measurement(circuit.conditional.observables)
    wanted = dense_values(executable.routed, measurement, noise, angles, noise.model._local_quantum_errors)
    found = opened(f"noisy:{place}").compile(circuit).expectations(inputs, weights)
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-12)


def test_gradients_are_those_of_shift_rules_on_aer(rng: np.random.Generator) -> None:
    check_gradients(str(rng.choice(PLACES)), str(rng.choice(ANSAETZE)), rng)


@pytest.mark.slow
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", ANSAETZE)
def test_gradients_of_all_are_those_of_shift_rules_on_aer(place: str, name: str, rng: np.random.Generator) -> None:
    check_gradients(place, name, rng)


def check_gradients(place: str, name: str, rng: np.random.Generator) -> None:
    """Of inputs and weights, with one row of weights for all samples, and with one for each."""
    circuit = ansatz(name, qubits=4 if name == "hqconv" else 3, layers=1)
    for rows in (1, 2):
        inputs, weights = point(circuit, rng, lead=2, rows=rows)
        upstream = torch.from_numpy(rng.normal(size=(2, circuit.num_observables)))
        found, wanted = (
            method.value_and_vjp(opened(f"{where}:{place}").compile(circuit), inputs, weights, (True, True))
            for method, where in ((Adjoint(), "noisy"), (ParameterShift(), "aer"))
        )
        torch.testing.assert_close(found.values, wanted.values, rtol=0, atol=AER_ACCURACY)
        accuracy = aer_gradient_accuracy(opened(f"aer:{place}").compile(circuit), inputs, weights, upstream)
        for one, other in zip(found.vjp(upstream), wanted.vjp(upstream), strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=accuracy)


@examples(6)
@given(circuit=layer_circuits(most_qubits=4, most_gates=8), seed=st.integers(0, 2**32 - 1))
def test_gradients_of_any_expression_are_differences_of_values(circuit: LayerCircuit, seed: int) -> None:
    rng = np.random.default_rng(seed)
    executable = opened("noisy:fake_lagos").compile(circuit)
    inputs, weights = point(circuit, rng, lead=2)
    upstream = torch.from_numpy(rng.normal(size=(2, circuit.num_observables)))
    d_inputs, d_weights = executable.vjp(inputs, weights, upstream, (True, True))
    along = [torch.from_numpy(rng.normal(size=leaf.shape)) for leaf in (inputs, weights)]
    step = 1e-6
    ends = [
        (executable.expectations(inputs + sign * along[0], weights + sign * along[1]) * upstream).sum()
        for sign in (step, -step)
    ]
    found = (d_inputs * along[0]).sum() + (d_weights * along[1]).sum()
    scale = max(1.0, float(d_inputs.norm() + d_weights.norm()))
    assert float(found) == pytest.approx(float(ends[0] - ends[1]) / (2 * step), abs=1e-6 * scale * norm(circuit))


def test_what_is_not_wanted_is_not_given(rng: np.random.Generator) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    executable, upstream = opened("noisy:fake_lagos").compile(circuit), torch.ones(3, 4).double()
    inputs, weights = point(circuit, rng)
    both = executable.vjp(inputs, weights, upstream, (True, True))
    for wants in ((True, False), (False, True), (False, False)):
        found = executable.vjp(inputs, weights, upstream, wants)
        for one, other, wanted in zip(found, both, wants, strict=True):
            assert (one is not None) is wanted
            if wanted:
                torch.testing.assert_close(one, other, rtol=0, atol=1e-12)
    none = executable.vjp(inputs[:0], weights, upstream[:0], (True, True))
    assert [tuple(gradient.shape) for gradient in none] == [(0, 4), (8,)]
    assert not none[1].any()


def test_a_layer_differentiates_by_the_adjoint_method(rng: np.random.Generator) -> None:
    layer = QuantumLayer(ansatz("hqconv", qubits=4, layers=1), "noisy:fake_lagos").double()
    assert isinstance(layer.compiled.gradient, Adjoint)
    inputs = torch.from_numpy(rng.normal(size=(2, 4))).requires_grad_()
    upstream = torch.from_numpy(rng.normal(size=(2, layer.circuit.num_observables)))
    (layer(inputs) * upstream).sum().backward()
    reference = QuantumLayer(layer.circuit, "aer:fake_lagos", "parameter-shift").double()
    again = inputs.detach().clone().requires_grad_()
    (reference(again) * upstream).sum().backward()
    accuracy = aer_gradient_accuracy(reference.compiled.executable, inputs, layer.weight, upstream)
    torch.testing.assert_close(inputs.grad, again.grad, rtol=0, atol=accuracy)
    torch.testing.assert_close(layer.weight.grad, reference.weight.grad, rtol=0, atol=accuracy)
    slope = torch.func.grad(lambda x: (layer(x) * upstream).sum())(inputs.detach())
    torch.testing.assert_close(slope, again.grad, rtol=0, atol=accuracy)


def test_probabilities_of_outcomes(rng: np.random.Generator) -> None:
    circuit = ansatz("style", qubits=3, layers=1)
    inputs = torch.from_numpy(rng.normal(size=(2, circuit.num_inputs)))
    found, wanted = (
        QuantumProbabilities(circuit, ancillas=[0], backend=f"{simulator}:fake_lagos").double()(inputs)
        for simulator in ("noisy", "aer")
    )
    read = QuantumProbabilities(circuit, backend="aer:fake_lagos").double()(inputs)[:, 0::2].sum(dim=1)  # qubit 0 is 0
    torch.testing.assert_close(found, wanted, rtol=0, atol=2 * AER_ACCURACY / float(read.detach().min()))


def test_second_derivatives_of_few_wires(rng: np.random.Generator) -> None:
    layer = QuantumLayer(ansatz("style", qubits=3, layers=2), "noisy:fake_lagos").double()
    inputs = torch.from_numpy(rng.normal(size=(2, layer.circuit.num_inputs))).requires_grad_()

    def penalty(at: torch.Tensor) -> torch.Tensor:
        (slope,) = torch.autograd.grad(layer(at).sum(), at, create_graph=True)
        return slope.square().sum()

    (found,) = torch.autograd.grad(penalty(inputs), inputs)
    along = torch.from_numpy(rng.normal(size=inputs.shape))

    def difference(step: float) -> float:
        moved = [(inputs.detach() + sign * step * along).requires_grad_() for sign in (1, -1)]
        higher, lower = (float(penalty(at).detach()) for at in moved)
        return (higher - lower) / (2 * step)

    slope = (4 * difference(2e-5) - difference(4e-5)) / 3  # Richardson: third derivatives are large
    assert float((found * along).sum()) == pytest.approx(slope, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize(("qubits", "method"), [(7, "exact"), (3, "propagate")])
def test_second_derivatives_beyond_are_refused(qubits: int, method: str) -> None:
    layer = QuantumLayer(ansatz("basic", qubits=qubits, layers=1), open_backend("noisy:noise.yaml", method=method))
    assert not layer.compiled.second_derivatives
    inputs = torch.zeros(2, qubits, requires_grad=True)
    (slope,) = torch.autograd.grad(layer(inputs).sum(), inputs, create_graph=True)
    with pytest.raises(BackendError, match=f"up to 6 wires, and this circuit runs on {qubits} by method `{method}`"):
        slope.square().sum().backward()


def test_a_pickled_executable_runs_again(rng: np.random.Generator) -> None:
    circuit = ansatz("basic", qubits=3, layers=1)
    executable = opened("noisy:fake_lagos").compile(circuit)
    inputs, weights = point(circuit, rng)
    again = pickle.loads(pickle.dumps(executable))
    torch.testing.assert_close(again.expectations(inputs, weights), executable.expectations(inputs, weights))


class Failing:
    """A method that cannot keep its promise."""

    method = "failing"

    def values(self, *_: Any) -> np.ndarray:
        raise OverflowError("the list is full")

    gradients = values


def test_another_method_takes_over_and_a_line_says_so_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=3, layers=1)
    inputs, weights = point(circuit, rng)
    executable = opened("noisy:fake_lagos").compile(circuit)
    exact = executable.choice
    failing = replace(exact, method=Failing(), failures=(OverflowError,), fallback=lambda: exact.method)
    parts = executable.backend, executable.routed, failing, lambda method: None, executable._reader
    other = NoisyExecutable(circuit, *parts)
    upstream = torch.ones(3, circuit.num_observables).double()
    for _ in range(2):
        assert torch.equal(other.expectations(inputs, weights), executable.expectations(inputs, weights))
    gradients = [run.vjp(inputs, weights, upstream, (True, True)) for run in (other, executable)]
    for one, same in zip(*gradients, strict=True):
        assert torch.equal(one, same)
    assert [record.message for record in caplog.records] == ["the list is full: exact Pauli vector instead"]
    assert other.method == "failing; exact Pauli vector where that failed"


def test_provenance_names_the_method_that_took_over(rng: np.random.Generator) -> None:
    circuit = ansatz("hardware-efficient", qubits=9, layers=1)
    backend = open_backend("noisy:line.yaml", method="propagate", tolerance=1e-3, paths=5)
    executable = backend.compile(circuit)
    assert isinstance(executable, NoisyExecutable)
    before = backend.facts()["methods"]
    few = Propagation(executable.choice.program, 1e-9, most_strings=20)
    executable.simulation.choice = replace(executable.choice, method=few)
    executable.expectations(*point(circuit, rng))
    assert backend.facts()["methods"] == [*before, "5 paths"]
    assert executable.method == f"{few.method}; 5 paths where that failed"


def test_auto_takes_what_suits_the_circuit(caplog: pytest.LogCaptureFixture) -> None:
    """On many wires propagation, unless inputs come after gates on two qubits: then paths."""
    caplog.set_level(logging.INFO, "qgen.backends.noisy")
    backend = open_backend("noisy:line.yaml", tolerance=0.02, paths=5)
    wide, reuploaded = ansatz("hardware-efficient", qubits=9, layers=1), ansatz("style", qubits=9, layers=2)
    methods = [backend.compile(circuit) for circuit in (ansatz("basic", qubits=2, layers=1), wide, reuploaded)]
    assert [one.method for one in methods] == ["exact Pauli vector", "propagation, tolerance 0.02", "5 paths"]
    assert [one.draws for one in methods] == [False, True, True]
    assert backend.facts()["methods"] == [one.method for one in methods]
    assert [record.message for record in caplog.records][1] == (
        "noisy:line.yaml, 9 qubits on 9 wires: propagation, tolerance 0.02"
    )


def test_a_method_is_taken_where_it_is_asked_for() -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    names = {"exact": "exact Pauli vector", "propagate": "propagation, tolerance 0.01", "paths": "16 paths"}
    for name, method in names.items():
        backend = open_backend("noisy:fake_lagos", method=name)
        assert backend.compile(circuit).method == method
        assert backend.capabilities.exact is (name == "exact")
        assert backend.facts()["method"] == name


def test_a_method_that_does_not_fit_is_refused() -> None:
    circuit = ansatz("style", qubits=3, layers=2)
    with pytest.raises(BackendError, match="their qubit: take method `paths`, or `exact`"):
        open_backend("noisy:fake_lagos", method="propagate").compile(circuit)


def test_a_qubit_that_dominates_is_named_once(caplog: pytest.LogCaptureFixture) -> None:
    backend = open_backend("noisy:fake_brisbane", method="paths")
    for _ in range(2):
        backend.compile(ansatz("hqconv", qubits=12, layers=3))
    (record,) = [record for record in caplog.records if record.levelname == "WARNING"]
    assert record.message.startswith("noisy:fake_brisbane: qubit 119 makes ")


def test_idle_noise_is_that_of_aer(rng: np.random.Generator) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)  # in whose ring qubits wait for one another
    inputs, weights = point(circuit, rng)
    values = [
        open_backend(f"{simulator}:fake_fez", idle_noise=idle).compile(circuit).expectations(inputs, weights)
        for simulator, idle in (("noisy", True), ("aer", True), ("noisy", False))
    ]
    torch.testing.assert_close(values[0], values[1], rtol=0, atol=AER_ACCURACY)
    assert (values[0] - values[2]).abs().max() > 1e-3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "best"}, "`method`: input should be 'auto', 'exact', 'propagate' or 'paths' .given: 'best'"),
        ({"paths": 0}, "`paths`: input should be greater than 0"),
        ({"tolerance": 0.0}, "`tolerance`: input should be greater than 0"),
        ({"method": "exact", "paths": 4}, "method `exact` has no use for paths = 4: leave it out, or take .*`paths`"),
        ({"method": "paths", "tolerance": 0.1}, "method `paths` has no use for tolerance = 0.1: .* `propagate`"),
    ],
)
def test_options_without_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend("noisy:fake_lagos", **options)


def test_other_backends_have_no_method() -> None:
    with pytest.raises(BackendError, match=r"has one way to its values: method = 'paths' .* `noisy:fake_brisbane`"):
        open_backend("aer:fake_lagos", method="paths")
