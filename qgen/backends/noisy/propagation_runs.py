"""Runs of Pauli propagation: the observables of a program, the memory of a run, and how small a string is dropped."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from qgen.backends.noisy.product_states import StringSum, collect
from qgen.backends.noisy.program import NoisyProgram
from qgen.backends.noisy.propagation import Groups, Slots, Tape, make_groups, make_slots, make_tape, propagate
from qgen.backends.noisy.propagation_adjoint import propagate_adjoint
from qgen.backends.noisy.scouts import add_scouts, lanes_of
from qgen.backends.statevector.cpu_engine import LANES
from qgen.errors import BackendError

Doubles = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

#: Strings at a time; with their tape, a gradient through 60 blocks takes some 350 MB.
MOST_STRINGS = 1 << 18
#: A key has two bits a wire, in a signed number.
MOST_WIRES = 31
#: What a string counts for, a wire that it acts on, at the beginning and at the end of a circuit: so much smaller
#: is its mean value on a product state, whose Bloch vectors have components below one; at the end states are mixed.
#: Measured: the shortest lists at equal errors of values and gradients.
SHARES = (0.5, 0.3)
FIRST_CAPACITY = 1 << 12
FIRST_ENTRIES = 1 << 16


class TooManyStringsError(BackendError):
    """The list of strings is full: the tolerance is too small for this circuit at this strength of noise."""


class Observables(NamedTuple):
    """Observables that share vectors: numbers [first, last) of the program, in as many lanes.

    Attributes:
        first, last: their numbers.
        keys: int64 (S,), the strings, each once.
        coefficients: (S, lanes), in the lanes after the observables those of scouts.
    """

    first: int
    last: int
    keys: Integers
    coefficients: npt.NDArray[Any]


@dataclass
class Memory:
    """What one run works in; grown where it is not enough.

    Attributes:
        slots, groups, tape: see `propagation`.
        top: slots that were in use after the run.
    """

    slots: Slots
    groups: Groups
    tape: Tape
    top: int = 0


class Propagated(NamedTuple):
    """Observables at the beginning of a circuit.

    Attributes:
        observables: which; one a lane.
        strings: their sums.
        most: the largest number of strings at a time.
    """

    observables: Observables
    strings: StringSum
    most: int


@dataclass
class Runs:
    """Runs the observables of a program backwards through its blocks.

    Args:
        program: whose blocks no input moves.
        dtype: float32 or float64, of coefficients.
        most_strings: at a time.

    Raises:
        BackendError: more wires than a key has room for.
    """

    program: NoisyProgram
    dtype: np.dtype[Any]
    most_strings: int = MOST_STRINGS
    groups: list[Observables] = field(init=False)
    lanes: int = field(init=False)
    _size: int = field(init=False)
    _scouts: int = field(init=False)

    def __post_init__(self) -> None:
        if self.program.wires > MOST_WIRES:
            raise BackendError(
                f"method `propagate` runs circuits on up to {MOST_WIRES} wires, and this one is on "
                f"{self.program.wires}: take method `paths`"
            )
        self.lanes, observables = LANES[self.dtype], self.program.observables
        self._size, self._scouts = lanes_of(observables, self.lanes)
        starts = range(0, observables, max(1, self._size))
        self.groups = [self._observables(first, min(first + self._size, observables)) for first in starts]

    def _observables(self, first: int, last: int) -> Observables:
        strings = self.program.strings
        begin, end = strings.start[first], strings.start[last]
        keys, where = np.unique(strings.key[begin:end], return_inverse=True)
        coefficients: npt.NDArray[Any] = np.zeros((len(keys), self.lanes), dtype=self.dtype)
        lane = np.repeat(np.arange(last - first), np.diff(strings.start[first : last + 1]))
        coefficients[where, lane] = strings.coefficient[begin:end]
        add_scouts(coefficients, self._size, self._scouts)
        return Observables(first, last, keys, coefficients)

    def thresholds(self, threshold: float) -> npt.NDArray[Any]:
        """Return the coefficients up to which strings are dropped, by block and wires that they act on; flat."""
        first, last = SHARES
        share = np.linspace(first, last, len(self.program.blocks.wires))[:, None]
        bounds: npt.NDArray[Any] = (threshold * share ** -np.arange(self.program.wires + 3.0)).astype(self.dtype)
        return bounds.reshape(-1)

    def cost(self, strings: int) -> float:
        """Return the nanoseconds that a run with so many strings takes, about."""
        return 10.0 * strings * len(self.program.blocks.wires)

    def memory(self) -> Memory:
        """Return memory for one run."""
        blocks = len(self.program.blocks.wires)
        capacity = min(FIRST_CAPACITY, self.most_strings)
        return Memory(
            make_slots(capacity, self.dtype, self.lanes),
            make_groups(capacity, self.dtype, self.lanes),
            make_tape(blocks, 16, self.dtype, self.lanes),
        )

    def run(
        self,
        observables: Observables,
        matrices: npt.NDArray[Any],
        scouting: npt.NDArray[Any],
        threshold: float,
        memory: Memory,
        record: bool,
    ) -> Propagated:
        """Return observables at the beginning of the circuit.

        Args:
            observables: one of `groups`.
            matrices: flat, the blocks' transfer matrices, 256 numbers each.
            scouting: those of scouts.
            threshold: strings whose coefficients, times a share for each wire, are all below it are dropped.
            memory: overwritten.
            record: whether `adjoint` is to follow with this memory.

        Raises:
            TooManyStringsError: there are more strings than `most_strings`.
        """
        blocks, thresholds, count = self.program.blocks, self.thresholds(threshold), len(observables.keys)
        scouts: npt.NDArray[Any] = np.zeros(self.lanes, dtype=self.dtype)
        scouts[self._size : self._size + self._scouts] = 1
        while True:
            if count > len(memory.slots.keys):
                self._grow_list(memory)
                continue
            if record and len(memory.tape.masks) < FIRST_ENTRIES:
                memory.tape = make_tape(len(blocks.wires), FIRST_ENTRIES, self.dtype, self.lanes)
            memory.slots.keys[:] = -1
            memory.slots.keys[:count] = observables.keys
            memory.slots.coefficients[: count * self.lanes] = observables.coefficients.reshape(-1)
            lists = memory.slots, memory.groups, memory.tape
            top, most = propagate(blocks.wires, matrices, scouting, scouts, thresholds, *lists, record, count)
            if top >= 0:
                break
            if most == 0:
                self._grow_list(memory)
            else:
                memory.tape = make_tape(len(blocks.wires), 2 * len(memory.tape.masks), self.dtype, self.lanes)
        memory.top = top
        strings = StringSum(*collect(memory.slots, top, self.program.wires, self.lanes))
        return Propagated(observables, strings, most)

    def adjoint(self, memory: Memory, matrices: npt.NDArray[Any], cotangents: npt.NDArray[Any]) -> Doubles:
        """Return the gradient for the blocks' matrices, (B, 16, 16), of the run that this memory was recorded in.

        Args:
            memory: of that run.
            matrices: of that run.
            cotangents: flat, the gradient for the coefficients in each slot; overwritten.
        """
        moments = np.zeros(len(matrices))
        outputs, sums = (np.zeros(size * self.lanes, dtype=self.dtype) for size in (16, 256))
        digits = np.zeros(16, dtype=np.int64)
        propagate_adjoint(matrices, memory.tape, cotangents, outputs, digits, sums, moments)
        return moments.reshape(-1, 16, 16)

    def _grow_list(self, memory: Memory) -> None:
        capacity = min(4 * len(memory.slots.keys), self.most_strings)
        if capacity <= len(memory.slots.keys):
            raise TooManyStringsError(
                f"method `propagate` needs more than {self.most_strings:,} Pauli strings for its tolerance: "
                "take a larger tolerance, or method `paths`"
            )
        memory.slots = make_slots(capacity, self.dtype, self.lanes)
        memory.groups = make_groups(capacity, self.dtype, self.lanes)
