"""Move a transpiled circuit to other qubits of its device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from qiskit import QuantumCircuit, QuantumRegister, generate_preset_pass_manager
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Layout, Target, TranspileLayout

from qgen.errors import BackendError


def relayout(isa: QuantumCircuit, mapping: Mapping[int, int], target: Target) -> QuantumCircuit:
    """Move a transpiled circuit to other qubits, with its layout; gates are reversed if the device needs it.

    Args:
        isa: in the device's gates, with a layout, as the transpiler returns it.
        mapping: physical qubit -> its new physical qubit, for all qubits in use; injective.
        target: the device.

    Raises:
        BackendError: a gate that the device does not have there in either direction.
    """
    permutation = _complete(mapping, target.num_qubits)
    moved = fix_directions(relabel_qubits(isa, dict(enumerate(permutation)), target.num_qubits), target)
    moved._layout = _permuted_layout(isa.layout, permutation, moved)  # noqa: SLF001  # there is no public setter
    return moved


def relabel_qubits(circuit: QuantumCircuit, mapping: Mapping[int, int], num_qubits: int) -> QuantumCircuit:
    """Relabel qubits; measurements and what acts on unmapped qubits are dropped, directions of gates are kept.

    Args:
        circuit: its qubits are numbered from 0 on.
        mapping: qubit -> new qubit, at least for all that gates act on.
        num_qubits: of the new circuit.
    """
    relabelled = QuantumCircuit(num_qubits, global_phase=circuit.global_phase, name=circuit.name)
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        mapped = [mapping[qubit] for qubit in qubits if qubit in mapping]
        if instruction.operation.name == "barrier":
            relabelled.barrier(mapped)
        elif mapped and instruction.operation.name != "measure":
            relabelled.append(instruction.operation, mapped)
    return relabelled


def fix_directions(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    """Reverse two-qubit gates that the device has in the other direction only.

    Args:
        circuit: on all qubits of the device, in its gates but for their directions, and without measurements. It is
            returned unchanged if all directions are right.
        target: the device.

    Raises:
        BackendError: a gate that the device does not have there in either direction, or that cannot be reversed.
    """
    if _is_supported(circuit, target):
        return circuit
    manager = generate_preset_pass_manager(
        optimization_level=1,
        target=target,
        initial_layout=list(range(circuit.num_qubits)),
        routing_method="none",
        seed_transpiler=0,
    )
    try:
        return manager.run(circuit)
    except QiskitError as error:
        raise BackendError(f"the circuit cannot be moved to other qubits: {error.message}") from error


def set_layout(isa: QuantumCircuit, circuit: QuantumCircuit, starts: Sequence[int], ends: Sequence[int]) -> None:
    """Give a circuit on a device's qubits its layout, as the transpiler would.

    Args:
        isa: on all qubits of the device.
        circuit: what it was made from.
        starts: the physical qubit on which each qubit of `circuit` starts.
        ends: that on which it ends.
    """
    virtual = [*circuit.qubits, *QuantumRegister(isa.num_qubits - circuit.num_qubits, "ancilla")]
    first, last = ([*some, *sorted(set(range(isa.num_qubits)) - set(some))] for some in (starts, ends))
    isa._layout = TranspileLayout(  # noqa: SLF001  # there is no public setter
        initial_layout=Layout(dict(zip(virtual, first, strict=True))),
        input_qubit_mapping={qubit: k for k, qubit in enumerate(virtual)},
        final_layout=Layout({isa.qubits[start]: end for start, end in zip(first, last, strict=True)}),
        _input_qubit_count=circuit.num_qubits,
        _output_qubit_list=list(isa.qubits),
    )


def initial_layout(isa: QuantumCircuit) -> tuple[int, ...]:
    """Return the physical qubit on which each logical qubit starts."""
    return tuple(isa.layout.initial_index_layout(filter_ancillas=True))


def final_layout(isa: QuantumCircuit) -> tuple[int, ...]:
    """Return the physical qubit on which each logical qubit ends."""
    return tuple(isa.layout.final_index_layout(filter_ancillas=True))


def _complete(mapping: Mapping[int, int], num_qubits: int) -> list[int]:
    """Extend a mapping to a permutation of all qubits: unmapped qubits go to the free ones, in order."""
    free = iter(sorted(set(range(num_qubits)) - set(mapping.values())))
    return [mapping[qubit] if qubit in mapping else next(free) for qubit in range(num_qubits)]


def _permuted_layout(layout: TranspileLayout, permutation: list[int], moved: QuantumCircuit) -> TranspileLayout:
    starts = layout.initial_layout.get_virtual_bits()
    ends = layout.final_index_layout(filter_ancillas=False)
    final = {}
    for virtual, index in layout.input_qubit_mapping.items():
        final[moved.qubits[permutation[starts[virtual]]]] = permutation[ends[index]]
    return TranspileLayout(
        initial_layout=Layout({virtual: permutation[start] for virtual, start in starts.items()}),
        input_qubit_mapping=layout.input_qubit_mapping,
        final_layout=Layout(final),
        _input_qubit_count=len(layout.initial_index_layout(filter_ancillas=True)),
        _output_qubit_list=list(moved.qubits),
    )


def _is_supported(circuit: QuantumCircuit, target: Target) -> bool:
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    return all(
        instruction.operation.name == "barrier"
        or target.instruction_supported(instruction.operation.name, tuple(index[q] for q in instruction.qubits))
        for instruction in circuit.data
    )
