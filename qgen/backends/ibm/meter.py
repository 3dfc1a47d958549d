"""How much a circuit is on IBM's hardware: seconds, limits of a job, and the mark by which the journal knows it."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qgen.backends.ibm.client import Primitive, check_isa
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.results import Expected
from qgen.backends.ibm.runner import Request
from qgen.backends.parameters import Doubles
from qgen.circuits.digest import circuit_digest
from qgen.errors import BackendError
from qgen.transpilation.cost import MAX_EXECUTIONS, WorkloadCost, workload_cost
from qgen.transpilation.schedule import MICROSECONDS, device_instructions, schedule

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


class Meter:
    """See the module.

    Args:
        circuits: what runs, one for each basis, on all qubits of the device.
        backend: the device.
        stretch: how many times as long as written they are run.
        past: they ran on another day, and will not run again.

    Raises:
        BackendError: a circuit uses what the device does not have, or what is faulty; or one setting of the angles
            alone is more than a job may have.
    """

    def __init__(
        self, circuits: Sequence[QuantumCircuit], backend: Hardware, stretch: float = 1.0, past: bool = False
    ) -> None:
        if not past:
            check_isa(circuits, backend.machine)
        self._backend, self._count = backend, max(1, len(circuits))
        self._digests = [circuit_digest(one) for one in circuits]
        self._columns = max((int(one.num_parameters) for one in circuits), default=0)
        self._heaviest = max((_instructions(one) for one in circuits), default=1)
        lengths = [0.0 if past else _length_us(one, backend) for one in circuits]
        self._length = stretch * max(lengths, default=0.0)
        if self._columns and backend.shots * self._count > MAX_EXECUTIONS:
            raise BackendError(
                f"{backend.shots:,} shots in each of {self._count} bases are more than the {MAX_EXECUTIONS:,} "
                "executions that a job may have: give fewer shots"
            )

    def most_rows(self, factor: int = 1) -> int:
        """How many settings of the angles go into one job, each of them run `factor` times for every shot."""
        return max(
            1,
            min(
                MAX_EXECUTIONS // (self._backend.shots * self._count * factor),
                MOST_INSTRUCTIONS // (self._heaviest * self._count * factor),
                MOST_BYTES // (8 * max(1, self._columns) * self._count),
            ),
        )

    def rounded(self, table: Doubles) -> Doubles:
        """Angles as they are submitted."""
        return np.asarray(np.round(table, _DECIMALS) + 0.0)

    def cost(self, circuits: int, shots: int, jobs: int) -> WorkloadCost:
        """What so many circuits cost, as an upper bound."""
        length = max(self._length, LEAST_LENGTH_US)
        return workload_cost(circuits, shots, jobs, length_us=length, rep_delay_us=self._backend.rep_delay_us)

    def request(
        self,
        kind: Primitive,
        pubs: Sequence[Any],
        table: Doubles | None,
        circuits: int,
        shots: int,
        seed: tuple[int, int],
        expected: Expected,
    ) -> Request:
        """One job.

        Args:
            kind: the primitive.
            pubs: what it takes.
            table: the angles in it; None: there are none.
            circuits: how many are executed.
            shots: of each.
            seed: what tells it from an equal one, whose shots are to be others.
            expected: what its result has to be like.
        """
        about = (self._backend.name, self._digests, kind, shots, seed, self._backend.options.plain())
        mark = sha256(repr(about).encode())
        if table is not None:
            mark.update(np.ascontiguousarray(table).tobytes())
        estimate = ceil(self.cost(circuits, shots, 1).seconds)
        return Request(mark.hexdigest(), kind, pubs, circuits, shots, estimate, expected)


def _instructions(circuit: QuantumCircuit) -> int:
    """Control instructions on the busiest qubit, as the service counts them."""
    counts = [_STARTING] * circuit.num_qubits
    for step in circuit.data:
        weight = _WEIGHTS.get(step.operation.name, _ONE if len(step.qubits) == 1 else _TWO)
        for qubit in step.qubits:
            counts[circuit.find_bit(qubit).index] += weight
    return max(counts)


def _length_us(circuit: QuantumCircuit, backend: Hardware) -> float:
    """Of one execution with its measurement, in microseconds."""
    waits = schedule(device_instructions(circuit, backend.target), ())
    readout = max((about.duration or 0.0 for about in backend.target["measure"].values() if about), default=0.0)
    return MICROSECONDS * ((waits.duration if waits else 0.0) + readout)
