"""Circuits on more qubits than a state has memory for: against Aer's density matrix, and what is refused."""

from itertools import pairwise

import networkx as nx
import numpy as np
import pytest
from aer_density import noisy_probabilities
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import Statevector

from qgen.devices import open_device
from qgen.devserver import DeviceModel
from qgen.devserver.device import SimulatedDevice
from qgen.devserver.simulation import simulate
from qgen.errors import BackendError

SHOTS = 100_000
NO_VALUES = np.zeros((1, 0))


def frequencies(bits: np.ndarray) -> np.ndarray:
    """Of the outcomes of bits (shots, m)."""
    return np.bincount(bits @ (1 << np.arange(bits.shape[1])), minlength=1 << bits.shape[1]) / len(bits)


def assert_close(found: np.ndarray, wanted: np.ndarray, shots: int = SHOTS) -> None:
    """Within five standard errors; small counts are not Gaussian, hence five counts more."""
    assert (np.abs(found - wanted) <= 5 * np.sqrt(wanted * (1 - wanted) / shots) + 5 / shots).all()


@pytest.mark.parametrize("noisy", [False, True])
def test_bits_of_a_network_follow_aers_density_matrix(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch, noisy: bool
) -> None:
    monkeypatch.setattr("qgen.devserver.simulation.MAX_WIRES", 1)
    device, backend = SimulatedDevice(DeviceModel("fake_manila", noisy=noisy)), open_device("fake_manila").backend
    circuit, angles = QuantumCircuit(4, 3), ParameterVector("p", 16)
    for qubit, angle in enumerate(angles):
        getattr(circuit, str(rng.choice(["rx", "ry"])))(angle, qubit % 4)
        if qubit >= 4 and qubit % 4 == 3:
            for pair in rng.permutation([(0, 1), (1, 2), (3, 2)]).tolist():
                circuit.cx(*pair)
    circuit.measure([3, 0, 1], [0, 1, 2])  # one is not read
    placed = generate_preset_pass_manager(1, backend=backend, initial_layout=range(4), seed_transpiler=1).run(circuit)
    values = rng.normal(size=(2, 16))
    found = simulate(placed, values, SHOTS, device.noise, rng)["c"]
    assert found.shape == (2, SHOTS, 3)
    for bits, row in zip(found, values, strict=True):
        ideal = Statevector(circuit.remove_final_measurements(inplace=False).assign_parameters(row))
        wanted = noisy_probabilities(placed, row) if noisy else ideal.probabilities([3, 0, 1])
        assert_close(frequencies(bits), wanted)


@pytest.mark.slow
def test_neighbours_on_a_wide_noisy_device_read_what_their_light_cone_does(rng: np.random.Generator) -> None:
    """Of 26 qubits in a row, with gates on pairs in two layers, two read what six qubits around them determine."""
    device = SimulatedDevice(DeviceModel("fake_fez"))
    graph = nx.Graph(list(device.target.build_coupling_map().get_edges()))
    row = next(path for path in nx.all_simple_paths(graph, 0, 15 + 16 * 2, cutoff=40) if len(path) >= 26)[:26]
    angles = rng.uniform(-np.pi, np.pi, size=(26, 2))

    def circuit(places: range) -> QuantumCircuit:
        made = QuantumCircuit(156, len(places))
        for first in (0, 1):
            for place in places:
                made.sx(row[place])
                made.rz(angles[place, first], row[place])
                made.sx(row[place])
            for place in places:
                if place % 2 == first and place + 1 in places:
                    made.cz(row[place], row[place + 1])
        for place in places:
            made.sx(row[place])
        made.measure([row[place] for place in places], range(len(places)))
        return made

    start = 2 * int(rng.integers(10))
    whole = simulate(circuit(range(26)), NO_VALUES, SHOTS, device.noise, rng)["c"][0]
    cone = simulate(circuit(range(start, start + 6)), NO_VALUES, SHOTS, device.noise, rng)["c"][0]
    found, wanted = frequencies(whole[:, start + 2 : start + 4]), frequencies(cone[:, 2:4])
    assert_close(found, wanted, SHOTS // 2)  # both are drawn


def test_thirty_qubits_in_a_cat_state_read_the_same(rng: np.random.Generator) -> None:
    order = rng.permutation(30).tolist()  # numbered at random along their line
    circuit = QuantumCircuit(30, 30)
    circuit.h(order[0])
    for one, other in pairwise(order):
        circuit.cx(one, other)
    circuit.measure(range(30), rng.permutation(30).tolist())
    bits = simulate(circuit, np.zeros((2, 0)), 500, None, rng)["c"].reshape(1000, 30)
    assert (bits == bits[:, :1]).all()
    assert abs(bits[:, 0].mean() - 0.5) < 5 * 0.5 / 1000**0.5


def test_what_is_too_wide_is_refused(rng: np.random.Generator) -> None:
    circuit = QuantumCircuit(25, 25)
    for qubit in range(24):
        circuit.cx(qubit, qubit + 1)
    circuit.measure(range(25), range(25))
    again = circuit.copy()
    again.x(3)
    again.measure(3, 3)
    with pytest.raises(BackendError, match=r"25 qubits of the circuit .* goes on after .* up to 24 then"):
        simulate(again, NO_VALUES, 10, None, rng)
    deep = QuantumCircuit(25)
    for layer in range(30):
        for qubit in range(layer % 2, 24, 2):
            deep.sx(qubit)
            deep.cz(qubit, qubit + 1)
    with pytest.raises(BackendError, match=r"25 qubits .* network has 2\^\d+ numbers; .* takes 2\^22"):
        simulate(deep.compose(circuit), NO_VALUES, 10, None, rng)
