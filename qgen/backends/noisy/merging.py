"""Merges fixed operations that follow one another, gates and their noise, into one Pauli transfer matrix each."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.steps import FIXED_1Q, FIXED_2Q, Step

Doubles = npt.NDArray[np.float64]


def merge_fixed(steps: Iterable[Step]) -> list[Step]:
    """Return equivalent steps on the same one or two wires, in which no two fixed ones can be merged.

    A fixed operation on two wires takes in those on one wire before and after it. Merged steps have no unitary.
    """
    merged: list[Step] = []
    waiting = _Waiting()
    for step in steps:
        if step.fixed:
            waiting.add(step)
        else:
            merged += waiting.flush(step.wires)
            merged.append(step)
    return merged + waiting.flush()


class _Waiting:
    """Fixed operations that nothing open has come after, on any of their wires."""

    def __init__(self) -> None:
        self._both: tuple[tuple[int, ...], Doubles] | None = None
        self._single: dict[int, Doubles] = {}

    def add(self, step: Step) -> None:
        if len(step.wires) == 2:
            ordered = step.on(*sorted(step.wires))
            before = self._both[1] if self._both is not None else self._joined(ordered.wires)
            self._both = ordered.wires, ordered.ptm() @ before
            self._single = {}
        elif self._both is not None:
            wires, matrix = self._both
            self._both = wires, _widened(step.ptm(), wires.index(step.wires[0])) @ matrix
        else:
            (wire,) = step.wires
            self._single[wire] = step.ptm() @ self._single.get(wire, np.eye(4))

    def flush(self, wires: tuple[int, ...] | None = None) -> list[Step]:
        """Take out what acts on these wires; None: all."""
        if self._both is not None:
            pair, matrix = self._both
            self._both = None
            return [Step(FIXED_2Q, pair, transfer=matrix)]
        taken = [wire for wire in self._single if wires is None or wire in wires]
        return [Step(FIXED_1Q, (wire,), transfer=self._single.pop(wire)) for wire in taken]

    def _joined(self, wires: tuple[int, ...]) -> npt.NDArray[Any]:
        low, high = (self._single.get(wire, np.eye(4)) for wire in wires)
        return np.kron(high, low)


def _widened(matrix: Doubles, place: int) -> npt.NDArray[Any]:
    """Return a matrix (4, 4) of one wire as one (16, 16) of two."""
    return np.kron(np.eye(4), matrix) if place == 0 else np.kron(matrix, np.eye(4))
