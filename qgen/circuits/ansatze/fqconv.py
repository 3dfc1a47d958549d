"""FQConv: whole channels control whole channels, pixel by pixel; the shallow one of the pair."""

from collections.abc import Iterator, Sequence
from math import tau

from qiskit import QuantumCircuit
from qiskit.circuit import ParameterExpression

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.ansatze.hqconv import REFERENCE
from qgen.circuits.encodings import Encoding

_FIGURE = """\
One layer on C channels of 2x2 pixels; angles are 2*pi*w.
Wire 4c+p holds pixel p of channel c.
  ch 0 ==o=========x==   each control-target pair of channels is
  ch 1 ==|====x====o==     4 CRZ on the pixels 3, 2, 1, 0, then 4 CRX likewise:
  ch 2 ==x====o=======     wire 4c+p controls wire 4c'+p
Controls c = 0, C-1, ..., 1; targets c' = (c-1) mod C
(C = 3: 0 -> 2, 2 -> 1, 1 -> 0).
Weights a layer: 8C; 24 for C = 3."""


def _append_channel_pair(
    circuit: QuantumCircuit, weights: Iterator[ParameterExpression], control: int, target: int
) -> None:
    for rotate in (circuit.crz, circuit.crx):
        for pixel in (3, 2, 1, 0):
            rotate(tau * next(weights), 4 * control + pixel, 4 * target + pixel)


def _layer(qubits: int) -> Layer:
    channels = qubits // 4

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        remaining = iter(weights)
        for control in (0, *reversed(range(1, channels))):
            _append_channel_pair(circuit, remaining, control, (control - 1) % channels)

    return Layer(weights=8 * channels, append=append)


ANSATZ = Ansatz(
    name="fqconv",
    summary="Flat quantum convolution: each channel controls the one before it, pixel by pixel.",
    figure=_FIGURE,
    reference=REFERENCE,
    qubits=12,
    layers=3,
    encoding=Encoding("rx", "raw"),
    layer=_layer,
    qubit_unit=4,
    min_qubits=8,
)
