"""From a circuit to gates that Aer binds rightly, and from inputs and weights to the numbers that it binds.

Aer 0.18 leaves the angles of Qiskit's controlled rotations (cp, crx, cry, crz, cu1, cu3, mcphase) at zero when it binds
them, and says nothing; parameter expressions it evaluates one sample at a time. So every circuit becomes Aer's own
gates under Aer's own names, each angle a plain parameter, and all numbers are computed here beforehand. The gates are
the exact engine's: neighbouring rotations on a wire, or under one control, are multiplied out first, since what a gate
costs in Aer hardly depends on which one it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Parameter

from qgen.backends.aer.rotations import Rotations, aer_name, constant_numbers
from qgen.backends.batching import Batch
from qgen.backends.statevector.gates import Factor, GateOp, Kind, fuse
from qgen.backends.statevector.program import Program

Doubles = npt.NDArray[np.float64]
_X = np.array([[0, 1], [1, 0]], dtype=np.complex128)


class AerGate(NamedTuple):
    """A gate under Aer's name, on its control wires (all of value 1) and, last, its target wire.

    It takes constant `numbers`, or those in its `columns` of `Lowering.table`.
    """

    name: str
    wires: tuple[int, ...]
    numbers: tuple[float, ...] = ()
    columns: tuple[int, ...] = ()


class Lowering:
    """A program in Aer's gates.

    Attributes:
        gates: in the order of execution.
        columns: C, how many numbers a sample binds.
    """

    def __init__(self, program: Program) -> None:
        circuit, weights = program.circuit, set(program.circuit.weights)
        ops = fuse([closed for op in program.ops for closed in _closed(op)])
        shared = [op for op in ops if _parameters(op) and _parameters(op) <= weights]
        own = [op for op in ops if not _parameters(op) <= weights]
        self._mixed = any(_parameters(op) & weights for op in own)
        self._shared = Rotations(shared, circuit.weights)
        self._own = Rotations(own, circuit.inputs + (circuit.weights if self._mixed else ()))
        self.columns = self._shared.columns + self._own.columns
        places = iter(self._shared.places)
        own_places = (tuple(self._shared.columns + k for k in place) for place in self._own.places)
        self.gates = tuple(_gate(op, places if _parameters(op) <= weights else own_places) for op in ops)

    def table(self, batch: Batch) -> Doubles:
        """The numbers (N, C) that a batch binds.

        Raises:
            InputError: an angle is NaN or infinite, though its parameters are not.
        """
        inputs, weights = (tensor.detach().cpu().double().numpy() for tensor in (batch.inputs, batch.weights))
        rows = batch.weight_rows.cpu().numpy()
        parameters = np.concatenate([inputs, weights[rows]], axis=1) if self._mixed else inputs
        return np.concatenate([self._shared.numbers(weights)[rows], self._own.numbers(parameters)], axis=1)


def _gate(op: GateOp, places: Iterator[tuple[int, ...]]) -> AerGate:
    """The gate of an op; one with angles takes the next of the places."""
    wires = (*(wire for wire, _ in op.controls), op.target)
    if not _parameters(op):
        return AerGate(aer_name(op), wires, numbers=constant_numbers(op))
    return AerGate(aer_name(op), wires, columns=next(places))


def _parameters(op: GateOp) -> set[Parameter]:
    return {parameter for factor in op.factors if factor.angle is not None for parameter in factor.angle.parameters}


def _closed(op: GateOp) -> list[GateOp]:
    """The same without controls on 0, of which Aer has none: V on 0 is V always, then its inverse on 1."""
    zeros = [wire for wire, value in op.controls if value == 0]
    ones = tuple((wire, 1) for wire, _ in op.controls)
    if len(zeros) == 1:
        always = tuple(control for control in op.controls if control[1] == 1)
        return [
            replace(op, controls=always),
            replace(op, controls=ones, factors=tuple(map(_inverse, reversed(op.factors)))),
        ]
    flips = [GateOp(wire, (), (Factor(Kind.CONST, matrix=_X),)) for wire in zeros]
    return [*flips, replace(op, controls=ones), *flips]


def _inverse(factor: Factor) -> Factor:
    if factor.angle is not None:
        return replace(factor, angle=-factor.angle)
    return replace(factor, matrix=None if factor.matrix is None else factor.matrix.conj().T)
