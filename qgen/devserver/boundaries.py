"""Bits drawn from a network of tensors, wire by wire, each given those before it.

The bonds between the wires that are drawn and those that are not form a boundary, which has a number for each
combination of their products: what limits this is how many bonds cross a cut, not how many wires there are.

Source: Ferris and Vidal, "Perfect sampling with unitary tensor networks", 2012, arXiv:1201.3974.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import log2
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from qgen.backends.parameters import Doubles
from qgen.devserver.components import Bits
from qgen.errors import BackendError

MAX_NUMBERS = 1 << 22  # of all boundaries: 1,000 shots take a minute
BATCH_NUMBERS = 1 << 16  # of the boundaries of shots that are drawn at a time: they fit into the cache

Integers = npt.NDArray[np.int64]


class Site(NamedTuple):
    """The tensor of a wire.

    Attributes:
        tensor: (outcomes, products of each bond, ...), two outcomes, or one where the wire is not measured.
        bonds: numbers of its bonds.
    """

    tensor: Doubles
    bonds: Integers


class Place(NamedTuple):
    """A wire in the order in which bits are drawn.

    Attributes:
        wire: the wire.
        shape: of the boundary before it.
        axes: of that boundary, those last whose bonds end here.
        tensor: of the wire: (outcomes, products that end here, products that begin here).
        chances: (outcomes, numbers of the boundary): times the boundary, the weights of the outcomes.
    """

    wire: int
    shape: tuple[int, ...]
    axes: tuple[int, ...]
    tensor: Doubles
    chances: Doubles


class Network(NamedTuple):
    """A network that bits can be drawn from.

    Attributes:
        places: the wires, in the order in which bits are drawn.
    """

    places: tuple[Place, ...]

    @classmethod
    def of(cls, pairs: Integers, sizes: Integers, site: Callable[[int], Site]) -> Network:
        """Return a network whose boundaries are small.

        Args:
            pairs: (K, 2), the wires of each bond; each wire has one.
            sizes: (K,), how many products each bond sums.
            site: returns the tensor of a wire.

        Raises:
            BackendError: boundaries are too large in any order that is tried.
        """
        wires = int(pairs.max()) + 1
        order = min(_orders(pairs, wires), key=lambda order: _numbers(order, pairs, sizes))
        numbers = _numbers(order, pairs, sizes)
        if numbers > log2(MAX_NUMBERS):
            raise BackendError(
                f"{wires} qubits of the circuit are connected by gates, and so many gates lie between them in either "
                f"order that was tried that its tensor network has 2^{numbers:.0f} numbers; the devserver takes "
                f"2^{log2(MAX_NUMBERS):.0f}, or 24 qubits. Take couplings that need no SWAP (`device:NAME`), fewer "
                "layers, or fewer qubits"
            )
        return cls(tuple(_with_chances(list(_places(order.tolist(), sizes, site)))))

    def draw(self, shots: int, rng: np.random.Generator) -> Bits:
        """Draw bits (shots, wires); those of wires that are not measured are 0."""
        batch = max(1, BATCH_NUMBERS // max(place.chances.shape[1] for place in self.places))
        bits = np.zeros((shots, len(self.places)), dtype=np.bool_)
        for first in range(0, shots, batch):
            self._draw_into(bits[first : first + batch], rng)
        return bits

    def _draw_into(self, bits: Bits, rng: np.random.Generator) -> None:
        boundaries = np.ones((len(bits), 1))
        for wire, shape, axes, tensor, chances in self.places:
            weights = np.maximum(boundaries @ chances.T, 0)  # what is below zero is rounding
            drawn = np.zeros(len(bits), dtype=np.bool_)
            if len(tensor) > 1:
                drawn = rng.random(len(bits)) * weights.sum(axis=1) >= weights[:, 0]
            moved = boundaries.reshape(-1, *shape).transpose(0, *(1 + axis for axis in axes))
            moved = moved.reshape(len(bits), -1, tensor.shape[1])
            boundaries = np.empty((len(bits), moved.shape[1] * tensor.shape[2]))
            for outcome, matrix in enumerate(tensor):
                rows = np.flatnonzero(drawn == outcome)
                after = (moved[rows] @ matrix).reshape(len(rows), boundaries.shape[1])
                boundaries[rows] = after / weights[rows, outcome, None]
            bits[:, wire] = drawn


def _orders(pairs: Integers, wires: int) -> Iterator[Integers]:
    """Yield orders of the wires: as they are numbered, and by reverse Cuthill-McKee."""
    yield np.arange(wires)
    ends = pairs.T.reshape(-1), pairs[:, ::-1].T.reshape(-1)
    graph = coo_array((np.ones(2 * len(pairs)), ends), shape=(wires, wires)).tocsr()
    yield reverse_cuthill_mckee(graph, symmetric_mode=True).astype(np.int64)


def _numbers(order: Integers, pairs: Integers, sizes: Integers) -> float:
    """Return the logarithm to base 2 of the numbers in all boundaries and tensors."""
    ends, bits = np.sort(np.argsort(order)[pairs], axis=1), np.log2(sizes)
    changes, tensors = np.zeros(len(order) + 1), np.zeros(len(order))
    np.add.at(changes, ends[:, 0] + 1, bits)
    np.add.at(changes, ends[:, 1] + 1, -bits)
    np.add.at(tensors, pairs, bits[:, None])
    return float(np.logaddexp2.reduce(np.concatenate([np.cumsum(changes), tensors])))


def _places(order: list[int], sizes: Integers, site: Callable[[int], Site]) -> Iterator[Place]:
    """Yield the wires in order, without chances."""
    boundary: list[int] = []
    for wire in order:
        tensor, bonds = site(wire)
        own: list[int] = bonds.tolist()
        kept = [bond for bond in boundary if bond not in own]
        ending, beginning = ([bond for bond in own if (bond in boundary) == ends] for ends in (True, False))
        moved = tensor.transpose(0, *(1 + own.index(bond) for bond in ending + beginning))
        matrices = moved.reshape(len(tensor), int(np.prod(sizes[ending])), -1)
        shape, axes = tuple(sizes[boundary].tolist()), tuple(map(boundary.index, kept + ending))
        yield Place(wire, shape, axes, matrices, np.empty(0))
        boundary = kept + beginning


def _with_chances(places: list[Place]) -> list[Place]:
    """Return the places with their chances, from the last one on."""
    done: list[Place] = []
    rest = np.ones(1)  # of a boundary, what all that is not drawn weighs
    for place in reversed(places):
        weighed = rest.reshape(-1, place.tensor.shape[2]) @ place.tensor.transpose(0, 2, 1)
        moved = weighed.reshape(-1, *(place.shape[axis] for axis in place.axes))
        back = np.argsort(place.axes).tolist()
        chances = moved.transpose(0, *(1 + axis for axis in back)).reshape(len(weighed), -1)
        chances /= np.abs(chances).max()
        rest = chances.sum(axis=0)
        done.append(place._replace(chances=chances))
    return done[::-1]
