"""The program `executor`: what a client sends, what it amounts to, and what it gets back."""

from __future__ import annotations

from datetime import UTC, datetime
from math import prod
from typing import Any, NamedTuple

import numpy as np

from qgen.backends.parameters import Doubles
from qgen.devserver.checks import RefusedError, check_angles, check_instructions
from qgen.devserver.fingerprint import fingerprint
from qgen.devserver.machine import Machine
from qgen.devserver.results import encode_result
from qgen.devserver.simulation import simulate
from qgen.errors import QgenError
from qgen.randomness import derive


class Program(NamedTuple):
    """A quantum program, decoded.

    Attributes:
        model: as the client's schema has it.
        items: circuits with their arguments.
        shots: of each bound circuit.
        circuits: how many bound circuits there are.
        rep_delay: in seconds; None: the device's own.
    """

    model: Any
    items: tuple[Any, ...]
    shots: int
    circuits: int
    rep_delay: float | None

    @classmethod
    def read(cls, params: dict[str, Any]) -> Program:
        """From the JSON of a client's `params`.

        Raises:
            RefusedError: it is not of the schema that this server speaks.
        """
        from ibm_quantum_schemas.executor.version_2_0 import ParamsModel
        from qiskit_ibm_runtime.quantum_program.converters.converters_2_0 import quantum_program_from_2_0

        try:
            model = ParamsModel.model_validate(params)
            program, options = quantum_program_from_2_0(model)
        except Exception as error:  # whatever is wrong with it, the client is to hear of it
            raise RefusedError(1002, f"The params are not those of an executor program: {error}") from error
        for item in program.items:
            if hasattr(item, "samplex"):
                item.samplex.finalize()
        sizes = [prod(item.shape) for item in program.items]
        return cls(model, tuple(program.items), program.shots, sum(sizes), options.execution.rep_delay)

    def check(self, machine: Machine) -> None:
        """See that the machine can run it.

        Raises:
            RefusedError: an instruction is none of its own, or results are asked for that a simulation has not.
        """
        level = self.model.quantum_program.meas_level
        if level != "classified":
            raise RefusedError(1002, f"The devserver returns bits (`classified`), not `{level}` results.")
        for item in self.items:
            check_instructions(item.circuit, machine)
            if not hasattr(item, "samplex"):  # it draws its angles later, and within what is allowed
                check_angles(item.circuit, item.circuit_arguments)

    def run(self, machine: Machine, seed: int) -> str:
        """The result as JSON: a function of the program, the machine and the seed alone.

        Raises:
            RefusedError: it cannot be simulated.
        """
        start, shapes = datetime.now(UTC), [tuple(item.shape) for item in self.items]
        try:
            rng = np.random.default_rng(derive(seed, machine.name, fingerprint(self.items, self.shots)))
            found = [_run_item(item, self.shots, machine, rng) for item in self.items]
            return encode_result(self.model.quantum_program, found, shapes, start)
        except Exception as error:  # a mistake of ours must not end the thread that runs all jobs
            what = str(error) if isinstance(error, QgenError) else f"{type(error).__name__}: {error}"
            raise RefusedError(1500, what) from error


def _run_item(item: Any, shots: int, machine: Machine, rng: np.random.Generator) -> dict[str, Any]:
    from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample

    shape, extra = tuple(item.shape), {}
    if hasattr(item, "samplex"):
        extra = broadcast_sample(item.samplex, item.samplex_arguments, shape, rng)
        values: Doubles = extra.pop("parameter_values")
    else:
        values = np.asarray(item.circuit_arguments, dtype=np.float64)
    size = prod(shape)
    values = np.broadcast_to(values, (*shape, values.shape[-1])).reshape(size, values.shape[-1])
    if machine.mock:
        read = {one.name: rng.integers(2, size=(size, shots, one.size)).astype(bool) for one in item.circuit.cregs}
    else:
        read = simulate(item.circuit, values, shots, machine.noise, rng)
    return extra | {name: bits.reshape(*shape, *bits.shape[1:]) for name, bits in read.items()}
