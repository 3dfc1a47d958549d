"""IBM's program `executor`: parsed from a client's JSON, checked, run, and its result encoded as JSON."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import prod
from typing import Any, NamedTuple

import numpy as np
from qiskit import QuantumCircuit

from qgen.backends.parameters import Doubles
from qgen.devserver.device import JobRefusedError, SimulatedDevice, check_angles, check_instructions
from qgen.devserver.simulation import simulate
from qgen.errors import QgenError
from qgen.randomness import derive


class ExecutorProgram(NamedTuple):
    """A quantum program.

    Attributes:
        model: the program in the client's schema.
        items: circuits with their arguments.
        shots: shots of each bound circuit.
        circuits: number of bound circuits.
        rep_delay: seconds between two shots; None: the device's own.
    """

    model: Any
    items: tuple[Any, ...]
    shots: int
    circuits: int
    rep_delay: float | None

    @classmethod
    def parse(cls, params: dict[str, Any]) -> ExecutorProgram:
        """Parse the JSON of a client's `params`.

        Raises:
            JobRefusedError: it does not match the schema of this server.
        """
        from ibm_quantum_schemas.executor.version_2_0 import ParamsModel
        from qiskit_ibm_runtime.quantum_program.converters.converters_2_0 import quantum_program_from_2_0

        try:
            model = ParamsModel.model_validate(params)
            program, options = quantum_program_from_2_0(model)
        except Exception as error:  # whatever is wrong with it, the client is told
            raise JobRefusedError(1002, f"The params are not those of an executor program: {error}") from error
        for item in program.items:
            if hasattr(item, "samplex"):
                item.samplex.finalize()
        sizes = [prod(item.shape) for item in program.items]
        return cls(model, tuple(program.items), program.shots, sum(sizes), options.execution.rep_delay)

    def check(self, device: SimulatedDevice) -> None:
        """Check that a device can run it.

        Raises:
            JobRefusedError: an instruction is not supported, or results are asked for that a simulation does not have.
        """
        level = self.model.quantum_program.meas_level
        if level != "classified":
            raise JobRefusedError(1002, f"The devserver returns bits (`classified`), not `{level}` results.")
        for item in self.items:
            check_instructions(item.circuit, device)
            if not hasattr(item, "samplex"):  # a samplex draws its angles later, within what is allowed
                check_angles(item.circuit, item.circuit_arguments)

    def run(self, device: SimulatedDevice, seed: int) -> str:
        """Return the result as JSON: a function of the program, the device and the seed alone.

        Raises:
            JobRefusedError: it cannot be simulated.
        """
        start, shapes = datetime.now(UTC), [tuple(item.shape) for item in self.items]
        try:
            rng = np.random.default_rng(derive(seed, device.name, fingerprint(self.items, self.shots)))
            results = [_run_item(item, self.shots, device, rng) for item in self.items]
            return encode_result(self.model.quantum_program, results, shapes, start)
        except Exception as error:  # a mistake of ours must not end the thread that runs all jobs
            reason = str(error) if isinstance(error, QgenError) else f"{type(error).__name__}: {error}"
            raise JobRefusedError(1500, reason) from error


def _run_item(item: Any, shots: int, device: SimulatedDevice, rng: np.random.Generator) -> dict[str, Any]:
    from qiskit_ibm_runtime.fake_provider.executor.broadcast_sample import broadcast_sample

    shape, arrays = tuple(item.shape), {}
    if hasattr(item, "samplex"):
        arrays = broadcast_sample(item.samplex, item.samplex_arguments, shape, rng)
        values: Doubles = arrays.pop("parameter_values")
    else:
        values = np.asarray(item.circuit_arguments, dtype=np.float64)
    size = prod(shape)
    values = np.broadcast_to(values, (*shape, values.shape[-1])).reshape(size, values.shape[-1])
    if device.mock:
        bits = {one.name: rng.integers(2, size=(size, shots, one.size)).astype(bool) for one in item.circuit.cregs}
    else:
        bits = simulate(item.circuit, values, shots, device.noise, rng)
    return arrays | {name: array.reshape(*shape, *array.shape[1:]) for name, array in bits.items()}


def encode_result(
    program: Any, results: Sequence[Mapping[str, Any]], shapes: Sequence[tuple[int, ...]], start: datetime
) -> str:
    """Return a result as JSON, by IBM's schema.

    Args:
        program: the program in the schema's model.
        results: arrays by name, for each item.
        shapes: shapes of the items.
        start: when the first item began to run; the last one ended now.
    """
    from ibm_quantum_schemas.executor import version_2_0 as schema

    span = schema.ChunkSpan(
        start=start, stop=datetime.now(UTC), parts=[_chunk_part(k, shape) for k, shape in enumerate(shapes)]
    )
    result = schema.QuantumProgramResultModel(
        data=[_item_model(arrays) for arrays in results],
        metadata=schema.MetadataModel(chunk_timing=[span]),
        passthrough_data=program.passthrough_data,
        semantic_role=program.semantic_role,
    )
    return str(result.model_dump_json())


def _chunk_part(index: int, shape: tuple[int, ...]) -> Any:
    from ibm_quantum_schemas.executor.version_2_0 import ChunkPart

    size, axes = prod(shape), list(range(len(shape)))
    return ChunkPart(idx_item=index, size=size, permutation=axes, element_range=(0, size, 1))


def _item_model(arrays: Mapping[str, Any]) -> Any:
    from ibm_quantum_schemas.common import CompressedTensorModel
    from ibm_quantum_schemas.executor.version_2_0 import ItemMetadataModel, QuantumProgramResultItemModel

    tensors = {name: CompressedTensorModel.from_numpy(np.asarray(array)) for name, array in arrays.items()}
    return QuantumProgramResultItemModel(results=tensors, metadata=ItemMetadataModel())


class _Fingerprint:
    """A SHA-256 over plain values, each with its type and length."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256()

    def add(self, *parts: Any) -> None:
        """Add text, numbers, arrays, or None."""
        for part in parts:
            if isinstance(part, np.ndarray):
                text = f"{part.dtype.str}{part.shape}".encode() + np.ascontiguousarray(part).tobytes()
            else:
                text = repr(part).encode()
            self._hash.update(f"{type(part).__name__}{len(text)}:".encode() + text)

    def add_circuit(self, circuit: QuantumCircuit) -> None:
        """Add a circuit; its parameters count by their names, since their identities differ between processes.

        Operations count by their names too: a circuit of a device's own instructions has no others.
        """
        self.add(circuit.num_qubits, [(register.name, register.size) for register in circuit.cregs])
        self.add([parameter.name for parameter in circuit.parameters])
        for step in circuit.data:
            qubits = [circuit.find_bit(bit).index for bit in step.qubits]
            clbits = [circuit.find_bit(bit).index for bit in step.clbits]
            self.add(step.operation.name, qubits, clbits, [str(angle) for angle in step.operation.params])

    def to_int(self) -> int:
        """Return the hash as a number below 2^256."""
        return int.from_bytes(self._hash.digest(), "big")


