"""Circuits on more qubits than a state has memory for: bits drawn from a tensor network of the noisy state.

Gates that follow one another on a pair of qubits, with their errors, are one map of density matrices: a sum of products
of a map of one qubit and a map of the other, 4 products for RZZ without errors, and 6 with those of a device. So the
state is a network: a tensor for each qubit, and a bond where gates join two. Nothing is approximated.

Source: Markov and Shi, "Simulating quantum computation by contracting tensor networks", 2008, arXiv:quant-ph/0511069.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from qgen.backends.parameters import Doubles
from qgen.devserver.boundaries import Integers, Network, Site
from qgen.devserver.components import Bits, Component
from qgen.devserver.kernels import Complexes, superoperators
from qgen.devserver.noise import ErrorChannels
from qgen.devserver.probabilities import merge_gates

ROUNDING = 1e-12  # of the largest singular value

#: To Pauli coefficients tr(P rho), P = I, X, Y, Z, from entries (i, j) of a density matrix at i + 2j.
_PAULI = np.array([[1, 0, 0, 1], [0, 1, 1, 0], [0, -1j, 1j, 0], [1, 0, 0, -1]])
_START = np.array([1.0, 0, 0, 1])  # the state 0
_TRACE = np.array([[1.0, 0, 0, 0]])
_READ = np.array([[0.5, 0, 0, 0.5], [0.5, 0, 0, -0.5]])  # probabilities of 0 and of 1


def sample_wide(
    component: Component, table: Doubles, shots: int, channels: ErrorChannels | None, rng: np.random.Generator
) -> Bits:
    """Draw bits (B, shots, m) of the m measurements of a component, errors of reading included.

    Args:
        component: its measurements are terminal.
        table: the angles (B, columns).
        shots: of each binding.
        channels: the errors of its gates; None: it has none.
        rng: source of randomness.

    Raises:
        BackendError: so many gates cross a cut between qubits that the network is too large.
    """
    measured = [wire for wire, _ in component.measurements]
    outcomes = [_TRACE] * len(component.qubits)
    for wire in measured:
        outcomes[wire] = channels.noise.confusion[wire].T @ _READ if channels else _READ
    alike = not any(step.columns for step in component.steps)
    rows, each = (table[:1], len(table) * shots) if alike else (table, shots)
    bits = [_Maps.of(component, row[None], channels).network(outcomes).draw(each, rng)[:, measured] for row in rows]
    return np.reshape(bits, (len(table), shots, len(measured)))


class _Maps(NamedTuple):
    """What happens to the wires, as Pauli transfer matrices.

    Attributes:
        of_wire: of each wire, in order: matrices (4, 4), and halves (products, 4, 4) of blocks on two wires.
        pairs: (K, 2), the wires of each block.
        sizes: (K,), how many products it is the sum of.
    """

    of_wire: tuple[list[Doubles], ...]
    pairs: Integers
    sizes: Integers

    @classmethod
    def of(cls, component: Component, row: Doubles, channels: ErrorChannels | None) -> _Maps:
        """Return those of one binding (1, columns)."""
        of_wire: tuple[list[Doubles], ...] = tuple([] for _ in component.qubits)
        blocks: list[tuple[int, ...]] = []
        for wires, matrices in merge_gates(component, row, channels):
            matrix = _of_paulis(matrices if channels else superoperators(matrices))
            if len(wires) == 1:
                of_wire[wires[0]].append(matrix)
                continue
            low, high = _split(matrix)
            of_wire[wires[0]].append(low)
            of_wire[wires[1]].append(high)
            blocks.append((*wires, len(low)))
        table = np.array(blocks, dtype=np.int64).reshape(-1, 3)
        return cls(of_wire, table[:, :2], table[:, 2])

    def network(self, outcomes: Sequence[Doubles]) -> Network:
        """Return the network; outcomes[wire] (X, 4) is what is read of its coefficients."""
        return Network.of(self.pairs, self.sizes, lambda wire: self._site(wire, outcomes[wire]))

    def _site(self, wire: int, outcomes: Doubles) -> Site:
        tensor = _START
        for one in self.of_wire[wire]:
            tensor = tensor @ one.T if one.ndim == 2 else np.einsum("...i,roi->...ro", tensor, one)
        return Site(np.moveaxis(tensor @ outcomes.T, -1, 0), np.flatnonzero((self.pairs == wire).any(axis=1)))


def _of_paulis(matrices: Complexes) -> Doubles:
    """Return the Pauli transfer matrix (4^n, 4^n) of the first of superoperators (1, 4^n, 4^n) on legs."""
    basis, matrix = _PAULI, matrices[0]
    if len(matrix) == 16:
        basis = np.kron(basis, basis)
    return np.real(basis @ matrix @ np.linalg.inv(basis))


def _split(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """Return the operator-Schmidt decomposition of a matrix (16, 16): (products, 4, 4) on its low and its high leg."""
    legs = matrix.reshape(4, 4, 4, 4).transpose(1, 3, 0, 2)  # low out and in, high out and in
    left, sizes, right = np.linalg.svd(legs.reshape(16, 16))
    kept = sizes > ROUNDING * sizes[0]
    low, high = left.T[kept] * np.sqrt(sizes[kept, None]), right[kept] * np.sqrt(sizes[kept, None])
    return low.reshape(-1, 4, 4), high.reshape(-1, 4, 4)
