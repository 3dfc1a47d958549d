"""Circuits of 100 qubits on devices: bits and values that are known, since next to nothing is entangled."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit_aer import AerSimulator

from qgen import LayerCircuit
from qgen.backends import Executable, open_backend
from qgen.backends.aer import wide
from qgen.circuits.iqp import iqp
from qgen.errors import BackendError

QUBITS, SHOTS = 100, 2000
#: Control and target of each CX.
PAIRS = (3, 4), (40, 41), (97, 98)
NOTHING = np.zeros(0)


class Known(NamedTuple):
    """A circuit of RYs and a few CX, and what it gives.

    Attributes:
        layer: its weights are the angles; Z on every qubit, on both of each pair, and X on one.
        angles: (100,).
        ones: (100,), the probability of reading a 1 on each qubit.
        values: of the observables.
    """

    layer: LayerCircuit
    angles: npt.NDArray[np.float64]
    ones: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]


def known(rng: np.random.Generator) -> Known:
    """Angles of 0 and pi, whose bits are certain, but for the qubits of the pairs and qubit 70."""
    angles = np.pi * rng.integers(0, 2, QUBITS).astype(np.float64)
    angles[[qubit for pair in PAIRS for qubit in pair]] = rng.uniform(0, np.pi, 6)
    angles[70] = rng.uniform(0, np.pi)
    theta, circuit = ParameterVector("t", QUBITS), QuantumCircuit(QUBITS)
    for qubit in range(QUBITS):
        circuit.ry(theta[qubit], qubit)
    z = np.cos(angles)
    products = []
    for control, target in PAIRS:
        circuit.cx(control, target)
        products.append(z[target])  # Z Z after the CX is Z of the target before it
        z[target] *= z[control]
    labels = [_label("Z", [qubit]) for qubit in range(QUBITS)] + [_label("Z", pair) for pair in PAIRS]
    layer = LayerCircuit(circuit, [], theta, [*labels, _label("X", [70])])
    return Known(layer, angles, (1 - z) / 2, np.array([*z, *products, np.sin(angles[70])]))


def _label(axis: str, qubits: tuple[int, ...] | list[int]) -> str:
    return "".join(axis if qubit in qubits else "I" for qubit in reversed(range(QUBITS)))


def line(qubits: int) -> AerSimulator:
    """Qubits in a line without noise, as matrix product states; its gates are those of a device."""
    couplers = [[k, k + 1] for k in range(qubits - 1)] + [[k + 1, k] for k in range(qubits - 1)]
    gates = ["rz", "sx", "x", "cx"]
    return AerSimulator(method="matrix_product_state", coupling_map=couplers, basis_gates=gates, n_qubits=qubits)


def check_bits(case: Known, executable: Executable, weights: npt.NDArray[np.float64]) -> None:
    bits = executable.draw(NOTHING, weights, SHOTS, 1)
    assert (bits.shape, bits.dtype) == ((SHOTS, QUBITS), np.uint8)
    ones, certain = bits.mean(axis=0), np.abs(case.ones - 0.5) > 0.5 - 1e-9
    assert certain.sum() == QUBITS - 7
    np.testing.assert_array_equal(ones[certain], case.ones.round()[certain])
    spread = np.sqrt(case.ones * (1 - case.ones) / SHOTS)
    np.testing.assert_array_less(np.abs(ones - case.ones), 5.5 * spread + 11 / SHOTS)
    for place, (control, target) in enumerate(PAIRS, start=QUBITS):
        found = np.mean(1.0 - 2.0 * (bits[:, control] ^ bits[:, target]))
        assert abs(found - case.values[place]) < 5.5 * np.sqrt(1 / SHOTS) + 11 / SHOTS


@pytest.mark.parametrize("bound", [True, False])
def test_a_provider_s_device_reads_100_qubits(bound: bool, rng: np.random.Generator) -> None:
    case = known(rng)
    backend = open_backend(line(QUBITS), SHOTS)
    executable = backend.compile(case.layer, case.angles) if bound else backend.compile(case.layer)
    check_bits(case, executable, case.angles)
    found = executable.expectations(NOTHING, case.angles, 2)
    spread = np.sqrt(np.maximum(1 - case.values**2, 0) / SHOTS)
    np.testing.assert_array_less(np.abs(found - case.values), 5.5 * spread + 11 / SHOTS)


@pytest.mark.parametrize("name", ["aer:fake_fez", pytest.param("fake_fez", marks=pytest.mark.slow)])
def test_100_qubits_are_read_with_a_device_s_errors(name: str, rng: np.random.Generator) -> None:
    """Fez's errors flip a bit in a hundred, on the average."""
    case = known(rng)
    certain = np.abs(case.ones - 0.5) > 0.5 - 1e-9
    executable = open_backend(name, 5).compile(case.layer, case.angles)
    bits = executable.draw(NOTHING, case.angles, 12, 1)  # of 93 certain bits each: 1 in 80,000 have no error
    assert 0 < np.abs(bits - case.ones)[:, certain].mean() < 0.05
    values = executable.expectations(NOTHING, case.angles, 1)
    assert values.shape == case.values.shape
    assert np.abs(values - case.values)[:QUBITS][certain].mean() < 0.1
    assert ("matrix product states" in executable.method) == name.startswith("aer")


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["fake_fez", "aer:fake_fez"])
def test_states_that_do_not_fit_are_refused_before_anything_runs(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "free_memory", lambda: 1 << 20)
    circuit = iqp(64, "grid").circuit()
    message = r"\d\d qubits do not fit into memory .* bond dimension of up to 2\^.*or backend `aer`"
    with pytest.raises(BackendError, match=message):
        open_backend(name, 10).compile(circuit, np.full(circuit.num_weights, 0.3))


IDLE = QuantumCircuit(64)
IDLE.x(63)
#: Of 64 qubits one is read.
ONE_READ = LayerCircuit(IDLE, [], [], ["Z" + 63 * "I"])


def test_exact_values_of_many_idle_qubits_are_refused() -> None:
    with pytest.raises(BackendError, match="64 qubits are sums over all their outcomes; 26 qubits are the most"):
        open_backend("aer:fake_fez").compile(ONE_READ)


@pytest.mark.parametrize("name", ["aer:fake_fez", pytest.param("noisy:fake_fez", marks=pytest.mark.slow)])
def test_one_of_many_qubits_is_read(name: str) -> None:
    values = open_backend(name, 500).compile(ONE_READ).expectations(NOTHING, NOTHING, 1)
    assert -1 <= values[0] < -0.9
