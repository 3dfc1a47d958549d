"""Exact outcome probabilities of a component: from its state vector, or its density matrix under noise."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from qgen.backends.parameters import Doubles
from qgen.devserver.components import Component, Step
from qgen.devserver.kernels import Complexes, StateBatch, kron, superoperators, swap_legs, unitaries
from qgen.devserver.noise import ErrorChannels

MATRIX_BYTES = 1 << 25  # of gate matrices held at a time
NUMBER_BYTES = 16
STATE_BYTES = 1 << 19  # of states that gates are applied to at a time: they fit into the processor's cache


def probabilities(component: Component, table: Doubles, channels: ErrorChannels | None) -> Doubles:
    """Return the outcome probabilities (B, 2^m) of the m measured wires, before readout errors.

    Args:
        component: a component whose measurements are terminal; the first one measured is the lowest bit.
        table: the angles (B, columns).
        channels: the errors of its gates; None: there are none.
    """
    if len(table) > 1 and not any(step.columns for step in component.steps):
        return np.repeat(probabilities(component, table[:1], channels), len(table), axis=0)
    blocks = sum(len(step.qubits) > 1 for step in component.steps) + len(component.qubits)
    rows = max(1, MATRIX_BYTES // (NUMBER_BYTES * blocks * (4 if channels else 2) ** 4))
    return np.concatenate(
        [_run_rows(component, table[start : start + rows], channels) for start in range(0, len(table), rows)]
    )


def _run_rows(component: Component, table: Doubles, channels: ErrorChannels | None) -> Doubles:
    leg, qubits = 4 if channels else 2, len(component.qubits)
    gates = list(merge_gates(component, table, channels))
    measured = [wire for wire, _ in component.measurements]
    batch = max(1, STATE_BYTES // (NUMBER_BYTES * leg**qubits))
    parts = []
    for start in range(0, len(table), batch):
        rows = slice(start, min(start + batch, len(table)))
        state = StateBatch(rows.stop - rows.start, qubits, leg)
        for wires, matrices in gates:
            state.apply(matrices[rows] if len(matrices) > 1 else matrices, wires)
        parts.append(state.probabilities(measured))
    return np.concatenate(parts)


def merge_gates(
    component: Component, table: Doubles, channels: ErrorChannels | None
) -> Iterator[tuple[tuple[int, ...], Complexes]]:
    """Yield wires and matrices, in order: one-qubit gates are merged into two-qubit ones, runs on one pair into one."""
    numbers = {qubit: wire for wire, qubit in enumerate(component.qubits)}
    eye = np.eye(4 if channels else 2, dtype=np.complex128)[None]
    pending = [eye] * len(numbers)
    blocks: list[tuple[tuple[int, ...], Complexes]] = []
    last = [-1] * len(numbers)  # the block that acted on a wire last
    for step in component.steps:
        if step.is_measurement:
            continue
        wires = tuple(numbers[qubit] for qubit in step.qubits)
        matrices = _matrices(step, wires, table, channels)
        if len(wires) == 1:
            pending[wires[0]] = matrices @ pending[wires[0]]
            continue
        low, high = wires
        matrices = matrices @ kron(pending[high], pending[low])
        pending[low] = pending[high] = eye
        index = last[low]
        if index >= 0 and index == last[high]:
            block_wires, block = blocks[index]
            blocks[index] = block_wires, (matrices if block_wires == wires else swap_legs(matrices)) @ block
        else:
            last[low] = last[high] = len(blocks)
            blocks.append((wires, matrices))
    yield from blocks
    yield from (((wire,), matrices) for wire, matrices in enumerate(pending) if matrices is not eye)


def _matrices(step: Step, wires: tuple[int, ...], table: Doubles, channels: ErrorChannels | None) -> Complexes:
    if step.operation.name == "delay":
        return channels.relaxation(step.operation, wires[0]) if channels else np.eye(2, dtype=np.complex128)[None]
    matrices = unitaries(step.operation, table[:, step.columns])
    if channels is None:
        return matrices
    error = channels.after_gate(step.operation.name, wires)
    return superoperators(matrices) if error is None else error @ superoperators(matrices)
