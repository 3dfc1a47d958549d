"""Drawings of routed circuits: every gate is there, gates do not cross, angles are what the circuit has."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.circuit.random import random_circuit

from qgen.reports.transpilation.circuit_svg import draw_gates, place_gates


def drawn(circuit: QuantumCircuit) -> ElementTree.Element:
    return ElementTree.fromstring(draw_gates(place_gates(circuit), "a circuit"))


def test_gates_keep_their_order_and_do_not_cross(rng: np.random.Generator) -> None:
    circuit = random_circuit(int(rng.integers(2, 7)), int(rng.integers(1, 12)), 2, seed=int(rng.integers(2**31)))
    gates = place_gates(circuit)
    assert len(gates) == len(circuit.data)
    used = sorted({qubit for gate in gates for qubit in gate.qubits})
    taken: set[tuple[int, int]] = set()
    for gate, instruction in zip(gates, circuit.data, strict=True):
        assert gate.name == instruction.operation.name
        assert gate.qubits == tuple(circuit.find_bit(qubit).index for qubit in instruction.qubits)
        spans = {qubit for qubit in used if min(gate.qubits) <= qubit <= max(gate.qubits)}
        cells = {(qubit, gate.column) for qubit in spans}
        assert not cells & taken
        taken |= cells
        assert all(column < gate.column for qubit, column in taken - cells if qubit in gate.qubits)


def test_every_gate_is_drawn_once_and_within_the_picture(rng: np.random.Generator) -> None:
    circuit = random_circuit(5, int(rng.integers(1, 60)), 2, seed=int(rng.integers(2**31)))
    if not circuit.data:
        circuit.h(0)
    picture = drawn(circuit)
    titles = [each.text for each in picture.iter("title")]
    assert len(titles) == len(circuit.data)
    width, height = map(float, picture.attrib["viewBox"].split()[2:])
    for box in picture.iter("rect"):
        x, y, w, h = (float(box.attrib[name]) for name in ("x", "y", "width", "height"))
        assert 0 <= x < x + w <= width
        assert 0 <= y < y + h <= height


def test_a_wire_ends_with_its_last_gate_and_a_line_has_no_idle_ones() -> None:
    circuit = QuantumCircuit(200)
    circuit.sx(3)
    circuit.sx(150)
    for _ in range(60):
        circuit.rz(0.123, 7)
    picture = drawn(circuit)
    wires = [each for each in picture.iter("line") if each.attrib["class"] == "wire"]
    length = [float(wire.attrib["x2"]) - float(wire.attrib["x1"]) for wire in wires]
    names = [each.text for each in picture.iter("text") if each.attrib.get("class") == "tick"]
    assert names[:3] == ["3", "7", "150"]
    assert set(names[3:]) == {"7"}
    assert max(length[0], length[2]) < 40 < length[1]


@pytest.mark.parametrize(
    ("angle", "label"),
    [
        (np.pi / 2, "π/2"),
        (-np.pi, "-π"),
        (1.23456, "1.23"),
        (2 * np.pi * ParameterVector("w", 20)[16], "2πw16"),
        (ParameterVector("x", 3)[2] + np.pi, "π + x2"),
        (-np.pi * ParameterVector("w", 3)[1], "-πw1"),
    ],
)
def test_angles_are_short_and_the_tooltip_has_the_whole(angle: object, label: str) -> None:
    circuit = QuantumCircuit(1)
    circuit.rz(angle, 0)
    (gate,) = place_gates(circuit)
    assert gate.angles == label
    w = ParameterVector("w", 9)
    long = QuantumCircuit(2)
    long.rzz(1.25 * w[0] + 2.25 * w[1] + 3.25 * w[2], 0, 1)
    (gate,) = place_gates(long)
    assert gate.angles.endswith("…")
    assert all(name in gate.full for name in ("w[0]", "w[1]", "w[2]"))
    text = ElementTree.tostring(drawn(long), encoding="unicode")
    assert len(re.findall(r"w\[2\]", text)) == 1
    assert len(re.findall("<rect", text)) == 2
