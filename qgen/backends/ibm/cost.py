"""CostModel: what circuits cost on IBM's hardware in QPU seconds, how many fit into a job, and a job's key."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from math import ceil
from typing import Any

import numpy as np
from qiskit import QuantumCircuit

from qgen.backends.ibm.client import Primitive
from qgen.backends.ibm.hardware import Hardware
from qgen.backends.ibm.layouts import check_isa
from qgen.backends.ibm.results import ExpectedResult
from qgen.backends.ibm.runner import Request
from qgen.backends.parameters import Doubles
from qgen.circuits.digest import circuit_digest
from qgen.errors import BackendError
from qgen.transpilation.cost import MAX_EXECUTIONS, WorkloadCost, workload_cost
from qgen.transpilation.schedule import MICROSECONDS, device_instructions, schedule

#: Bytes of angles in one job, before packing: about what the service has accepted.
MAX_BYTES = 48_000_000
#: Control instructions that a job may have on one qubit; a two-qubit gate counts 5, a measurement 10.
MAX_INSTRUCTIONS = 26_000_000
_WEIGHTS = {"rz": 1, "barrier": 0, "measure": 10}
_ONE_QUBIT, _TWO_QUBIT, _INITIAL = 2, 5, 50
#: The least time that an execution counts for, in microseconds: IBM's rule of thumb.
MIN_LENGTH_US = 100.0
#: Decimals that angles are rounded to, so that a last bit never makes a request look new.
_DECIMALS = 9


class CostModel:
    """The cost of circuits on a device.

    Args:
        circuits: what runs, one for each basis, on all qubits of the device.
        backend: the device.
        stretch: factor on the length of the circuits, by error mitigation.
        faulty: whether they use what is out of order: they ran on another day, and will not run again.

    Raises:
        BackendError: a circuit uses what the device does not have, or what is faulty; or one set of angles alone is
            more than a job may have.
    """

    def __init__(
        self, circuits: Sequence[QuantumCircuit], backend: Hardware, stretch: float = 1.0, faulty: bool = False
    ) -> None:
        if not faulty:
            check_isa(circuits, backend.machine)
        self._backend, self._count = backend, max(1, len(circuits))
        self._digests = [circuit_digest(circuit) for circuit in circuits]
        self._columns = max((int(circuit.num_parameters) for circuit in circuits), default=0)
        self._heaviest = max((_instructions(circuit) for circuit in circuits), default=1)
        lengths = [0.0 if faulty else _length_us(circuit, backend) for circuit in circuits]
        self._length = stretch * max(lengths, default=0.0)
        self.check_shots(backend.shots)

    def check_shots(self, shots: int) -> None:
        """Check that one set of angles fits into a job.

        Raises:
            BackendError: it is measured too often.
        """
        if self._columns and shots * self._count > MAX_EXECUTIONS:
            where = f" in each of {self._count} bases" if self._count > 1 else ""
            raise BackendError(
                f"{shots:,} shots{where} are more than the {MAX_EXECUTIONS:,} executions that a job may have: give "
                "fewer shots"
            )

    def max_rows(self, shots: int, factor: int = 1) -> int:
        """Return how many sets of angles fit into one job, where each is run `factor` times for every shot."""
        return max(
            1,
            min(
                MAX_EXECUTIONS // (shots * self._count * factor),
                MAX_INSTRUCTIONS // (self._heaviest * self._count * factor),
                MAX_BYTES // (8 * max(1, self._columns) * self._count),
            ),
        )

    def round_angles(self, table: Doubles) -> Doubles:
        """Return angles as they are submitted."""
        return np.asarray(np.round(table, _DECIMALS) + 0.0)

    def cost(self, circuits: int, shots: int, jobs: int) -> WorkloadCost:
        """Return an upper bound on the cost of a number of circuits."""
        length = max(self._length, MIN_LENGTH_US)
        return workload_cost(circuits, shots, jobs, length_us=length, rep_delay_us=self._backend.rep_delay_us)

    def request(
        self,
        kind: Primitive,
        pubs: Sequence[Any],
        table: Doubles | None,
        circuits: int,
        shots: int,
        seed: tuple[int | str, ...],
        expected: ExpectedResult,
    ) -> Request:
        """Return the request for one job.

        Args:
            kind: the primitive.
            pubs: its arguments.
            table: the angles in it; None: there are none.
            circuits: number of circuits that are executed.
            shots: shots of each.
            seed: tells it from an equal request whose shots are to be others.
            expected: the shape of its result.
        """
        content = (self._backend.name, self._digests, kind, shots, seed, self._backend.options.plain())
        key = sha256(repr(content).encode())
        if table is not None:
            key.update(np.ascontiguousarray(table).tobytes())
        estimate = ceil(self.cost(circuits, shots, 1).seconds)
        return Request(key.hexdigest(), kind, pubs, circuits, shots, estimate, expected)


def _instructions(circuit: QuantumCircuit) -> int:
    """Return the control instructions on the busiest qubit, as the service counts them."""
    counts = [_INITIAL] * circuit.num_qubits
    for step in circuit.data:
        weight = _WEIGHTS.get(step.operation.name, _ONE_QUBIT if len(step.qubits) == 1 else _TWO_QUBIT)
        for qubit in step.qubits:
            counts[circuit.find_bit(qubit).index] += weight
    return max(counts)


def _length_us(circuit: QuantumCircuit, backend: Hardware) -> float:
    """Return the length of one execution with its measurement in microseconds."""
    timing = schedule(device_instructions(circuit, backend.target), ())
    readout = max((entry.duration or 0.0 for entry in backend.target["measure"].values() if entry), default=0.0)
    return MICROSECONDS * ((timing.duration if timing else 0.0) + readout)
