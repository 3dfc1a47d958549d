"""A placed circuit measured through a Sampler primitive: one job for all samples, shifts and bases of a call."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from qiskit.transpiler import Target

from qgen.backends.angles import Doubles
from qgen.backends.base import Backend, Executable
from qgen.backends.measuring import Outcomes
from qgen.backends.pins import Pins
from qgen.backends.placed import PlacedExecutable
from qgen.circuits import LayerCircuit

#: Where a backend can only sample and nobody said how often.
DEFAULT_SHOTS = 1024


class SamplerBackend(Backend):
    """A backend whose circuits run through a Sampler. It fills in which one."""

    #: What circuits are transpiled for.
    target: Target
    #: Circuits that are placed already.
    pins: Pins | None = None

    @abstractmethod
    def sampler(self, seed: int) -> Any:
        """A Sampler (`BaseSamplerV2`); the seed is for simulators, in [0, 2^63)."""

    def compile(self, circuit: LayerCircuit) -> Executable:
        return SamplerExecutable(circuit, self)


class SamplerExecutable(PlacedExecutable):
    """See the module; values are estimated from the bits that the Sampler returns.

    Raises:
        BackendError: the circuit does not fit on the device.
    """

    def __init__(self, circuit: LayerCircuit, backend: SamplerBackend) -> None:
        super().__init__(circuit, backend, backend.target, seed=0, pins=backend.pins)
        self._sampled = backend
        self._circuits = self.placement.physical_circuits(measure=True)

    def __reduce__(self) -> Any:
        return SamplerExecutable, (self.circuit, self._sampled)

    def values(self, table: Doubles, seed: int) -> Doubles:
        if not self._circuits:
            return self.measurement.from_outcomes([])
        shots, samples = self._sampled.capabilities.shots or DEFAULT_SHOTS, len(table)
        if self.placement.parameters:  # in Qiskit's order of names, which is that of columns
            pubs: list[Any] = [(circuit, table) for circuit in self._circuits]
        else:  # the same circuit for every sample, each with shots of its own
            pubs, shots = list(self._circuits), shots * samples
        results = self._sampled.sampler(seed).run(pubs, shots=shots).result()
        return self.measurement.from_outcomes([_outcomes(result.data.meas, samples) for result in results])


def _outcomes(bits: Any, samples: int) -> Outcomes:
    """Packed bits (..., shots, bytes), highest byte first, as integers (N, shots)."""
    packed = bits.array.reshape(samples, -1, bits.array.shape[-1])
    weights = 1 << 8 * np.arange(packed.shape[-1], dtype=np.int64)[::-1]
    return np.asarray(packed.astype(np.int64) @ weights)
