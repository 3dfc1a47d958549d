"""The simulation by itself: exact under noise, and one way of it against the other."""

from collections.abc import Callable

import numpy as np
import pytest
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.quantum_info import DensityMatrix
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel

from qgen.devices import open_device
from qgen.devserver import DeviceModel
from qgen.devserver.components import connected_components, parse_circuit
from qgen.devserver.device import SimulatedDevice
from qgen.devserver.probabilities import probabilities
from qgen.devserver.simulation import simulate

SHOTS = 20_000
Drawn = Callable[[np.random.Generator, int], QuantumCircuit]


@pytest.mark.parametrize("snapshot", ["fake_manila", "fake_nairobi"])
def test_noisy_probabilities_are_exactly_those_of_aer(rng: np.random.Generator, snapshot: str, drawn: Drawn) -> None:
    device, backend = SimulatedDevice(DeviceModel(snapshot)), open_device(snapshot).backend
    circuit = drawn(rng, 4)
    circuit.measure_all()
    placed = generate_preset_pass_manager(1, backend=backend, seed_transpiler=1).run(circuit)
    values = rng.normal(size=(3, len(placed.parameters)))
    steps, table = parse_circuit(placed, values)
    components = list(connected_components(steps, placed.num_qubits))
    found = [probabilities(component, table, device.noise.channels(component.qubits)) for component in components]
    aer = AerSimulator(method="density_matrix", noise_model=NoiseModel.from_backend(backend))
    placed.remove_final_measurements()
    placed.save_density_matrix()
    for row, wanted in enumerate(values):
        state = aer.run(placed.assign_parameters(wanted)).result().data()["density_matrix"]
        for component, mine in zip(components, found, strict=True):
            read = [component.qubits[wire] for wire, _ in component.measurements]
            np.testing.assert_allclose(mine[row], DensityMatrix(state).probabilities(read), atol=1e-5)


def test_states_for_each_shot_agree_with_density_matrices(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, drawn: Drawn
) -> None:
    device = SimulatedDevice(DeviceModel("fake_lima"))
    circuit = drawn(rng, 3)
    circuit.measure_all()
    placed = generate_preset_pass_manager(1, target=device.target, seed_transpiler=1).run(circuit)
    values = rng.normal(size=(2, len(placed.parameters)))
    exact = simulate(placed, values, SHOTS, device.noise, rng)["meas"]
    monkeypatch.setattr("qgen.devserver.simulation.MAX_DENSITY_WIRES", 1)
    shotwise = simulate(placed, values, SHOTS, device.noise, rng)["meas"]
    assert exact.shape == shotwise.shape == (2, SHOTS, 3)
    for row in range(2):
        one, other = (np.bincount(bits[row] @ [1, 2, 4], minlength=8) / SHOTS for bits in (exact, shotwise))
        np.testing.assert_allclose(one, other, atol=5 * (2 * 0.25 / SHOTS) ** 0.5)
