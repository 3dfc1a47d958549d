"""Exact values and gradients against Aer's density matrix, over the devices, at several scales of noise."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from dense_noise import AER_ACCURACY, aer_gradient_accuracy
from noisy_points import at

from qgen.backends import ParameterShift, open_backend
from qgen.backends.noisy.exact import Exact
from qgen.backends.noisy.program import compile_program
from qgen.circuits import ansatz
from qgen.devices import device_names

ANSATZE = (("hqconv", 4), ("basic", 3), ("hardware-efficient", 4), ("strongly-entangling", 3), ("basic", 2))
OPTIONS = (
    {},
    {"noise_scale": 0.3},
    {"noise_scale": 5.0},
    {"noise_scale": 1e6},
    {"noise": ("gates",)},
    {"noise": ("relaxation", "readout")},
)
SAMPLES = 2
#: One qubit; no two-qubit gate that was calibrated; ECR beside CX, where Qiskit's transpiler cannot place each circuit.
UNFIT = ("fake_armonk", "fake_kyoto", "fake_cairo")
DEVICES = tuple(name for name in device_names() if name not in UNFIT)


def check(device: str, rng: np.random.Generator, gradients: bool) -> None:
    name, qubits = ANSATZE[rng.integers(len(ANSATZE))]
    options = OPTIONS[rng.integers(len(OPTIONS))]
    circuit = ansatz(name, qubits=qubits, layers=1)
    backend = open_backend(f"aer:{device}", **options)
    routed, _, noise = backend.device.place(circuit)
    exact, compiled = Exact(compile_program(routed, noise, circuit)), backend.compile(circuit)
    inputs = torch.from_numpy(rng.uniform(-3, 3, (SAMPLES, circuit.num_inputs)))
    weights = torch.from_numpy(rng.uniform(-3, 3, circuit.num_weights))
    parameters = np.concatenate([inputs, weights.expand(SAMPLES, -1)], axis=1)
    point = at(routed.parameter_map.values(parameters), np.zeros(SAMPLES, np.int64), 1)
    said = f"{name} of {qubits} qubits, {options}"
    assert exact.values(point) == pytest.approx(compiled.expectations(inputs, weights).numpy(), abs=AER_ACCURACY), said
    if not gradients:
        return
    upstream = rng.normal(size=(SAMPLES, qubits))
    accuracy = aer_gradient_accuracy(compiled, inputs, weights, torch.from_numpy(upstream))
    shared, own = exact.gradients(point, upstream, True, True)
    found = routed.parameter_map.vjp(parameters, own)
    found[0] += routed.parameter_map.vjp(parameters[:1], shared)[0]
    shifted = ParameterShift().value_and_vjp(compiled, inputs, weights, (True, True)).vjp(torch.from_numpy(upstream))
    assert found[:, : circuit.num_inputs] == pytest.approx(shifted[0].numpy(), abs=accuracy), said
    assert found[:, circuit.num_inputs :].sum(axis=0) == pytest.approx(shifted[1].numpy(), abs=accuracy), said


def test_values_and_gradients_on_a_device(rng: np.random.Generator) -> None:
    check(DEVICES[rng.integers(len(DEVICES))], rng, gradients=True)


@pytest.mark.slow
@pytest.mark.parametrize("device", DEVICES)
def test_values_on_every_device(device: str, rng: np.random.Generator) -> None:
    check(device, rng, gradients=False)


@pytest.mark.slow
@pytest.mark.parametrize("trial", range(8))
def test_gradients_are_parameter_shifts(trial: int, rng: np.random.Generator) -> None:
    check(DEVICES[rng.integers(len(DEVICES))], rng, gradients=True)
