"""A device's simulator for IBM Runtime's local mode: as noisy as the device, and a seed for each row of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qgen.backends.noise.device import Described


class RowSimulator(AerSimulator):  # type: ignore[misc]  # ships no types
    """Aer with a device's noise; each row of a run is a run of its own, with its own seed.

    Local mode makes all rows one run of Aer, which then counts up from one seed: a row's bits would depend on its
    place, and rows would share what they draw (see `Trajectories`). It also sets up the whole device anew each time; a
    model of the qubits in use, made once, gives the same bits in a hundredth of the time.

    Attributes:
        seeds: of the rows of the next run.
    """

    seeds: Sequence[int] = ()

    @classmethod
    def of(cls, target: Target, qubits: Collection[int]) -> RowSimulator:
        """With the noise of the gates on these qubits; circuits are on the whole device, and use no others."""
        return cls.from_backend(Described(_part(target, qubits)))  # type: ignore[no-any-return]

    def run(
        self,
        circuits: Sequence[QuantumCircuit],
        parameter_binds: Sequence[dict[Parameter, Sequence[float]]],
        *,
        shots: int,
        seed_simulator: int | None = None,
        **options: Any,
    ) -> Any:
        """A job whose result has as many experiments as there are rows, for the one circuit.

        Without parameters there is one, whose shots are those of all rows, one after the other.

        Args:
            circuits: one.
            parameter_binds: for its parameters the numbers of all rows.
            shots: of an experiment.
            seed_simulator: not used.
            options: see `AerSimulator.run`.
        """
        (bound,) = parameter_binds
        each = shots if bound else shots // len(self.seeds)
        jobs = [
            super(RowSimulator, self).run(circuits, [row], shots=each, seed_simulator=seed, **options)
            for row, seed in zip(_rows(bound, len(self.seeds)), self.seeds, strict=True)
        ]
        whole, *others = (job.result() for job in jobs)
        whole.results += [result.results[0] for result in others]
        if not bound:
            first, *further = whole.results
            first.data.memory = [bits for one in (first, *further) for bits in one.data.memory]
            whole.results = [first]
        return SimpleNamespace(result=lambda: whole)


def _rows(bound: dict[Parameter, Sequence[float]], count: int) -> Iterator[dict[Parameter, list[float]]]:
    if not bound:
        return iter([{}] * count)
    table = zip(*bound.values(), strict=True)
    return ({parameter: [number] for parameter, number in zip(bound, row, strict=True)} for row in table)


def _part(target: Target, qubits: Collection[int]) -> Target:
    """The same device with the gates on these qubits alone, under the same numbers."""
    part = Target(num_qubits=target.num_qubits, dt=target.dt, qubit_properties=target.qubit_properties)
    for name in target.operation_names:
        operation = target.operation_from_name(name)
        if isinstance(operation, type):  # control flow, which is everywhere
            part.add_instruction(operation, name=name)
        elif here := {place: about for place, about in target[name].items() if set(place or ()) <= set(qubits)}:
            part.add_instruction(operation, here, name=name)
    return part
