"""Backends with a device's noise: against one another, against the ideal circuit, and what they refuse."""

from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit_aer import AerSimulator

from qgen import LayerCircuit
from qgen.backends import open_backend
from qgen.backends.aer.seeding import Run
from qgen.backends.device.row_simulator import RowSimulator
from qgen.backends.measurement import Measurement
from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError, ConfigError

SHOTS = 8192


def case(qubits: int = 4, samples: int = 6) -> tuple[LayerCircuit, torch.Tensor, torch.Tensor]:
    circuit = ansatz("hqconv", qubits=qubits, layers=1)
    turned = QuantumCircuit(qubits)
    turned.compose(circuit.circuit, inplace=True)
    names = ["I" * (qubits - 1) + "Z", "Z" * qubits, "X" + "I" * (qubits - 2) + "Y"]
    observed = LayerCircuit(turned, circuit.inputs, circuit.weights, names)
    return observed, torch.randn(samples, qubits).double(), torch.rand(circuit.num_weights).double()


def test_snapshots_agree_with_aer_within_their_shots() -> None:
    """IBM Runtime's own local mode, with all qubits and its own noise model, against the small exact one."""
    circuit, inputs, weights = case()
    exact = open_backend("aer:fake_brisbane").compile(circuit).expectations(inputs, weights)
    found = open_backend("fake_brisbane", shots=SHOTS).compile(circuit).expectations(inputs, weights)
    spread = 5 * np.sqrt((1 - exact.numpy() ** 2) / SHOTS)  # each observable is one string
    np.testing.assert_array_less((found - exact).abs().numpy(), spread + 5 / SHOTS)
    ideal = open_backend("statevector").compile(circuit).expectations(inputs, weights)
    assert (exact - ideal).abs().mean() > 1 / np.sqrt(SHOTS)  # there is noise to agree on


def test_local_mode_draws_what_the_whole_device_draws() -> None:
    """Noise on the qubits in use alone, against Aer's simulator of all: the same bits for the same seeds."""
    circuit, inputs, weights = case()
    device = open_device("fake_guadalupe")
    executable = open_backend("fake_guadalupe", 50).compile(circuit)
    whole = AerSimulator.from_backend(device.backend)
    table = executable.routed.parameter_map.values(np.concatenate([inputs, weights.expand(len(inputs), -1)], axis=1))
    part = RowSimulator.of(device.backend.target, executable.routed.physical)
    part.runs = [Run([k], k + 3) for k in range(len(table))]
    for wide in executable.submitter.circuits:
        bound = dict(zip(executable.routed.parameters, table.T.tolist(), strict=True))
        named = {parameter: bound[own] for parameter, own in zip(wide.parameters, bound, strict=True)}
        found = part.run([wide], [named], shots=50, memory=True).result()
        for (k,), seed in part.runs:
            row = [{parameter: [numbers[k]] for parameter, numbers in named.items()}]
            wanted = whole.run([wide], row, shots=50, memory=True, seed_simulator=seed).result()
            assert found.get_memory(k) == wanted.get_memory()


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", ["aer:fake_brisbane", "aer:fake_torino", "aer:fake_lagos"])
def test_without_strength_or_kinds_the_circuit_is_ideal(name: str) -> None:
    circuit, inputs, weights = case()
    ideal = open_backend("statevector").compile(circuit).expectations(inputs, weights)
    for options in ({"noise_scale": 0.0}, {"noise": ()}):
        found = open_backend(name, **options).compile(circuit).expectations(inputs, weights)
        torch.testing.assert_close(found, ideal, rtol=0, atol=1e-10)


def test_each_kind_of_noise_moves_values_and_more_of_it_moves_them_further() -> None:
    circuit, inputs, weights = case()
    ideal = open_backend("statevector").compile(circuit).expectations(inputs, weights)

    def off(**options: object) -> float:
        found = open_backend("aer:fake_brisbane", **options).compile(circuit).expectations(inputs, weights)
        return float((found - ideal).abs().mean())

    whole = off()
    for kind in ("gates", "relaxation", "readout"):
        assert 1e-4 < off(noise=(kind,)) < whole
    assert off(noise_scale=0.3) < whole < off(noise_scale=3.0)


