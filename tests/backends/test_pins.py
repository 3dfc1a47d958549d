"""Circuits that a search has put on a device run there as they are."""

from pathlib import Path

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends import open_backend
from qgen.backends.devices import open_device
from qgen.backends.pins import digest, read_pins, write_pins
from qgen.circuits import LayerCircuit, ansatz
from qgen.errors import BackendError
from qgen.transpilation import search

DEVICE = "fake_manila"


@pytest.fixture(scope="module")
def chosen() -> QuantumCircuit:
    circuit = ansatz("basic", qubits=3, layers=2)
    return search(circuit.circuit, open_device(DEVICE).target, [1], [3])[-1].isa  # the worst, which nobody would choose


@pytest.fixture
def file(chosen: QuantumCircuit, tmp_path: Path) -> Path:
    write_pins(tmp_path / "pins.json", DEVICE, [(ansatz("basic", qubits=3, layers=2), chosen)])
    return tmp_path / "pins.json"


@pytest.mark.parametrize("name", [f"aer:{DEVICE}", DEVICE])
def test_a_pinned_circuit_runs_where_it_was_put(
    name: str, file: Path, chosen: QuantumCircuit, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=3, layers=2)  # built anew: with parameters of its own
    executable = open_backend(name, layout=str(file)).compile(circuit)
    placement = executable.placement
    assert [placement.physical[wire] for wire in placement.wires] == chosen.layout.final_index_layout()
    ideal = open_backend(f"aer:{DEVICE}", noise_scale=0.0, layout=str(file)).compile(circuit)
    inputs, weights = rng.uniform(-3, 3, (4, 3)), rng.uniform(-3, 3, circuit.num_weights)
    exact = open_backend("reference").compile(circuit).expectations(inputs, weights)
    assert np.allclose(ideal.expectations(inputs, weights), exact, atol=1e-9)


def test_a_digest_is_of_what_a_circuit_computes() -> None:
    def built(factor: float, name: str = "a", observable: str = "ZI") -> LayerCircuit:
        a, b, circuit = Parameter(name), Parameter("b"), QuantumCircuit(2)
        circuit.ry(factor * a + b, 0)
        circuit.cx(0, 1)
        return LayerCircuit(circuit, [a], [b], observable)

    assert digest(built(2.0)) == digest(built(2.0))
    assert len({digest(one) for one in (built(2.0), built(2.5), built(2.0, "c"), built(2.0, observable="IZ"))}) == 4


def test_what_does_not_fit_is_refused(file: Path, tmp_path: Path) -> None:
    backend = open_backend(f"aer:{DEVICE}", layout=str(file))
    with pytest.raises(BackendError, match="pins 1 other circuit"):
        backend.compile(ansatz("basic", qubits=3, layers=1))
    with pytest.raises(BackendError, match="pins circuits to fake_manila, not to fake_lima"):
        open_backend("aer:fake_lima", layout=str(file))
    with pytest.raises(BackendError, match="has no qubits of a device to choose"):
        open_backend("statevector", layout=str(file))
    with pytest.raises(BackendError, match="cannot read"):
        open_backend(DEVICE, layout=str(tmp_path / "none.json"))
    for text in ("{", "[]", '{"format": "qgen-pins", "version": 9}', file.read_text()[:-40]):
        (tmp_path / "damaged.json").write_text(text)
        with pytest.raises(BackendError, match="holds no pinned circuits"):
            read_pins(tmp_path / "damaged.json")
