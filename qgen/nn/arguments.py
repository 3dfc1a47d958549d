"""Arguments of quantum layers: one of the wrong kind is refused in one line that says what to write."""

from __future__ import annotations

from typing import Any

from qiskit import QuantumCircuit
from qiskit.providers import BackendV2

from qgen.backends import Backend, open_backend
from qgen.circuits import LayerCircuit, ansatz_names
from qgen.circuits.arguments import whole_number
from qgen.errors import BackendError, CircuitError, short_repr, suggestion

MOST_NAMED = 6  # parameters of a circuit that a message names
SEEDS = 2**63


def checked_circuit(circuit: Any) -> LayerCircuit:
    """Return the argument, if it is a `LayerCircuit`.

    Raises:
        CircuitError: it is not; the message says how to make one of it.
    """
    if isinstance(circuit, LayerCircuit):
        return circuit
    if isinstance(circuit, QuantumCircuit):
        names = [parameter.name for parameter in circuit.parameters]
        listed = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        raise CircuitError(
            "a quantum layer takes a LayerCircuit, which says what is an input and what is learned: write "
            f"LayerCircuit(circuit, inputs=[...], weights=[...]) with the circuit's parameters "
            f"({listed or 'it has none'}) shared out between the two"
        )
    if isinstance(circuit, str):
        known = circuit in ansatz_names()
        raise CircuitError(
            f"a quantum layer takes a LayerCircuit, not the name {short_repr(circuit)}: write "
            f"ansatz({circuit if known else '...'!r}, qubits=..., layers=...), with `ansatz` of qgen.circuits, "
            f"which knows {', '.join(ansatz_names())}.{'' if known else suggestion(circuit, ansatz_names())}"
        )
    raise CircuitError(
        f"a quantum layer takes a LayerCircuit, not {short_repr(circuit)}: write LayerCircuit(circuit, inputs=[...], "
        "weights=[...]) with a QuantumCircuit of Qiskit, or ansatz(...) of qgen.circuits"
    )


def opened_backend(backend: Any, shots: Any) -> Backend:
    """Return the backend of that name, or the open one.

    Raises:
        BackendError: it is neither, or the shots are no whole number from 1 on, or given beside an open backend.
    """
    if isinstance(backend, str | BackendV2):
        return open_backend(backend, shots)
    if not isinstance(backend, Backend):
        raise BackendError(
            f"backend = {short_repr(backend)} is no backend: give a name, as 'statevector' or 'aer', a Qiskit "
            "BackendV2, or what qgen.backends.open_backend(...) returns"
        )
    if shots is not None and (type(shots) is not int or shots != backend.capabilities.shots):
        raise BackendError(
            f"shots = {short_repr(shots)} was given beside the backend `{backend.name}`, which is open already: "
            "give them where it is opened, as in open_backend(..., shots=1024)"
        )
    return backend


def checked_seed(value: Any) -> int | None:
    """Return a seed, or None.

    Raises:
        CircuitError: it is no whole number in [0, 2^63).
    """
    if value is None:
        return None
    seed = whole_number("seed (None draws from torch's generator)", value, 0)
    if seed >= SEEDS:
        raise CircuitError(f"seed must be below 2^63, not {seed}.")
    return seed


def checked_copies(copies: Any) -> int | None:
    """Return the number of circuits, or None.

    Raises:
        CircuitError: it is no whole number from 1 on.
    """
    return None if copies is None else whole_number("copies (None is one circuit, without an axis)", copies)
