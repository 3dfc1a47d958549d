"""Whether a device can run a circuit; and what is said where it cannot."""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.primitives.containers.sampler_pub import SamplerPub

from qgen.backends.parameters import Doubles
from qgen.devserver.machine import Machine
from qgen.errors import QgenError

NOT_ISA, ANGLE = 1517, 1519  # IBM's codes


class RefusedError(QgenError):
    """A job that cannot run, with the code by which IBM's service calls the reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


def check_instructions(circuit: QuantumCircuit, machine: Machine) -> None:
    """See that every instruction is one of the machine's.

    Raises:
        RefusedError: one of them is not.
    """
    if circuit.num_qubits > machine.qubits:
        raise RefusedError(
            NOT_ISA, f"The circuit has {circuit.num_qubits} qubits; {machine.name} has {machine.qubits}."
        )
    index = {bit: place for place, bit in enumerate(circuit.qubits)}
    found: set[Any] = {(one.operation.name, tuple(index[bit] for bit in one.qubits)) for one in circuit.data}
    for name, qubits in sorted(found):
        if name not in ("barrier", "store") and not machine.runs(name, qubits):
            raise RefusedError(
                NOT_ISA,
                f"The instruction {name} on qubits {qubits} is not supported by the target system. "
                "Transpile your circuits for the target before submitting a primitive query.",
            )


def check_angles(circuit: QuantumCircuit, values: Doubles) -> None:
    """See that RZZ turns by 0 to pi/2: IBM's devices do no other.

    Raises:
        RefusedError: by another angle, with one of these values (..., P) of the parameters.
    """
    from qiskit_ibm_runtime.utils.utils import is_valid_rzz_pub

    if "rzz" in circuit.count_ops() and (message := is_valid_rzz_pub(SamplerPub.coerce((circuit, values)))):
        raise RefusedError(ANGLE, message)
