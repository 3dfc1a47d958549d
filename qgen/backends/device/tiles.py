"""Copies of a routed circuit side by side on its device, each with a setting of the angles of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import ClassicalRegister, Parameter
from qiskit.transpiler import Target

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.drawing import Bits
from qgen.backends.measurement import MOST_IN_INTEGER, Basis, Outcomes
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.transpilation.circuit_metrics import compute_metrics
from qgen.transpilation.relayout import fix_directions, relabel_qubits
from qgen.transpilation.tiling import MIN_RELATIVE_SUCCESS, Tile, Tiling, find_tiles, refresh_tiling


def choose_tiles(
    routed: RoutedCircuit,
    target: Target,
    *,
    margin: int = 1,
    max_tiles: int | None = None,
    min_relative_success: float = MIN_RELATIVE_SUCCESS,
) -> Tiling:
    """Choose where copies of a routed circuit go on its device; see `find_tiles`.

    Success is that of the longest of its circuits, with every qubit read that some basis reads.

    Args:
        routed: the circuit, on this device.
        target: the device.
        margin: how far apart tiles lie, see `find_tiles`.
        max_tiles: the largest number of tiles; None: any.
        min_relative_success: the lowest success of a tile, see `find_tiles`.

    Raises:
        BackendError: a number out of range, or no basis to measure in.
    """
    return find_tiles(
        _longest(routed),
        target,
        _measured(routed),
        margin=margin,
        max_tiles=max_tiles,
        min_relative_success=min_relative_success,
    )


def single_tile(routed: RoutedCircuit, target: Target) -> Tiling:
    """Return the tiling of a routed circuit alone, where it lies; the other qubits of the device are idle.

    Raises:
        BackendError: no basis to measure in.
    """
    mapping = {qubit: qubit for qubit in routed.physical}
    success = compute_metrics(_longest(routed), target, _measured(routed)).success
    idle = sorted(set(range(routed.device_qubits)) - set(mapping))
    return Tiling((Tile(mapping, success),), 0, (), tuple(idle))


def tiling_now(tiling: Tiling, routed: RoutedCircuit, target: Target) -> Tiling:
    """Return the same tiles with their success on the device of today; see `refresh_tiling`."""
    return refresh_tiling(tiling, _longest(routed), target, _measured(routed))


class TiledCircuits:
    """The circuits of a `RoutedCircuit`, each as many times side by side as there are tiles.

    N bindings go to T tiles in blocks of ceil(N / T), the first ones to the best tile: rows that are compared with one
    another, as the two sides of a shift, mostly share a tile, and what is left over to repeat is on the worst ones.

    Args:
        routed: the circuit.
        tiling: where its copies go, by `choose_tiles`.
        target: the device.

    Attributes:
        tiling: as given.
        circuits: one for each basis, on all qubits of the device. The parameters are the C columns of the first tile,
            those of the second, and so on, also by their names. Each tile has a register, `tile00`, `tile01`, ...,
            whose bit q is the reading of logical qubit q. No qubit is measured before the last gate of all.

    Raises:
        BackendError: a gate cannot be turned around as a tile needs it.
    """

    def __init__(self, routed: RoutedCircuit, tiling: Tiling, target: Target) -> None:
        digits = max(2, len(str(len(tiling.tiles) - 1)))
        self._names = [f"tile{k:0{digits}}" for k in range(len(tiling.tiles))]
        self.tiling = tiling
        self._routed, self._tiles, self._target = routed, tiling.tiles, target
        self.circuits = tuple(map(self._wide, routed.circuits, routed.bases))

    def rows(self, samples: int) -> int:
        """Return how often the device executes the circuits for so many bindings, shots apart."""
        return -(-samples // len(self._tiles))

    def scatter(self, table: Doubles) -> Doubles:
        """Return angles (ceil(N / T), T C) of the wide circuits for N bindings (N, C); the last one fills up."""
        return table[self._bindings(len(table))].reshape(self.rows(len(table)), len(self._tiles) * table.shape[1])

    def outcomes(self, results: Sequence[Any], samples: int) -> list[Outcomes] | list[Bits]:
        """Return the outcomes (N, shots) of the bindings for each basis, in order; bit q is the reading of qubit q.

        Of more than 62 qubits they are bits (N, shots, n).

        Args:
            results: a Sampler's, one for each circuit. Without parameters, all rows of one circuit follow one another.
            samples: how many bindings N.
        """
        rows = self.rows(samples)
        if len(self._routed.wires) > MOST_IN_INTEGER:
            return self.bits(results, samples)
        return [
            np.concatenate([_integers(getattr(result.data, name), rows) for name in self._names])[:samples]
            for result in results
        ]

    def bits(self, results: Sequence[Any], samples: int) -> list[Bits]:
        """Return what each qubit reads in each basis, (N, shots, n), for any number of qubits; see `outcomes`."""
        rows, qubits = self.rows(samples), len(self._routed.wires)
        return [
            np.concatenate([_unpacked(getattr(result.data, name), rows, qubits) for name in self._names])[:samples]
            for result in results
        ]

    def tile_of(self, samples: int) -> Outcomes:
        """Return the number of the tile (N,) that each of the bindings runs on."""
        return np.arange(samples) // max(1, self.rows(samples))

    @property
    def read(self) -> tuple[int, ...]:
        """See `RoutedCircuit.read`."""
        return self._routed.read

    def places(self, qubit: int) -> list[int]:
        """Return the physical qubit that a logical one is read on, for each tile."""
        return [tile.mapping[self._routed.physical[self._routed.wires[qubit]]] for tile in self._tiles]

    def calibrations(self) -> tuple[QuantumCircuit, QuantumCircuit]:
        """Return two circuits that do nothing but prepare all qubits of `read` as 0, or as 1, and read them.

        On all tiles at once, by the names of their registers as `circuits`: `bits` reads their results, with a binding
        for each tile.
        """
        basis = Basis("".join("Z" if qubit in self.read else "I" for qubit in range(len(self._routed.wires))))
        zeros, ones = (QuantumCircuit(self._routed.device_qubits) for _ in range(2))
        ones.x([place for qubit in self.read for place in self.places(qubit)])
        for wide in (zeros, ones):
            wide.barrier([qubit for tile in self._tiles for qubit in tile.qubits])
            for name, tile in zip(self._names, self._tiles, strict=True):
                self._measure(wide, name, tile, basis)
        return zeros, ones

    def _bindings(self, samples: int) -> Outcomes:
        """(ceil(N / T), T): which binding each tile runs in each row."""
        rows = self.rows(samples)
        blocks = np.arange(len(self._tiles)) * rows + np.arange(rows)[:, None]
        return np.asarray(np.minimum(blocks, samples - 1))

    def _wide(self, circuit: QuantumCircuit, basis: Basis) -> QuantumCircuit:
        physical, wide = self._routed.physical, QuantumCircuit(self._routed.device_qubits)
        for name, tile in zip(self._names, self._tiles, strict=True):
            places = {wire: tile.mapping[qubit] for wire, qubit in enumerate(physical) if qubit in tile.mapping}
            renamed = {column: Parameter(name + column.name) for column in self._routed.parameters}
            copy = circuit.assign_parameters(renamed)
            wide.compose(relabel_qubits(copy, places, wide.num_qubits), inplace=True)
        if any(tile.moved for tile in self._tiles):
            wide = fix_directions(wide, self._target)
        wide.barrier([qubit for tile in self._tiles for qubit in tile.qubits])
        for name, tile in zip(self._names, self._tiles, strict=True):
            self._measure(wide, name, tile, basis)
        return wide

    def _measure(self, wide: QuantumCircuit, name: str, tile: Tile, basis: Basis) -> None:
        register = ClassicalRegister(len(self._routed.wires), name)
        wide.add_register(register)
        for qubit in basis.read:
            wide.measure(tile.mapping[self._routed.physical[self._routed.wires[qubit]]], register[qubit])


def _longest(routed: RoutedCircuit) -> QuantumCircuit:
    if not routed.circuits:
        raise BackendError("the circuit is measured in no basis: without a measurement there is nothing to copy")
    return max(routed.physical_circuits(measure=False), key=QuantumCircuit.size)


def _measured(routed: RoutedCircuit) -> list[int]:
    """The physical qubits that some basis reads."""
    return sorted(routed.physical[routed.wires[qubit]] for qubit in routed.read)


def _integers(bits: Any, rows: int) -> Outcomes:
    """Packed bits (..., shots, bytes), highest byte first, as integers (rows, shots)."""
    packed = bits.array.reshape(rows, -1, bits.array.shape[-1])
    weights = 1 << 8 * np.arange(packed.shape[-1], dtype=np.int64)[::-1]
    return np.asarray(packed.astype(np.int64) @ weights)


def _unpacked(bits: Any, rows: int, qubits: int) -> Bits:
    """Packed bits (..., shots, bytes), highest byte first, one by one (rows, shots, n), qubit 0 first."""
    packed = bits.array.reshape(rows, -1, bits.array.shape[-1])
    return np.ascontiguousarray(np.unpackbits(packed[..., ::-1], axis=-1, count=qubits, bitorder="little"))
