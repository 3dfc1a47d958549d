"""Values of circuits that ran over real HTTP, on a server that stands in for IBM's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from cloud import cloud, hardware
from drawn import layer_circuits
from effort import examples
from hypothesis import HealthCheck, given
from hypothesis import strategies as st
from requests.adapters import HTTPAdapter

from qgen import QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import LayerCircuit, ansatz

SHOTS = 2000
#: In standard errors: of some hundred values, none is further off by chance.
OFF = 5.0


def errors(values: np.ndarray, shots: int, norm: float = 1.0) -> np.ndarray:
    """Standard errors of values in [-norm, norm] that are measured so often; rare outcomes are worth a few counts."""
    return np.sqrt(np.maximum(norm**2 - values**2, 0) / shots) + 2 * norm / shots


@examples(4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(circuit=layer_circuits(most_qubits=4, most_gates=8), seed=st.integers(0, 2**31))
def test_values_are_those_of_the_reference(
    circuit: LayerCircuit, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder, rng = tmp_path_factory.mktemp("hardware"), np.random.default_rng(seed)
    inputs, weights = rng.normal(size=(3, circuit.num_inputs)), rng.normal(size=circuit.num_weights)
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    with pytest.MonkeyPatch.context() as patch, cloud(folder, patch), hardware(folder, shots=SHOTS) as backend:
        values = backend.compile(circuit).expectations(inputs, weights, seed)
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    assert (np.abs(values - wanted) <= OFF * np.sqrt(norm) * errors(wanted, SHOTS, norm)).all()


def test_a_noisy_device_is_the_snapshot_on_aer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    circuit, shots = ansatz("basic", qubits=3, layers=2), 32 * SHOTS
    inputs, weights = rng.uniform(-3, 3, (6, 3)), rng.uniform(-3, 3, circuit.num_weights)
    with cloud(tmp_path, monkeypatch, noisy=True), hardware(tmp_path, shots=shots) as backend:
        values = backend.compile(circuit).expectations(inputs, weights, 1)
    wanted = open_backend("aer:fake_guadalupe").compile(circuit).expectations(inputs, weights)
    ideal = open_backend("reference").compile(circuit).expectations(inputs, weights)
    spread = errors(wanted, shots)
    assert (np.abs(values - wanted) <= OFF * spread).all()
    # How much of the noise is in the values, by least squares: 1, and not 0. The three values of a row share shots.
    noise, there = (wanted - ideal) / spread, (values - ideal) / spread
    assert abs((noise * there).sum() / (noise**2).sum() - 1) <= OFF * np.sqrt(3 / (noise**2).sum()) < 1


@pytest.mark.parametrize("noisy", [False, True])
def test_tiles_give_the_same_values_with_fewer_executions(
    noisy: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=3, layers=1)
    inputs, weights = rng.uniform(-3, 3, (30, 3)), rng.uniform(-3, 3, circuit.num_weights)
    with cloud(tmp_path, monkeypatch, "fake_mumbai", noisy) as server:
        with hardware(tmp_path, "ibm_mumbai", shots=SHOTS) as backend:
            alone = backend.compile(circuit).expectations(inputs, weights, 1)
        with hardware(tmp_path, "ibm_mumbai", shots=SHOTS, tiles=3) as backend:
            executable = backend.compile(circuit)
            tiled = executable.expectations(inputs, weights, 1)
        assert len(executable.tiling.tiles) == 3
        one, three = server.ledger.jobs
        assert (one.executions, three.executions) == (30 * SHOTS, 10 * SHOTS)
    spread = np.hypot(errors(alone, SHOTS), errors(tiled, SHOTS))
    if not noisy:
        wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
        assert (np.abs(tiled - wanted) <= OFF * errors(wanted, SHOTS)).all()
        assert (np.abs(tiled - alone) <= OFF * spread).all()
        return
    # Other qubits have other errors: what they may take from a value is what they may fail by.
    bias = 2 * (1 - executable.tiling.worst)
    assert (np.abs(tiled - alone) <= OFF * spread + bias).all()


def test_gradients_take_one_job_with_the_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs = torch.from_numpy(rng.uniform(-3, 3, (4, 4)))
    with cloud(tmp_path, monkeypatch) as server, hardware(tmp_path, shots=SHOTS) as backend:
        layer = QuantumLayer(circuit, backend=backend, seed=3).double()
        exact = QuantumLayer(circuit, seed=3).double()
        for one in (layer, exact):
            one(inputs).mean(dim=0).sum().backward()
        assert len(server.ledger.jobs) == 1
        rows = 4 * layer.compiled.gradient.evaluations(layer.compiled.executable, (False, True))
        assert server.ledger.executions == rows * SHOTS
    # A difference of two values a rotation, four rotations a weight, four images and four values in the sum.
    spread = OFF * np.sqrt(4 * 4 / 4 / (2 * SHOTS))
    assert (layer.weight.grad - exact.weight.grad).abs().max() <= 2 * np.pi * spread


def test_what_was_run_is_never_run_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    inputs, weights = rng.uniform(-3, 3, (2, 2)), rng.uniform(-3, 3, circuit.num_weights)
    with cloud(tmp_path, monkeypatch) as server:
        values = []
        for _ in range(2):  # as two processes would
            with hardware(tmp_path, shots=100) as backend:
                values.append(backend.compile(circuit).expectations(inputs, weights, 5))
        assert np.array_equal(*values)
        assert len(server.ledger.jobs) == 1
        with hardware(tmp_path, shots=100) as backend:
            backend.compile(circuit).expectations(inputs, weights, 6)  # another seed has shots of its own
        assert len(server.ledger.jobs) == 2


def test_a_circuit_without_angles_has_shots_of_its_own_for_every_sample(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from qiskit import QuantumCircuit

    bell = QuantumCircuit(2)
    bell.h(0)
    bell.cx(0, 1)
    with cloud(tmp_path, monkeypatch) as server, hardware(tmp_path, shots=64) as backend:
        values = backend.compile(LayerCircuit(bell, [], [], ["ZZ", "XX", "ZI"])).expectations(
            np.zeros((5, 0)), np.zeros(0), 1
        )
        assert server.ledger.executions == 2 * 5 * 64  # two bases
    assert np.allclose(values[:, :2], 1)
    assert len(set(values[:, 2])) > 1


@pytest.mark.rows(1)
@pytest.mark.parametrize("level", [1, 2])
def test_mitigated_values_are_closer_to_the_ideal_ones(
    level: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    plain = ansatz("basic", qubits=2, layers=2)
    circuit = LayerCircuit(plain.circuit, plain.inputs, plain.weights, ["ZI", "ZZ", "IZ"])
    # Small angles, and so values near 1, where the errors of readout show most.
    inputs, weights = rng.uniform(-0.3, 0.3, (8, 2)), rng.uniform(-0.3, 0.3, (8, circuit.num_weights))
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    off = []
    with cloud(tmp_path, monkeypatch, noisy=True) as server:
        for resilience in (0, level):
            with hardware(tmp_path, shots=4096, resilience=resilience) as backend:
                executable = backend.compile(circuit)
                values = executable.expectations(inputs, weights, 1)
            off.append(np.abs(values - wanted).mean())
            billed = server.ledger.jobs[-1]
            assert billed.executions == executable.cost(8).executions
            assert billed.seconds <= executable.cost(8).seconds * (1 + 1e-9)
    assert off[1] < off[0]


@pytest.mark.slow
def test_a_step_of_twelve_qubits_and_84_weights_is_one_job_of_a_few_megabytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    bodies: list[int] = []
    send = HTTPAdapter.send

    def counted(self: HTTPAdapter, request: Any, **options: Any) -> Any:
        bodies.append(len(request.body or b""))
        return send(self, request, **options)

    monkeypatch.setattr(HTTPAdapter, "send", counted)
    circuit, batch, shots = ansatz("hqconv", qubits=12, layers=3), 16, 4
    with (
        cloud(tmp_path, monkeypatch, "fake_fez") as server,
        hardware(tmp_path, "ibm_fez", shots=shots) as backend,
    ):
        layer = QuantumLayer(circuit, backend=backend, seed=1).double()
        layer(torch.from_numpy(rng.uniform(-3, 3, (batch, 12)))).sum().backward()
        (job,) = server.ledger.jobs
        assert job.circuits == batch * layer.compiled.gradient.evaluations(layer.compiled.executable, (False, True))
    assert max(bodies) < 6_000_000


def test_what_goes_on_is_the_same_circuit_on_the_same_qubits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    """A calibration in between would put it elsewhere: it is not put anywhere again."""
    circuit = ansatz("basic", qubits=3, layers=1)
    inputs, weights = rng.uniform(-3, 3, (4, 3)), rng.uniform(-3, 3, circuit.num_weights)
    with cloud(tmp_path, monkeypatch) as server:
        values = []
        for _ in range(2):
            with hardware(tmp_path, shots=20, tiles="auto") as backend:
                values.append(backend.compile(circuit).expectations(inputs, weights, 1))
            monkeypatch.setattr("qgen.backends.ibm.backend.transpiled", None)
            monkeypatch.setattr("qgen.backends.device.sampling.choose_tiles", None)
        assert np.array_equal(*values)
        assert len(server.ledger.jobs) == 1


@pytest.mark.parametrize("shots", [20, 100, 1000])
def test_twirled_shots_are_as_planned(
    shots: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    inputs, weights = rng.uniform(-3, 3, (3, 2)), rng.uniform(-3, 3, circuit.num_weights)
    with (
        cloud(tmp_path, monkeypatch) as server,
        hardware(tmp_path, shots=shots, twirling=True, measure_twirling=True) as backend,
    ):
        executable = backend.compile(circuit)
        values = executable.expectations(inputs, weights, 1)
        assert server.ledger.executions == executable.cost(3).executions
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    assert (np.abs(values - wanted) <= OFF * errors(wanted, shots)).all()
