"""Couplers of devices as couplings: the circuit runs there without a SWAP."""

from __future__ import annotations

import numpy as np
import pytest
import rustworkx

from qgen.circuits.bound import bind_weights
from qgen.circuits.iqp import iqp
from qgen.devices import open_device
from qgen.errors import BackendError, CircuitError
from qgen.models.born.couplings import choose_qubits, find_coupling
from qgen.models.born.machine import BornMachine
from qgen.transpilation.transpile import BACKEND_DEFAULT, transpile


@pytest.mark.rows(1)
@pytest.mark.parametrize(("device", "qubits"), [("fake_fez", 156), ("ibm_fez", 64), ("fake_brisbane", 27)])
def test_no_swap_is_needed(device: str, qubits: int, rng: np.random.Generator) -> None:
    pairs = find_coupling(f"device:{device}", qubits)
    circuit = iqp(qubits, pairs).circuit()
    target = open_device(device.replace("ibm_", "fake_")).target
    # Away from zero: Qiskit removes a rotation by less than about 5e-5, which is the identity to its tolerance.
    angles = rng.uniform(0.1, 1, circuit.num_weights) * rng.choice([-1, 1], circuit.num_weights)
    bound = bind_weights(circuit, angles).circuit
    isa = transpile(bound.circuit, target, BACKEND_DEFAULT)
    assert sum(count for name, count in isa.count_ops().items() if name in ("cz", "ecr")) == 2 * len(pairs)
    assert isa.depth(lambda step: len(step.qubits) == 2) <= 6  # three layers


@pytest.mark.parametrize("qubits", [2, 40, 127])
def test_the_chosen_qubits_hang_together(qubits: int) -> None:
    device = open_device("fake_fez")
    chosen = choose_qubits(device, qubits)
    assert len(chosen) == qubits
    assert list(chosen) == sorted(set(chosen))
    graph = rustworkx.PyGraph()
    graph.add_nodes_from(range(qubits))
    graph.add_edges_from([(*pair, None) for pair in find_coupling("device:fake_fez", qubits)])
    assert rustworkx.is_connected(graph)


def test_what_no_device_has_is_said() -> None:
    with pytest.raises(CircuitError, match="fake_fez has 156 qubits, fewer than 157"):
        find_coupling("device:fake_fez", 157)
    with pytest.raises(BackendError, match="fake_fezz"):
        find_coupling("device:fake_fezz", 5)
    assert find_coupling("line", 5) == "line"


def test_angles_of_other_couplers_are_refused() -> None:
    """As where a newer snapshot of a device has other faulty couplers."""
    trained = BornMachine(iqp(4, [(0, 1), (1, 2)])).state_dict()
    with pytest.raises(CircuitError, match="other ones than those that this run was trained on"):
        BornMachine(iqp(4, [(0, 1), (1, 3)])).load_state_dict(trained)
    BornMachine(iqp(4, [(0, 1), (1, 2)])).load_state_dict(trained)
    del trained["gates"]
    BornMachine(iqp(4, [(0, 1), (1, 2)])).load_state_dict(trained)
