"""Circuits that a search has put on a device run there as they are."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Operation, Parameter
from qiskit.circuit.library import CRXGate, PauliEvolutionGate, PauliGate
from qiskit.quantum_info import SparsePauliOp

from qgen.backends import open_backend
from qgen.backends.device.saved_layouts import read_layouts, write_layouts
from qgen.circuits import LayerCircuit, ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import search

DEVICE = "fake_manila"


@pytest.fixture(scope="module")
def chosen() -> QuantumCircuit:
    circuit = ansatz("basic", qubits=3, layers=2)
    return search(circuit.circuit, open_device(DEVICE).target, [1], [3])[-1].isa  # the worst, which nobody would choose


@pytest.fixture
def file(chosen: QuantumCircuit, tmp_path: Path) -> Path:
    write_layouts(tmp_path / "pins.json", DEVICE, [(ansatz("basic", qubits=3, layers=2), chosen)])
    return tmp_path / "pins.json"


@pytest.mark.parametrize("name", [f"aer:{DEVICE}", DEVICE])
def test_a_pinned_circuit_runs_where_it_was_put(
    name: str, file: Path, chosen: QuantumCircuit, rng: np.random.Generator
) -> None:
    circuit = ansatz("basic", qubits=3, layers=2)  # built anew: with parameters of its own
    executable = open_backend(name, layout=str(file)).compile(circuit)
    routed = executable.routed
    assert [routed.physical[wire] for wire in routed.wires] == chosen.layout.final_index_layout()
    ideal = open_backend(f"aer:{DEVICE}", noise_scale=0.0, layout=file).compile(circuit)
    inputs, weights = rng.uniform(-3, 3, (4, 3)), rng.uniform(-3, 3, circuit.num_weights)
    exact = open_backend("reference").compile(circuit).expectations(inputs, weights)
    assert np.allclose(ideal.expectations(inputs, weights), exact, atol=1e-9)


def layer_of(gate: Operation) -> LayerCircuit:
    a, circuit = Parameter("a"), QuantumCircuit(2)
    circuit.ry(a, 0)
    circuit.append(gate, [0, 1])
    return LayerCircuit(circuit, [a], [])


def block(gate: str) -> Operation:
    inner = QuantumCircuit(2, name="block")
    getattr(inner, gate)(0)
    return inner.to_gate()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (block("h"), block("x")),
        (PauliEvolutionGate(SparsePauliOp("XX"), 0.4), PauliEvolutionGate(SparsePauliOp("ZX"), 0.4)),
        (CRXGate(0.4), CRXGate(0.4, ctrl_state=0)),
        (PauliGate("XY"), PauliGate("YX")),
    ],
)
def test_the_layout_of_a_circuit_is_not_taken_for_another(one: Operation, other: Operation, tmp_path: Path) -> None:
    isa = search(layer_of(one).circuit, open_device(DEVICE).target, [1], [0])[0].isa
    write_layouts(tmp_path / "pins.json", DEVICE, [(layer_of(one), isa)])
    backend = open_backend(f"aer:{DEVICE}", noise_scale=0.0, layout=str(tmp_path / "pins.json"))
    backend.compile(layer_of(one))
    with pytest.raises(BackendError, match="pins 1 other circuit"):
        backend.compile(layer_of(other))


def test_what_does_not_fit_is_refused(file: Path, tmp_path: Path) -> None:
    backend = open_backend(f"aer:{DEVICE}", layout=file)
    with pytest.raises(BackendError, match="pins 1 other circuit"):
        backend.compile(ansatz("basic", qubits=3, layers=1))
    with pytest.raises(BackendError, match="pins circuits to fake_manila, not to fake_lima"):
        open_backend("aer:fake_lima", layout=str(file))
    with pytest.raises(BackendError, match="has no qubits of a device to choose"):
        open_backend("statevector", layout=str(file))
    with pytest.raises(BackendError, match="cannot read"):
        open_backend(DEVICE, layout=str(tmp_path / "none.json"))


@pytest.mark.parametrize("saved", [False, True])
def test_a_phase_of_several_weights_is_no_hindrance(saved: bool, tmp_path: Path, rng: np.random.Generator) -> None:
    """A device of U1, U2 and U3 gates: the transpiler leaves the sum of the weights of RZ gates in the global phase."""
    device = "fake_london"
    circuits = [ansatz("hardware-efficient", qubits=3, layers=1) for _ in range(2)]
    isa = search(circuits[0].circuit, open_device(device).target, [1], [0])[0].isa
    assert len(isa.global_phase.parameters) > 1
    write_layouts(tmp_path / "pins.json", device, [(circuits[0], isa)])
    options = {"layout": str(tmp_path / "pins.json")} if saved else {}
    inputs, weights = rng.uniform(-3, 3, (2, 3)), rng.uniform(-3, 3, circuits[0].num_weights)
    exact = open_backend("reference").compile(circuits[0]).expectations(inputs, weights)
    for circuit in circuits:  # each with parameters of its own
        ideal = open_backend(f"aer:{device}", noise_scale=0.0, **options).compile(circuit)
        assert np.allclose(ideal.expectations(inputs, weights), exact, atol=1e-9)


def changed(file: Path, **fields: object) -> str:
    return json.dumps(json.loads(file.read_text()) | fields)


def test_damaged_files_are_refused_by_a_line(file: Path, tmp_path: Path) -> None:
    for text in ["{", "[]", "[" * 100_000, "", "\0", file.read_text()[:-40], changed(file, format="other")]:
        (tmp_path / "damaged.json").write_text(text)
        with pytest.raises(BackendError, match=r"damaged\.json holds no pinned circuits"):
            read_layouts(tmp_path / "damaged.json")
    (tmp_path / "damaged.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(BackendError, match=r"cannot read .*damaged\.json: it is not text"):
        read_layouts(tmp_path / "damaged.json")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_file_that_was_changed_anywhere_is_refused(data: st.DataObject, file: Path) -> None:
    text = file.read_text()
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.characters(codec="ascii").filter(lambda one: one != text[place] and not one.isspace()))
    damaged = file.with_name("damaged.json")
    damaged.write_text(text[:place] + other + text[place + 1 :])
    with pytest.raises(BackendError, match=r"damaged\.json (holds no pinned|is damaged|was written by another)"):
        read_layouts(damaged)


@pytest.mark.parametrize("change", [{"circuits": None}, {"circuits": {"x": 1}}, {"device": 3}, {"sha256": None}])
def test_fields_that_were_changed_are_refused(change: dict[str, object], file: Path, tmp_path: Path) -> None:
    (tmp_path / "changed.json").write_text(changed(file, **change))
    with pytest.raises(BackendError, match=r"changed\.json is damaged: it is not what was written"):
        read_layouts(tmp_path / "changed.json")


@pytest.mark.parametrize("version", [1, 9, None])
def test_files_of_another_version_are_refused(version: object, file: Path, tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(changed(file, version=version))
    with pytest.raises(BackendError, match=r"old\.json was written by another version of qgen.*pin them again"):
        read_layouts(tmp_path / "old.json")


def test_a_circuit_of_another_under_its_mark_is_refused(file: Path, tmp_path: Path) -> None:
    circuit = ansatz("basic", qubits=3, layers=2)
    strange = QuantumCircuit(open_device(DEVICE).target.num_qubits)
    strange.rz(Parameter("stranger"), 0)
    write_layouts(tmp_path / "strange.json", DEVICE, [(circuit, strange)])
    with pytest.raises(BackendError, match="a parameter 'stranger' of its own"):
        open_backend(f"aer:{DEVICE}", layout=str(tmp_path / "strange.json")).compile(circuit)
