"""A `LayerCircuit` compiled for the exact engine, before anything about batches or processors is decided."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from qiskit.circuit import ParameterExpression

from qgen.backends.statevector.gates import Factor, GateOp, fuse, gate_ops
from qgen.backends.statevector.light_cone import needed_ops
from qgen.backends.statevector.pauli_string import PauliString, pauli_strings
from qgen.circuits import LayerCircuit
from qgen.circuits.exact_synthesis import ideal_circuit


class AnglePlace(NamedTuple):
    """Where a factor finds its angle: entry `number` of the program's `row_angles` or `weight_angles`."""

    per_row: bool
    number: int


@dataclass(frozen=True)
class Program:
    """Ops, the angles they turn by, and the Pauli strings measured at the end.

    `weight_angles` depend on weights alone: they are the same for all samples that share their weights.
    `row_angles` depend on an input, and are evaluated for every sample. `places` follows the factors of the ops;
    a factor without an angle has None there. `ends` are the wires that the
    qubits end on. Ops that no observable depends on are left out.
    """

    circuit: LayerCircuit
    ops: tuple[GateOp, ...]
    weight_angles: tuple[ParameterExpression, ...]
    row_angles: tuple[ParameterExpression, ...]
    places: tuple[tuple[AnglePlace | None, ...], ...]
    strings: tuple[PauliString, ...]
    ends: tuple[int, ...]

    @property
    def wires(self) -> int:
        return self.circuit.qubits


def compile_program(circuit: LayerCircuit) -> Program:
    """Rewrite, fuse, and place the observables on the wires that their qubits end on.

    Raises:
        CircuitError: an instruction that is not unitary, named with its position.
    """
    unfused, place = gate_ops(ideal_circuit(circuit.circuit))
    strings = tuple(
        string
        for index, observable in enumerate(circuit.observables)
        for string in pauli_strings(index, observable, place)
    )
    ops = needed_ops(fuse(unfused), strings)
    weights = set(circuit.weights)
    angles: dict[bool, list[ParameterExpression]] = {True: [], False: []}

    def add_angle(factor: Factor) -> AnglePlace | None:
        # Equal angles are not merged: hash() of a Qiskit expression can overflow, and a column costs next to nothing.
        if factor.angle is None:
            return None
        per_row = not set(factor.angle.parameters) <= weights
        angles[per_row].append(factor.angle)
        return AnglePlace(per_row, len(angles[per_row]) - 1)

    places = tuple(tuple(add_angle(factor) for factor in op.factors) for op in ops)
    return Program(circuit, tuple(ops), tuple(angles[False]), tuple(angles[True]), places, strings, tuple(place))
