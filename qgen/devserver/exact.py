"""Probabilities of what a piece of a circuit is measured as: of its state, or of its density matrix under noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qgen.backends.parameters import Doubles
from qgen.devserver.channels import Channels
from qgen.devserver.gates import Complexes, State, exchanged, pair, superoperators, unitaries
from qgen.devserver.pieces import Piece, Step

MATRIX_BYTES = 1 << 25  # of gates that are held at a time
NUMBER_BYTES = 16
STATE_BYTES = 1 << 19  # of states that gates are applied to at a time: they stay in the processor's cache


def probabilities(piece: Piece, table: Doubles, channels: Channels | None) -> Doubles:
    """(B, 2^m) of the m measured wires, the first one measured being the lowest bit, before readout errors.

    Args:
        piece: measured at its end.
        table: the angles (B, columns).
        channels: what the errors of its gates do; None: nothing.
    """
    if len(table) > 1 and not any(step.columns for step in piece.steps):
        return np.repeat(probabilities(piece, table[:1], channels), len(table), axis=0)
    blocks = sum(len(step.qubits) > 1 for step in piece.steps) + len(piece.qubits)
    rows = max(1, MATRIX_BYTES // (NUMBER_BYTES * blocks * (4 if channels else 2) ** 4))
    return np.concatenate(
        [_bound(piece, table[start : start + rows], channels) for start in range(0, len(table), rows)]
    )


def _bound(piece: Piece, table: Doubles, channels: Channels | None) -> Doubles:
    leg, qubits = 4 if channels else 2, len(piece.qubits)
    gates = list(_merged(piece, table, channels))
    measured = [wire for wire, _ in piece.reads]
    step = max(1, STATE_BYTES // (NUMBER_BYTES * leg**qubits))
    found = []
    for start in range(0, len(table), step):
        rows = slice(start, min(start + step, len(table)))
        state = State(rows.stop - rows.start, qubits, leg)
        for wires, matrices in gates:
            state.apply(matrices[rows] if len(matrices) > 1 else matrices, wires)
        found.append(state.probabilities(measured))
    return np.concatenate(found)


def _merged(piece: Piece, table: Doubles, channels: Channels | None) -> Iterator[tuple[tuple[int, ...], Complexes]]:
    """Wires and matrices, in order: gates on one qubit are taken into those on two, and runs on one pair into one."""
    numbers = {qubit: wire for wire, qubit in enumerate(piece.qubits)}
    eye = np.eye(4 if channels else 2, dtype=np.complex128)[None]
    waiting = [eye] * len(numbers)
    blocks: list[tuple[tuple[int, ...], Complexes]] = []
    last = [-1] * len(numbers)  # the block that acted on a wire last
    for step in piece.steps:
        if step.measures:
            continue
        wires = tuple(numbers[qubit] for qubit in step.qubits)
        matrices = _matrices(step, wires, table, channels)
        if len(wires) == 1:
            waiting[wires[0]] = matrices @ waiting[wires[0]]
            continue
        low, high = wires
        matrices = matrices @ pair(waiting[high], waiting[low])
        waiting[low] = waiting[high] = eye
        place = last[low]
        if place >= 0 and place == last[high]:
            before = blocks[place]
            blocks[place] = before[0], (matrices if before[0] == wires else exchanged(matrices)) @ before[1]
        else:
            last[low] = last[high] = len(blocks)
            blocks.append((wires, matrices))
    yield from blocks
    yield from (((wire,), matrices) for wire, matrices in enumerate(waiting) if matrices is not eye)


def _matrices(step: Step, wires: tuple[int, ...], table: Doubles, channels: Channels | None) -> Complexes:
    if step.operation.name == "delay":
        return channels.waiting(step.operation, wires[0]) if channels else np.eye(2, dtype=np.complex128)[None]
    found = unitaries(step.operation, table[:, step.columns])
    if channels is None:
        return found
    error = channels.after(step.operation.name, wires)
    return superoperators(found) if error is None else error @ superoperators(found)
