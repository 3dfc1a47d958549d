"""Encodings: which angle an input becomes, and where."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector

from qgen.circuits import Encoding, ansatz
from qgen.errors import CircuitError

numbers = st.floats(-20, 20)
scales = st.floats(0.01, 20).filter(lambda scale: scale != 1)


@settings(deadline=None)
@given(st.sampled_from(["rx", "ry"]), st.lists(numbers, min_size=1, max_size=3), scales)
def test_each_map_gives_its_angle(gate: Any, values: list[float], scale: float) -> None:
    maps = {
        Encoding(gate): lambda x: x,
        Encoding(gate, "arctan"): np.arctan,
        Encoding(gate, "scaled", scale): lambda x: scale * x,
    }
    for encoding, angle in maps.items():
        x = ParameterVector("x", len(values))
        circuit = QuantumCircuit(3)
        encoding.append(circuit, list(x))
        bound = circuit.assign_parameters({x: values})
        assert [instruction.operation.name for instruction in bound.data] == [gate] * len(values)
        assert [bound.find_bit(instruction.qubits[0]).index for instruction in bound.data] == list(range(len(values)))
        angles = [float(instruction.operation.params[0]) for instruction in bound.data]
        assert np.allclose(angles, [angle(value) for value in values], rtol=1e-14, atol=1e-12)


def test_encodings_are_values() -> None:
    assert Encoding("ry", "arctan") == Encoding(gate="ry", map="arctan", scale=1.0, reupload=False)
    assert len({Encoding(), Encoding("rx", "raw"), Encoding("ry")}) == 2


@pytest.mark.parametrize(("reupload", "mirrored", "times"), [(False, False, 1), (True, False, 4), (True, True, 2)])
def test_reuploading_repeats_the_encoding(reupload: bool, mirrored: bool, times: int) -> None:
    layer = ansatz("basic", layers=4, encoding=Encoding("ry", reupload=reupload), mirrored=mirrored)
    assert layer.circuit.count_ops()["ry"] == times * 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"gate": "rz"}, r"Encoding gate 'rz' does not exist\. Allowed: rx, ry\. Did you mean 'r[xy]'\?"),
        ({"gate": None}, "Encoding gate None does not exist"),
        ({"map": "atan"}, r"Encoding map 'atan' .*raw, arctan, scaled\. Did you mean 'arctan'\?"),
        ({"map": "scaled", "scale": 0.0}, "must be a finite number other than 0"),
        ({"map": "scaled", "scale": np.nan}, "must be a finite number other than 0"),
        ({"map": "scaled", "scale": np.inf}, "must be a finite number other than 0"),
        ({"map": "scaled", "scale": 10**400}, "must be a finite number other than 0"),
        ({"map": "scaled", "scale": "2"}, "must be a finite number other than 0, not '2'"),
        ({"map": "raw", "scale": 2.0}, "has no effect with map='raw'; use map='scaled'"),
        ({"reupload": "yes"}, "reupload must be True or False"),
    ],
)
def test_bad_encodings_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(CircuitError, match=message):
        Encoding(**arguments)


def test_more_inputs_than_qubits_are_refused() -> None:
    with pytest.raises(CircuitError, match="one input a qubit; 3 do not fit on 2 qubits"):
        Encoding().append(QuantumCircuit(2), list(ParameterVector("x", 3)))
