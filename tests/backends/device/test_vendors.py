"""Offline devices of vendors' packages from PyPI: they run where the package is installed (see CONTRIBUTING)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from qiskit.providers import BackendV2

from qgen.backends import Adjoint, ParameterShift, open_backend
from qgen.circuits import LayerCircuit, ansatz

SHOTS = 2000  # as many as AQT's simulator takes
REPEATS = 8
IQM = ("IQMFakeAdonis", "IQMFakeApollo", "IQMFakeDeneb")  # a star, a grid, and qubits around a resonator (MOVE gates)
AQT = "provider:qiskit_aqt_provider:AQTProvider.offline"


def quiet(name: str) -> BackendV2:
    """A fake device of IQM without its errors."""
    package = pytest.importorskip("iqm.qiskit_iqm", reason="iqm-client[qiskit] is not installed")
    device = getattr(package, name)()
    profile = device.error_profile

    def zero(errors: Any) -> Any:
        return {key: zero(value) if isinstance(value, dict) else 0.0 for key, value in errors.items()}

    forever = dict.fromkeys(profile.t1s, 1e18)
    return device.copy_with_error_profile(
        replace(
            profile,
            t1s=forever,
            t2s=forever,
            single_qubit_gate_depolarizing_error_parameters=zero(
                profile.single_qubit_gate_depolarizing_error_parameters
            ),
            two_qubit_gate_depolarizing_error_parameters=zero(profile.two_qubit_gate_depolarizing_error_parameters),
            readout_errors=zero(profile.readout_errors),
        )
    )


def opened(name: str) -> Any:
    """An ideal device: AQT's simulator by name, or one of IQM's, an instance."""
    if name == "aqt":
        pytest.importorskip("qiskit_aqt_provider", reason="qiskit-aqt-provider is not installed")
        return open_backend(f"{AQT}.ideal", SHOTS)
    return open_backend(quiet(name), SHOTS)


def numbers(circuit: LayerCircuit, rows: int, rng: np.random.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    inputs = rng.uniform(-2, 2, (rows, circuit.num_inputs))
    return torch.from_numpy(inputs), torch.from_numpy(rng.uniform(-2, 2, circuit.num_weights))


@pytest.mark.parametrize("name", [*IQM, "aqt"])
def test_values_are_those_of_the_reference(name: str, rng: np.random.Generator) -> None:
    backend, circuit = opened(name), ansatz("hqconv", qubits=4, layers=1)
    circuit = LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, ["ZIIZ", "XIYI", "IZII", "IIIY"])
    inputs, weights = numbers(circuit, 3, rng)
    found = backend.compile(circuit).expectations(inputs, weights)
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    assert ((found - wanted).abs() <= 5 * ((1 - wanted**2) / SHOTS).sqrt() + 5 / SHOTS).all()


@pytest.mark.parametrize("name", [*IQM, "aqt"])
def test_gradients_by_the_parameter_shift_rule(name: str, rng: np.random.Generator) -> None:
    backend, circuit = opened(name), ansatz("basic", qubits=2, layers=1)
    inputs, weights = numbers(circuit, 2, rng)
    executable, exact = backend.compile(circuit), open_backend("statevector").compile(circuit)
    values, wanted = Adjoint().value_and_vjp(exact, inputs, weights, (True, True))
    upstream = torch.from_numpy(rng.normal(size=values.shape))
    drawn = [
        torch.cat(
            [
                gradient.flatten()
                for gradient in ParameterShift().value_and_vjp(executable, inputs, weights, (True, True)).vjp(upstream)
            ]
        )
        for _ in range(REPEATS)
    ]
    mean, spread = torch.stack(drawn).mean(dim=0), torch.stack(drawn).std(dim=0)
    off = (mean - torch.cat([gradient.flatten() for gradient in wanted(upstream)])).abs()
    # Student's t with 7 degrees of freedom: 9 standard errors are as rare as 5 of a normal distribution.
    assert (off <= 9 * spread / np.sqrt(REPEATS) + 1e-3).all()


def test_the_noise_is_that_of_the_device(rng: np.random.Generator) -> None:
    """Against many shots of the device itself, on the circuit that is run there."""
    pytest.importorskip("iqm.qiskit_iqm", reason="iqm-client[qiskit] is not installed")
    backend, circuit, many = open_backend("provider:iqm.qiskit_iqm:IQMFakeAdonis", SHOTS), ansatz("basic"), 200_000
    inputs, weights = numbers(circuit, 1, rng)
    executable = backend.compile(circuit)
    found = executable.expectations(inputs, weights)[0].numpy()
    (wide,) = executable.submitter.circuits
    row = executable.routed.parameter_map.values(torch.cat([inputs, weights[None]], dim=1).numpy())[0]
    counts = backend.device.run(wide.assign_parameters(row), shots=many).result().get_counts()
    signs = {bits: 1 - 2 * np.array([int(bit) for bit in reversed(bits)]) for bits in counts}
    wanted = sum(count * signs[bits] for bits, count in counts.items()) / many
    assert (np.abs(found - wanted) <= 5 * np.sqrt((1 - wanted**2) * (1 / SHOTS + 1 / many)) + 5 / SHOTS).all()
    ideal = open_backend("reference").compile(circuit).expectations(inputs, weights)[0].numpy()
    assert np.abs(wanted - ideal).max() > 5 / np.sqrt(many)


def test_noise_of_ions() -> None:
    pytest.importorskip("qiskit_aqt_provider", reason="qiskit-aqt-provider is not installed")
    circuit = ansatz("basic", qubits=3, layers=2)
    none = torch.zeros(1, 3).double(), torch.zeros(circuit.num_weights).double()
    found = open_backend(f"{AQT}.noisy", SHOTS).compile(circuit).expectations(*none)
    wanted = open_backend("reference").compile(circuit).expectations(*none)
    assert found.shape == wanted.shape
    assert (found - wanted).abs().max() < 0.3  # 1 % an entangling gate
