"""The simplest entangling ansatz: one rotation a qubit, then a ring of CNOTs."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.encodings import Encoding

_FIGURE = """\
One layer on n qubits; angles are the weights themselves. n = 4:
  q0 -RX(w0)--o-----------x--
  q1 -RX(w1)--x--o--------|--
  q2 -RX(w2)-----x--o-----|--
  q3 -RX(w3)--------x-----o--
Two qubits have one CNOT (0 -> 1), one qubit has none.
Weights a layer: n."""


def _layer(qubits: int) -> Layer:
    chain = [(qubit, qubit + 1) for qubit in range(qubits - 1)]
    ring = [*chain, (qubits - 1, 0)] if qubits > 2 else chain

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for qubit, weight in enumerate(weights):
            circuit.rx(weight, qubit)
        for control, target in ring:
            circuit.cx(control, target)

    return Layer(weights=qubits, append=append)


ANSATZ = Ansatz(
    name="basic",
    summary="One RX a qubit, then CNOTs in a ring.",
    figure=_FIGURE,
    reference=(
        "F. De Falco et al. (2024), 'Towards Efficient Quantum Hybrid Diffusion Models', arXiv:2402.16147 "
        "(the circuit of the last, single channel)."
    ),
    qubits=4,
    layers=4,
    encoding=Encoding("rx", "raw"),
    layer=_layer,
)
