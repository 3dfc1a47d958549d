"""What is right: a slow complex128 statevector in NumPy, which shares no code with any contender."""

from __future__ import annotations

import numpy as np

from peers.spec import Spec

PAULI = {"rx": np.array([[0, 1], [1, 0]], complex), "crx": np.array([[0, 1], [1, 0]], complex)}
PAULI["crz"] = np.diag([1, -1]).astype(complex)
ON = np.diag([0, 1]).astype(complex)


def generator(name: str) -> np.ndarray:
    """H in exp(-i angle H / 2): a Pauli matrix, kept to where the control is 1."""
    return np.kron(ON, PAULI[name]) if name.startswith("c") else PAULI[name]


def rotation(name: str, angle: float) -> np.ndarray:
    """exp(-i angle H / 2), from H^3 = H."""
    h = generator(name)
    return np.eye(len(h)) + (np.cos(angle / 2) - 1) * (h @ h) - 1j * np.sin(angle / 2) * h


def apply(matrix: np.ndarray, state: np.ndarray, qubits: tuple) -> np.ndarray:
    """`matrix` on `qubits` of a state of shape (2,) * n; axis q is qubit q."""
    k = len(qubits)
    out = np.tensordot(matrix.reshape((2,) * 2 * k), state, axes=(tuple(range(k, 2 * k)), qubits))
    return np.moveaxis(out, tuple(range(k)), qubits)


def z_values(probabilities: np.ndarray) -> np.ndarray:
    """<Z_q> for every q, of an array of shape (2,) * n."""
    n = probabilities.ndim
    marginals = [probabilities.sum(axis=tuple(a for a in range(n) if a != q)) for q in range(n)]
    return np.array([m[0] - m[1] for m in marginals])


def z_sum(coefficients: np.ndarray, state: np.ndarray) -> np.ndarray:
    """sum_q coefficients[q] Z_q applied to the state."""
    n = state.ndim
    diagonal = np.zeros((2,) * n)
    for q, coefficient in enumerate(coefficients):
        diagonal = diagonal + coefficient * np.array([1.0, -1.0]).reshape([2 if a == q else 1 for a in range(n)])
    return diagonal * state


def reference(spec: Spec, x: np.ndarray, w: np.ndarray, g: np.ndarray) -> tuple:
    """Values (B, n) and the gradients of sum(g * values) wrt x (B, n) and wrt w (P,), by the adjoint sweep.

    Source: Jones and Gacon 2020, arXiv:2009.02823, algorithm 1.
    """
    x, w, g = (np.asarray(a, np.float64) for a in (x, w, g))
    values, grad_x, grad_w = np.zeros_like(x), np.zeros_like(x), np.zeros_like(w)
    for b in range(len(x)):
        angles = {"x": x[b], "w": w}
        grads = {"x": grad_x[b], "w": grad_w}
        state = np.zeros((2,) * spec.qubits, complex)
        state[(0,) * spec.qubits] = 1
        for gate in spec.gates:
            state = apply(rotation(gate.name, angles[gate.source][gate.index]), state, gate.qubits)
        values[b] = z_values(np.abs(state) ** 2)
        bra = z_sum(g[b], state)
        for gate in reversed(spec.gates):
            # d/d angle of exp(-i angle H / 2) is -i H / 2 times itself, so the derivative is Im <bra| H |state>.
            grads[gate.source][gate.index] += np.vdot(bra, apply(generator(gate.name), state, gate.qubits)).imag
            inverse = rotation(gate.name, -angles[gate.source][gate.index])
            state, bra = (apply(inverse, s, gate.qubits) for s in (state, bra))
    return values, grad_x, grad_w
