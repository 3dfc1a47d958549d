"""Each argument of a quantum layer with each kind of value it does not take: one line, which says what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit.library import efficient_su2
from qiskit.providers.basic_provider import BasicSimulator

from qgen import LayerCircuit, QuantumLayer, QuantumProbabilities
from qgen.backends import SPSA, Adjoint, open_backend
from qgen.backends.statevector import StatevectorBackend
from qgen.circuits import ansatz, get_ansatz
from qgen.errors import QgenError
from qgen.nn.initialisers import Normal, Uniform

CIRCUIT = ansatz("basic", qubits=2, layers=1)
#: One value of every kind that somebody might hand over, by name.
KINDS: dict[str, Any] = {
    "None": None,
    "True": True,
    "False": False,
    "zero": 0,
    "negative": -1,
    "three": 3,
    "huge": 10**400,
    "float": 1.5,
    "nan": float("nan"),
    "complex": 1j,
    "text": "normal",
    "empty text": "",
    "bytes": b"hqconv",
    "list": [1.0, 2.0, 3.0],
    "ragged list": [[1.0], [2.0, 3.0]],
    "list of text": ["a", "b"],
    "list of booleans": [True, False],
    "empty list": [],
    "dict": {"name": "hqconv"},
    "tensor": torch.ones(5),
    "complex tensor": torch.ones(2, dtype=torch.complex64),
    "boolean tensor": torch.ones(2, dtype=torch.bool),
    "meta tensor": torch.ones(2, device="meta"),
    "array of objects": np.array([None, object()]),
    "array with nan": np.array([1.0, np.nan]),
    "class": Normal,
    "gradient class": SPSA,
    "backend class": StatevectorBackend,
    "function": ansatz,
    "module": torch.nn.Linear(1, 1),
    "object": object(),
    "circuit of Qiskit": efficient_su2(3),
    "empty circuit of Qiskit": QuantumCircuit(2),
    "ansatz": get_ansatz("basic"),
    "backend of Qiskit": BasicSimulator(),
    "gradient": Adjoint(),
    "initialiser": Normal(),
    "path": __file__,
}
ARGUMENTS: dict[str, set[str]] = {  # what each takes, of all these
    "circuit": set(),
    "backend": {"backend of Qiskit"},
    "gradient": {"gradient"},
    "shots": {"None"},
    "seed": {"None", "zero", "three"},
    "initial": {"None", "initialiser"},
    "copies": {"None", "three"},
}


def is_one_clear_line(text: str) -> bool:
    return "\n" not in text and len(text) < 500 and " object at 0x" not in text


@pytest.mark.rows(100)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("argument", ARGUMENTS)
@pytest.mark.parametrize("layer", [QuantumLayer, QuantumProbabilities])
def test_each_kind_for_each_argument(layer: type, argument: str, kind: str) -> None:
    given = {"circuit": CIRCUIT, argument: KINDS[kind]}
    if kind in ARGUMENTS[argument]:
        layer(**given)
        return
    with pytest.raises(QgenError) as caught:
        layer(**given)
    assert is_one_clear_line(str(caught.value)), str(caught.value)


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_for_ancillas(kind: str) -> None:
    if kind == "empty list":
        return
    with pytest.raises(QgenError) as caught:
        QuantumProbabilities(CIRCUIT, KINDS[kind])
    assert is_one_clear_line(str(caught.value)), str(caught.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"circuit": efficient_su2(1, reps=0)},
            r"LayerCircuit\(circuit, inputs=.*, weights=.*\(θ\[0\], θ\[1\]\)",
        ),
        ({"circuit": QuantumCircuit(1)}, "it has none"),
        ({"circuit": "hqconv"}, r"write ansatz\('hqconv', qubits=\.\.\., layers=\.\.\.\)"),
        ({"circuit": "hqcnv"}, "Did you mean 'hqconv'"),
        ({"backend": 3}, r"backend = 3 is no backend: .*open_backend\(\.\.\.\)"),
        ({"backend": "statevectr"}, "did you mean `statevector`"),
        ({"gradient": 3}, "3 is no gradient method"),
        ({"gradient": SPSA}, r"SPSA\(\)"),
        ({"initial": "normal"}, r"initial = 'normal' .*Normal\(\) of qgen.nn.initialisers"),
        ({"initial": Normal}, r"Normal\(\)"),
        ({"seed": 1.5}, r"seed .*whole number of at least 0, not 1\.5"),
        ({"seed": True}, "seed .*not True"),
        ({"seed": 2**63}, r"seed must be below 2\^63"),
        ({"copies": 0}, "copies .*at least 1, not 0"),
        ({"shots": -1}, "`shots`: input should be greater than 0 .given: -1"),
        ({"backend": "aer", "shots": 0}, "`shots`: input should be greater than 0 .given: 0"),
        ({"backend": "aer", "shots": True}, "`shots`: give a number: true and false are none"),
        ({"backend": open_backend("aer", 1), "shots": True}, "shots = True was given beside"),
        ({"initial": [[1.0, 2.0]]}, r"shape \(1, 2\); give shape \(2,\)"),
        ({"initial": [1.0, 2.0], "copies": 2}, r"shape \(2,\); give shape \(2, 2\)"),
    ],
    ids=lambda value: value if isinstance(value, str) else "+".join(value),  # the same in every process
)
def test_says_what_to_write(given: dict[str, Any], message: str) -> None:
    with pytest.raises(QgenError, match=message):
        QuantumLayer(**{"circuit": CIRCUIT} | given)


def test_numbers_of_numpy_are_numbers() -> None:
    layer = QuantumLayer(CIRCUIT, "aer", shots=100, seed=np.int64(3), copies=np.int32(2))
    assert torch.equal(layer.weight, QuantumLayer(CIRCUIT, seed=3, copies=2).weight)


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float16, torch.int64, torch.float64])
def test_initial_weights_of_any_real_kind(kind: torch.dtype) -> None:
    assert torch.equal(QuantumLayer(CIRCUIT, initial=torch.tensor([1, 2], dtype=kind)).weight, torch.tensor([1.0, 2.0]))
    with_graph = torch.tensor([1.0, 2.0], requires_grad=True) * 2
    assert torch.equal(QuantumLayer(CIRCUIT, initial=with_graph).weight, torch.tensor([2.0, 4.0]))


def test_what_was_given_may_change_afterwards() -> None:
    given = np.array([1.0, 2.0])
    layer = QuantumLayer(CIRCUIT, initial=given)
    given[:] = 0
    layer.reset_parameters()
    assert torch.equal(layer.weight, torch.tensor([1.0, 2.0]))


def test_an_initialiser_of_ones_own_is_checked() -> None:
    class Wrong(Uniform):
        def draw(self, circuit: LayerCircuit, generator: torch.Generator) -> torch.Tensor:
            return torch.zeros(7)

    with pytest.raises(QgenError, match=r"drew weights of shape \(7,\).* this circuit has 2 weights"):
        QuantumLayer(CIRCUIT, initial=Wrong(0, 1))
