"""Whether a circuit is easy to simulate, said plainly: by matrix product states, or by contracting tensors."""

from __future__ import annotations

from dataclasses import dataclass
from math import log2

from qgen.backends.aer.wide import Chain
from qgen.circuits import LayerCircuit
from qgen.transpilation.treewidth import treewidth, variables

#: Bytes of a matrix product state, and a treewidth, that any machine of today has.
EASY_BYTES, EASY_WIDTH = 2.0**30, 25


@dataclass(frozen=True)
class Simulability:
    """Upper bounds on what an exact simulation takes.

    Attributes:
        bond: logarithm to base 2 of the bond dimension of a matrix product state.
        bytes: logarithm to base 2 of the bytes of all its tensors.
        treewidth: of the circuit's variables; an amplitude takes tensors of 2^(treewidth + 1) numbers.
        easy: whether one of the two is within the reach of any machine of today.
    """

    bond: int
    bytes: float
    treewidth: int
    easy: bool

    @classmethod
    def of(cls, circuit: LayerCircuit) -> Simulability:
        """Return the bounds for a circuit."""
        chain, width = Chain.of_layer(circuit), treewidth(variables(circuit.conditional.circuit))
        size = 16 * chain.numbers
        return cls(chain.bond, log2(size), width, size <= EASY_BYTES or width <= EASY_WIDTH)

    @property
    def sentence(self) -> str:
        """What it means for the reader."""
        bounds = f"bond dimension of a matrix product state up to 2^{self.bond}, treewidth up to {self.treewidth}"
        if self.easy:
            return f"easy to simulate at this connectivity ({bounds}): a classical machine draws the same bits"
        return f"not easy to simulate by these two ways ({bounds}); that there is no other is not known"
