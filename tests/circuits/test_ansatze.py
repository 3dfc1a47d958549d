"""Each ansatz, gate by gate against its definition written out by hand, and by what it must compute."""

import re
from math import tau

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits import ansatz, get_ansatz

Gate = tuple[str, tuple[int, ...], int]

# One layer of each on 3 channels of 4 qubits: gate, (control, target), index of the weight.
HQCONV: list[Gate] = [
    ("crz", (8, 11), 0), ("crx", (8, 11), 1),
    ("crz", (11, 10), 2), ("crx", (11, 10), 3),
    ("crz", (10, 9), 4), ("crx", (10, 9), 5),
    ("crz", (9, 8), 6), ("crx", (9, 8), 7),
    ("crz", (4, 7), 8), ("crx", (4, 7), 9),
    ("crz", (7, 6), 10), ("crx", (7, 6), 11),
    ("crz", (6, 5), 12), ("crx", (6, 5), 13),
    ("crz", (5, 4), 14), ("crx", (5, 4), 15),
    ("crz", (0, 3), 16), ("crx", (0, 3), 17),
    ("crz", (3, 2), 18), ("crx", (3, 2), 19),
    ("crz", (2, 1), 20), ("crx", (2, 1), 21),
    ("crz", (1, 0), 22), ("crx", (1, 0), 23),
    ("crz", (4, 8), 24), ("crx", (4, 8), 25),
    ("crz", (0, 4), 26), ("crx", (0, 4), 27),
]  # fmt: skip
HQCONV_PUBLISHED: list[Gate] = [("crz", (4, 8), 0), ("crx", (4, 8), 1), ("crz", (0, 4), 2), ("crx", (0, 4), 3)]
FQCONV: list[Gate] = [
    ("crz", (3, 11), 0), ("crz", (2, 10), 1), ("crz", (1, 9), 2), ("crz", (0, 8), 3),
    ("crx", (3, 11), 4), ("crx", (2, 10), 5), ("crx", (1, 9), 6), ("crx", (0, 8), 7),
    ("crz", (11, 7), 8), ("crz", (10, 6), 9), ("crz", (9, 5), 10), ("crz", (8, 4), 11),
    ("crx", (11, 7), 12), ("crx", (10, 6), 13), ("crx", (9, 5), 14), ("crx", (8, 4), 15),
    ("crz", (7, 3), 16), ("crz", (6, 2), 17), ("crz", (5, 1), 18), ("crz", (4, 0), 19),
    ("crx", (7, 3), 20), ("crx", (6, 2), 21), ("crx", (5, 1), 22), ("crx", (4, 0), 23),
]  # fmt: skip


def gates(circuit: QuantumCircuit) -> list[tuple[str, tuple[int, ...], list[object]]]:
    return [
        (
            instruction.operation.name,
            tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits),
            list(instruction.operation.params),
        )
        for instruction in circuit.data
    ]


@pytest.mark.parametrize(
    ("name", "layer"), [("hqconv", HQCONV), ("hqconv-published", HQCONV_PUBLISHED), ("fqconv", FQCONV)]
)
def test_the_convolutions_gate_by_gate(name: str, layer: list[Gate]) -> None:
    made = ansatz(name)
    encoding = [("rx", (qubit,), [x]) for qubit, x in enumerate(made.inputs)]
    weights = len(layer)
    layers = [
        (gate, wires, [tau * made.weights[index * weights + weight]])
        for index in range(3)
        for gate, wires, weight in layer
    ]
    assert gates(made.circuit) == encoding + layers


def test_basic_gate_by_gate() -> None:
    made = ansatz("basic", layers=1)
    x, w = made.inputs, made.weights
    cnots = [("cx", pair, []) for pair in [(0, 1), (1, 2), (2, 3), (3, 0)]]
    rotations = [("rx", (q,), [x[q]]) for q in range(4)] + [("rx", (q,), [w[q]]) for q in range(4)]
    assert gates(made.circuit) == rotations + cnots


@pytest.mark.parametrize(("qubits", "pairs"), [(1, []), (2, [(0, 1)]), (3, [(0, 1), (1, 2), (2, 0)])])
def test_basic_closes_its_ring_from_three_qubits_on(qubits: int, pairs: list[tuple[int, int]]) -> None:
    circuit = ansatz("basic", qubits=qubits, layers=1).circuit
    assert [wires for name, wires, _ in gates(circuit) if name == "cx"] == pairs


def test_strongly_entangling_gate_by_gate() -> None:
    made = ansatz("strongly-entangling", qubits=3, layers=3)
    w = made.weights
    expected: list[tuple[str, tuple[int, ...], list[object]]] = [("ry", (q,), [made.inputs[q]]) for q in range(3)]
    for layer, reach in enumerate([1, 2, 1]):
        for q in range(3):
            first = 9 * layer + 3 * q
            expected += [("rz", (q,), [w[first]]), ("ry", (q,), [w[first + 1]]), ("rz", (q,), [w[first + 2]])]
        expected += [("cx", (q, (q + reach) % 3), []) for q in range(3)]
    assert gates(made.circuit) == expected


def test_hardware_efficient_gate_by_gate() -> None:
    made = ansatz("hardware-efficient", qubits=4, layers=1)
    x, w = made.inputs, made.weights
    expected = [
        *[("ry", (q,), [x[q]]) for q in range(4)],
        *[("cz", pair, []) for pair in [(0, 1), (2, 3), (1, 2)]],
        *[("rz", (q,), [w[q]]) for q in range(4)],
        *[("ry", (q,), [w[4 + q]]) for q in range(4)],
    ]
    assert gates(made.circuit) == expected


