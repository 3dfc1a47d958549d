"""The catalogue is complete, and says what it does not have."""

from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qgen.circuits.ansatze
from qgen.circuits import Ansatz, Encoding, LayerCircuit, ansatz, ansatz_names, get_ansatz
from qgen.errors import CircuitError

FILES = [path.stem for path in Path(qgen.circuits.ansatze.__file__).parent.glob("*.py")]
SHARED = ("__init__", "base", "lattices", "rotations")  # what ansatzes share


def test_every_file_is_in_the_registry() -> None:
    modules = [import_module(f"qgen.circuits.ansatze.{file}") for file in FILES if file not in SHARED]
    assert sorted(module.ANSATZ.name for module in modules) == sorted(ansatz_names())
    for module in modules:
        assert get_ansatz(module.ANSATZ.name) is module.ANSATZ
        assert module.__name__.endswith("." + module.ANSATZ.name.replace("-", "_"))


@pytest.mark.parametrize("name", ansatz_names())
def test_every_ansatz_is_documented(name: str) -> None:
    known = get_ansatz(name)
    assert isinstance(known, Ansatz)
    assert known.summary.endswith(".")
    assert "\n" not in known.summary
    assert "Weights a layer" in known.figure or "weights a layer" in known.figure
    assert max(map(len, known.figure.splitlines())) <= 80
    assert "arXiv:" in known.reference


@pytest.mark.parametrize("name", ansatz_names())
def test_the_defaults_are_those_that_are_stated(name: str) -> None:
    known, made = get_ansatz(name), ansatz(name)
    assert made.num_inputs == made.num_observables == known.qubits
    assert made.num_weights == known.layers * known.weights_per_layer()
    first = [instruction.operation for instruction in made.circuit.data[: known.qubits]]
    if known.encoding:
        assert {operation.name for operation in first} == {known.encoding.gate}
        assert [operation.params for operation in first] == [[known.encoding.angle(x)] for x in made.inputs]
    else:
        readers = {
            x for instruction in made.circuit.data for angle in instruction.operation.params for x in angle.parameters
        }
        assert readers == {*made.inputs, *made.weights}


@pytest.mark.parametrize("name", ansatz_names())
def test_every_ansatz_survives_a_file(name: str, tmp_path: Path) -> None:
    made = ansatz(name)
    made.save(tmp_path / "circuit.json")
    assert LayerCircuit.load(tmp_path / "circuit.json") == made


def test_numpy_integers_are_whole_numbers() -> None:
    assert ansatz("basic", qubits=np.int64(3), layers=np.int32(2)).num_weights == 6


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("hqcnv", {}, r"The ansatz 'hqcnv' does not exist\. Allowed: hqconv, fqconv, .*Did you mean 'hqconv'\?"),
        ("HQConv", {}, r"Did you mean 'hqconv'\?"),
        (None, {}, r"The ansatz None does not exist"),
        ("basic", {"qubits": 0}, "qubits must be at least 1, not 0"),
        ("basic", {"qubits": -2}, "qubits must be at least 1, not -2"),
        ("basic", {"qubits": 2.0}, "qubits must be a whole number of at least 1, not 2.0"),
        ("basic", {"qubits": "4"}, "qubits must be a whole number of at least 1, not '4'"),
        ("basic", {"qubits": True}, "qubits must be a whole number of at least 1, not True"),
        ("basic", {"layers": 0}, "layers must be at least 1, not 0"),
        ("basic", {"layers": 1.5}, "layers must be a whole number"),
        ("basic", {"layers": 10**5000}, "layers must be at least 1, and have at most 100 digits"),
        ("hqconv", {"qubits": 10}, "takes a multiple of 4 qubits, not 10; the default is 12"),
        ("fqconv", {"qubits": 4}, "qubits of the ansatz 'fqconv' must be at least 8, not 4"),
        ("hqconv-published", {"qubits": 4}, "must be at least 8, not 4"),
        ("basic", {"coupling": "line"}, r"'basic' has no option 'coupling'\. It has: none, beside qubits, layers"),
        ("basic", {"n_qubits": 4}, r"no option 'n_qubits'\. .* Did you mean 'qubits'\?"),
        ("masked", {"n_layer": 4}, r"no option 'n_layer'\. .* Did you mean 'layers'\?"),
        ("masked", {"mask": 3}, r"no option 'mask'\. It has: form, masks, seed, beside .*\. Did you mean 'masks'\?"),
        ("hardware-efficient", {"coupling": "heavyhex"}, r"coupling 'heavyhex' .*Did you mean 'heavy-hex'\?"),
        ("hardware-efficient", {"coupling": "heavy-hex", "qubits": 500}, "has at most [0-9]+ qubits, not 500"),
        ("basic", {"qubits": 10**9}, "1,000,000,000 qubits are more than any backend runs: .* 1,000 qubits at most"),
        ("basic", {"layers": 10**15}, "4,000,000,000,000,000 weights are more .* give fewer qubits or layers"),
        ("basic", {"qubits": 1, "layers": 90_000}, "180,000 gates are more .* give fewer qubits or layers"),
        ("hqconv-published", {"layers": 25_000}, "gates are more than any backend runs"),
        ("hqconv", {"mirrored": True}, "layers must be even, not 3; give layers=4"),
        ("basic", {"mirrored": 1}, "mirrored must be True or False"),
        ("basic", {"encoding": "rx"}, "encoding must be an Encoding"),
        ("style", {"encoding": Encoding("ry")}, "'style' has no encoding: .* leave encoding out"),
        ("style", {"latent": 0}, "latent must be at least 1, not 0"),
        ("style", {"qubits": 2, "latent": 11}, "latent=11 inputs do not fit into the 10 gates of a block on 2 qubits"),
    ],
)
def test_bad_arguments_are_refused(name: Any, arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        ansatz(name, **arguments)
