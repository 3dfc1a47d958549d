"""Observables that together are the probabilities of outcomes: all products of Z on some qubits."""

from collections.abc import Iterable, Sequence

import numpy as np
from qiskit.quantum_info import Pauli, SparsePauliOp

from qgen.circuits.layer_circuit import LayerCircuit
from qgen.errors import CircuitError

MOST_MEASURED = 12  # qubits: 4096 outcomes


def z_products(measured: Iterable[int], qubits: int) -> list[SparsePauliOp]:
    """The 2^k products of Z on k of the qubits: number s has a Z on measured[j] for each bit j of s that is 1.

    Number 0 is the identity. One basis measures them all, and a Walsh-Hadamard transform takes their values to the
    probabilities of the outcomes, in which bit j is what measured[j] reads.

    Raises:
        CircuitError: no qubit, one that does not exist or is given twice, or more than 12.
    """
    chosen = tuple(measured)
    _check_number(len(chosen))
    check_places("measured qubits", chosen, qubits)
    found = []
    for number in range(1 << len(chosen)):
        z = np.zeros(qubits, dtype=bool)
        z[[qubit for j, qubit in enumerate(chosen) if number >> j & 1]] = True
        found.append(SparsePauliOp(Pauli((z, np.zeros(qubits, dtype=bool)))))
    return found


def with_outcomes(circuit: LayerCircuit, measured: Sequence[int] | None = None) -> LayerCircuit:
    """The same circuit, with all products of Z on the measured qubits as its observables; None: on every qubit.

    Raises:
        CircuitError: see `z_products`.
    """
    chosen = range(circuit.qubits) if measured is None else measured
    products = z_products(chosen, circuit.qubits)
    return LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, products, circuit.mixture)


def check_places(what: str, given: Sequence[int], qubits: int) -> None:
    """Checks that the given ones are some of so many qubits, each named once.

    Raises:
        CircuitError: they are not.
    """
    strange = [qubit for qubit in given if isinstance(qubit, bool) or qubit not in range(qubits)]
    if strange or len(set(given)) < len(given):
        named = ", ".join(map(str, given))
        raise CircuitError(f"The {what} are {named}: give each qubit once, from 0 to {qubits - 1}.")


def _check_number(measured: int) -> None:
    if not 0 < measured <= MOST_MEASURED:
        raise CircuitError(
            f"Probabilities of the outcomes of {measured} qubits are asked for; from 1 to {MOST_MEASURED} qubits "
            f"({1 << MOST_MEASURED:,} outcomes) can be measured together. Name fewer, or take a smaller circuit."
        )
