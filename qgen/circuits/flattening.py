"""A circuit in gates that have a name in the field: composite blocks written out, but nothing transpiled."""

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, Instruction, Operation
from qiskit.circuit.library import UnitaryGate
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import HighLevelSynthesis

from qgen.circuits.exact_form import MOST_SIMULATED, written_out


def flattened(circuit: QuantumCircuit) -> QuantumCircuit:
    """The same circuit in gates on one or two qubits, and barriers.

    Composite blocks and gates on three or more qubits are replaced by their definitions until only Qiskit's standard
    gates and unitary matrices on at most two qubits are left. A controlled rotation stays one gate. What has no
    definition stays as it is.
    """
    return _flattened(written_out(circuit, MOST_SIMULATED)[0])


def _flattened(circuit: QuantumCircuit) -> QuantumCircuit:
    if not all(isinstance(instruction.operation, Instruction) for instruction in circuit.data):
        # Annotated operations have no definition; the pass writes just those out.
        circuit = PassManager([HighLevelSynthesis()]).run(circuit)
    flat = circuit.copy_empty_like()
    for instruction in circuit.data:
        if _is_flat(instruction.operation, instruction.is_standard_gate()):
            flat.append(instruction)
        else:
            flat.compose(_flattened(instruction.operation.definition), instruction.qubits, inplace=True)
    return flat


def _is_flat(operation: Operation, standard: bool) -> bool:
    if isinstance(operation, Barrier) or operation.definition is None:
        return True
    return operation.num_qubits <= 2 and (standard or isinstance(operation, UnitaryGate))
