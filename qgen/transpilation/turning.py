"""A circuit in a device's gates on other qubits, gates that then point the wrong way turned around."""

from __future__ import annotations

from collections.abc import Mapping

from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.exceptions import QiskitError
from qiskit.transpiler import Target

from qgen.errors import BackendError


def relocated(circuit: QuantumCircuit, places: Mapping[int, int], width: int) -> QuantumCircuit:
    """The circuit elsewhere, its gates as they point; without measurements, and without what is on qubits left out.

    Args:
        circuit: its qubits are numbered from 0 on.
        places: qubit -> its new place, at least for all that gates act on.
        width: how many qubits the new circuit has.
    """
    moved = QuantumCircuit(width, global_phase=circuit.global_phase, name=circuit.name)
    for instruction in circuit.data:
        qubits = [circuit.find_bit(qubit).index for qubit in instruction.qubits]
        there = [places[qubit] for qubit in qubits if qubit in places]
        if instruction.operation.name == "barrier":
            moved.barrier(there)
        elif there and instruction.operation.name != "measure":
            moved.append(instruction.operation, there)
    return moved


def turned(circuit: QuantumCircuit, target: Target) -> QuantumCircuit:
    """The same circuit on the same qubits, in directions that the device has; one that fits comes back as it is.

    Args:
        circuit: on all qubits of the device, in its gates but for their directions, and without measurements.
        target: the device.

    Raises:
        BackendError: a gate that the device does not have there in either direction, or that cannot be turned.
    """
    if _fits(circuit, target):
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


def _fits(circuit: QuantumCircuit, target: Target) -> bool:
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    return all(
        instruction.operation.name == "barrier"
        or target.instruction_supported(instruction.operation.name, tuple(index[q] for q in instruction.qubits))
        for instruction in circuit.data
    )
