"""One RY a qubit, then CZ along a line: the generator of the first quantum GAN for images on a device."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.encodings import Encoding

_FIGURE = """\
One layer on n qubits; angles are the weights themselves; `o--o` is CZ. n = 4:
  q0 -RY(w0)--o--------
  q1 -RY(w1)--o--o-----
  q2 -RY(w2)-----o--o--
  q3 -RY(w3)--------o--
All amplitudes are real. The last layer's CZ do not change the probabilities of
the outcomes.
Weights a layer: n."""


def _layer(qubits: int) -> Layer:
    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for qubit, weight in enumerate(weights):
            circuit.ry(weight, qubit)
        for qubit in range(qubits - 1):
            circuit.cz(qubit, qubit + 1)

    return Layer(weights=qubits, append=append)


ANSATZ = Ansatz(
    name="ry-cz",
    summary="One RY a qubit, then CZ along a line: the patches of a quantum GAN.",
    figure=_FIGURE,
    reference=(
        "H.-L. Huang et al. (2021), 'Experimental Quantum Generative Adversarial Networks for Image Generation', "
        "Physical Review Applied 16, 024051, arXiv:2010.06201."
    ),
    qubits=5,
    layers=6,
    encoding=Encoding("ry", "raw"),
    layer=_layer,
)
