"""Qubits that relax while they wait, on `aer:` backends: Bloch's equations by hand, and what several bases read."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen.backends.aer.noisy import NoisyAerBackend
from qgen.backends.device.noisy_device import NoisyDevice
from qgen.backends.device.routing import route_layer
from qgen.circuits import LayerCircuit, ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.noise import DeviceNoise, FileNoise, NoiseSettings
from qgen.transpilation import compute_metrics
from qgen.transpilation.transpile import BACKEND_DEFAULT, transpile

T1, T2, GATE = 40.0, 50.0, 2.0  # microseconds
ANGLE = Parameter("angle")


def file(**relaxation: Any) -> FileNoise:
    times = {"t1_us": T1, "t2_us": T2, "one_qubit_ns": 1000 * GATE, "two_qubit_ns": 3000 * GATE}
    return FileNoise(NoiseSettings.read({"basis": ["rz", "sx", "x", "cx"], "relaxation": times | relaxation}))


def values(source: FileNoise | DeviceNoise, circuit: LayerCircuit, row: Sequence[float], **options: Any) -> np.ndarray:
    backend = NoisyAerBackend(NoisyDevice(source, **options))
    inputs, weights = row[: circuit.num_inputs], row[circuit.num_inputs :]
    return np.asarray(backend.compile(circuit).expectations(inputs, weights))


def two(observables: Sequence[str]) -> LayerCircuit:
    """Qubit 0 turns once, qubit 1 five times."""
    circuit = QuantumCircuit(2)
    circuit.rz(ANGLE, 0)
    circuit.x(0)
    for _ in range(5):
        circuit.sx(1)
        circuit.rz(0.3, 1)
        circuit.barrier(1)  # or they would be merged
    return LayerCircuit(circuit, [ANGLE], [], observables)


def sx_relaxed(bloch: np.ndarray, us: float) -> np.ndarray:
    x, y, z = bloch
    return relaxed(np.array([x, -z, y]), us)


def relaxed(bloch: np.ndarray, us: float) -> np.ndarray:
    e1, e2 = np.exp(-us / T1), np.exp(-us / T2)
    return np.array([e2 * bloch[0], e2 * bloch[1], 1 - e1 + e1 * bloch[2]])


def turned(bloch: np.ndarray, angle: float) -> np.ndarray:
    x, y, z = bloch
    return np.array([np.cos(angle) * x - np.sin(angle) * y, np.sin(angle) * x + np.cos(angle) * y, z])


@pytest.mark.parametrize("scale", [1.0, 0.4])
def test_a_qubit_that_has_done_its_work_relaxes_until_it_is_read(scale: float) -> None:
    """Its only gate is as late as possible, at the end, where nothing waits; one that precedes a cx does wait."""
    circuit = QuantumCircuit(2)
    circuit.x(0)
    circuit.barrier()
    for _ in range(3):
        circuit.x(1)
        circuit.barrier(1)
    layer = LayerCircuit(circuit, [], [], ["IZ", "ZI"])
    source = file()
    busy = 1 - 2 * np.exp(-scale * GATE / T1)  # of qubit 0, after its gate
    wait = 1 - (1 - busy) * np.exp(-scale * 3 * GATE / T1)
    assert values(source, layer, [], scale=scale)[0] == pytest.approx(busy, abs=1e-9)
    assert values(source, layer, [], scale=scale, idle=True)[0] == pytest.approx(wait, abs=1e-9)
    assert values(source, layer, [], scale=scale, idle=True)[1] == pytest.approx(
        values(source, layer, [], scale=scale)[1], abs=1e-12
    )
    for quiet in ({"scale": 0.0}, {"kinds": ("gates", "readout")}):
        assert values(source, layer, [], **quiet, idle=True)[0] == pytest.approx(-1, abs=1e-9)


def test_what_is_scheduled_late_does_not_wait() -> None:
    """Without a barrier the one gate of qubit 0 is the last: it waits for nothing."""
    layer, row = two(["IZ", "ZI"]), [0.7]
    np.testing.assert_allclose(values(file(), layer, row, idle=True), values(file(), layer, row), rtol=0, atol=1e-12)


def test_a_qubit_waits_while_others_turn_into_their_basis(rng: np.random.Generator) -> None:
    """Qubit 1 is read along X, which takes a gate; qubit 0, along Z, waits for it."""
    layer, row = two(["XZ", "IZ", "XI"]), [rng.uniform(-3, 3)]
    waits = relaxed(np.array([0, 0, 1 - 2 * np.exp(-GATE / T1)]), GATE)[2]
    assert values(file(), layer, row, idle=True)[1] == pytest.approx(waits, abs=1e-9)
    bloch = np.array([0.0, 0.0, 1.0])
    for _ in range(5):
        bloch = turned(sx_relaxed(bloch, GATE), 0.3)
    x = read_along_x(bloch)
    np.testing.assert_allclose(values(file(), layer, row, idle=True), [waits * x, waits, x], rtol=0, atol=1e-9)


def read_along_x(bloch: np.ndarray) -> float:
    """By rz(pi/2), sx, rz(pi/2): X becomes Z."""
    return float(sx_relaxed(turned(bloch, np.pi / 2), GATE)[2])


def test_a_string_is_read_the_same_beside_any_others(rng: np.random.Generator) -> None:
    """Alone, it is read as beside strings of all axes, once another one that takes the longest turn is there."""
    source = file()
    strings = ["".join(axes) for axes in product("XYZI", repeat=2)][:-1]
    circuit = QuantumCircuit(2)
    circuit.ry(ANGLE, [0, 1])
    circuit.cx(0, 1)
    circuit.sx(0)
    row = [rng.uniform(-3, 3)]
    together = values(source, LayerCircuit(circuit, [ANGLE], [], strings), row, idle=True)
    for k, string in enumerate(strings):
        apart = values(source, LayerCircuit(circuit, [ANGLE], [], [string, "XX"]), row, idle=True)
        assert together[k] == pytest.approx(apart[0], abs=1e-9)


@pytest.mark.parametrize("device", ["fake_brisbane", "fake_torino"])
def test_delays_are_the_waiting_of_the_transpilation_report(device: str) -> None:
    opened, circuit = open_device(device), ansatz("hqconv", qubits=4, layers=2)
    routed, _ = route_layer(circuit, opened.target, idle=True)
    plain, _ = route_layer(circuit, opened.target)
    isa = transpile(circuit.circuit, opened.target, BACKEND_DEFAULT)
    waiting = compute_metrics(isa, opened.target, isa.layout.final_index_layout()).idle_us
    body = routed.circuits[0]
    waits = dict.fromkeys(waiting, 0.0)
    for one in body.data:
        if one.operation.name == "delay":
            waits[routed.physical[body.find_bit(one.qubits[0]).index]] += one.operation.duration * 1e6
    assert sum(waits.values()) > 1
    assert waits == pytest.approx(waiting)
    assert (routed.physical, routed.wires) == (plain.physical, plain.wires)
    assert routed.size == len(body.data) > plain.size
    np.testing.assert_array_equal(routed.parameter_map.depends, plain.parameter_map.depends)


def test_it_costs_no_more_than_the_report_says(rng: np.random.Generator) -> None:
    """Where 1 - `idle` of the state is lost, values in [-1, 1] change by no more than twice that."""
    opened, circuit = open_device("fake_brisbane"), ansatz("hqconv", qubits=4, layers=2)
    source = DeviceNoise(opened.target, "fake_brisbane")
    row = rng.uniform(-3, 3, circuit.num_inputs + circuit.num_weights).tolist()
    off, on = values(source, circuit, row), values(source, circuit, row, idle=True)
    isa = transpile(circuit.circuit, opened.target, BACKEND_DEFAULT)
    idle = compute_metrics(isa, opened.target, isa.layout.final_index_layout()).success.idle
    assert 0.5 < idle < 0.95
    assert 1e-3 < np.abs(on - off).max() < 2 * (1 - idle)


def test_delays_of_open_length_are_refused() -> None:
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.delay(ANGLE, 0, "us")
    layer = LayerCircuit(circuit, [ANGLE], [], ["Z"])
    with pytest.raises(BackendError, match="length of a delay is a parameter"):
        values(file(), layer, [1.0], idle=True)


def test_facts_say_so() -> None:
    assert NoisyDevice(file(), idle=True).facts()["idle"] is True
    assert "idle" not in NoisyDevice(file()).facts()
