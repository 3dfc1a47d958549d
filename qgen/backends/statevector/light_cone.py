"""What a Pauli string that is measured can be changed by: gates outside its light cone never run.

The test is the same for all: two operators commute where both act as diagonal matrices on every wire that they share.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from qgen.backends.statevector.gates import GateOp
from qgen.backends.statevector.pauli_string import PauliString


def diagonal_wires(op: GateOp) -> int:
    """The wires on which an op is diagonal, as bits: its controls, and its target if it only turns phases."""
    controls = sum(1 << wire for wire, _ in op.controls)
    return controls | (1 << op.target if op.diagonal else 0)


def all_wires(op: GateOp) -> int:
    """The wires that an op acts on, as bits."""
    return sum(1 << wire for wire in op.wires)


def passes(string: PauliString, op: GateOp) -> bool:
    """Whether a string is seen to commute with an op: its value is then the same before the op and after it."""
    shared = string.wires & all_wires(op)
    return not shared & string.x and not shared & ~diagonal_wires(op)


def needed_ops(ops: Sequence[GateOp], strings: Iterable[PauliString]) -> list[GateOp]:
    """The ops without those that commute with every later one that is needed, and with all that is measured."""
    later = turned = 0  # wires that something later acts on; those on which it does more than turn phases
    for string in strings:
        later |= string.wires
        turned |= string.x
    kept = []
    for op in reversed(ops):
        shared = all_wires(op) & later
        if shared & turned or shared & ~diagonal_wires(op):
            kept.append(op)
            later |= all_wires(op)
            turned |= all_wires(op) & ~diagonal_wires(op)
    return kept[::-1]
