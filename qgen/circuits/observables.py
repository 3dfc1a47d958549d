"""Observables of a layer: Hermitian sums of Paulis in canonical form."""

from collections.abc import Iterable
from typing import Any, TypeAlias

import numpy as np
from qiskit.exceptions import QiskitError
from qiskit.quantum_info import Pauli, SparseObservable, SparsePauliOp

from qgen.errors import CircuitError

#: One observable; a `str` is a Pauli label in Qiskit's order (qubit 0 on the right).
ObservableLike: TypeAlias = SparsePauliOp | SparseObservable | Pauli | str

#: Rounding in a product of Pauli operators leaves imaginary parts of about this size, relative to the largest part.
_IMAGINARY_TOLERANCE = 1e-12


def default_observables(qubits: int) -> tuple[SparsePauliOp, ...]:
    """Return Z on each qubit, in qubit order."""
    return as_observables(z_observables(range(qubits), qubits), qubits)


def z_observables(measured: Iterable[int], qubits: int) -> list[SparsePauliOp]:
    """Return Z on each of the `measured` qubits, of `qubits` qubits."""
    return [SparsePauliOp.from_sparse_list([("Z", [qubit], 1.0)], num_qubits=qubits) for qubit in measured]


def as_observables(value: Iterable[ObservableLike] | ObservableLike, qubits: int) -> tuple[SparsePauliOp, ...]:
    """Return observables in canonical form: like terms merged, zero terms dropped, sorted, real coefficients.

    A single observable counts as a list of one.

    Raises:
        CircuitError: no observable, something else than an observable, another number of qubits than `qubits`, or
            coefficients that are complex, not finite or parameters.
    """
    listed = [value] if isinstance(value, ObservableLike) else list(_as_iterable(value))
    if not listed:
        raise CircuitError("No observables: give at least one, or observables=None for Z on every qubit.")
    return tuple(_canonical(f"Observable {index}", observable, qubits) for index, observable in enumerate(listed))


def support(observables: Iterable[SparsePauliOp]) -> list[int]:
    """Return the qubits on which the observables act, ascending."""
    supports = [np.any(observable.paulis.x | observable.paulis.z, axis=0) for observable in observables]
    return np.flatnonzero(np.any(supports, axis=0)).tolist()


def pauli_terms(observable: SparsePauliOp) -> list[tuple[str, float]]:
    """Return the terms of a canonical observable: Pauli label (qubit 0 on the right) and real coefficient."""
    return [(label, float(coefficient.real)) for label, coefficient in observable.to_list()]


def observable_text(observable: SparsePauliOp) -> str:
    """Format a canonical observable: `Z0`, `0.5*Z0Z1+X2`, with `I` for the identity; coefficients to 6 digits."""
    text = ""
    for label, coefficient in pauli_terms(observable):
        paulis = "".join(f"{pauli}{k}" for k, pauli in enumerate(reversed(label)) if pauli != "I") or "I"
        size = "" if abs(coefficient) == 1 else f"{abs(coefficient):.6g}*"
        sign = "-" if coefficient < 0 else "+" if text else ""
        text += sign + size + paulis
    return text


def _as_iterable(value: Any) -> Iterable[Any]:
    if not isinstance(value, Iterable):
        raise CircuitError(f"Observables must be a list of SparsePauliOp or Pauli labels, not {value!r}.")
    return value


def _canonical(what: str, value: Any, qubits: int) -> SparsePauliOp:
    operator = _as_sparse_pauli(what, value)
    if operator.num_qubits != qubits:
        raise CircuitError(
            f"{what} acts on {operator.num_qubits} qubits, but the circuit has {qubits}; give one Pauli for every "
            "qubit, with I where nothing is measured."
        )
    coefficients = np.asarray(operator.coeffs)
    if coefficients.dtype == object:
        raise CircuitError(f"{what} has parameters among its coefficients; give numbers.")
    if not np.isfinite(coefficients).all():
        raise CircuitError(f"{what} has a coefficient that is NaN or infinite; give finite numbers.")
    # Zero tolerance: a small coefficient is the user's choice, and saving must lose nothing.
    if len(operator) > 1 or not coefficients.all():  # one term is sorted already, and sorting takes long on many qubits
        operator = operator.simplify(atol=0, rtol=0).sort()
    largest = float(np.abs(operator.coeffs).max())
    if np.abs(operator.coeffs.imag).max() > _IMAGINARY_TOLERANCE * largest:
        raise CircuitError(
            f"{what} is not Hermitian: it has complex coefficients. Give real ones (for A + iB, measure A and B)."
        )
    # The real part and + 0.0 leave one form of each number, so that equal observables have equal bytes.
    canonical = SparsePauliOp(operator.paulis, operator.coeffs.real + 0.0)
    canonical.coeffs.setflags(write=False)
    return canonical


def _as_sparse_pauli(what: str, value: Any) -> SparsePauliOp:
    try:
        if isinstance(value, SparseObservable):
            return SparsePauliOp.from_sparse_observable(value)
        if isinstance(value, ObservableLike):
            return SparsePauliOp(value)
    except QiskitError as error:
        raise CircuitError(f"{what} ({value!r}) is not a Pauli label such as 'ZIX': {error.message}") from error
    raise CircuitError(
        f"{what} is {value!r} ({type(value).__name__}); give a SparsePauliOp, a Pauli, or a label such as 'ZIX'."
    )
