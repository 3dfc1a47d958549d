"""Saving loses nothing; a file is whole or refused."""

import base64
import json
from pathlib import Path

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Operation, Parameter, ParameterVector
from qiskit.circuit.library import RXGate, StatePreparation, efficient_su2, real_amplitudes, zz_feature_map
from qiskit.quantum_info import SparsePauliOp, random_unitary

from qgen.circuits import LayerCircuit, Mixture, ansatz
from qgen.errors import CircuitError

ONE_QUBIT = ("rx", "ry", "rz", "p")
TWO_QUBIT = ("crx", "cry", "crz", "cp", "rxx", "ryy", "rzz")


@st.composite
def layers(draw: st.DrawFn) -> LayerCircuit:
    """Any circuit of rotations by expressions of vector elements and lone parameters, with any real observables."""
    qubits = draw(st.integers(2, 4))
    pool = [*ParameterVector("v", 4), Parameter("a"), Parameter("ß b")]
    circuit = QuantumCircuit(qubits, global_phase=draw(st.floats(-3, 3)))
    number = st.floats(-10, 10)
    for _ in range(draw(st.integers(1, 8))):
        one, two = draw(st.sampled_from(pool)), draw(st.sampled_from(pool))
        factor = draw(number)
        angles = [one, factor * one, one.arctan() + factor, one * two - factor, factor]
        # By index: hypothesis hashes what it samples from, and qiskit cannot hash some expressions.
        angle = angles[draw(st.integers(0, len(angles) - 1))]
        wires = draw(st.permutations(range(qubits)))
        if draw(st.booleans()):
            getattr(circuit, draw(st.sampled_from(ONE_QUBIT)))(angle, wires[0])
        else:
            getattr(circuit, draw(st.sampled_from(TWO_QUBIT)))(angle, *wires[:2])
    used = draw(st.permutations(list(circuit.parameters)))
    cut = sorted(draw(st.tuples(*[st.integers(0, len(used))] * 2)))
    inputs, weights, mixed = used[: cut[0]], used[cut[0] : cut[1]], used[cut[1] :]
    points = [[draw(number) for _ in mixed] for _ in range(3)]
    label = st.text("IXYZ", min_size=qubits, max_size=qubits)
    terms = st.lists(st.tuples(label, st.floats(-1e6, 1e6)), min_size=1, max_size=4).map(SparsePauliOp.from_list)
    observables = draw(st.none() | st.lists(terms, min_size=1, max_size=3))
    return LayerCircuit(circuit, inputs, weights, observables, Mixture(mixed, points) if mixed else None)


@examples(60)
@given(layers())
def test_the_text_holds_everything(layer: LayerCircuit) -> None:
    again = LayerCircuit.from_json(layer.to_json())
    assert again == layer
    assert hash(again) == hash(layer)


def library_circuits(rng: np.random.Generator) -> dict[str, LayerCircuit]:
    features, network, other = (
        zz_feature_map(3, reps=1),
        real_amplitudes(3, reps=1),
        efficient_su2(3, reps=1, parameter_prefix="ϑ"),
    )
    theta, phase = Parameter("theta"), Parameter("phase")
    blocks = QuantumCircuit(4, global_phase=2 * phase)
    blocks.append(RXGate(theta).control(2, ctrl_state=1, annotated=False), [3, 1, 0])
    blocks.append(network.to_gate(), [0, 2, 3])
    blocks.append(other.to_instruction(), [2, 1, 0])
    blocks.cry(theta**2, 0, 1, ctrl_state=0)
    blocks.unitary(random_unitary(4, seed=rng), [1, 2])
    weights = [theta, phase, *network.parameters, *other.parameters]
    return {
        "zz + real amplitudes": LayerCircuit(features.compose(network), features.parameters, network.parameters),
        "zz + efficient su2": LayerCircuit(features.compose(other), features.parameters, other.parameters, ["XYZ"]),
        "blocks": LayerCircuit(blocks, [], weights),
    }


@pytest.mark.parametrize("name", ["zz + real amplitudes", "zz + efficient su2", "blocks"])
def test_user_circuits_survive_a_file(name: str, rng: np.random.Generator, tmp_path: Path) -> None:
    layer = library_circuits(rng)[name]
    layer.save(tmp_path / "layer.json")
    assert LayerCircuit.load(tmp_path / "layer.json") == layer


class OwnGate(Gate):
    """A gate class of a user, with a definition."""

    def __init__(self, angle: Parameter) -> None:
        super().__init__("own", 1, [angle])

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.rx(self.params[0], 0)


class OwnMatrix(Gate):
    """A gate class of a user, with a matrix only."""

    def __init__(self) -> None:
        super().__init__("own", 1, [])

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return np.eye(2)


