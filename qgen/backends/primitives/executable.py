"""A placed circuit measured through a Sampler primitive: one job for all samples, shifts and bases of a call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.backends.angles import Doubles
from qgen.backends.base import Backend, Executable
from qgen.backends.pins import Pins
from qgen.backends.placed import PlacedExecutable
from qgen.backends.tiles import TiledCircuits, one_tile, tile_placement
from qgen.circuits import LayerCircuit
from qgen.randomness import Streams
from qgen.transpilation.tiling import Tiling

#: Where a backend can only sample and nobody said how often.
DEFAULT_SHOTS = 1024


class SamplerBackend(Backend):
    """A backend whose circuits run through a Sampler. It fills in which one."""

    #: What circuits are transpiled for.
    target: Target
    #: Circuits that are placed already.
    pins: Pins | None = None
    #: Copies of a circuit that run side by side; None: as many as are worth it.
    tiles: int | None = 1

    @abstractmethod
    def compile(self, circuit: LayerCircuit) -> Executable: ...


class SamplerExecutable(PlacedExecutable):
    """See the module; values are estimated from the bits that the Sampler returns.

    Args:
        circuit: the circuit.
        backend: whose Sampler.
        pins: the circuit on the device, where that is settled; None: it is put there anew.
        target: what it is transpiled for.

    Attributes:
        tiled: the copies of the circuit that run side by side, often one; None where there is nothing to measure.
        tiling: where they lie; likewise.

    Raises:
        BackendError: the circuit does not fit on the device.
    """

    def __init__(self, circuit: LayerCircuit, backend: SamplerBackend, pins: Pins | None, target: Target) -> None:
        super().__init__(circuit, backend, target, seed=0, pins=pins)
        self._sampled = backend
        self.tiled: TiledCircuits | None = None
        self.tiling: Tiling | None = None
        if self.placement.circuits:
            self.tiling = self.choose_tiles(backend, target)
            self.tiled = TiledCircuits(self.placement, self.tiling, target)

    def choose_tiles(self, backend: SamplerBackend, target: Target) -> Tiling:
        """Where copies of the circuit go."""
        if backend.tiles == 1:
            return one_tile(self.placement, target)
        return tile_placement(self.placement, target, max_tiles=backend.tiles)

    @property
    def circuits(self) -> tuple[QuantumCircuit, ...]:
        """What the device runs, one for each basis, all tiles in it."""
        return self.tiled.circuits if self.tiled is not None else ()

    def values(self, table: Doubles, streams: Streams) -> Doubles:
        if self.tiled is None:
            return self.measurement.from_outcomes([])
        shots, samples = self._sampled.capabilities.shots or DEFAULT_SHOTS, len(table)
        if self.placement.parameters:  # in Qiskit's order of names, which is that of columns
            rows = self.tiled.scatter(table)
            pubs: list[Any] = [(circuit, rows) for circuit in self.circuits]
        else:  # the same circuit for every sample, each with shots of its own
            pubs, shots = list(self.circuits), shots * self.tiled.rows(samples)
        return self.measurement.from_outcomes(self.tiled.outcomes(self.read(pubs, shots, streams), samples))

    @abstractmethod
    def read(self, pubs: Sequence[Any], shots: int, streams: Streams) -> Sequence[Any]:
        """A Sampler's results, one for each of what it is given."""
