"""Which gradients a backward pass is for: what does not lead to one is not undone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.statevector import join, sweep
from qgen.backends.statevector.layout import Layout
from qgen.backends.statevector.program import Program


class Wanted(NamedTuple):
    """What the kernels read.

    ops: for each op, in the order of execution, 1 where a gradient is wanted, 0 where the op is only undone, -1 where
        nothing needs the states before it.
    leads: for each register, whether a wanted op ran on it, or on one that it was joined from.
    """

    ops: npt.NDArray[np.int8]
    leads: npt.NDArray[np.bool_]


def find_wanted(program: Program, layout: Layout, inputs: bool, weights: bool) -> Wanted:
    """Find what a backward pass undoes, for gradients of the inputs, of the weights, or of both."""
    of_inputs = set(program.circuit.inputs)
    ops = np.zeros(len(layout.order), dtype=np.int8)
    for k, index in enumerate(layout.order):
        for factor in program.ops[index].factors:
            names = set() if factor.angle is None else set(factor.angle.parameters)
            ops[k] |= (inputs and bool(names & of_inputs)) or (weights and bool(names - of_inputs))
    sweeps, registers = layout.tables.sweeps, layout.tables.registers
    leads = np.zeros(len(registers), dtype=np.bool_)
    for r, register in enumerate(registers):
        parts = [part for part in register[[join.LEFT, join.RIGHT]] if part >= 0]
        own = sweeps[register[join.FIRST_SWEEP] : register[join.LAST_SWEEP]]
        first, last = (int(own[0, sweep.SWEEP_FIRST]), int(own[-1, sweep.SWEEP_LAST])) if len(own) else (0, 0)
        leads[r] = ops[first:last].any() or any(leads[part] for part in parts)
        if not any(leads[part] for part in parts):
            before = int(np.argmax(ops[first:last])) if ops[first:last].any() else last - first
            ops[first : first + before] = -1
    return Wanted(ops, leads)
