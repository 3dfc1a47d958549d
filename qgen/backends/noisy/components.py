"""In which order the exact engine works through blocks: wires that have not met stay apart.

A component is a set of wires whose Pauli vector is kept as one; the state is the product of all components. A block
joins the components of its two wires, so that early blocks cost 4^(their component's wires), not 4^k.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
#: Kinds of steps, and the columns of their table.
BLOCK, MERGE = range(2)
KIND, NUMBER, AT, FREE, LOW, HIGH, KEPT, SIZE = range(8)  # of a block
FIRST, FIRST_MASK, SECOND, SECOND_MASK = 1, 3, 4, 5  # of a merge


class Path(NamedTuple):
    """Steps from single components to few, for the kernels; addresses are rows, to be multiplied by the lanes.

    Attributes:
        steps: (T, 8). A block: BLOCK, its number, address of its component, index bits of the other digits, strides of
            its low and its high digit, address of the copy that is kept of its component or -1, rows of the component.
            A merge: MERGE, address of the first part, of the product, index bits of the first part within the product,
            address and index bits of the second part, 0, rows of the product.
        rows: of the state.
        copies: rows of all copies that are kept.
    """

    steps: Integers
    rows: int
    copies: int


class Component(NamedTuple):
    """Some wires, ascending, and the address of their vector."""

    wires: tuple[int, ...]
    at: int

    @property
    def rows(self) -> int:
        return 1 << 2 * len(self.wires)

    def mask(self, within: Sequence[int]) -> int:
        """Return the index bits of the component's digits in a vector of the wires `within`, ascending."""
        return sum(3 << 2 * within.index(wire) for wire in self.wires)

    def row(self, key: int) -> int:
        """Return the row of a Pauli string, given by its key over all wires."""
        return sum((key >> 2 * wire & 3) << 2 * rank for rank, wire in enumerate(self.wires))


class PathBuilder:
    """Builds a `Path`, step by step.

    Args:
        parts: the wires of each component at the beginning.
        most_damping: of blocks that are undone by their inverses, one after the other: the sum of -log of their
            smallest singular values. Rounding grows by its exponential; a copy is kept where it would pass this.

    Attributes:
        components: those at the beginning.
    """

    def __init__(self, parts: Iterable[Sequence[int]], most_damping: float) -> None:
        self._most_damping = most_damping
        self._damping: dict[int, float] = {}
        self._rows, self._copies = 0, 0
        self._steps: list[tuple[int, ...]] = []
        self._of: dict[int, Component] = {}
        self.components = [self._new(tuple(sorted(part))) for part in parts]

    def block(self, number: int, wires: Sequence[int], damping: float) -> None:
        """A block on two wires, low and high; `damping` is -log of its matrix's smallest singular value, or more."""
        low, high = wires
        component = self.join(wires)
        total = self._damping.get(component.at, 0.0) + damping  # of a product: 0, its parts stay as they are
        kept = total > self._most_damping
        self._damping[component.at] = 0.0 if kept else total
        a, b = component.wires.index(low), component.wires.index(high)
        free = (component.rows - 1) ^ (3 << 2 * a) ^ (3 << 2 * b)
        copy = self._copies if kept else -1
        self._copies += component.rows if kept else 0
        self._steps.append((BLOCK, number, component.at, free, 1 << 2 * a, 1 << 2 * b, copy, component.rows))

    def join(self, wires: Iterable[int]) -> Component:
        """Merge the components of these wires, if they are several, and return the one that they are in."""
        parts = sorted({self._of[wire] for wire in wires}, key=lambda part: part.rows)
        joined = parts[0]
        for part in parts[1:]:
            first, joined = joined, self._new(tuple(sorted(joined.wires + part.wires)))
            masks = first.mask(joined.wires), part.mask(joined.wires)
            self._steps.append((MERGE, first.at, joined.at, masks[0], part.at, masks[1], 0, joined.rows))
        return joined

    def one(self) -> int:
        """Return the address of a row that no step touches."""
        self._rows += 1
        return self._rows - 1

    def left(self) -> list[Component]:
        """Return the components at the end, the largest first."""
        return sorted(set(self._of.values()), key=lambda part: (-part.rows, part.wires))

    def path(self) -> Path:
        """Return the path."""
        return Path(np.array(self._steps, dtype=np.int64).reshape(-1, 8), self._rows, self._copies)

    def _new(self, wires: tuple[int, ...]) -> Component:
        component = Component(wires, self._rows)
        self._rows += component.rows
        self._of.update(dict.fromkeys(wires, component))
        return component


class Sizes:
    """The components' sizes alone: a path's cost before it is built."""

    def __init__(self, parts: Iterable[Sequence[int]]) -> None:
        self._of = {wire: frozenset(part) for part in parts for wire in part}

    def joined(self, low: int, high: int) -> int:
        """Return how many wires are in a component once a block on these two has joined theirs."""
        return len(self._of[low] | self._of[high])

    def join(self, low: int, high: int) -> int:
        """Join, and return the same."""
        both = self._of[low] | self._of[high]
        self._of.update(dict.fromkeys(both, both))
        return len(both)
