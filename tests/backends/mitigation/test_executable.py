"""Zero-noise extrapolation: its closed form under depolarisation, its derivatives, `noisy:` beside `aer:`."""

from __future__ import annotations

import pickle
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import torch
from dense_noise import AER_ACCURACY, aer_gradient_accuracy
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen import LayerCircuit
from qgen.backends import Adjoint, Backend, ParameterShift, open_backend
from qgen.backends.gradients import GradientMethod
from qgen.circuits import Mixture, ansatz

#: Depolarisation of both qubits after each gate on two: a circuit's values shrink by as many factors.
STRENGTH = 0.04
CLOSED = f"depolarizing: {{two_qubit: {STRENGTH}}}\n"
ROTATING = """
basis: [rz, sx, x, rzz]
depolarizing: {one_qubit: 0.01, two_qubit: 0.03}
relaxation: {t1_us: 40, t2_us: 60, one_qubit_ns: 100, two_qubit_ns: 900}
readout: [[0.97, 0.03], [0.08, 0.92]]
"""
FACTORS = {"zne:1,3": (1.5, -0.5), "zne:1,3,5": (15 / 8, -10 / 8, 3 / 8), "zne:1,5": (1.25, -0.25)}


@pytest.fixture(scope="module", autouse=True)
def _noise_files(tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "closed.yaml").write_text(CLOSED)
    (folder / "rotating.yaml").write_text(ROTATING)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield


@lru_cache
def opened(name: str, **options: Any) -> Backend:
    return open_backend(name, **options)


