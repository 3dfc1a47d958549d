"""Encodings of inputs: one rotation per qubit, by a function of the input."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, final, get_args

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression

from qgen.circuits.arguments import one_of
from qgen.errors import CircuitError

Gate = Literal["rx", "ry"]
Map = Literal["raw", "arctan", "scaled"]


@final
@dataclass(frozen=True, slots=True)
class Encoding:
    """Angle encoding: qubit i is rotated by a function of input i.

    Attributes:
        gate: the rotation, `rx` or `ry`.
        map: the angle for an input x: `raw`: x; `arctan`: atan(x), within (-pi/2, pi/2); `scaled`: scale * x.
        scale: the factor of `scaled`: finite and not zero.
        reupload: encode again before each layer (Perez-Salinas et al. 2020, "Data re-uploading for a universal quantum
            classifier", arXiv:1907.02085); otherwise once, before the first.

    Raises:
        CircuitError: an unknown gate or map, or a scale that is zero, not finite, or given to another map.
    """

    gate: Gate = "rx"
    map: Map = "raw"
    scale: float = 1.0
    reupload: bool = False

    def __post_init__(self) -> None:
        one_of("Encoding gate", self.gate, get_args(Gate))
        one_of("Encoding map", self.map, get_args(Map))
        if not _is_real(self.scale) or not math.isfinite(self.scale) or self.scale == 0:
            raise CircuitError(f"Encoding scale must be a finite number other than 0, not {self.scale!r}.")
        if self.map != "scaled" and self.scale != 1:
            raise CircuitError(
                f"Encoding scale {self.scale!r} has no effect with map={self.map!r}; use map='scaled', or leave it out."
            )
        if not isinstance(self.reupload, bool):
            raise CircuitError(f"Encoding reupload must be True or False, not {self.reupload!r}.")

    def angle(self, parameter: Parameter) -> ParameterExpression:
        """Return the angle that encodes a parameter."""
        if self.map == "arctan":
            return parameter.arctan()
        if self.map == "scaled":
            return float(self.scale) * parameter
        return parameter

    def append(self, circuit: QuantumCircuit, inputs: Sequence[Parameter]) -> None:
        """Append the rotation of qubit i by input i, for each of the inputs.

        Raises:
            CircuitError: more inputs than the circuit has qubits.
        """
        if len(inputs) > circuit.num_qubits:
            raise CircuitError(
                f"Angle encoding takes one input a qubit; {len(inputs)} do not fit on {circuit.num_qubits} qubits."
            )
        rotate = circuit.rx if self.gate == "rx" else circuit.ry
        for qubit, parameter in enumerate(inputs):
            rotate(self.angle(parameter), qubit)


def _is_real(value: Any) -> bool:
    try:
        return not isinstance(value, (bool, str)) and float(value) == value
    except (TypeError, ValueError, OverflowError):
        return False
