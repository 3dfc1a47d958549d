"""Instructions written in simpler ones."""

from __future__ import annotations

from qiskit import QuantumCircuit, transpile
from qiskit.circuit import Operation
from qiskit.circuit.library import UnitaryGate

from qgen.circuits.custom_gates import gate_definition, unroll_custom_gates


def unfold(operation: Operation) -> QuantumCircuit:
    """The operation written in simpler ones; raises where Qiskit has nothing simpler."""
    definition = gate_definition(operation)
    if definition is not None:
        return definition
    if getattr(operation, "to_matrix", None) is not None and not operation.params:
        unfolded: QuantumCircuit | None = UnitaryGate(operation.to_matrix()).definition
        if unfolded is not None:
            return unfolded
    alone = QuantumCircuit(operation.num_qubits)
    alone.append(operation, alone.qubits)
    return transpile(unroll_custom_gates(alone), basis_gates=["u", "cx"], optimization_level=0)
