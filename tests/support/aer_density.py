"""Outcome probabilities of a circuit on fake_manila, by Aer alone: its noise, density matrix and readout errors."""

from __future__ import annotations

import numpy as np
from qiskit import QuantumCircuit
from qiskit.quantum_info import DensityMatrix
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qgen.devices import open_device


def noisy_probabilities(measured: QuantumCircuit, values: np.ndarray) -> np.ndarray:
    """Return the probabilities (2^m,) of the m clbits, the first one lowest, at these values of the parameters."""
    model = NoiseModel.from_backend(open_device("fake_manila").backend)
    circuit = measured.assign_parameters(values)
    reads = circuit.get_instructions("measure")
    qubits = {circuit.find_bit(one.clbits[0]).index: circuit.find_bit(one.qubits[0]).index for one in reads}
    circuit.remove_final_measurements()
    circuit.save_density_matrix()
    state = AerSimulator(method="density_matrix", noise_model=model).run(circuit).result().data()["density_matrix"]
    chances = DensityMatrix(state).probabilities([qubits[clbit] for clbit in sorted(qubits)])
    errors = [error for error in model.to_dict()["errors"] if error["type"] == "roerror"]
    confusion = {error["gate_qubits"][0]: np.array(error["probabilities"]) for error in errors}
    for clbit in sorted(qubits):
        split = chances.reshape(-1, 2, 2**clbit)
        chances = np.einsum("aib,ij->ajb", split, confusion[qubits[clbit],]).reshape(-1)
    return chances
