"""HQConv as the published code ran it: for comparison with the published numbers."""

from collections.abc import Sequence

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.ansatze.hqconv import append_between_channels
from qgen.circuits.encodings import Encoding

_FIGURE = """\
One layer on C channels of 2x2 pixels; angles are 2*pi*w.
Wire 4c+p holds pixel p of channel c.
  CRZ, CRX: 4c -> 4(c+1), for c = C-2, ..., 0     (C = 3: 4 -> 8, then 0 -> 4)
The published loop over block A of `hqconv` has length 0, so only block B runs.
Of the 8C + 2(C-1) weights a layer that are counted (28 for C = 3), the first
2(C-1) are used (4); the circuit has only those.
Only the wires 4, 8, ... are touched: every other output is exactly cos(x)."""


def _layer(qubits: int) -> Layer:
    channels = qubits // 4

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        append_between_channels(circuit, iter(weights), channels)

    return Layer(weights=2 * (channels - 1), append=append)


ANSATZ = Ansatz(
    name="hqconv-published",
    summary="HQConv as the published code ran it: only between channels; 4 weights a layer at 12 qubits, 28 counted.",
    figure=_FIGURE,
    reference=(
        "F. De Falco et al. (2024), 'Towards Efficient Quantum Hybrid Diffusion Models', arXiv:2402.16147; "
        "code NesyaLab/Quantum-Hybrid-Diffusion-Models."
    ),
    qubits=12,
    layers=3,
    encoding=Encoding("rx", "raw"),
    layer=_layer,
    qubit_unit=4,
    min_qubits=8,
)
