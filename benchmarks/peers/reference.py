"""What is right: a slow complex128 statevector in NumPy, which shares no code with any contender."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from harness.case import Case

X, Z, ON = np.array([[0, 1], [1, 0]], complex), np.diag([1, -1]).astype(complex), np.diag([0, 1]).astype(complex)
#: H in exp(-i angle H / 2): a Pauli matrix, kept to where the control is 1.
GENERATORS = {"rx": X, "crx": np.kron(ON, X), "crz": np.kron(ON, Z)}


def rotation(name: str, angle: float) -> np.ndarray:
    """exp(-i angle H / 2), from H^3 = H."""
    h = GENERATORS[name]
    return np.eye(len(h)) + (np.cos(angle / 2) - 1) * (h @ h) - 1j * np.sin(angle / 2) * h


def apply(matrix: np.ndarray, state: np.ndarray, qubits: tuple[int, ...]) -> np.ndarray:
    """`matrix` on `qubits` of a state of shape (2,) * n; axis q is qubit q."""
    k = len(qubits)
    out = np.tensordot(matrix.reshape((2,) * 2 * k), state, axes=(tuple(range(k, 2 * k)), qubits))
    return np.moveaxis(out, tuple(range(k)), qubits)


def reference(case: Case, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values (B, n) and the gradients of sum(g * values) wrt x (B, n) and wrt w (P,), by the adjoint sweep.

    Source: Jones and Gacon 2020, arXiv:2009.02823, algorithm 1.
    """
    x, w, g = (np.asarray(a, np.float64) for a in (x, w, g))
    values, grad_x, grad_w = np.zeros_like(x), np.zeros_like(x), np.zeros_like(w)
    for b in range(len(x)):
        gradients = {"x": grad_x[b], "w": grad_w}
        state = np.zeros((2,) * case.qubits, complex)
        state[(0,) * case.qubits] = 1
        for gate in case.gates:
            state = apply(rotation(gate.name, gate.angle(x[b], w)), state, gate.qubits)
        flipped = [apply(Z, state, (q,)) for q in range(case.qubits)]
        values[b] = [np.vdot(state, z_state).real for z_state in flipped]
        bra = np.tensordot(g[b], flipped, axes=1)
        for gate in reversed(case.gates):
            # d/d angle of exp(-i angle H / 2) is -i H / 2 times itself, so the derivative is Im <bra| H |state>.
            gradients[gate.source][gate.index] += np.vdot(bra, apply(GENERATORS[gate.name], state, gate.qubits)).imag
            inverse = rotation(gate.name, -gate.angle(x[b], w))
            state, bra = (apply(inverse, s, gate.qubits) for s in (state, bra))
    return values, grad_x, grad_w
