"""Parameterised gates as rotations exp(-i angle/2 P) about Pauli strings P, up to their global phase."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from qiskit.circuit import Instruction, Parameter, ParameterExpression

from qgen.backends.parameters.parameter_map import affine
from qgen.circuits.custom_gates import gate_definition
from qgen.errors import CircuitError


class Angle(NamedTuple):
    """factor * parameter + offset, in radians; without a parameter `offset` alone."""

    parameter: Parameter | None
    factor: float
    offset: float

    def times(self, factor: float) -> Angle:
        """Return the angle times a factor."""
        return Angle(self.parameter, factor * self.factor, factor * self.offset)


class Rotation(NamedTuple):
    """exp(-i angle/2 P): P names the Pauli operator on each of the gate's qubits, the first qubit first."""

    pauli: str
    angle: Angle


#: Gates by name, each a sequence of (Pauli string, argument, factor), the first rotation first; a float for a number.
_RULES: dict[str, tuple[tuple[str, int | float, float], ...]] = {
    "rx": (("X", 0, 1.0),),
    "ry": (("Y", 0, 1.0),),
    "rz": (("Z", 0, 1.0),),
    "p": (("Z", 0, 1.0),),
    "u1": (("Z", 0, 1.0),),
    "r": (("Z", 1, -1.0), ("X", 0, 1.0), ("Z", 1, 1.0)),
    "u": (("Z", 2, 1.0), ("Y", 0, 1.0), ("Z", 1, 1.0)),
    "u3": (("Z", 2, 1.0), ("Y", 0, 1.0), ("Z", 1, 1.0)),
    "rxx": (("XX", 0, 1.0),),
    "ryy": (("YY", 0, 1.0),),
    "rzz": (("ZZ", 0, 1.0),),
    "rzx": (("ZX", 0, 1.0),),
    "cp": (("ZI", 0, 0.5), ("IZ", 0, 0.5), ("ZZ", 0, -0.5)),
    "cu1": (("ZI", 0, 0.5), ("IZ", 0, 0.5), ("ZZ", 0, -0.5)),
    "crx": (("IX", 0, 0.5), ("ZX", 0, -0.5)),
    "cry": (("IY", 0, 0.5), ("ZY", 0, -0.5)),
    "crz": (("IZ", 0, 0.5), ("ZZ", 0, -0.5)),
}


def is_open(operation: Instruction) -> bool:
    """Return whether a parameter is left in the operation."""
    return any(isinstance(angle, ParameterExpression) and angle.parameters for angle in operation.params)


def rotations(operation: Instruction) -> Iterator[Rotation | tuple[Instruction, tuple[int, ...]]]:
    """Yield the gate's rotations; of a gate that is defined by others, those without parameters as (gate, qubits).

    Raises:
        CircuitError: an open gate that is neither known nor defined, or an angle that is not affine in one parameter.
    """
    rule = _RULES.get(operation.name)
    if rule is not None:
        angles = [_angle(argument, operation) for argument in operation.params]
        for pauli, argument, factor in rule:
            yield Rotation(pauli, angles[int(argument)].times(factor))
        return
    definition = gate_definition(operation)
    if definition is None:
        raise CircuitError(
            f"the gate `{operation.name}` has an open angle and no definition: write it in rotations, as rx, rz and rzz"
        )
    for instruction in definition.data:
        qubits = tuple(definition.find_bit(bit).index for bit in instruction.qubits)
        if not is_open(instruction.operation):
            yield instruction.operation, qubits
            continue
        for part in rotations(instruction.operation):
            yield _on_qubits(part, qubits, operation.num_qubits)


def _on_qubits(part: Any, qubits: Sequence[int], count: int) -> Any:
    if isinstance(part, Rotation):
        letters = ["I"] * count
        for letter, qubit in zip(part.pauli, qubits, strict=True):
            letters[qubit] = letter
        return Rotation("".join(letters), part.angle)
    operation, inner = part
    return operation, tuple(qubits[k] for k in inner)


def _angle(argument: Any, operation: Instruction) -> Angle:
    if not isinstance(argument, ParameterExpression) or not argument.parameters:
        number = argument.numeric() if isinstance(argument, ParameterExpression) else argument
        return Angle(None, 0.0, float(number))
    line = affine(argument)
    if line is None or len(line[1]) != 1:
        raise CircuitError(
            f"the angle {argument} of the gate `{operation.name}` is not linear in one parameter: the noisy engine "
            "cannot run it; `aer:` backends do"
        )
    ((parameter, factor),) = line[1].items()
    return Angle(parameter, factor, line[0])
