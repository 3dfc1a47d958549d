"""The style-based generator against its definition, multiplied out with NumPy."""

from functools import reduce

import numpy as np
import pytest
from numpy.typing import NDArray
from qiskit.quantum_info import Operator

from qgen.circuits import LayerCircuit, ansatz

Matrix = NDArray[np.complex128]


def rotation(axis: str, angle: float) -> Matrix:
    if axis == "z":
        return np.diag(np.exp([-0.5j * angle, 0.5j * angle]))
    return np.array([[np.cos(angle / 2), -np.sin(angle / 2)], [np.sin(angle / 2), np.cos(angle / 2)]], dtype=complex)


def on(qubit: int, gate: Matrix, qubits: int) -> Matrix:
    """Qubit 0 is the lowest bit, hence the last factor."""
    return reduce(np.kron, [gate if q == qubit else np.eye(2) for q in reversed(range(qubits))])


def cnot(control: int, target: int, qubits: int) -> Matrix:
    images = [state ^ (state >> control & 1) << target for state in range(2**qubits)]
    return np.eye(2**qubits)[images].T


def unitary(qubits: int, blocks: int, z: NDArray[np.float64], weights: NDArray[np.float64], in_turn: bool) -> Matrix:
    """RY RZ on each qubit, twice, then RY on each; CNOTs along the line after a block, upwards or downwards in turn."""
    pairs, total, gate = iter(weights.reshape(-1, 2)), np.eye(2**qubits, dtype=complex), 0
    for block in range(blocks):
        for axes in ("yz", "yz", "y"):
            for qubit in range(qubits):
                for axis in axes:
                    w, b = next(pairs)
                    angle = w * z[gate % len(z) if in_turn else qubit] + b
                    total = on(qubit, rotation(axis, angle), qubits) @ total
                    gate += 1
        if block < blocks - 1:
            line = [(q, q + 1) for q in range(qubits - 1)]
            for control, target in line if block % 2 == 0 else reversed(line):
                total = cnot(control, target, qubits) @ total
    assert next(pairs, None) is None
    return total


def bound(made: LayerCircuit, z: NDArray[np.float64], weights: NDArray[np.float64]) -> Matrix:
    values = dict(zip(made.inputs + made.weights, [*z.tolist(), *weights.tolist()], strict=True))
    return Operator(made.circuit.assign_parameters(values)).data


@pytest.mark.parametrize(
    ("qubits", "blocks", "latent"),
    [(1, 1, None), (1, 3, 2), (2, 2, None), (3, 3, None), (3, 5, None), (3, 2, 5), (2, 3, 4)],
)
def test_the_unitary(qubits: int, blocks: int, latent: int | None, rng: np.random.Generator) -> None:
    options = {} if latent is None else {"latent": latent}
    made = ansatz("style", qubits=qubits, layers=blocks, **options)
    assert made.num_inputs == (latent or qubits)
    assert made.num_weights == 10 * qubits * blocks
    assert made.num_observables == qubits
    z, weights = rng.normal(size=made.num_inputs), rng.uniform(0, 2 * np.pi, made.num_weights)
    wanted = unitary(qubits, blocks, z, weights, latent is not None)
    assert np.allclose(bound(made, z, weights), wanted, rtol=0, atol=1e-12)


def test_the_gates_of_the_published_circuit() -> None:
    assert dict(ansatz("style").circuit.count_ops()) == {"ry": 27, "rz": 18, "cx": 4}


@pytest.mark.parametrize("latent", [None, 4])
def test_mirrored_blocks_with_equal_weights_are_the_identity(latent: int | None, rng: np.random.Generator) -> None:
    options = {} if latent is None else {"latent": latent}
    made = ansatz("style", layers=4, mirrored=True, **options)
    halves = rng.uniform(0, 2 * np.pi, (2, 1, made.num_weights // 4))
    z = rng.normal(size=made.num_inputs)
    assert np.allclose(bound(made, z, halves.repeat(2, axis=1).ravel()), np.eye(8), rtol=0, atol=1e-12)
    assert not np.allclose(bound(made, z, rng.uniform(size=made.num_weights)), np.eye(8), atol=1e-6)
