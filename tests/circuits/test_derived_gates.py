"""Classes derived from Qiskit's gates: Qiskit forgets them when it copies a circuit, and nothing may change by it."""

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import CRXGate, RXGate, RYGate, XGate

from qgen.circuits import LayerCircuit
from qgen.errors import CircuitError


class Renamed(RXGate):
    """The same gate."""


class Redefined(RXGate):
    """RX by its matrix, RY by its definition."""

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.ry(self.params[0], 0)


class Other(Redefined):
    """RY by both."""

    def __array__(self, dtype: object = None, copy: object = None) -> np.ndarray:
        return RYGate(self.params[0]).to_matrix()


class Controlled(CRXGate):
    """Likewise contradictory."""

    def _define(self) -> None:
        self.definition = QuantumCircuit(2)
        self.definition.cry(self.params[0], 0, 1)


class Fixed(XGate):
    """Likewise, without an angle."""

    def _define(self) -> None:
        self.definition = QuantumCircuit(1)
        self.definition.y(0)


def layer(gate: Gate) -> LayerCircuit:
    circuit = QuantumCircuit(gate.num_qubits)
    circuit.h(0)
    circuit.append(gate, circuit.qubits)
    return LayerCircuit(circuit, circuit.parameters, [])


@pytest.mark.parametrize("angle", [0.4, Parameter("a")])
def test_a_gate_that_is_the_same_is_qiskits(angle: object) -> None:
    assert layer(Renamed(angle)) == layer(RXGate(angle))


@pytest.mark.parametrize("angle", [0.4, Parameter("a")])
def test_a_gate_that_is_another_stays_itself(angle: object, expectations) -> None:
    made = layer(Other(angle))
    assert made != layer(RXGate(angle))
    assert LayerCircuit.from_json(made.to_json()) == made
    inputs = [0.4] * made.num_inputs
    assert np.allclose(expectations(made, inputs, []), -np.sin(0.4), atol=1e-12)


@pytest.mark.parametrize("gate", [Redefined(0.4), Redefined(Parameter("a")), Controlled(0.4), Fixed()])
def test_a_gate_that_contradicts_itself_is_refused(gate: Gate) -> None:
    with pytest.raises(CircuitError, match=r"is derived from \w+, for which Qiskit takes it.*derive it from Gate"):
        layer(gate)