def test_an_own_gate_comes_back_as_a_plain_one_that_is_equal(rng: np.random.Generator, expectations) -> None:
    w = Parameter("w")
    circuit = QuantumCircuit(1)
    circuit.append(OwnGate(w), [0])
    layer = LayerCircuit(circuit, [], [w])
    again = LayerCircuit.from_json(layer.to_json())
    assert type(again.circuit.data[0].operation) is Gate
    assert again == layer
    angle = rng.normal(size=1)
    assert np.allclose(expectations(again, [], angle), np.cos(angle), rtol=0, atol=1e-12)


UNSTORABLE = [
    OwnMatrix(),
    OwnGate(Parameter("w")).control(1, annotated=True),
    StatePreparation([0.6, 0.8j]).inverse(),
]


@pytest.mark.parametrize("gate", UNSTORABLE, ids=lambda gate: gate.name)
def test_what_could_not_be_read_again_is_not_written(gate: Operation, tmp_path: Path) -> None:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.append(gate, range(gate.num_qubits))
    layer = LayerCircuit(circuit, [], circuit.parameters)
    with pytest.raises(CircuitError, match=r"QPY (cannot hold|would lose).*circuit\.decompose\(\)"):
        layer.save(tmp_path / "layer.json")
    assert not list(tmp_path.iterdir())


def test_parameters_of_a_loaded_circuit_are_those_of_the_original() -> None:
    layer = ansatz("basic")
    again = LayerCircuit.from_json(layer.to_json())
    assert again.weights == layer.weights
    assert set(again.circuit.parameters) == {*layer.inputs, *layer.weights}


def test_a_part_of_a_vector_is_loaded_without_a_warning() -> None:
    vector = ParameterVector("v", 3)
    circuit = QuantumCircuit(1)
    circuit.rx(vector[1], 0)
    layer = LayerCircuit(circuit, [vector[1]], [])
    assert LayerCircuit.from_json(layer.to_json()) == layer


def test_the_text_has_the_documented_fields() -> None:
    content = json.loads(ansatz("masked", qubits=2).to_json())
    assert list(content) == ["format", "version", "qpy", "inputs", "weights", "observables", "mixture"]
    assert (content["format"], content["version"]) == ("qgen-circuit", 1)
    assert content["inputs"] == ["x[0]", "x[1]"]
    assert content["observables"] == [[["IZ", 1.0]], [["ZI", 1.0]]]
    assert content["mixture"] == {"parameters": ["m[0]", "m[1]"], "points": [[0, 0], [1, 0], [0, 1], [1, 1]]}


def test_a_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "layer.json"
    ansatz("basic").save(path)
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(CircuitError, match=r"Cannot write the circuit to .*layer\.json: disk full"):
        ansatz("basic", qubits=2).save(path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_save_replaces_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "layer.json"
    ansatz("basic").save(path)
    ansatz("basic", qubits=2).save(str(path))
    assert LayerCircuit.load(path).qubits == 2
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=r"Cannot write the circuit to .*nowhere.*No such file or directory"):
        ansatz("basic").save(tmp_path / "nowhere" / "layer.json")


def changed(**fields: object) -> str:
    return json.dumps(json.loads(ansatz("basic", qubits=2, layers=1).to_json()) | fields)


def without(field: str) -> str:
    content = json.loads(changed())
    del content[field]
    return json.dumps(content)


TORN = base64.b64encode(base64.b64decode(json.loads(changed())["qpy"])[:-40]).decode()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not JSON"),
        (changed()[:-30], "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", 'has no "format": "qgen-circuit"'),
        ('{"format": "something"}', 'has no "format": "qgen-circuit"'),
        (changed(version=2), "has version 2; this qgen reads version 1. Update qgen"),
        (without("weights"), "damaged: it has no weights"),
        (changed(qpy="!!"), "circuit in this text is damaged"),
        (changed(qpy=7), "circuit in this text is damaged"),
        (changed(qpy=""), "cannot be read"),
        (changed(qpy=TORN), "cannot be read"),
        (changed(weights=["w[0]", "w[9]"]), r"damaged \(KeyError: 'w\[9\]'\)"),
        (changed(weights=["w[0]"]), r"unbound parameters: w\[1\]"),
        (changed(observables=[[["Q", 1.0]]]), "damaged"),
        (changed(observables=[[["Z", 1.0]]]), "acts on 1 qubits"),
        (changed(observables=3), r"damaged \(TypeError"),
        (changed(mixture={"parameters": []}), "damaged"),
    ],
)
def test_a_damaged_or_foreign_file_is_refused_by_name(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "broken.json"
    path.write_text(text)
    with pytest.raises(CircuitError, match=rf"broken\.json: .*{message}"):
        LayerCircuit.load(path)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(CircuitError, match=r"Cannot read the circuit file .*missing\.json: No such file"):
        LayerCircuit.load(tmp_path / "missing.json")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(CircuitError, match=r"Cannot read the circuit file .*picture\.png: it is not text"):
        LayerCircuit.load(tmp_path / "picture.png")
