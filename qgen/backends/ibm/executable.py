"""A circuit on IBM's hardware: what is run, how much that is, and its way through the journal."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
from qiskit import QuantumCircuit

from qgen.backends.ibm.client import check_isa
from qgen.backends.ibm.results import unpack
from qgen.backends.ibm.runner import Request
from qgen.backends.primitives.executable import SamplerExecutable
from qgen.circuits import LayerCircuit
from qgen.transpilation.cost import MOST_EXECUTIONS, WorkloadCost, workload_cost
from qgen.transpilation.figures import MICROSECONDS, read_steps, schedule

if TYPE_CHECKING:
    from qgen.backends.ibm.backend import IBMBackend

#: Of one job, before it is packed: about what the service has taken.
MOST_BYTES = 48_000_000
#: Control instructions that a job may have on one qubit; a two-qubit gate counts 5, a measurement 10.
MOST_INSTRUCTIONS = 26_000_000
_WEIGHTS = {"rz": 1, "barrier": 0, "measure": 10}
_ONE, _TWO, _STARTING = 2, 5, 50
#: An execution is never counted as shorter, in microseconds: IBM's rule of thumb.
LEAST_LENGTH_US = 100.0
#: Angles are rounded to so many decimals, so that a last bit never makes a request look new.
_DECIMALS = 9


class HardwareExecutable(SamplerExecutable):
    """See the module.

    Raises:
        BackendError: the circuit does not fit on the device, or uses what the device does not have or what is faulty.
    """

    def __init__(self, circuit: LayerCircuit, backend: IBMBackend) -> None:
        super().__init__(circuit, backend)
        self._hardware = backend
        check_isa(self.circuits, backend.machine)
        self._digests = [_digest(one) for one in self.circuits]
        self._heaviest = max((_instructions(one) for one in self.circuits), default=1)
        self._length = max((_length_us(one, backend) for one in self.circuits), default=0.0)

    def cost(self, samples: int) -> WorkloadCost:
        """What one submission of so many settings of the angles costs, as an upper bound."""
        rows = self.tiled.rows(samples) if self.tiled is not None else 0
        jobs = -(-rows // self._most_rows()) if rows else 0
        return self._cost(rows * len(self.circuits), self._hardware.shots, jobs)

    def read(self, pubs: Sequence[Any], shots: int, seed: int) -> Sequence[Any]:
        requests = [self._request(part, many, (seed, k)) for k, (part, many) in enumerate(self._parts(pubs, shots))]
        parts = [unpack(result) for result in self._hardware.runner.run(requests)]
        return parts[0] if len(parts) == 1 else [_joined(some) for some in zip(*parts, strict=True)]

    def _parts(self, pubs: Sequence[Any], shots: int) -> list[tuple[list[Any], int]]:
        """As many jobs as the limits of the service ask for: of some rows each, or without angles of some shots."""
        if not self.placement.parameters:
            most = MOST_EXECUTIONS // len(pubs)
            return [(list(pubs), min(most, shots - first)) for first in range(0, shots, most)]
        rows, most = len(pubs[0][1]), self._most_rows()
        table = np.round(pubs[0][1], _DECIMALS)
        return [
            ([(circuit, table[first : first + most]) for circuit, _ in pubs], shots) for first in range(0, rows, most)
        ]

    def _most_rows(self) -> int:
        bases, columns = len(self.circuits), max(1, int(self.circuits[0].num_parameters))
        return max(
            1,
            min(
                MOST_EXECUTIONS // (self._hardware.shots * bases),
                MOST_INSTRUCTIONS // (self._heaviest * bases),
                MOST_BYTES // (8 * columns * bases),
            ),
        )

    def _request(self, pubs: Sequence[Any], shots: int, seed: tuple[int, int]) -> Request:
        rows = len(pubs[0][1]) if self.placement.parameters else 1
        circuits = rows * len(pubs)
        mark = sha256(repr((self._hardware.name, self._digests, shots, seed, self._hardware.options.plain())).encode())
        if self.placement.parameters:
            mark.update(np.ascontiguousarray(pubs[0][1] + 0.0).tobytes())
        return Request(
            key=mark.hexdigest(),
            kind="sampler",
            pubs=pubs,
            circuits=circuits,
            shots=shots,
            estimate=ceil(self._cost(circuits, shots, 1).seconds),
        )

    def _cost(self, circuits: int, shots: int, jobs: int) -> WorkloadCost:
        length = max(self._length, LEAST_LENGTH_US)
        return workload_cost(circuits, shots, jobs, length_us=length, rep_delay_us=self._hardware.rep_delay_us)


def _digest(circuit: QuantumCircuit) -> str:
    """Of what is executed: gates, places and the names of angles."""
    steps = [
        (
            step.operation.name,
            [circuit.find_bit(qubit).index for qubit in step.qubits],
            [circuit.find_bit(bit).index for bit in step.clbits],
            [str(angle) for angle in step.operation.params],
        )
        for step in circuit.data
    ]
    return sha256(repr(steps).encode()).hexdigest()


def _instructions(circuit: QuantumCircuit) -> int:
    """Control instructions on the busiest qubit, as the service counts them."""
    counts = [_STARTING] * circuit.num_qubits
    for step in circuit.data:
        weight = _WEIGHTS.get(step.operation.name, _ONE if len(step.qubits) == 1 else _TWO)
        for qubit in step.qubits:
            counts[circuit.find_bit(qubit).index] += weight
    return max(counts)


def _length_us(circuit: QuantumCircuit, backend: IBMBackend) -> float:
    """Of one execution with its measurement, in microseconds."""
    waits = schedule(read_steps(circuit, backend.target), ())
    readout = max((about.duration or 0.0 for about in backend.target["measure"].values() if about), default=0.0)
    return MICROSECONDS * ((waits.duration if waits else 0.0) + readout)


def _joined(parts: Sequence[SimpleNamespace]) -> SimpleNamespace:
    """The results of one circuit from several jobs, one after the other: rows, or shots where there are no rows."""
    names = vars(parts[0].data)
    joined = {
        name: SimpleNamespace(array=np.concatenate([getattr(part.data, name).array for part in parts]))
        for name in names
    }
    return SimpleNamespace(data=SimpleNamespace(**joined))
