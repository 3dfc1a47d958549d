"""A device's simulator for IBM Runtime's local mode: as noisy as the device, and a seed for each row of a run."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from types import SimpleNamespace
from typing import Any

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.transpiler import Target
from qiskit_aer import AerSimulator

from qgen.backends.aer.seeding import Run
from qgen.backends.statevector.backend import fits
from qgen.errors import BackendError
from qgen.noise.device_noise import TargetBackend


class RowSimulator(AerSimulator):  # type: ignore[misc]  # ships no types
    """Aer with a device's noise, whose rows do not all follow one seed.

    Local mode makes all rows one run of Aer: a row's bits would depend on its place. It also sets up the whole device
    anew each time; a model of the qubits in use, made once, gives the same bits in a hundredth of the time.

    Attributes:
        runs: that the rows of the next call are split into.
    """

    runs: Sequence[Run] = ()

    @classmethod
    def of(cls, target: Target, qubits: Collection[int]) -> RowSimulator:
        """Return a simulator with the noise of these qubits; circuits are on the whole device, and use no others.

        Beyond memory it runs matrix product states.
        """
        simulator = cls.from_backend(TargetBackend(_part(target, qubits)))
        if not fits(len(qubits)):
            simulator.set_options(method="matrix_product_state")
        return simulator  # type: ignore[no-any-return]

    def run(
        self,
        circuits: Sequence[QuantumCircuit],
        parameter_binds: Sequence[dict[Parameter, Sequence[float]]],
        *,
        shots: int,
        seed_simulator: int | None = None,
        **options: Any,
    ) -> Any:
        """Return a job whose result has as many experiments as there are rows, for the one circuit.

        Without parameters there is one, whose shots are those of all rows, one after the other.

        Args:
            circuits: one.
            parameter_binds: for its parameters the numbers of all rows.
            shots: of an experiment.
            seed_simulator: not used.
            options: see `AerSimulator.run`.
        """
        (circuit,), (bound,) = circuits, parameter_binds
        count = sum(len(run.rows) for run in self.runs)
        options["shots"] = shots if bound else shots // count
        by_row: dict[int, Any] = {}
        for rows, seed in self.runs:
            binds = [{parameter: [numbers[row] for row in rows] for parameter, numbers in bound.items()}]
            arguments = ([circuit], binds) if bound else ([circuit] * len(rows), None)
            whole = super().run(*arguments, seed_simulator=seed, **options).result()
            if not whole.success:
                status = next((one.status for one in whole.results if not one.success), whole.status)
                raise BackendError(f"Aer could not run this circuit on a device's snapshot: {status}")
            by_row |= zip(rows, whole.results, strict=True)
        whole.results = [by_row[row] for row in range(count)]
        if not bound:
            first, *further = whole.results
            first.data.memory = [bits for experiment in (first, *further) for bits in experiment.data.memory]
            whole.results = [first]
        return SimpleNamespace(result=lambda: whole)


def _part(target: Target, qubits: Collection[int]) -> Target:
    """Return the same device with the gates on these qubits alone, under the same numbers."""
    part = Target(num_qubits=target.num_qubits, dt=target.dt, qubit_properties=target.qubit_properties)
    for name in target.operation_names:
        operation = target.operation_from_name(name)
        if isinstance(operation, type):  # control flow, which is everywhere
            part.add_instruction(operation, name=name)
        elif properties := {on: about for on, about in target[name].items() if set(on or ()) <= set(qubits)}:
            part.add_instruction(operation, properties, name=name)
    return part
