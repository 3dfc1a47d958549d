"""Shots of `noisy:` backends: the same distribution as Aer's, each row from its own stream, and what is refused."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from scipy.stats import chi2_contingency

from qgen import LayerCircuit
from qgen.backends import Backend, ParameterShift, open_backend
from qgen.backends.measurement import Measurement
from qgen.backends.measurement.outcomes import Outcomes
from qgen.circuits import ansatz
from qgen.errors import BackendError
from qgen.randomness import Streams

UNLIKELY = 1e-6


@lru_cache
def opened(name: str, **options: Any) -> Backend:
    return open_backend(name, **options)


def numbers(circuit: LayerCircuit, rng: np.random.Generator, lead: int) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = (lead, circuit.num_inputs), (circuit.num_weights,)
    inputs, weights = (torch.from_numpy(rng.uniform(-3, 3, size)) for size in sizes)
    return inputs, weights


def measured() -> LayerCircuit:
    """Four qubits in three bases, one of which reads two of them."""
    source = ansatz("hqconv", qubits=4, layers=1)
    return LayerCircuit(source.circuit, source.inputs, source.weights, ["ZZZZ", "IIIZ", "XIIY", "YYYY"])


@pytest.mark.parametrize("idle", [False, True])
def test_bits_are_distributed_as_those_of_aer(
    idle: bool, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Chi-square of the outcomes of all qubits, in each basis: readout errors and turns into the basis are in them."""
    circuit, shots = measured(), 40_000
    inputs, weights = numbers(circuit, rng, lead=2)
    seen: dict[str, list[Outcomes]] = {}  # of the qubits that a basis reads
    original = Measurement.from_outcomes
    for name in ("noisy", "aer"):

        def spied(self: Measurement, outcomes: Any, weights: Any = None, name: str = name) -> Any:
            read = [sum((axis != "I") << q for q, axis in enumerate(basis.axes)) for basis in self.bases]
            seen[name] = [bits & mask for bits, mask in zip(outcomes, read, strict=True)]
            return original(self, outcomes, weights)

        monkeypatch.setattr(Measurement, "from_outcomes", spied)
        executable = opened(f"{name}:fake_lagos", shots=shots, idle_noise=idle).compile(circuit)
        executable.expectations(inputs, weights, int(rng.integers(2**62)))
    assert len(seen["noisy"]) == len(seen["aer"]) == 3
    for ours, aers in zip(seen["noisy"], seen["aer"], strict=True):
        for row in range(2):
            counts = np.array([np.bincount(bits[row], minlength=16) for bits in (ours, aers)])
            assert chi2_contingency(counts[:, counts.sum(axis=0) > 20]).pvalue > UNLIKELY


def test_values_scatter_around_the_exact_ones_as_shots_do(rng: np.random.Generator) -> None:
    circuit, shots, rows = measured(), 500, 1000
    one, weights = numbers(circuit, rng, lead=1)
    exact = opened("noisy:fake_fez").compile(circuit).expectations(one, weights)[0]
    executable = opened("noisy:fake_fez", shots=shots).compile(circuit)
    found = executable.expectations(one.expand(rows, -1), weights, rng.integers(0, 2**62, rows))
    sigma = ((1 - exact**2) / shots).sqrt()
    assert ((found.mean(dim=0) - exact).abs() < 5 * sigma / rows**0.5).all()
    assert (found.std(dim=0) < sigma * (1 + 5 / (2 * rows) ** 0.5)).all()


def test_gradients_are_those_of_parameter_shift(rng: np.random.Generator) -> None:
    """Unbiased: the mean over many rows is the gradient of the exact value."""
    circuit, rows = ansatz("basic", qubits=2, layers=1), 2000
    one, weights = numbers(circuit, rng, lead=1)
    exact = opened("noisy:fake_fez").compile(circuit).vjp(one, weights, torch.ones(1, 2).double(), (True, False))[0]
    executable = opened("noisy:fake_fez", shots=100).compile(circuit)
    assert not executable.backend.capabilities.adjoint
    inputs = one.expand(rows, -1)
    _, vjp = ParameterShift().value_and_vjp(executable, inputs, weights, (True, False), rng.integers(0, 2**62, rows))
    found = vjp(torch.ones(rows, 2).double())[0]
    assert exact is not None
    assert found is not None
    assert ((found.mean(dim=0) - exact[0]).abs() < 5 * found.std(dim=0) / rows**0.5 + 1e-12).all()


def test_capabilities_say_what_comes() -> None:
    plain, sampled = opened("noisy:fake_fez"), opened("noisy:fake_fez", shots=70)
    assert plain.capabilities.countable
    assert plain.capabilities.shots is None
    assert (sampled.capabilities.shots, sampled.capabilities.adjoint, sampled.capabilities.exact) == (70, False, False)
    executable = sampled.compile(ansatz("basic", qubits=2, layers=1))
    assert executable.method == "exact Pauli vector, 70 shots"
    assert executable.draws
    assert sampled.facts()["exact"] is False


def test_identities_need_no_shots() -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    layer = LayerCircuit(circuit, [], [], ["II"])
    values = opened("noisy:fake_fez", shots=10).compile(layer).expectations(np.zeros((3, 0)), np.zeros(0))
    np.testing.assert_array_equal(values, np.ones((3, 1)))


def test_so_many_qubits_are_refused() -> None:
    circuit = ansatz("basic", qubits=11, layers=1)
    with pytest.raises(BackendError, match="draws the shots of 10 qubits at most, and 11 are read together here: take"):
        opened("noisy:fake_fez", shots=10).compile(circuit)


@pytest.mark.parametrize(
    "options", [{"method": "paths"}, {"method": "propagate"}, {"paths": 4}, {"tolerance": 0.1, "method": "auto"}]
)
def test_other_methods_draw_no_shots(options: dict[str, Any]) -> None:
    with pytest.raises(BackendError, match="shots = 10 are drawn from probabilities that method `exact` finds"):
        open_backend("noisy:fake_fez", shots=10, **options)


def test_rows_of_a_batch_with_its_own_weights(rng: np.random.Generator) -> None:
    circuit = measured()
    inputs = torch.from_numpy(rng.normal(size=(5, circuit.num_inputs)))
    weights = torch.from_numpy(rng.normal(size=(5, circuit.num_weights)))
    executable = opened("noisy:fake_fez", shots=64, mitigation="readout+zne:1,3").compile(circuit)
    seeds = rng.integers(0, 2**62, 5)
    together = executable.expectations(inputs, weights, seeds)
    for row in range(5):
        alone = executable.expectations(inputs[row], weights[row], int(seeds[row]))
        assert torch.equal(together[row], alone)
    assert not torch.equal(together, executable.expectations(inputs, weights, Streams(tuple(range(5)), 1)))
