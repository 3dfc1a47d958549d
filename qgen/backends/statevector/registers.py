"""Which wires have met: a circuit as a tree of registers, each with a state of its own until a gate joins two of them.

A register is a set of wires that no gate has yet tied to any other. Its ops run on its own state, of 2^wires
amplitudes; where an op acts on wires of two registers, the two are joined, and their state is a product. What is
measured on few wires is measured on the smallest register that it can be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from qgen.backends.statevector.gates import GateOp
from qgen.backends.statevector.light_cone import all_wires, passes
from qgen.backends.statevector.program import Program

#: What rows cost, in nanoseconds of values and gradients together: what is joined later is weighed by them.
PAIR, FLIP, JOIN, MEASURE, EACH = 24.0, 8.0, 5.0, 8.0, 60.0
FREE_ROWS = 1 << 10  # rows up to which the parts of a register may take as much memory as they like
SPARE = 8  # beyond, all that it was joined from takes at most this fraction of it


@dataclass(frozen=True)
class Register:
    """A state of its own, and what is done with it.

    Attributes:
        wires: its wires, as bits.
        parts: the two registers that it is joined from; none: it begins at |0...0>.
        ops: numbers of the ops that run on it, in order.
        strings: numbers of the Pauli strings that are measured after its ops.
    """

    wires: int
    parts: tuple[Register, ...] = ()
    ops: tuple[int, ...] = ()
    strings: tuple[int, ...] = ()

    def walk(self) -> Iterator[Register]:
        """All registers below this one and itself, parts before what is joined from them."""
        for part in self.parts:
            yield from part.walk()
        yield self


@dataclass
class _Growing:
    """A register whose ops and strings are still being collected."""

    wires: int
    parts: tuple[_Growing, ...] = ()
    ops: list[int] = field(default_factory=list)
    strings: list[int] = field(default_factory=list)

    def frozen(self) -> Register:
        return Register(
            self.wires, tuple(part.frozen() for part in self.parts), tuple(self.ops), tuple(sorted(self.strings))
        )


def registers(program: Program) -> list[Register]:
    """The registers of a program that no gate joins, and in each of them the tree of those that it was joined from."""
    of_wire = [_Growing(1 << wire) for wire in range(program.wires)]

    def meeting(wires: int) -> _Growing:
        parts = _distinct(of_wire[wire] for wire in range(program.wires) if wires >> wire & 1)
        joined = _joined(parts)
        for wire in range(program.wires):
            if joined.wires >> wire & 1:
                of_wire[wire] = joined
        return joined

    for number, op in enumerate(program.ops):
        meeting(all_wires(op)).ops.append(number)
    for number, string in enumerate(program.strings):
        top = meeting(string.wires or 1)
        _lowest(top, number, program).strings.append(number)
    return [root for top in _distinct(of_wire) for root in _measured(top.frozen())]


def _distinct(found: Iterable[_Growing]) -> list[_Growing]:
    return list({id(register): register for register in found}.values())


def _joined(parts: list[_Growing]) -> _Growing:
    """One register of several: the smallest two are joined first, the larger of a pair is its first part."""
    while len(parts) > 1:
        parts = sorted(parts, key=lambda part: (part.wires.bit_count(), part.wires))
        small, large, *others = parts
        parts = [_Growing(small.wires | large.wires, (large, small)), *others]
    return parts[0]


def _lowest(register: _Growing, number: int, program: Program) -> _Growing:
    """The register furthest down at which a string has the value that it has at the end."""
    string = program.strings[number]
    while all(passes(string, program.ops[op]) for op in register.ops):
        below = next((part for part in register.parts if string.wires & ~part.wires == 0), None)
        if below is None:
            break
        register = below
    return register


def _measured(register: Register) -> list[Register]:
    """The register, or where nothing is measured on it those of its parts that lead to something."""
    if register.strings:
        return [register]
    return [found for part in register.parts for found in _measured(part)]


def worthwhile(register: Register, program: Program, row_wires: int) -> Register:
    """The same register, with parts only where keeping them apart pays.

    Args:
        register: of `registers`.
        program: the program.
        row_wires: the wires, as bits, that number rows; the others lie in lanes.
    """
    return _cheapest(register, program, row_wires).register


@dataclass(frozen=True)
class _Choice:
    register: Register
    cost: float
    rows: int  # of all states in it
    turned: int  # wires that may have left |0>


def _cheapest(register: Register, program: Program, row_wires: int) -> _Choice:
    whole = replace(
        register,
        parts=(),
        ops=tuple(sorted(op for part in register.walk() for op in part.ops)),
        strings=tuple(sorted(string for part in register.walk() for string in part.strings)),
    )
    rows = 1 << (register.wires & row_wires).bit_count()
    cost, turned = _cost(whole, program, row_wires, 0)
    merged = _Choice(whole, cost + EACH, rows, turned)
    if not register.parts:
        return merged
    parts = [_cheapest(part, program, row_wires) for part in register.parts]
    below = sum(part.rows for part in parts)
    before = parts[0].turned | parts[1].turned
    cost, turned = _cost(register, program, row_wires, before)
    cost += EACH + JOIN * rows + sum(part.cost for part in parts)
    if cost >= merged.cost or (rows > FREE_ROWS and below * SPARE > rows):
        return merged
    apart = replace(register, parts=tuple(part.register for part in parts))
    return _Choice(apart, cost, rows + below, turned)


def _cost(register: Register, program: Program, row_wires: int, turned: int) -> tuple[float, int]:
    """Nanoseconds for a register's own ops and strings, and the wires turned after them, given those before."""
    cost = 0.0
    within = register.wires & row_wires
    for number in register.ops:
        op = program.ops[number]
        turned = turned_by(op, turned)
        free = within & turned & ~all_wires(op)
        cost += (FLIP if op.flips else PAIR) * float(1 << free.bit_count())
    flips = {program.strings[number].x for number in register.strings}
    return cost + len(flips) * MEASURE * float(1 << within.bit_count()), turned


def turned_by(op: GateOp, turned: int) -> int:
    """The wires that may have left |0> after an op, given those before it."""
    return turned if op.diagonal else turned | 1 << op.target
