"""Backends `aer:DEVICE` and `aer:FILE.yaml`: circuits as a device would run them, with its errors, on Aer."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from qgen.backends.aer.noisy_runs import Density, Trajectories
from qgen.backends.angles import Doubles
from qgen.backends.base import Backend, Capabilities, Executable
from qgen.backends.measuring import confuse, rewire_outcomes, rewire_probabilities
from qgen.backends.pins import Pins
from qgen.backends.placed import PlacedExecutable
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.extras import require_aer
from qgen.noise import KINDS, NoiseSource
from qgen.randomness import Streams

# A density matrix of k qubits takes as long as 2^k states, one for each shot; what Aer spends on a shot beside its
# state makes up for a factor of four (measured at 8 to 12 qubits).
SHOTS_WORTH = 4
MOST_DENSE = 13  # qubits of a density matrix: 1 GiB


class NoisyAerBackend(Backend):
    """Circuits transpiled for a device and run with its errors on the qubits that they use.

    Readout errors are part of every value. Without shots values are exact: those of the noisy state, found as a density
    matrix. With shots, a density matrix or one noisy state for each shot (trajectories), whichever takes less.

    Args:
        source: the device or file that the noise comes from.
        shots: how often each circuit is measured; None: values are exact.
        scale: how strong the errors are; 1: as the source has them, 0: the ideal circuit, transpiled.
        kinds: those of `qgen.noise.KINDS` that are on.
        seed: of the transpiler.
        pins: circuits that are placed already.

    Raises:
        BackendError: qiskit-aer is not installed; a scale or kind that is not allowed; pins of another device.
    """

    def __init__(
        self,
        source: NoiseSource,
        shots: int | None = None,
        scale: float = 1.0,
        kinds: Collection[str] = KINDS,
        seed: int = 0,
        pins: Pins | None = None,
    ) -> None:
        require_aer(f"backend `aer:{source.name}`")
        source.local([], scale, kinds)  # refuses wrong scales and kinds
        self.source, self.scale, self.kinds, self.seed = source, scale, kinds, seed
        self.pins, self._shots = pins, shots
        if pins is not None:
            pins.check_device(source.name)

    @property
    def name(self) -> str:
        return f"aer:{self.source.name}"

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(
            exact=self._shots is None,
            noisy=self.scale > 0 and bool(self.kinds),
            shots=self._shots,
            countable=self._shots is None,
            qubits=self.source.qubits,
        )

    def compile(self, circuit: LayerCircuit) -> Executable:
        return NoisyExecutable(circuit, self)

    def facts(self) -> dict[str, Any]:
        return {"noise": self.source.provenance() | {"scale": self.scale, "kinds": list(self.kinds)}}


class NoisyExecutable(PlacedExecutable):
    """A placed circuit with the noise of the qubits that it is placed on.

    Raises:
        BackendError: the circuit does not fit on the device, or its density matrix into memory.
    """

    open_delays = True

    def __init__(self, circuit: LayerCircuit, backend: NoisyAerBackend) -> None:
        super().__init__(circuit, backend, backend.source.target(circuit.qubits), backend.seed, backend.pins)
        self._noisy, self._shots = backend, backend.capabilities.shots
        noise = backend.source.local(self.placement.physical, backend.scale, backend.kinds)
        self._confusion = noise.confusion
        run = Density if self._by_density() else Trajectories
        self._runs: list[Density | Trajectories] = [
            run(circuit, self.placement.parameters, noise.model) for circuit in self.placement.circuits
        ]

    def __reduce__(self) -> Any:
        return NoisyExecutable, (self.circuit, self._noisy)

    @property
    def method(self) -> str:
        way = "density matrix" if self._by_density() else "trajectories"
        return f"{way}, {super().method}"

    def values(self, table: Doubles, streams: Streams) -> Doubles:
        wires = self.placement.wires
        if self._shots is None:
            states = [run.probabilities(table) for run in self._runs if isinstance(run, Density)]  # all of them
            read = [rewire_probabilities(confuse(state, self._confusion), wires) for state in states]
            return self.measurement.from_probabilities(read)
        outcomes = [
            run.outcomes(table, self._shots, streams, basis, self._confusion) for basis, run in enumerate(self._runs)
        ]
        return self.measurement.from_outcomes([rewire_outcomes(some, wires) for some in outcomes])

    def _by_density(self) -> bool:
        wires = len(self.placement.physical)
        if self._shots is not None:
            return wires <= MOST_DENSE and 1 << wires <= SHOTS_WORTH * self._shots
        if wires > MOST_DENSE:
            raise BackendError(
                f"exact values of a noisy circuit on {wires} qubits need a density matrix of {16 << 2 * wires:,} "
                f"bytes; {MOST_DENSE} qubits are the most. Give shots (--shots 1024): one noisy state is drawn for each"
            )
        return True
