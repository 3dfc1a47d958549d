"""A circuit as Qiskit's transpiler may have it, which follows definitions and names: in gates that mean both."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit.library import UnitaryGate

from qgen.circuits.exact_form import exact_form
from qgen.circuits.library_form import library_form

#: On how many qubits a matrix stands for terms of an evolution that do not commute: some 45 two-qubit gates for an open
#: time. On four qubits it would be 200, whose errors on any device outweigh those of a product formula.
MOST_ON_DEVICES = 3
#: Qubits of the largest matrix that the transpiler may write in gates; it is off by up to 1e-4 for some larger ones.
_MOST_TRANSPILED = 2


def device_form(circuit: QuantumCircuit) -> QuantumCircuit:
    """The circuit in gates of Qiskit's library that mean their definition; the same object where it is.

    A `ProductFormulaWarning` names what can only run as a product formula.

    Raises:
        CircuitError: see `exact_form` and `library_form`.
    """
    written = library_form(exact_form(circuit, MOST_ON_DEVICES))
    if not any(_is_large(instruction.operation) for instruction in written.data):
        return written
    small = written.copy_empty_like()
    for instruction in written.data:
        if _is_large(instruction.operation):
            small.compose(instruction.operation.definition, instruction.qubits, inplace=True)
        else:
            small.append(instruction)
    return small


def _is_large(operation: object) -> bool:
    return isinstance(operation, UnitaryGate) and operation.num_qubits > _MOST_TRANSPILED
