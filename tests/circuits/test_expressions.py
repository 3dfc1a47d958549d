"""Parameters of another circuit in place of a circuit's own, of the same names."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Operator

from qgen.circuits.expressions import with_parameters_of


def build(w: ParameterVector, coefficients: np.ndarray) -> QuantumCircuit:
    """Several parameters in the global phase and in an angle, as transpilation for U1, U2 and U3 leaves them."""
    circuit = QuantumCircuit(2, global_phase=sum((c * p for c, p in zip(coefficients[0], w, strict=True)), w[0] * 0))
    circuit.rx(sum((c * p for c, p in zip(coefficients[1], w, strict=True)), w[0] * 0), 0)
    circuit.cx(0, 1)
    circuit.rz(w[0], 1)
    return circuit


def test_the_circuit_has_the_parameters_and_is_the_same(rng: np.random.Generator) -> None:
    size = int(rng.integers(2, 12))
    coefficients, values = rng.uniform(-2, 2, (2, size)), rng.uniform(-3, 3, size)
    own, other = ParameterVector("w", size), ParameterVector("w", size)
    circuit = build(own, coefficients)
    renamed = with_parameters_of(circuit, [*other, *ParameterVector("unused", 2)])
    assert set(renamed.parameters) == set(other)
    assert set(circuit.parameters) == set(own)
    found = Operator(renamed.assign_parameters(dict(zip(other, values, strict=True))))
    assert np.allclose(found.data, Operator(circuit.assign_parameters(dict(zip(own, values, strict=True)))).data)


def test_a_phase_without_parameters_stays(rng: np.random.Generator) -> None:
    phase = float(rng.uniform(0, 6))
    circuit = QuantumCircuit(1, global_phase=phase)
    assert with_parameters_of(circuit, []).global_phase == pytest.approx(phase)