def numbers(circuit: LayerCircuit, rng: np.random.Generator, lead: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    sizes = (lead, circuit.num_inputs), (circuit.num_weights,)
    inputs, weights = (torch.from_numpy(rng.uniform(-3, 3, size)) for size in sizes)
    return inputs, weights


def controlled() -> LayerCircuit:
    """Controlled rotations by weights, by sums of them, and by inputs."""
    x, w = [Parameter(f"x{k}") for k in range(2)], [Parameter(f"w{k}") for k in range(3)]
    circuit = QuantumCircuit(3)
    circuit.rx(x[0], 0)
    circuit.ry(0.7 * x[1], 1)
    circuit.crx(w[0], 0, 1)
    circuit.crz(w[1] + w[2], 1, 2)
    circuit.ry(w[2], 2)
    circuit.rzz(x[0] - w[1], 0, 2)
    circuit.h(0)
    return LayerCircuit(circuit, x, w, ["ZII", "IZX"])


@pytest.mark.rows(1)
@pytest.mark.parametrize("mitigation", FACTORS)
@examples(8)
@given(circuit=layer_circuits(most_qubits=2, most_gates=8), seed=st.integers(0, 2**32 - 1))
def test_depolarisation_has_a_closed_form(mitigation: str, circuit: LayerCircuit, seed: int) -> None:
    """On two qubits each gate multiplies what is no constant by 1 - p: n gates at factor k by (1 - p)^(k n)."""
    inputs, weights = numbers(circuit, np.random.default_rng(seed))
    executable: Any = opened("noisy:closed.yaml", mitigation=mitigation).compile(circuit)
    ideal = opened("statevector").compile(circuit).expectations(inputs, weights)
    terms = [dict(observable.to_list()) for observable in circuit.observables]
    constant = torch.from_numpy(np.array([one.get("I" * circuit.qubits, 0.0).real for one in terms]))
    bodies = executable.parts[0].routed.circuits[:1]  # none where nothing is read
    gates = sum(len(one.qubits) == 2 for body in bodies for one in body.data)
    factors = [int(text) for text in mitigation[4:].split(",")]
    left = sum(c * (1 - STRENGTH) ** (k * gates) for c, k in zip(FACTORS[mitigation], factors, strict=True))
    found = executable.expectations(inputs, weights)
    norm = max(1.0, *(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables))
    torch.testing.assert_close(found, constant + left * (ideal - constant), rtol=0, atol=1e-10 * norm)


@pytest.mark.parametrize("mitigation", [None, "zne:1,3", "zne:1,3,5"])
def test_a_ghz_parity_comes_closer_with_every_factor(mitigation: str | None) -> None:
    """X on all qubits of a GHZ state: each of n - 1 gates on two qubits spoils it by the same factor."""
    qubits = 5
    circuit = QuantumCircuit(qubits)
    circuit.h(0)
    for qubit in range(qubits - 1):
        circuit.cx(qubit, qubit + 1)
    layer = LayerCircuit(circuit, [], [], ["X" * qubits])
    found = float(opened("noisy:closed.yaml", mitigation=mitigation).compile(layer).expectations([], [])[0])
    coefficients = {1: 1.0} if mitigation is None else dict(zip((1, 3, 5), FACTORS[mitigation], strict=False))
    wanted = sum(c * (1 - STRENGTH) ** (k * (qubits - 1)) for k, c in coefficients.items())
    assert found == pytest.approx(wanted, abs=1e-10)
    assert abs(1 - found) == pytest.approx({None: 0.151, "zne:1,3": 0.0323, "zne:1,3,5": 0.0077}[mitigation], rel=0.02)


@pytest.mark.parametrize(("mitigation", "idle"), [("zne:1,3", True), ("readout+zne:1,3,5", False)])
def test_values_are_those_of_aer(mitigation: str, idle: bool, rng: np.random.Generator) -> None:
    """Also where qubits wait: delays are put into folded circuits, which take longer."""
    circuit = ansatz("hardware-efficient", qubits=3, layers=1)
    inputs, weights = numbers(circuit, rng)
    found, wanted = (
        opened(f"{simulator}:fake_fez", mitigation=mitigation, idle_noise=idle)
        .compile(circuit)
        .expectations(inputs, weights)
        for simulator in ("noisy", "aer")
    )
    coefficients = sum(abs(factor) for factor in FACTORS[mitigation.removeprefix("readout+")])
    worse = coefficients / (0.89**3 if "readout" in mitigation else 1)  # the last by what undoes errors of readout
    torch.testing.assert_close(found, wanted, rtol=0, atol=worse * AER_ACCURACY)


def test_qubits_wait_longer_in_folded_circuits() -> None:
    circuit = ansatz("hardware-efficient", qubits=3, layers=1)
    executable: Any = opened("noisy:fake_fez", mitigation="zne:1,3", idle_noise=True).compile(circuit)
    waits = [
        sum(one.operation.duration for one in part.routed.circuits[0].data if one.operation.name == "delay")
        for part in executable.parts
    ]
    assert waits[1] > 1.5 * waits[0] > 0
    gates = [[one.operation.name for one in part.routed.circuits[0].data].count("cz") for part in executable.parts]
    assert gates[1] == 3 * gates[0] > 0


@pytest.mark.parametrize("place", ["fake_fez", "rotating.yaml"])  # the latter folds gates of open angles
def test_gradients_are_those_of_shift_rules_on_aer(place: str, rng: np.random.Generator) -> None:
    circuit = controlled()
    inputs, weights = numbers(circuit, rng, lead=2)
    upstream = torch.from_numpy(rng.normal(size=(2, circuit.num_observables)))
    methods: dict[str, GradientMethod] = {"noisy": Adjoint(), "aer": ParameterShift()}
    found, wanted = (
        method.value_and_vjp(
            opened(f"{where}:{place}", mitigation="readout+zne:1,3").compile(circuit), inputs, weights, (True, True)
        )
        for where, method in methods.items()
    )
    worse = 2 / 0.89**3  # by the extrapolation's coefficients, and by what undoes errors of readout
    torch.testing.assert_close(found.values, wanted.values, rtol=0, atol=worse * AER_ACCURACY)
    accuracy = worse * aer_gradient_accuracy(opened(f"aer:{place}").compile(circuit), inputs, weights, upstream)
    for one, other in zip(found.vjp(upstream), wanted.vjp(upstream), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=accuracy)
    some = (
        found.vjp(upstream),
        Adjoint()
        .value_and_vjp(
            opened(f"noisy:{place}", mitigation="readout+zne:1,3").compile(circuit), inputs, weights, (False, True)
        )
        .vjp(upstream),
    )
    assert some[1][0] is None
    torch.testing.assert_close(some[0][1], some[1][1], rtol=0, atol=1e-12)


def test_derivatives_of_gradients(rng: np.random.Generator) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    executable = opened("noisy:fake_fez", mitigation="zne:1,3,5").compile(circuit)
    assert executable.second_derivatives
    inputs, weights = (tensor.requires_grad_() for tensor in numbers(circuit, rng, lead=1))
    values = executable.expectations_autograd(inputs, weights)
    torch.testing.assert_close(values, executable.expectations(inputs.detach(), weights.detach()), rtol=0, atol=1e-12)
    assert torch.autograd.gradgradcheck(lambda x, w: executable.expectations_autograd(x, w), (inputs, weights))


def test_mixtures_and_batches_of_weights(rng: np.random.Generator) -> None:
    x, w, m = (Parameter(name) for name in "xwm")
    circuit = QuantumCircuit(2)
    circuit.rx(x, 0)
    circuit.cx(0, 1)
    circuit.ry(w + m, 1)
    layer = LayerCircuit(circuit, [x], [w], None, Mixture([m], [[0.0], [0.7]]))
    inputs, weights = torch.from_numpy(rng.normal(size=(4, 1))), torch.from_numpy(rng.normal(size=(4, 1)))
    found = opened("noisy:closed.yaml", mitigation="zne:1,3").compile(layer).expectations(inputs, weights)
    ideal = opened("statevector").compile(layer).expectations(inputs, weights)
    left = 1.5 * (1 - STRENGTH) - 0.5 * (1 - STRENGTH) ** 3
    torch.testing.assert_close(found, left * ideal, rtol=0, atol=1e-10)


def test_a_tolerance_is_that_of_the_mitigated_value() -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    plain = opened("noisy:fake_fez", method="propagate", tolerance=0.04).compile(circuit)
    mitigated = opened("noisy:fake_fez", method="propagate", tolerance=0.04, mitigation="zne:1,3").compile(circuit)
    assert plain.method == "propagation, tolerance 0.04"
    assert mitigated.method == "zne:1,3: propagation, tolerance 0.02"


def test_what_ran_is_said() -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    backend = opened("noisy:fake_fez", mitigation="zne:1,3+readout")
    assert backend.compile(circuit).method == "readout+zne:1,3: exact Pauli vector"
    assert backend.facts()["mitigation"] == "readout+zne:1,3"
    assert "mitigation" not in opened("noisy:fake_fez").facts()
    sampled = opened("aer:fake_fez", mitigation="zne:1,3", shots=1000)
    assert sampled.compile(circuit).method == "zne:1,3: density matrix, 750 shots; density matrix, 250 shots"
    assert sampled.facts()["mitigation"] == "zne:1,3"
    assert sampled.capabilities.shots == 1000


def test_it_is_pickled_by_being_compiled_again(rng: np.random.Generator) -> None:
    circuit = ansatz("basic", qubits=2, layers=1)
    executable = open_backend("noisy:fake_fez", mitigation="zne:1,3").compile(circuit)
    again = pickle.loads(pickle.dumps(executable))
    inputs, weights = numbers(circuit, rng)
    torch.testing.assert_close(again.expectations(inputs, weights), executable.expectations(inputs, weights))


def test_noise_factors_draw_apart(rng: np.random.Generator) -> None:
    """Paths at factor 1 are those without mitigation, at factor 3 others: a value is reproduced by hand."""
    circuit = ansatz("basic", qubits=3, layers=1)
    inputs, weights = numbers(circuit, rng)
    seeds = rng.integers(0, 2**62, 3)
    executable: Any = opened("noisy:fake_fez", method="paths", paths=2, mitigation="zne:1,3").compile(circuit)
    plain = opened("noisy:fake_fez", method="paths", paths=2).compile(circuit)
    assert executable.draws
    first, third = executable.parts
    torch.testing.assert_close(first.expectations(inputs, weights, seeds), plain.expectations(inputs, weights, seeds))
    found = executable.expectations(inputs, weights, seeds)
    same = 1.5 * first.expectations(inputs, weights, seeds) - 0.5 * third.expectations(inputs, weights, seeds)
    apart = first.streams(inputs, weights, seeds).derived("noise factor", 3)
    own = 1.5 * first.expectations(inputs, weights, seeds) - 0.5 * third.expectations(inputs, weights, apart)
    torch.testing.assert_close(found, own, rtol=0, atol=1e-12)
    assert not torch.allclose(found, same, rtol=0, atol=1e-6)
