"""Bits drawn on IBM's hardware: N shots of one circuit are one job, which is planned, paid for once, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from chi_square import check_frequencies
from cloud import cloud, hardware
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector

from qgen.circuits import LayerCircuit, Mixture, ansatz
from qgen.devserver import DevServer
from qgen.errors import BackendError, BudgetError

CIRCUIT, SHOTS = ansatz("basic", qubits=3, layers=1), 3000


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    with cloud(tmp_path, monkeypatch) as running:
        yield running


def numbers(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    return rng.uniform(-3, 3, CIRCUIT.num_inputs), rng.uniform(-3, 3, CIRCUIT.num_weights)


def probabilities(inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    names = CIRCUIT.inputs + CIRCUIT.weights
    values = [*inputs.tolist(), *weights.tolist()]
    return Statevector(CIRCUIT.circuit.assign_parameters(dict(zip(names, values, strict=True)))).probabilities()


def test_shots_of_one_circuit_are_one_job_that_costs_what_was_planned(
    server: DevServer, tmp_path: Path, rng: np.random.Generator
) -> None:
    given = numbers(rng)
    with hardware(tmp_path, shots=17) as backend:  # of expectation values: draws have their own
        executable = backend.compile(CIRCUIT)
        plan = executable.cost_of_draws(1, SHOTS)
        bits = executable.draw(*given, SHOTS, 1)
    check_frequencies(bits, probabilities(*given))
    (job,) = server.ledger.jobs
    assert (plan.jobs, plan.circuits, plan.executions) == (1, job.circuits, job.executions) == (1, 1, SHOTS)
    assert job.seconds == pytest.approx(plan.seconds)
    with hardware(tmp_path) as backend:
        again = backend.compile(CIRCUIT).draw(*given, SHOTS, 1)  # from the journal
        np.testing.assert_array_equal(again, bits)
        assert len(server.ledger.jobs) == 1
        other = backend.compile(CIRCUIT).draw(*given, SHOTS, 2)
    assert len(server.ledger.jobs) == 2
    assert other.shape == bits.shape


def test_a_circuit_without_angles_draws_rows_apart(server: DevServer, tmp_path: Path) -> None:
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.cx(0, 1)
    layer = LayerCircuit(circuit, [], [], ["XX"])  # which is not read along Z
    with hardware(tmp_path, shots=5) as backend:
        executable = backend.compile(layer)
        bits = executable.draw(np.zeros((3, 0)), np.zeros(0), 1000, 1)
        assert executable.cost_of_draws(3, 1000).seconds == pytest.approx(server.ledger.seconds)
    assert bits.shape == (3, 1000, 2)
    for row in bits:
        check_frequencies(row, np.array([0.5, 0, 0, 0.5]))
    assert [job.executions for job in server.ledger.jobs] == [3000]


def test_tiles_and_twirling_give_as_many_shots_as_are_asked_for(
    server: DevServer, tmp_path: Path, rng: np.random.Generator
) -> None:
    given = numbers(rng)
    for options in ({"tiles": 2}, {"measure_twirling": True}):
        with hardware(tmp_path, **options) as backend:
            executable = backend.compile(CIRCUIT)
            bits = executable.draw(*given, SHOTS, 1)
            plan = executable.cost_of_draws(1, SHOTS)
        assert bits.shape == (SHOTS, 3)
        check_frequencies(bits, probabilities(*given))
        assert plan.executions == server.ledger.jobs[-1].executions


def test_nothing_is_spent_on_what_is_refused(server: DevServer, tmp_path: Path, rng: np.random.Generator) -> None:
    given = numbers(rng)
    turn, turned = Parameter("t"), QuantumCircuit(2)
    turned.ry(turn, 0)
    mixed = LayerCircuit(turned, [], [], mixture=Mixture([turn], [[0.0], [1.0]]))
    with hardware(tmp_path) as backend:
        with pytest.raises(BackendError, match="20,000,000 shots are more than the 10,000,000 executions"):
            backend.compile(CIRCUIT).draw(*given, 20_000_000, 1)
        with pytest.raises(BackendError, match="a mixture of 2 settings"):
            backend.compile(mixed).draw(np.zeros(0), np.zeros(0), 5, 1)
    with hardware(tmp_path, resilience=1) as backend, pytest.raises(BackendError, match="resilience"):
        backend.compile(CIRCUIT).draw(*given, 5, 1)
    with hardware(tmp_path, allow=2.5) as backend, pytest.raises(BudgetError):
        backend.compile(CIRCUIT).draw(*given, 100_000, 1)
    assert not server.ledger.jobs
