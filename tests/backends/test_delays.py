"""Delays: nothing happens on exact backends, and relaxation with T1 and T2 on noisy ones, as long as they last."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen import QuantumLayer
from qgen.backends import open_backend
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError, InputError

LENGTH, ANGLE = Parameter("length"), Parameter("angle")
T1_US, T2_US = 50.0, 70.0
FILE = f"""
depolarizing: {{one_qubit: 0.0}}
relaxation: {{t1_us: {T1_US}, t2_us: {T2_US}, one_qubit_ns: 0, two_qubit_ns: 0}}
basis: [rz, sx, x, cx]
"""


def layer(length: object, unit: str = "us", nested: bool = False) -> LayerCircuit:
    """A qubit that waits after a turn, and a second one that waits for nothing."""
    circuit, wait = QuantumCircuit(2), QuantumCircuit(2)
    wait.delay(length, 0, unit=unit)
    circuit.rx(ANGLE, 0)
    circuit.ry(0.7, 1)
    if nested:
        circuit.append(wait.to_instruction(), [0, 1])
    else:
        circuit.compose(wait, inplace=True)
    circuit.rz(0.4, 0)
    inputs = [LENGTH] if LENGTH in circuit.parameters else []
    return LayerCircuit(circuit, [ANGLE, *inputs], [], ["IZ", "IX", "IY", "ZI"])


def wanted(angle: float, us: float, t1: float = T1_US, t2: float = T2_US, scale: float = 1.0) -> np.ndarray:
    """Bloch's equations: (0, -sin, cos) after the turn; T1 towards |0>, T2 for the rest; then the turn about Z."""
    y, z = -np.sin(angle) * np.exp(-scale * us / t2), 1 - (1 - np.cos(angle)) * np.exp(-scale * us / t1)
    return np.array([z, -y * np.sin(0.4), y * np.cos(0.4), np.cos(0.7)])


@pytest.fixture
def file(tmp_path: Path) -> str:
    (tmp_path / "noise.yaml").write_text(FILE)
    return f"aer:{tmp_path / 'noise.yaml'}"


@pytest.fixture(params=["aer", "noisy"])
def simulated(request: pytest.FixtureRequest, file: str) -> str:
    """The file on each engine that has its noise."""
    return f"{request.param}:{file.removeprefix('aer:')}"


@pytest.mark.rows(4)
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("name", ["reference", "statevector", "aer", "ideal aer:fake_lagos", "ideal noisy:fake_lagos"])
def test_nothing_happens_without_noise(name: str, nested: bool, rng: np.random.Generator) -> None:
    backend = open_backend(name.split()[-1], noise_scale=0.0 if "ideal" in name else None)
    angle, us = rng.uniform(-3, 3), rng.uniform(0, 90)
    for length, inputs in ((us, [angle]), (LENGTH, [angle, us])):
        found = backend.compile(layer(length, nested=nested)).expectations(inputs, [])
        np.testing.assert_allclose(found, wanted(angle, 0.0), rtol=0, atol=1e-10)


@pytest.mark.rows(4)
@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("unit", ["us", "ns", "s"])
def test_relaxation_of_a_file(simulated: str, unit: str, scale: float, rng: np.random.Generator) -> None:
    backend, rows = open_backend(simulated, noise_scale=scale), rng.uniform([-3, 0], [3, 90], (4, 2))
    per_us = {"us": 1.0, "ns": 1e3, "s": 1e-6}[unit]
    values = np.array([wanted(*row, scale=scale) for row in rows])
    executable = backend.compile(layer(LENGTH, unit))
    np.testing.assert_allclose(executable.expectations(rows * [1, per_us], []), values, rtol=0, atol=1e-9)
    angle, us = rows[0]
    fixed = backend.compile(layer(us * per_us, unit)).expectations([angle], [])
    np.testing.assert_allclose(fixed, values[0], rtol=0, atol=1e-9)
    quiet = open_backend(simulated, noise_scale=scale, noise=("gates", "readout")).compile(layer(LENGTH, unit))
    np.testing.assert_allclose(quiet.expectations([angle, us * per_us], []), wanted(angle, 0.0), rtol=0, atol=1e-9)


