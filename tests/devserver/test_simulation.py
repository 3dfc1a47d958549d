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
from qgen.devserver.exact import probabilities
from qgen.devserver.machine import Machine
from qgen.devserver.pieces import pieces_of, steps_of
from qgen.devserver.simulation import simulate

SHOTS = 20_000
Drawn = Callable[[np.random.Generator, int], QuantumCircuit]


@pytest.mark.parametrize("snapshot", ["fake_manila", "fake_nairobi"])
def test_noisy_probabilities_are_exactly_those_of_aer(rng: np.random.Generator, snapshot: str, drawn: Drawn) -> None:
    machine, backend = Machine(DeviceModel(snapshot)), open_device(snapshot).backend
    circuit = drawn(rng, 4)
    circuit.measure_all()
    placed = generate_preset_pass_manager(1, backend=backend, seed_transpiler=1).run(circuit)
    values = rng.normal(size=(3, len(placed.parameters)))
    steps, table = steps_of(placed, values)
    pieces = list(pieces_of(steps, placed.num_qubits))
    found = [probabilities(piece, table, machine.noise.channels(piece.qubits)) for piece in pieces]
    aer = AerSimulator(method="density_matrix", noise_model=NoiseModel.from_backend(backend))
    placed.remove_final_measurements()
    placed.save_density_matrix()
    for row, wanted in enumerate(values):
        state = aer.run(placed.assign_parameters(wanted)).result().data()["density_matrix"]
        for piece, mine in zip(pieces, found, strict=True):
            read = [piece.qubits[wire] for wire, _ in piece.reads]
            np.testing.assert_allclose(mine[row], DensityMatrix(state).probabilities(read), atol=1e-5)


def test_states_for_each_shot_agree_with_density_matrices(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, drawn: Drawn
) -> None:
    machine = Machine(DeviceModel("fake_lima"))
    circuit = drawn(rng, 3)
    circuit.measure_all()
    placed = generate_preset_pass_manager(1, target=machine.target, seed_transpiler=1).run(circuit)
    values = rng.normal(size=(2, len(placed.parameters)))
    exact = simulate(placed, values, SHOTS, machine.noise, rng)["meas"]
    monkeypatch.setattr("qgen.devserver.simulation.MOST_DENSE", 1)
    shotwise = simulate(placed, values, SHOTS, machine.noise, rng)["meas"]
    assert exact.shape == shotwise.shape == (2, SHOTS, 3)
    for row in range(2):
        one, other = (np.bincount(bits[row] @ [1, 2, 4], minlength=8) / SHOTS for bits in (exact, shotwise))
        np.testing.assert_allclose(one, other, atol=5 * (2 * 0.25 / SHOTS) ** 0.5)