def test_trajectories_agree_with_the_density_matrix(monkeypatch: pytest.MonkeyPatch) -> None:
    circuit, inputs, weights = case(samples=2)
    dense = open_backend("aer:fake_lagos").compile(circuit)
    wanted = dense.expectations(inputs, weights).numpy()
    monkeypatch.setattr("qgen.backends.aer.noisy.SHOTS_WORTH", 0)
    sampled = open_backend("aer:fake_lagos", shots=2048).compile(circuit)
    assert (dense.method, sampled.method) == ("density matrix, exact", "trajectories, 2,048 shots")
    found = sampled.expectations(inputs, weights).numpy()
    np.testing.assert_array_less(np.abs(found - wanted), 5 * np.sqrt((1 - wanted**2) / 2048) + 5 / 2048)
    assert not np.array_equal(sampled.expectations(inputs, weights).numpy(), found)


def test_what_takes_less_is_chosen_and_said() -> None:
    circuit, *_ = case(qubits=8)
    assert open_backend("aer:fake_brisbane", shots=16).compile(circuit).method == "trajectories, 16 shots"
    assert open_backend("aer:fake_brisbane", shots=1024).compile(circuit).method == "density matrix, 1,024 shots"


def test_readout_errors_of_a_file(tmp_path: Path) -> None:
    """By hand: <Z> of |0> is 1 - 2 * 0.02, of |1> it is -(1 - 2 * 0.07), of both together the product."""
    path = tmp_path / "readout.yaml"
    path.write_text("readout: [[0.98, 0.02], [0.07, 0.93]]\n")
    x = Parameter("x")
    circuit = QuantumCircuit(2)
    circuit.rx(x, 1)
    layer = LayerCircuit(circuit, [x], [], ["IZ", "ZI", "ZZ"])
    found = open_backend(f"aer:{path}").compile(layer).expectations(np.array([[np.pi]]), np.zeros(0))
    np.testing.assert_allclose(found, [[0.96, -0.86, -0.96 * 0.86]], atol=1e-12)


def test_a_pickled_executable_runs_again() -> None:
    circuit, inputs, weights = case()
    executable = open_backend("aer:fake_lagos").compile(circuit)
    again = pickle.loads(pickle.dumps(executable))
    torch.testing.assert_close(again.expectations(inputs, weights), executable.expectations(inputs, weights))


def test_bases_share_shots() -> None:
    observables = LayerCircuit(QuantumCircuit(3), [], [], ["ZZI", "IZZ", "ZIZ", "XXI", "IIX"]).observables
    assert len(Measurement(observables).bases) == 2


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("aer:fake_brisbne", {}, "did you mean `fake_brisbane`"),
        ("aer:ibm_brisbane", {}, "is `fake_brisbane`"),
        ("fake_brisbne", {}, "did you mean `fake_brisbane`"),
        ("aqt", {}, "no backend `aqt`"),
        ("statevectr", {}, "did you mean `statevector`"),
        ("provider:nobody", {}, "No installed package offers one"),
        ("aer", {"shots": 0}, "`shots`: input should be greater than 0 .given: 0"),
        ("aer", {"shots": 1.5}, "`shots`: input should be a valid integer.*given: 1.5"),
        ("aer", {"noise_scale": 1.0}, "has no noise of its own to change"),
        ("statevector", {"shots": 10}, "takes no shots: shots = 10 would change nothing"),
        ("fake_lagos", {"noise_scale": 0.0}, "has no noise of its own to change"),
        (
            "aer:fake_lagos",
            {"noise_scale": -1.0},
            "`noise_scale`: input should be greater than or equal to 0 .given: -1",
        ),
        ("aer:fake_lagos", {"noise": ("gate",)}, "'gates', 'relaxation' or 'readout' .given: 'gate'"),
    ],
)
def test_wrong_names_and_options_are_refused(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(BackendError, match=message):
        open_backend(name, **options)


def test_what_does_not_fit_is_refused_at_compile() -> None:
    for name in ("aer:fake_lagos", "fake_lagos"):
        with pytest.raises(BackendError, match=r"8 qubits.*7"):
            open_backend(name).compile(ansatz("basic", qubits=8))
    with pytest.raises(BackendError, match="Give shots"):
        open_backend("aer:fake_brisbane").compile(ansatz("basic", qubits=14, layers=1))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("relaxation: {t1_us: 10, t2_us: 30, one_qubit_ns: 30, two_qubit_ns: 300}", "t2_us"),
        ("readout: [[0.9, 0.2], [0.1, 0.9]]", "sum"),
        ("depolarizing: {two_qubit: 1.5}", "two_qubit"),
        ("depolarising: {two_qubit: 0.5}", "Did you mean `depolarizing`"),
    ],
)
def test_impossible_noise_files_are_refused(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "noise.yaml"
    path.write_text(text)
    with pytest.raises((BackendError, ConfigError), match=message):
        open_backend(f"aer:{path}")
