"""Gate folding: gates on two qubits repeated with their inverses, so that their errors happen several times."""

from __future__ import annotations

from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction, Gate
from qiskit.circuit.exceptions import CircuitError as QiskitCircuitError

from qgen.errors import BackendError


def fold_two_qubit_gates(isa: QuantumCircuit, factor: int) -> QuantumCircuit:
    """Replace each gate G on two qubits by G (G^-1 G)^k, with factor = 2 k + 1, in the device's own gates.

    The circuit stays what it is, and has `factor` times as many gates on two qubits, which make most of a device's
    errors. Nothing may simplify it afterwards. Source: Giurgica-Tiron et al., "Digital zero noise extrapolation for
    quantum error mitigation", 2020, arXiv:2005.10921, II B (folding of all gates, here of those on two qubits).

    Args:
        isa: in the device's own gates, on its physical qubits, before delays are put where qubits wait.
        factor: odd, from 1 on; 1 returns the same object.

    Raises:
        BackendError: the inverse of a gate is another gate, which the device may not have.
    """
    if factor == 1:
        return isa
    folded = isa.copy_empty_like()
    for instruction in isa.data:
        folded.append(instruction)
        if is_folded(instruction):
            back = instruction.replace(operation=_inverse(instruction.operation))
            for _ in range(factor // 2):
                folded.append(back)
                folded.append(instruction)
    return folded


def is_folded(instruction: CircuitInstruction) -> bool:
    """Whether an instruction is a gate on two qubits."""
    return isinstance(instruction.operation, Gate) and len(instruction.qubits) == 2


def _inverse(gate: Gate) -> Gate:
    try:
        inverse = gate.inverse()
    except QiskitCircuitError:
        inverse = None
    if inverse is None or inverse.name != gate.name:
        raise BackendError(
            f"zero-noise extrapolation repeats gates with their inverses, and that of `{gate.name}` is none of the "
            "device's gates: take a device with cx, cz or ecr, or mitigation `readout`"
        )
    return inverse
