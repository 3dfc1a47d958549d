"""HQConv: within each channel (block A), then from channel to channel (block B).

The directions are those of the code that its authors released, with its block A repaired: as released, the loop over A
is empty (see `hqconv_published`). The formula in the paper has control and target the other way round.
"""

from collections.abc import Iterator, Sequence
from math import tau

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.encodings import Encoding

_FIGURE = """\
One layer on C channels of 2x2 pixels; angles are 2*pi*w.
Wire 4c+p holds pixel p of channel c.
A, on the wires q0..q3 of each channel, the last channel first (8 weights each):
  q0 --o-------------------x--   each control-target pair is CRZ, then CRX:
  q1 --|-------------x-----o--     q0 -> q3
  q2 --|------x------o--------     q3 -> q2
  q3 --x------o---------------     q2 -> q1, q1 -> q0
B, from the first wire of a channel to that of the next, the last pair first
(2 weights a pair):
  CRZ, CRX: 4c -> 4(c+1), for c = C-2, ..., 0     (C = 3: 4 -> 8, then 0 -> 4)
Weights a layer: 8C + 2(C-1); 28 for C = 3.
Directions as in the released code, where A never runs: hqconv-published. The
paper's formula has control and target the other way round."""


def append_pair(circuit: QuantumCircuit, weights: Iterator[ParameterExpression], control: int, target: int) -> None:
    """Append CRZ, then CRX, each by 2*pi times the next weight."""
    circuit.crz(tau * next(weights), control, target)
    circuit.crx(tau * next(weights), control, target)


def append_between_channels(circuit: QuantumCircuit, weights: Iterator[ParameterExpression], channels: int) -> None:
    """Append block B: the first wires of neighbouring channels, the last pair first."""
    for channel in reversed(range(channels - 1)):
        append_pair(circuit, weights, 4 * channel, 4 * (channel + 1))


def _append_within_channels(circuit: QuantumCircuit, weights: Iterator[ParameterExpression], channels: int) -> None:
    for channel in reversed(range(channels)):
        for pixel in (3, 2, 1, 0):
            append_pair(circuit, weights, 4 * channel + (pixel + 1) % 4, 4 * channel + pixel)


def _layer(qubits: int) -> Layer:
    channels = qubits // 4

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        remaining = iter(weights)
        _append_within_channels(circuit, remaining, channels)
        append_between_channels(circuit, remaining, channels)

    return Layer(weights=8 * channels + 2 * (channels - 1), append=append)


REFERENCE = (
    "F. De Falco et al. (2024), 'Towards Efficient Quantum Hybrid Diffusion Models', arXiv:2402.16147, "
    "after Y. Jing et al. (2022), 'RGB image classification with quantum convolutional ansatz', "
    "Quantum Information Processing, arXiv:2107.11099."
)

ANSATZ = Ansatz(
    name="hqconv",
    summary="Hierarchical quantum convolution: controlled rotations within each channel, then between channels.",
    figure=_FIGURE,
    reference=REFERENCE,
    qubits=12,
    layers=3,
    encoding=Encoding("rx", "raw"),
    layer=_layer,
    qubit_unit=4,
    min_qubits=4,
)
