"""What a quantum layer may be made of: each argument of the wrong kind is one line that says what to write."""

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


def checked_circuit(given: Any) -> LayerCircuit:
    """What was given, if it is a `LayerCircuit`.

    Raises:
        CircuitError: it is not; the message says how to make one of it.
    """
    if isinstance(given, LayerCircuit):
        return given
    if isinstance(given, QuantumCircuit):
        names = [parameter.name for parameter in given.parameters]
        some = ", ".join(names[:MOST_NAMED]) + (", ..." if len(names) > MOST_NAMED else "")
        raise CircuitError(
            "a quantum layer takes a LayerCircuit, which says what is an input and what is learned: write "
            f"LayerCircuit(circuit, inputs=[...], weights=[...]) with the circuit's parameters "
            f"({some or 'it has none'}) shared out between the two"
        )
    if isinstance(given, str):
        known = given in ansatz_names()
        raise CircuitError(
            f"a quantum layer takes a LayerCircuit, not the name {short_repr(given)}: write "
            f"ansatz({given if known else '...'!r}, qubits=..., layers=...), with `ansatz` of qgen.circuits, "
            f"which knows {', '.join(ansatz_names())}.{'' if known else suggestion(given, ansatz_names())}"
        )
    raise CircuitError(
        f"a quantum layer takes a LayerCircuit, not {short_repr(given)}: write LayerCircuit(circuit, inputs=[...], "
        "weights=[...]) with a QuantumCircuit of Qiskit, or ansatz(...) of qgen.circuits"
    )


def opened_backend(given: Any, shots: Any) -> Backend:
    """The backend of that name, or the one given.

    Raises:
        BackendError: it is neither, or the shots are no whole number from 1 on, or given beside an open backend.
    """
    if isinstance(given, str | BackendV2):
        return open_backend(given, shots)
    if not isinstance(given, Backend):
        raise BackendError(
            f"backend = {short_repr(given)} is no backend: give a name, as 'statevector' or 'aer', a Qiskit BackendV2, "
            "or what qgen.backends.open_backend(...) returns"
        )
    if shots is not None and (type(shots) is not int or shots != given.capabilities.shots):
        raise BackendError(
            f"shots = {short_repr(shots)} was given beside the backend `{given.name}`, which is open already: "
            "give them where it is opened, as in open_backend(..., shots=1024)"
        )
    return given


def checked_seed(given: Any) -> int | None:
    """A seed, or None.

    Raises:
        CircuitError: it is no whole number in [0, 2^63).
    """
    if given is None:
        return None
    seed = whole_number("seed (None draws from torch's generator)", given, 0)
    if seed >= SEEDS:
        raise CircuitError(f"seed must be below 2^63, not {seed}.")
    return seed


def checked_copies(given: Any) -> int | None:
    """How many circuits, or None.

    Raises:
        CircuitError: it is no whole number from 1 on.
    """
    return None if given is None else whole_number("copies (None is one circuit, without an axis)", given)
