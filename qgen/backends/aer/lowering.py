"""From a circuit to gates that Aer binds rightly, and from inputs and weights to the numbers that it binds.

Aer 0.18 leaves the angles of Qiskit's controlled rotations (cp, crx, cry, crz, cu1, cu3, mcphase) at zero when it binds
them, and says nothing; parameter expressions it evaluates one sample at a time. So every circuit becomes Aer's own
gates under Aer's own names, each angle a plain parameter, and all numbers are computed here beforehand. The gates are
the exact engine's: neighbouring rotations on a wire, or under one control, are multiplied out first, since what a gate
costs in Aer hardly depends on which one it is.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from qiskit.circuit import Parameter

from qgen.backends.batch import Batch
from qgen.backends.parameters import Doubles, ParameterMap
from qgen.backends.statevector.gates import Factor, GateOp, Kind, Matrix, fuse
from qgen.backends.statevector.program import Program

Complexes = npt.NDArray[np.complexfloating[Any, Any]]
Columns = npt.NDArray[np.int64]

_PLAIN = {Kind.RX: "mcrx", Kind.RY: "mcry", Kind.RZ: "mcrz", Kind.P: "mcphase"}
_WIDTHS = {"u": 3, "mcu": 4}  # angles of a gate by its name; one for all others
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


class SU2(NamedTuple):
    """exp(i phase) [[a, -conj(b)], [b, conj(a)]] with |a|^2 + |b|^2 = 1: three arrays of one shape."""

    a: Complexes
    b: Complexes
    phase: Doubles


class Rotations:
    """Ops with angles that depend on the same parameters: from these to the numbers that Aer's gates take.

    Attributes:
        places: for each op the columns of its numbers.
        columns: how many columns there are.
    """

    def __init__(self, ops: Sequence[GateOp], parameters: Sequence[Parameter]) -> None:
        angles = [[factor.angle for factor in op.factors if factor.angle is not None] for op in ops]
        self._angles = ParameterMap([angle for of_op in angles for angle in of_op], parameters)
        starts = np.cumsum([0, *map(len, angles)])
        alike: dict[tuple[object, ...], list[int]] = defaultdict(list)
        for k, op in enumerate(ops):
            alike[aer_name(op), *(factor.kind for factor in op.factors)].append(k)
        self._families = [_Family([ops[k] for k in family], starts[family]) for family in alike.values()]
        self.columns = 0
        places: dict[int, tuple[int, ...]] = {}
        for members, family in zip(alike.values(), self._families, strict=True):
            for k in members:
                places[k] = tuple(range(self.columns, self.columns + family.width))
                self.columns += family.width
        self.places = [places[k] for k in range(len(ops))]

    def numbers(self, parameters: Doubles) -> Doubles:
        """(rows, P) -> (rows, columns).

        Raises:
            InputError: an angle is NaN or infinite, though its parameters are not.
        """
        angles = self._angles.values(parameters)
        return np.concatenate([angles[:, :0], *(family.numbers(angles) for family in self._families)], axis=1)


class _Family:
    """Ops of one name whose factors are of the same kinds in the same order: they are multiplied out together."""

    def __init__(self, ops: Sequence[GateOp], first: Columns) -> None:
        self.width = _WIDTHS.get(aer_name(ops[0]), 1)
        self._first = first
        self._factors: list[SU2 | _Rotation] = []
        for position, factor in enumerate(ops[0].factors):
            if factor.angle is None:
                self._factors.append(_constant(np.array([op.factors[position].matrix for op in ops])))
            else:
                self._factors.append(_Rotation(factor.kind, first))
                first = first + 1

    def numbers(self, angles: Doubles) -> Doubles:
        """(rows, angles) -> (rows, ops * width)."""
        if self.width == 1:
            return angles[:, self._first]
        matrices = [factor.su2(angles) if isinstance(factor, _Rotation) else factor for factor in self._factors]
        euler = _euler_angles(reduce(_product, matrices))[: self.width]
        return np.stack(euler, axis=-1).reshape(len(angles), -1)


class _Rotation(NamedTuple):
    """Rotations of one kind, by the angles in these columns."""

    kind: Kind
    columns: Columns

    def su2(self, angles: Doubles) -> SU2:
        half = angles[:, self.columns] / 2
        zero = np.zeros_like(half)
        if self.kind is Kind.RX:
            return SU2(np.cos(half) + 0j, -1j * np.sin(half), zero)
        if self.kind is Kind.RY:
            return SU2(np.cos(half) + 0j, np.sin(half) + 0j, zero)
        if self.kind is Kind.PHASE:
            return SU2(zero + (1 + 0j), zero + 0j, 2 * half)
        return SU2(np.exp(-1j * half), zero + 0j, half if self.kind is Kind.P else zero)


def aer_name(op: GateOp) -> str:
    """The name of Aer's gate for this op, whose controls all have the value 1."""
    if op.flips:
        return "mcx"
    factor = op.factors[0]
    if len(op.factors) == 1 and factor.angle is not None and factor.kind in _PLAIN:
        return _PLAIN[factor.kind]
    return "mcu" if op.controls else "u"  # without controls there is no phase to keep


def constant_numbers(op: GateOp) -> tuple[float, ...]:
    """The numbers that Aer's gate takes for an op without angles."""
    if op.flips:
        return ()
    euler = _euler_angles(_constant(op.constant()))[: _WIDTHS[aer_name(op)]]
    return tuple(float(angle) for angle in euler)


def _constant(matrices: Matrix) -> SU2:
    phase = np.angle(np.linalg.det(matrices)) / 2
    special = matrices * np.exp(-1j * phase)[..., None, None]
    return SU2(special[..., 0, 0], special[..., 1, 0], phase)


def _product(first: SU2, second: SU2) -> SU2:
    return SU2(
        second.a * first.a - second.b.conj() * first.b,
        second.b * first.a + second.a.conj() * first.b,
        first.phase + second.phase,
    )


def _euler_angles(matrix: SU2) -> tuple[npt.NDArray[np.floating[Any]], ...]:
    """(theta, phi, lambda, gamma) of exp(i gamma) U(theta, phi, lambda).

    Where a or b is zero its argument counts as zero, and all four entries still come out right.
    """
    alpha, beta = np.angle(matrix.a), np.angle(matrix.b)
    theta = 2 * np.arctan2(np.abs(matrix.b), np.abs(matrix.a))
    return theta, beta - alpha, -alpha - beta, matrix.phase + alpha
