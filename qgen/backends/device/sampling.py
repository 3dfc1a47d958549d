"""Values from the bits of a Sampler primitive: one call for all samples, shifts and bases of a batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.backends.device.routing import RoutedCircuit
from qgen.backends.device.tiles import TiledCircuits, choose_tiles, single_tile
from qgen.backends.drawing import Bits
from qgen.backends.measurement import Measurement
from qgen.backends.parameters import Doubles
from qgen.errors import BackendError
from qgen.randomness import Streams

#: Where a backend can only sample and the user gives no number.
DEFAULT_SHOTS = 1024


class Sampler(Protocol):
    """Runs circuits and returns their bits, as Qiskit's `BaseSamplerV2` does."""

    def sample(self, pubs: Sequence[Any], rows: int, shots: int, streams: Streams) -> Sequence[Any]:
        """Return one result for each pub.

        Args:
            pubs: circuits with a table of angles (rows, C), or without parameters: then the shots of all rows are those
                of one circuit, row after row.
            rows: how many there are.
            shots: of each row.
            streams: what the rows draw from, where the bits are simulated.
        """
        ...


def tile(routed: RoutedCircuit, target: Target, tiles: int | None = 1) -> TiledCircuits | None:
    """Put copies of a routed circuit side by side on its device; None where there is nothing to measure.

    Args:
        routed: the circuit.
        target: the device.
        tiles: how many copies; None: as many as are worth it.
    """
    if not routed.circuits:
        return None
    tiling = single_tile(routed, target) if tiles == 1 else choose_tiles(routed, target, max_tiles=tiles)
    return TiledCircuits(routed, tiling, target)


class SampledSubmitter:
    """A `Submitter` whose values are estimated from the bits that a sampler returns.

    Args:
        routed: the circuit.
        measurement: of the layer's observables, in the bases of `routed`.
        tiled: its copies on the device; None where there is nothing to measure.
        shots: per circuit.
        sampler: runs the copies.
    """

    def __init__(
        self,
        routed: RoutedCircuit,
        measurement: Measurement,
        tiled: TiledCircuits | None,
        shots: int,
        sampler: Sampler,
    ) -> None:
        self._measurement, self._tiled, self._shots, self._sampler = measurement, tiled, shots, sampler
        self._has_angles = bool(routed.parameters)

    @property
    def method(self) -> str:
        return f"{self._shots:,} shots"

    @property
    def circuits(self) -> tuple[QuantumCircuit, ...]:
        """What the device runs, one for each basis, all copies in it."""
        return () if self._tiled is None else self._tiled.circuits

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        if self._tiled is None:
            return self._measurement.from_outcomes([])
        results = self._sampler.sample(*self._job(self._tiled, angles), self._shots, streams)
        return self._measurement.from_outcomes(self._tiled.outcomes(results, len(angles)))

    def bits(self, angles: Doubles, shots: int, streams: Streams) -> Bits:
        if self._tiled is None:
            raise BackendError("no qubit of this circuit is read: there are no bits to draw")
        results = self._sampler.sample(*self._job(self._tiled, angles), shots, streams)
        (bits,) = self._tiled.bits(results, len(angles))
        return bits

    def _job(self, tiled: TiledCircuits, angles: Doubles) -> tuple[Sequence[Any], int]:
        """Return the pubs and the number of rows that run for these angles; see `Sampler.sample`."""
        pubs: list[Any] = list(tiled.circuits)  # the same circuit for every sample, each with shots of its own
        if self._has_angles:  # in Qiskit's order of names, which is that of columns
            table = tiled.scatter(angles)
            pubs = [(circuit, table) for circuit in tiled.circuits]
        return pubs, tiled.rows(len(angles))
