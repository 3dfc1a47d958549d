"""Hardware-efficient ansatz: CZ between coupled qubits only, so that no routing is needed."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.ansatze.lattices import heavy_hex, line
from qgen.circuits.arguments import one_of
from qgen.circuits.encodings import Encoding

_COUPLINGS = {"line": line, "heavy-hex": heavy_hex}

_FIGURE = """\
One layer on n qubits, n = 4, coupling="line": even edges, odd edges, then two
rotations; `o--o` is CZ.
  q0 --o------RZ(w0)-RY(w4)--
  q1 --o--o---RZ(w1)-RY(w5)--
  q2 --o--o---RZ(w2)-RY(w6)--
  q3 --o------RZ(w3)-RY(w7)--
coupling="heavy-hex": CZ on every edge of a patch of IBM's lattice; 12 qubits
are one hexagon, 21 two, 28 three.
The rotations come last: before the measurement of Z, a last RZ or CZ would have
no effect.
Weights a layer: 2n."""


def _layer(qubits: int, coupling: str = "line") -> Layer:
    edges = _COUPLINGS[one_of("The coupling", coupling, _COUPLINGS)](qubits)

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for a, b in (edge for layer in edges for edge in layer):
            circuit.cz(a, b)
        for qubit in range(qubits):
            circuit.rz(weights[qubit], qubit)
        for qubit in range(qubits):
            circuit.ry(weights[qubits + qubit], qubit)

    return Layer(weights=2 * qubits, append=append)


ANSATZ = Ansatz(
    name="hardware-efficient",
    summary="CZ between the qubits that a device couples, then RZ and RY on each; needs no SWAP.",
    figure=_FIGURE,
    reference=(
        "After A. Kandala et al. (2017), 'Hardware-efficient variational quantum eigensolver for small molecules and "
        "quantum magnets', Nature 549, 242, arXiv:1704.05242, whose circuit differs in detail."
    ),
    qubits=4,
    layers=2,
    encoding=Encoding("ry", "raw"),
    layer=_layer,
    options={"coupling": "'line' (default), or 'heavy-hex': a patch of the lattice of IBM's devices"},
)