def fingerprint(items: Iterable[Any], *parts: Any) -> int:
    """Return a hash of a program's items and of plain values: the seed of its results, which repeat with it."""
    digest = _Fingerprint()
    digest.add(*parts)
    for item in items:
        digest.add_circuit(item.circuit)
        digest.add(*_arguments(item))
    return digest.to_int()


def _arguments(item: Any) -> list[Any]:
    """Return the arguments of an item's circuit as plain values."""
    if not hasattr(item, "samplex"):
        return [item.circuit_arguments]
    arguments = item.samplex_arguments
    parts: list[Any] = [tuple(item.shape)]
    for name in sorted(arguments, key=_natural_key):
        value = arguments[name]
        parts += [
            _natural_key(name)[0],
            value if isinstance(value, np.ndarray | int | bool) else value.to_sparse_list(),
        ]
    # A samplex as text holds identities that differ from process to process; what it draws does not.
    drawn = dict(
        item.samplex.sample(arguments[(0,) * arguments.ndim], num_randomizations=1, rng=np.random.default_rng(0))
    )
    return parts + [part for name in sorted(drawn) for part in (name, drawn[name])]


def _natural_key(name: str) -> list[Any]:
    """Return a key that sorts `basis2` before `basis10`; a client goes on counting from one program to its next."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]
