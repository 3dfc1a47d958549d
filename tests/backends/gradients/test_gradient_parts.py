"""What a gradient evaluates goes in parts: the same numbers to the last bit, in memory that does not grow with them."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import torch

from qgen.backends import SPSA, Backend, Batch, Capabilities, Executable, GradientMethod, ParameterShift, open_backend
from qgen.backends.gradients import method as gradient_method
from qgen.circuits import LayerCircuit, ansatz
from qgen.randomness import Streams

METHODS = [ParameterShift(), ParameterShift(fraction=0.5), SPSA(), SPSA(directions=5), SPSA(directions=4, shared=True)]


class Counting(Backend):
    """Another backend; it notes how many numbers each evaluation took."""

    def __init__(self, inner: Backend, remote: bool = False) -> None:
        self.inner, self.remote, self.numbers = inner, remote, list[int]()

    @property
    def name(self) -> str:
        return "counting"

    @property
    def capabilities(self) -> Capabilities:
        found = self.inner.capabilities
        return Capabilities(found.exact, remote=self.remote, shots=found.shots)

    def compile(self, circuit: LayerCircuit) -> Executable:
        inner, numbers = self.inner.compile(circuit), self.numbers

        class Counted(Executable):
            def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
                assert inner.backend.capabilities.exact or len(streams) == len(batch.inputs)
                numbers.append(batch.inputs.numel() + len(batch.inputs) * batch.weights.shape[1])
                return inner.evaluate(batch, streams)

        return Counted(circuit, self)


def recorded(
    backend: Backend, circuit: LayerCircuit, method: GradientMethod, rows: int = 6
) -> tuple[torch.Tensor | None, ...]:
    generator = torch.Generator().manual_seed(4)
    inputs = torch.rand(rows, circuit.num_inputs, generator=generator).double()
    weights = torch.rand(circuit.num_weights, generator=generator).double()
    torch.manual_seed(8)  # of shots, directions and fractions
    values, vjp = method.value_and_vjp(backend.compile(circuit), inputs, weights, (True, True))
    return values, *vjp(torch.ones_like(values))


PLACES = [("statevector", None), ("aer", None), ("aer", 30), ("aer:fake_lagos", 100), ("fake_manila", 60)]


@pytest.mark.rows(2)
@pytest.mark.parametrize(("name", "shots"), PLACES)
def test_parts_change_no_bit(
    name: str, shots: int | None, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """By one of the methods; `slow` has them all."""
    check_parts(name, shots, METHODS[rng.integers(len(METHODS))], monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize(("name", "shots"), PLACES)
def test_parts_of_any_method_change_no_bit(
    name: str, shots: int | None, method: GradientMethod, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_parts(name, shots, method, monkeypatch)


def check_parts(name: str, shots: int | None, method: GradientMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    backend, circuit = open_backend(name, shots), ansatz("basic", qubits=3, layers=1)
    whole = recorded(backend, circuit, method)
    for most in (1, 700):
        monkeypatch.setattr(gradient_method, "PART_BYTES", most)
        for one, other in zip(recorded(backend, circuit, method), whole, strict=True):
            assert one is not None
            assert other is not None
            assert torch.equal(one, other)


@pytest.mark.rows(10)
@pytest.mark.parametrize("method", METHODS, ids=str)
@pytest.mark.parametrize("circuit", [ansatz("hqconv", qubits=4, layers=2), ansatz("masked")], ids=["plain", "mixture"])
@pytest.mark.parametrize("most", [1 << 10, 1 << 14, 1 << 30])
def test_parts_are_bounded(
    circuit: LayerCircuit, method: GradientMethod, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gradient_method, "PART_BYTES", most)
    backend = Counting(open_backend("statevector"))
    recorded(backend, circuit, method)
    evaluations = method.evaluations(backend.compile(circuit), (True, True))
    one = sum(backend.numbers) // evaluations  # what a single evaluation of the whole batch takes
    assert max(backend.numbers) * 8 <= max(most, 8 * one)
    assert (len(backend.numbers) == 1) == (sum(backend.numbers) * 8 <= most)


@pytest.mark.parametrize("method", METHODS, ids=str)
def test_what_is_billed_by_the_submission_is_one(method: GradientMethod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gradient_method, "PART_BYTES", 1)
    backend = Counting(open_backend("aer", 10), remote=True)
    recorded(backend, ansatz("hqconv", qubits=4, layers=2), method)
    assert len(backend.numbers) == 1


def test_a_gradient_of_many_rows_takes_little_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, rows, most = ansatz("hqconv", qubits=4, layers=6), 300, 1 << 20
    executable = open_backend("statevector").compile(circuit)
    shifted = ParameterShift().evaluations(executable, (True, True)) * rows * len(executable.shift_form.frequencies) * 8
    assert shifted > 16 * most
    inputs, weights = torch.rand(rows, circuit.num_inputs).double(), torch.rand(circuit.num_weights).double()
    monkeypatch.setattr(gradient_method, "PART_BYTES", most)
    ParameterShift().value_and_vjp(executable, inputs[:1], weights, (True, True))
    tracemalloc.start()
    ParameterShift().value_and_vjp(executable, inputs, weights, (True, True))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < shifted / 3
