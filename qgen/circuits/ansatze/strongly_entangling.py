"""Strongly entangling layers: general rotations, and CNOTs whose reach grows from layer to layer."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.ansatze.rotations import append_cnot_ring, append_rot
from qgen.circuits.encodings import Encoding

_FIGURE = """\
Layer l on n qubits; CNOT i -> (i + r) mod n with reach r = (l mod (n-1)) + 1.
n = 4, l = 0:
  q0 -Rot(w0, w1, w2)---o--------x--
  q1 -Rot(w3, w4, w5)---x--o-----|--
  q2 -Rot(w6, w7, w8)------x--o--|--
  q3 -Rot(w9, w10, w11)-------x--o--
Rot(phi, theta, omega) = RZ(phi), RY(theta), RZ(omega). One qubit has no CNOT.
Weights a layer: 3n. The last layer's omega do not change the expectation of Z:
they commute with what is measured."""


def _layer(qubits: int) -> Layer:
    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for qubit in range(qubits):
            append_rot(circuit, weights[3 * qubit : 3 * qubit + 3], qubit)
        if qubits > 1:
            append_cnot_ring(circuit, qubits, stride=index % (qubits - 1) + 1)

    return Layer(weights=3 * qubits, append=append)


ANSATZ = Ansatz(
    name="strongly-entangling",
    summary="A general rotation of each qubit, then CNOTs whose reach grows from layer to layer.",
    figure=_FIGURE,
    reference=(
        "M. Schuld, A. Bocharov, K. M. Svore, N. Wiebe (2020), 'Circuit-centric quantum classifiers', "
        "Physical Review A 101, 032308, arXiv:1804.00633."
    ),
    qubits=4,
    layers=2,
    encoding=Encoding("ry", "raw"),
    layer=_layer,
)
