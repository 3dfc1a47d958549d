"""Zero-noise extrapolation is mitiq's, where mitiq is installed: it asks for other versions than the tests do."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit.random import random_circuit
from qiskit.quantum_info import Operator

from qgen.backends.mitigation.method import richardson
from qgen.transpilation.folding import fold_two_qubit_gates

pytest.importorskip("mitiq", reason="mitiq is the peer: pip install mitiq")


def test_extrapolated_values(rng: np.random.Generator) -> None:
    from mitiq.zne.inference import RichardsonFactory

    for _ in range(20):
        factors = (1, *sorted(rng.choice(np.arange(3, 16, 2), int(rng.integers(1, 4)), replace=False).tolist()))
        values = rng.normal(size=len(factors))
        own = sum(float(c) * value for c, value in zip(richardson(factors), values, strict=True))
        assert own == pytest.approx(RichardsonFactory.extrapolate(list(factors), values.tolist()), abs=1e-7)


def test_folded_circuits(rng: np.random.Generator) -> None:
    from mitiq.zne.scaling import fold_gates_at_random

    def pairs(circuit: QuantumCircuit) -> Counter[tuple[int, ...]]:
        """Count gates on two qubits, by these."""
        found = (tuple(sorted(circuit.find_bit(qubit).index for qubit in gate.qubits)) for gate in circuit)
        return Counter(qubits for qubits in found if len(qubits) == 2)

    for factor in (3, 5, 7):
        drawn = random_circuit(3, 4, max_operands=2, seed=int(rng.integers(2**31)))
        circuit = QuantumCircuit(3)
        for gate in drawn:
            if len(gate.qubits) == 2:
                circuit.cx(*(drawn.find_bit(qubit).index for qubit in gate.qubits))
            else:
                circuit.rx(float(rng.normal()), drawn.find_bit(gate.qubits[0]).index)
        own = fold_two_qubit_gates(circuit, factor)
        theirs = fold_gates_at_random(circuit, float(factor), fidelities={"single": 1.0})
        assert pairs(own) == pairs(theirs)
        assert Operator(own).equiv(Operator(theirs))