def test_ry_cz_gate_by_gate() -> None:
    made = ansatz("ry-cz", qubits=3, layers=2)
    x, w = made.inputs, made.weights
    layers = [
        [*[("ry", (q,), [w[3 * layer + q]]) for q in range(3)], ("cz", (0, 1), []), ("cz", (1, 2), [])]
        for layer in range(2)
    ]
    assert gates(made.circuit) == [("ry", (q,), [x[q]]) for q in range(3)] + layers[0] + layers[1]


def test_the_published_counts() -> None:
    assert [get_ansatz(name).weights_per_layer(12) for name in ("hqconv", "fqconv", "hqconv-published")] == [28, 24, 4]
    assert ansatz("basic").num_weights == 16
    assert ansatz("masked").num_weights == 24
    assert ansatz("ry-cz").num_weights == 30
    assert ansatz("style").num_weights == 90
    assert ansatz("style", qubits=1, layers=1).num_weights == 10


@settings(deadline=None)
@given(st.integers(2, 6), st.integers(1, 3))
def test_weights_a_layer(channels: int, layers: int) -> None:
    qubits = 4 * channels
    expected = {
        "hqconv": 8 * channels + 2 * (channels - 1),
        "hqconv-published": 2 * (channels - 1),
        "fqconv": 8 * channels,
        "basic": qubits,
        "strongly-entangling": 3 * qubits,
        "hardware-efficient": 2 * qubits,
        "ry-cz": qubits,
        "style": 10 * qubits,
    }
    for name, weights in expected.items():
        assert get_ansatz(name).weights_per_layer(qubits) == weights
        assert ansatz(name, qubits=qubits, layers=layers).num_weights == weights * layers


def test_hqconv_takes_a_single_channel() -> None:
    assert ansatz("hqconv", qubits=4).num_weights == 3 * 8


def test_parameters_are_vectors_named_x_and_w() -> None:
    made = ansatz("fqconv", layers=2)
    assert [parameter.name for parameter in made.inputs] == [f"x[{k}]" for k in range(12)]
    assert [parameter.name for parameter in made.weights] == [f"w[{k}]" for k in range(48)]


def test_what_the_published_code_ran_leaves_ten_outputs_alone(rng: np.random.Generator, expectations) -> None:
    x = rng.uniform(0.5, 2.5, 12)  # near 0 a control does nothing
    untouched = [0, 1, 2, 3, 5, 6, 7, 9, 10, 11]
    published = ansatz("hqconv-published")
    values = expectations(published, x, rng.uniform(size=published.num_weights))
    assert np.allclose(values[untouched], np.cos(x)[untouched], rtol=0, atol=1e-12)
    assert (np.abs(values - np.cos(x))[[4, 8]] > 1e-6).all()


@pytest.mark.parametrize("name", ["hqconv", "fqconv"])
def test_the_convolutions_change_every_output(name: str, rng: np.random.Generator, expectations) -> None:
    x, made = rng.uniform(0.5, 2.5, 12), ansatz(name)
    values = expectations(made, x, rng.uniform(size=made.num_weights))
    assert (np.abs(values - np.cos(x)) > 1e-6).all()


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("hqconv", {"qubits": 8}),
        ("hqconv-published", {"qubits": 8}),
        ("fqconv", {"qubits": 8}),
        ("basic", {}),
        ("strongly-entangling", {}),
        ("hardware-efficient", {"coupling": "heavy-hex", "qubits": 6}),
        ("ry-cz", {}),
        ("masked", {"form": "ancilla", "qubits": 3}),
        ("masked", {"form": "mixture", "qubits": 3}),
    ],
)
def test_mirrored_layers_with_equal_weights_are_the_identity(
    name, options, rng: np.random.Generator, expectations
) -> None:
    made = ansatz(name, layers=4, mirrored=True, **options)
    x = rng.uniform(0.5, 2, made.num_inputs)  # near 0 a control does nothing
    pairs = rng.uniform(0, tau, (2, 1, made.num_weights // 4)).repeat(2, axis=1)
    angles = np.arctan(x) if name == "masked" else x
    assert np.allclose(expectations(made, x, pairs.ravel()), np.cos(angles), rtol=0, atol=1e-12)
    assert not np.allclose(expectations(made, x, rng.uniform(size=made.num_weights)), np.cos(angles), atol=1e-6)


def test_a_mirrored_layer_is_the_inverse_with_its_own_weights() -> None:
    made = ansatz("strongly-entangling", qubits=3, layers=2, mirrored=True)
    body = [gate for gate in gates(made.circuit) if not is_encoding(gate)]
    forward, backward = body[: len(body) // 2], body[len(body) // 2 :]
    own = dict(zip(made.weights[:9], made.weights[9:], strict=True))
    for (name, wires, params), (inverse, on, angles) in zip(forward, reversed(backward), strict=True):
        assert (name, wires) == (inverse, on)
        assert angles == [-1 * own[parameter] for parameter in params]


def is_encoding(gate: tuple[str, tuple[int, ...], list[object]]) -> bool:
    return any(isinstance(p, ParameterExpression) and re.search(r"\bx\[", str(p)) for p in gate[2])
