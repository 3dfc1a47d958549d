"""Observables from which the probabilities of all outcomes follow: the products of Z on some qubits."""

from collections.abc import Iterable, Sequence

import numpy as np
from qiskit.quantum_info import Pauli, SparsePauliOp

from qgen.circuits.layer_circuit import LayerCircuit
from qgen.errors import CircuitError

#: Qubits that are measured together at most: 4096 outcomes.
MAX_MEASURED_QUBITS = 12


def z_products(measured: Iterable[int], qubits: int) -> list[SparsePauliOp]:
    """Return the 2^k products of Z on k qubits: product s has a Z on measured[j] for each bit j of s that is 1.

    Product 0 is the identity. One basis measures them all, and a Walsh-Hadamard transform takes their values to the
    probabilities of the outcomes, in which bit j is the outcome of measured[j].

    Raises:
        CircuitError: no qubit, one out of range or twice, or more than 12.
    """
    chosen = tuple(measured)
    _check_number(len(chosen))
    check_qubits("measured qubits", chosen, qubits)
    products = []
    for number in range(1 << len(chosen)):
        z = np.zeros(qubits, dtype=bool)
        z[[qubit for j, qubit in enumerate(chosen) if number >> j & 1]] = True
        products.append(SparsePauliOp(Pauli((z, np.zeros(qubits, dtype=bool)))))
    return products


def with_z_products(circuit: LayerCircuit, measured: Sequence[int] | None = None) -> LayerCircuit:
    """Return the circuit with all products of Z on the measured qubits as its observables; None: on all qubits.

    Raises:
        CircuitError: see `z_products`.
    """
    chosen = range(circuit.qubits) if measured is None else measured
    products = z_products(chosen, circuit.qubits)
    return LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, products, circuit.mixture)


def check_qubits(what: str, chosen: Sequence[int], qubits: int) -> None:
    """Check that the chosen qubits are in range, each once.

    Raises:
        CircuitError: one is out of range or given twice.
    """
    wrong = [qubit for qubit in chosen if isinstance(qubit, bool) or qubit not in range(qubits)]
    if wrong or len(set(chosen)) < len(chosen):
        listed = ", ".join(map(str, chosen))
        raise CircuitError(f"The {what} are {listed}: give each qubit once, from 0 to {qubits - 1}.")


def _check_number(measured: int) -> None:
    if not 0 < measured <= MAX_MEASURED_QUBITS:
        raise CircuitError(
            f"Probabilities of the outcomes of {measured} qubits are asked for; from 1 to {MAX_MEASURED_QUBITS} qubits "
            f"({1 << MAX_MEASURED_QUBITS:,} outcomes) can be measured together. Name fewer, or take a smaller circuit."
        )