@pytest.mark.parametrize("simulator", ["aer", "noisy"])
def test_relaxation_of_a_device(simulator: str, rng: np.random.Generator) -> None:
    """What waiting makes of values is up to the T1 and T2 of the qubit that waits; the step of its clock is 4 ns."""
    backend = open_backend(f"{simulator}:fake_lagos", noise=("relaxation",))
    angle = rng.uniform(1, 2)
    long, short = (backend.compile(layer(us)) for us in (40.0, 0.0))
    wire = long.routed.wires[0]
    life = backend.device.source.target(2).qubit_properties[long.routed.physical[wire]]
    assert long.routed.physical == short.routed.physical
    found, before = (one.expectations([angle], []) for one in (long, short))
    t1, t2 = np.exp(-40e-6 / life.t1), np.exp(-40e-6 / life.t2)
    assert 1 - found[0] == pytest.approx((1 - before[0]) * t1, abs=1e-3)
    np.testing.assert_allclose(found[1:3], before[1:3] * t2, rtol=0, atol=1e-3)
    opened = backend.compile(layer(LENGTH)).expectations([angle, 40.0], [])
    np.testing.assert_allclose(opened, found, rtol=0, atol=1e-4)


def test_shots_of_trajectories_and_of_the_local_runtime(file: str) -> None:
    rows = np.array([[2.0, 60.0], [1.0, 20.0]])
    values = np.array([wanted(*row) for row in rows])
    drawn = open_backend(file, shots=20_000).compile(layer(LENGTH)).expectations(rows, [], 1)
    assert np.abs(drawn - values).max() < 5 / np.sqrt(20_000)
    still, waited = (
        open_backend("fake_lagos", shots=4000).compile(layer(us)).expectations([np.pi], [], 1) for us in (0.0, 80.0)
    )
    assert waited[0] > still[0] + 0.4  # some 0.97 of the way from -1 over T1 of 80 us and more


def test_open_lengths_have_no_slope_on_exact_backends_and_no_shift_rule_on_noisy_ones(file: str) -> None:
    exact = QuantumLayer(layer(LENGTH)).double()
    inputs = torch.tensor([0.5, 30.0], dtype=torch.float64, requires_grad=True)
    exact(inputs)[0].backward()
    torch.testing.assert_close(inputs.grad, torch.tensor([-np.sin(0.5), 0.0], dtype=torch.float64))
    shifted = QuantumLayer(layer(LENGTH), gradient="parameter-shift").double()
    again = inputs.detach().requires_grad_()
    shifted(again)[0].backward()
    torch.testing.assert_close(again.grad, inputs.grad)
    noisy = QuantumLayer(layer(LENGTH), backend=open_backend(file)).double()
    with pytest.raises(BackendError, match=r"by the length of a delay.* take gradient spsa"):
        noisy(again)
    spsa = QuantumLayer(layer(LENGTH), backend=open_backend(file), gradient="spsa").double()
    spsa(again).sum().backward()
    assert torch.isfinite(again.grad).all()


def test_open_lengths_have_slopes_where_noise_has_an_adjoint(file: str, rng: np.random.Generator) -> None:
    executable = open_backend(f"noisy:{file.removeprefix('aer:')}").compile(layer(LENGTH))
    angle, us, step = rng.uniform(-3, 3), rng.uniform(1, 90), 1e-4
    for k in range(4):
        upstream = torch.eye(4).double()[k]
        found, _ = executable.vjp(torch.tensor([angle, us]).double(), torch.zeros(0).double(), upstream, (True, False))
        slopes = [
            (wanted(angle + a * step, us + b * step)[k] - wanted(angle - a * step, us - b * step)[k]) / (2 * step)
            for a, b in ((1, 0), (0, 1))
        ]
        np.testing.assert_allclose(found, slopes, rtol=0, atol=1e-7)


def test_what_cannot_be_is_refused_by_a_line(simulated: str) -> None:
    with pytest.raises(InputError, match="a delay is -1e-06 s long"):
        open_backend(simulated).compile(layer(LENGTH)).expectations([0.3, -1.0], [])
    with pytest.raises(BackendError, match="in `dt`, and the device does not say how long that is"):
        open_backend(simulated).compile(layer(100, "dt"))
    with pytest.raises(BackendError, match="fixed length only"):
        open_backend("fake_lagos").compile(layer(LENGTH))
