"""Folded circuits: the same unitary, in the device's own gates, with so many times as many gates on two qubits."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Operator

from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation.folding import fold_two_qubit_gates
from qgen.transpilation.schedule import device_instructions
from qgen.transpilation.transpile import transpile


def counts(circuit: QuantumCircuit) -> tuple[int, int]:
    """How many operations on one and on two qubits."""
    widths = [len(one.qubits) for one in circuit.data]
    return widths.count(1), widths.count(2)


@pytest.mark.parametrize("device", ["fake_brisbane", "fake_lagos", "fake_fez"])  # ECR and CX one way round, CZ
def test_gates_on_two_qubits_are_repeated_where_the_device_has_them(device: str, rng: np.random.Generator) -> None:
    target, layer = open_device(device).target, ansatz("hqconv", qubits=4, layers=1)
    isa, factor = transpile(layer.circuit, target), int(rng.choice([3, 5, 7]))
    folded = fold_two_qubit_gates(isa, factor)
    device_instructions(folded, target)  # refuses what the device does not have
    alone, pairs = counts(isa)
    assert counts(folded) == (alone, factor * pairs)
    assert folded.layout == isa.layout
    assert folded.parameters == isa.parameters
    assert fold_two_qubit_gates(isa, 1) is isa


def test_the_unitary_stays(rng: np.random.Generator) -> None:
    """Gates that are their own inverse, and such with angles, open ones among them."""
    circuit, angle = QuantumCircuit(3), Parameter("a")
    for name in ("cx", "cz", "ecr", "swap", "cy"):
        first, second = rng.choice(3, 2, replace=False).tolist()
        circuit.u(*rng.uniform(-3, 3, 3), first)
        getattr(circuit, name)(first, second)
    for name in ("rzz", "rxx", "ryy", "rzx", "cp", "crx"):
        first, second = rng.choice(3, 2, replace=False).tolist()
        circuit.u(*rng.uniform(-3, 3, 3), second)
        getattr(circuit, name)(2 * angle + float(rng.normal()), first, second)
    bound = {angle: float(rng.normal())}
    wanted = Operator(circuit.assign_parameters(bound)).data
    for factor in (3, 5):
        folded = fold_two_qubit_gates(circuit, factor)
        assert counts(folded) == (11, factor * 11)
        np.testing.assert_allclose(Operator(folded.assign_parameters(bound)).data, wanted, rtol=0, atol=1e-12)


def test_barriers_and_delays_are_not_folded() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.barrier()
    circuit.delay(10, 0)
    folded = fold_two_qubit_gates(circuit, 3)
    assert [one.operation.name for one in folded.data] == ["cx", "cx", "cx", "barrier", "delay"]


def test_a_gate_whose_inverse_is_another_one_is_refused() -> None:
    circuit = QuantumCircuit(2)
    circuit.iswap(0, 1)
    with pytest.raises(BackendError, match="that of `iswap` is none of the device's gates: take a device with cx"):
        fold_two_qubit_gates(circuit, 3)
