"""A devserver for a test, and the stock client's environment pointed at it."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cloud import no_usage_data
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qgen.devserver import DeviceModel, DevServer

Serve = Callable[..., DevServer]


@pytest.fixture
def serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Serve]:
    """Starts a server that the stock client finds; closed when the test ends."""
    monkeypatch.setenv("HOME", str(tmp_path))
    no_usage_data(monkeypatch)
    with ExitStack() as running:

        def start(*devices: DeviceModel, **options: Any) -> DevServer:
            server = running.enter_context(DevServer(devices or [DeviceModel("fake_manila", noisy=False)], **options))
            for name, value in server.environment().items():
                monkeypatch.setenv(name, value)
            return server

        yield start


@pytest.fixture
def client() -> Callable[[], Any]:
    """A new service object of the stock client."""

    def connect() -> Any:
        from qiskit_ibm_runtime import QiskitRuntimeService

        return QiskitRuntimeService()

    return connect


@pytest.fixture
def coin() -> Callable[..., QuantumCircuit]:
    """A circuit of a device's own gates that throws a coin, on a qubit: `coin()`, `coin(1)`."""

    def throw(qubit: int = 0) -> QuantumCircuit:
        circuit = QuantumCircuit(qubit + 1, 1)
        circuit.sx(qubit)
        circuit.measure(qubit, 0)
        return circuit

    return throw


@pytest.fixture
def drawn() -> Callable[[np.random.Generator, int], QuantumCircuit]:
    """Random rotations by expressions of parameters, between random CX gates; not measured."""

    def draw(rng: np.random.Generator, qubits: int) -> QuantumCircuit:
        angles = ParameterVector("p", 6)
        circuit = QuantumCircuit(qubits)
        for layer in range(3):
            for qubit in range(qubits):
                angle = angles[int(rng.integers(6))] * float(rng.normal()) + angles[layer]
                getattr(circuit, str(rng.choice(["rx", "ry", "rz"])))(angle, qubit)
            for _ in range(qubits - 1):
                circuit.cx(*map(int, rng.choice(qubits, 2, replace=False)))
        return circuit

    return draw
