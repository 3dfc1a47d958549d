"""A placed circuit measured through a Sampler primitive: one job for all samples, shifts and bases of a call."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.transpiler import Target

from qgen.backends.angles import Doubles
from qgen.backends.base import Backend, Executable
from qgen.backends.measuring import Outcomes
from qgen.backends.placed import PlacedExecutable
from qgen.circuits import LayerCircuit

#: Where a backend can only sample and nobody said how often.
DEFAULT_SHOTS = 1024


class SamplerBackend(Backend):
    """A backend whose circuits run through a Sampler. It fills in which one."""

    #: What circuits are transpiled for.
    target: Target

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
        super().__init__(circuit, backend, backend.target, seed=0)
        self._sampled = backend
        self._circuits = self.placement.physical_circuits(measure=True)

    def __reduce__(self) -> Any:
        return SamplerExecutable, (self.circuit, self._sampled)

    def values(self, table: Doubles, seed: int) -> Doubles:
        if not self._circuits:
            return self.measurement.from_outcomes([])
        shots = self._sampled.capabilities.shots
        pubs = [(circuit, self._bound(circuit, table)) for circuit in self._circuits]
        results = self._sampled.sampler(seed).run(pubs, shots=shots).result()
        return self.measurement.from_outcomes([_outcomes(result.data.meas, len(table)) for result in results])

    def _bound(self, circuit: QuantumCircuit, table: Doubles) -> Doubles:
        """The columns of the parameters that the circuit has, in Qiskit's order of names, which is that of columns."""
        present = set(circuit.parameters)
        columns = [k for k, parameter in enumerate(self.placement.parameters) if parameter in present]
        return table[:, columns]


def _outcomes(bits: Any, samples: int) -> Outcomes:
    """Packed bits (N, shots, bytes), highest byte first, as integers (N, shots)."""
    packed = np.broadcast_to(bits.array, (samples, *bits.array.shape[-2:]))
    weights = 1 << 8 * np.arange(packed.shape[-1], dtype=np.int64)[::-1]
    return np.asarray(packed.astype(np.int64) @ weights)
