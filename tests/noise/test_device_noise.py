"""Noise of devices: Aer's model of the whole device, cut down; and what scale and kinds make of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from functools import cache
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit.library import ECRGate, RZGate, SXGate
from qiskit.quantum_info import DensityMatrix, SuperOp, average_gate_fidelity, partial_trace
from qiskit.transpiler import InstructionProperties, QubitProperties, Target
from qiskit_aer import AerSimulator
from qiskit_aer.noise import NoiseModel
from qiskit_ibm_runtime import fake_provider

from qgen.errors import BackendError
from qgen.noise import KINDS, DeviceNoise

EXACT = 1e-12
# Pairs of qubits whose gate is out of order (its error is 1), and qubits whose T2 is more than 2 T1.
DEVICES: dict[str, tuple[int, ...]] = {
    "FakeBrisbane": (24, 25, 102, 119),
    "FakeTorino": (15, 19, 20, 23),
    "FakePerth": (),
    "FakeFractionalBackend": (),
}


@cache
def device(name: str) -> Any:
    return getattr(fake_provider, name)()


@cache
def whole_model(name: str) -> NoiseModel:
    return NoiseModel.from_backend(device(name))


def model_among(name: str, qubits: Collection[int]) -> NoiseModel:
    """Aer's model of the device without the gates and readout of other qubits: that of the whole takes seconds."""
    whole = device(name).target
    target = Target(num_qubits=whole.num_qubits, dt=whole.dt, qubit_properties=whole.qubit_properties)
    for operation in whole.operation_names:
        places = {place: what for place, what in whole[operation].items() if place and set(place) <= set(qubits)}
        if places:
            target.add_instruction(whole.operation_from_name(operation), places, name=operation)
    backend = SimpleNamespace(version=2, operation_names=list(target.operation_names), target=target, dt=whole.dt)
    return NoiseModel.from_backend(backend)


def noise_of(name: str) -> DeviceNoise:
    return DeviceNoise(device(name).target, name)


def channels(model: NoiseModel, within: Collection[int] | None = None) -> dict[tuple[str, tuple[int, ...]], SuperOp]:
    """After each gate; only of those on these qubits."""
    actual = model._local_quantum_errors.items()
    return {
        (name, place): SuperOp(error)
        for name, errors in actual
        for place, error in errors.items()
        if within is None or set(within) >= set(place)
    }


def walk(name: str, length: int, rng: np.random.Generator) -> list[int]:
    """Different qubits, each coupled to one before it, in random order."""
    edges = set(device(name).coupling_map.get_edges())
    qubits = [int(rng.integers(device(name).num_qubits))]
    while len(qubits) < length:
        near = {b for a, b in edges | {edge[::-1] for edge in edges} if a in qubits and b not in qubits}
        qubits.append(int(rng.choice(sorted(near))))
    return [int(qubit) for qubit in rng.permutation(qubits)]


def check_as_in_aers_model(name: str, qubits: list[int], whole: NoiseModel) -> None:
    local = noise_of(name).local(qubits)
    actual = channels(local.model)
    wire = {qubit: k for k, qubit in enumerate(qubits)}
    wanted = {
        (gate, tuple(wire[qubit] for qubit in place)): channel
        for (gate, place), channel in channels(whole, qubits).items()
    }
    assert actual.keys() == wanted.keys()
    for key, channel in wanted.items():
        np.testing.assert_allclose(actual[key].data, channel.data, atol=EXACT, err_msg=str(key))
    readout = [whole._local_readout_errors[(qubit,)].probabilities for qubit in qubits]
    np.testing.assert_allclose(local.confusion, readout, atol=EXACT)
    assert not local.model._local_readout_errors


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", DEVICES)
def test_cut_down_it_is_aers_model_of_its_part_of_the_device(name: str, rng: np.random.Generator) -> None:
    for qubits in chosen(name, rng):
        check_as_in_aers_model(name, qubits, model_among(name, qubits))


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if places else ()) for name, places in DEVICES.items()]
)
def test_cut_down_it_is_aers_model_of_the_whole_device(name: str, rng: np.random.Generator) -> None:
    for qubits in chosen(name, rng):
        check_as_in_aers_model(name, qubits, whole_model(name))


def chosen(name: str, rng: np.random.Generator) -> list[list[int]]:
    """Qubits side by side, and those with something out of order."""
    return [walk(name, 5, rng), *([list(DEVICES[name])] if DEVICES[name] else [])]


def test_aer_runs_a_circuit_of_all_instructions_as_on_the_whole_device(rng: np.random.Generator) -> None:
    """The small circuit on renamed wires against the same circuit in the middle of the device."""
    edges = set(device("FakeFractionalBackend").target["rzz"]) & set(device("FakeFractionalBackend").target["cx"])
    qubits = list(sorted(edges)[int(rng.integers(len(edges)))])

    def circuit(width: int, a: int, b: int) -> QuantumCircuit:
        made = QuantumCircuit(width)
        made.rx(0.7, a)
        made.sx(b)
        made.rz(0.4, b)
        made.delay(3000, a, unit="ns")
        made.delay(20000, b, unit="dt")
        made.cx(a, b)
        made.rzz(0.9, a, b)
        made.id(a)
        made.x(b)
        made.rzz(0.3, a, b)
        made.reset(a)
        made.sx(a)
        made.save_density_matrix()
        return made

    small = density_matrix(circuit(2, 0, 1), noise_of("FakeFractionalBackend").local(qubits).model)
    large = density_matrix(circuit(5, *qubits), whole_model("FakeFractionalBackend"))
    others = [k for k in range(5) if k not in qubits]
    middle = partial_trace(large, others)
    if qubits[0] > qubits[1]:
        middle = middle.reverse_qargs()
    np.testing.assert_allclose(small.data, middle.data, atol=EXACT)
    assert small.purity() < 0.99


def density_matrix(circuit: QuantumCircuit, model: NoiseModel) -> DensityMatrix:
    result = AerSimulator(method="density_matrix", noise_model=model).run(circuit, shots=1).result()
    return DensityMatrix(result.data()["density_matrix"])


def decays(channel: SuperOp) -> tuple[float, float]:
    """What is left of an excited population, and of a coherence."""
    excited = channel._evolve(DensityMatrix(np.diag([0, 1]))).data[1, 1].real
    coherence = channel._evolve(DensityMatrix(np.full((2, 2), 0.5))).data[0, 1].real * 2
    return excited, coherence


def test_wires_are_the_qubits_in_the_order_asked_for() -> None:
    target = device("FakePerth").target
    for qubits in ([5, 2], [2, 5], [6]):
        actual = channels(noise_of("FakePerth").local(qubits, kinds=("relaxation",)).model)
        for wire, qubit in enumerate(qubits):
            life, duration = target.qubit_properties[qubit], target["sx"][(qubit,)].duration
            wanted = math.exp(-duration / life.t1), math.exp(-duration / min(life.t2, 2 * life.t1))
            assert decays(actual["sx", (wire,)]) == pytest.approx(wanted, abs=EXACT)


def test_a_gate_of_one_direction_keeps_it() -> None:
    assert (1, 0) in device("FakeBrisbane").target["ecr"]
    for qubits, place in (([0, 1], (1, 0)), ([1, 0], (0, 1))):
        actual = channels(noise_of("FakeBrisbane").local(qubits).model)
        assert [where for name, where in actual if name == "ecr"] == [place]
    assert not any(name == "rz" for name, _ in actual)


@pytest.mark.rows(1)
@pytest.mark.parametrize(("name", "scale"), [("FakeBrisbane", 1.0), ("FakeBrisbane", 4.0), ("FakeTorino", 0.3)])
def test_gates_and_then_relaxation_are_both(name: str, scale: float, rng: np.random.Generator) -> None:
    noise, qubits = noise_of(name), [*walk(name, 3, rng), *DEVICES[name]]
    qubits = list(dict.fromkeys(qubits))
    gates, relaxation, both = (
        channels(noise.local(qubits, scale, kinds).model) for kinds in (KINDS[:1], KINDS[1:2], KINDS[:2])
    )
    assert gates
    assert both.keys() == gates.keys() | relaxation.keys()
    for key, channel in both.items():
        parts = [part[key] for part in (gates, relaxation) if key in part]
        wanted = parts[0] if len(parts) == 1 else parts[0].compose(parts[1])
        np.testing.assert_allclose(channel.data, wanted.data, atol=1e-10, err_msg=str(key))


def test_kinds_switch_on_their_own() -> None:
    noise = noise_of("FakePerth")
    assert noise.local([0, 1], kinds=("readout",)).model.is_ideal()
    for kinds in ((), ("gates",), ("relaxation",)):
        assert np.array_equal(noise.local([0, 1], kinds=kinds).confusion, [np.eye(2)] * 2)
    assert "reset" in noise.local([0, 1], kinds=("relaxation",)).model.noise_instructions
    assert "reset" not in noise.local([0, 1], kinds=("gates",)).model.noise_instructions


def test_at_scale_zero_there_is_no_noise() -> None:
    local = noise_of("FakeBrisbane").local([24, 25, 102], scale=0)
    assert local.model.is_ideal()
    assert np.array_equal(local.confusion, [np.eye(2)] * 3)


def imagined(error: Any, duration: Any, lives: list[tuple[Any, Any]]) -> Target:
    """Two qubits, an `ecr` and an `sx` with these properties."""
    target = Target(num_qubits=2, qubit_properties=[QubitProperties(t1=t1, t2=t2) for t1, t2 in lives])
    target.add_instruction(RZGate(0.1), {(k,): InstructionProperties(duration=0.0, error=0.0) for k in range(2)})
    target.add_instruction(SXGate(), {(0,): InstructionProperties(duration, error), (1,): None})
    target.add_instruction(ECRGate(), {(1, 0): InstructionProperties(duration, error)})
    return target


def relaxation_infidelity(duration: float, lives: list[tuple[Any, Any]]) -> float:
    process = 1.0
    for t1, t2 in lives:
        t1 = math.inf if t1 is None else t1
        t2 = 2 * t1 if t2 is None else min(t2, 2 * t1)
        process *= (1 + math.exp(-duration / t1) + 2 * math.exp(-duration / t2)) / 4
    d = 2 ** len(lives)
    return 1 - (d * process + 1) / (d + 1)


def maybe(floats: st.SearchStrategy[float]) -> st.SearchStrategy[float | None]:
    return st.none() | floats


TIMES = maybe(st.floats(1e-6, 1e-3))


@given(
    error=maybe(st.floats(0, 1)),
    duration=maybe(st.floats(0, 1e-5)),
    lives=st.tuples(st.tuples(TIMES, TIMES), st.tuples(TIMES, TIMES)).map(list),
    scale=st.floats(0, 100),
)
def test_scale_multiplies_errors_and_times_up_to_their_limits(
    error: float | None, duration: float | None, lives: list[tuple[Any, Any]], scale: float
) -> None:
    noise = DeviceNoise(imagined(error, duration, lives), "imagined")
    actual = channels(noise.local([0, 1], scale).model)
    for name, place in (("sx", (0,)), ("ecr", (1, 0))):
        d = 2 ** len(place)
        channel = actual.get((name, place), SuperOp(np.eye(d * d)))
        assert channel.is_cptp(atol=1e-7)
        reported = min(error or 0, d / (d + 1))  # a fidelity is at least 1 / (d + 1)
        wanted = min(scale * (error or 0), max(reported, 1 - 1 / d))
        relaxed = relaxation_infidelity(scale * (duration or 0), [lives[qubit] for qubit in place])
        most = d * d / (d * d - 1)  # the probability of the strongest depolarising channel that there is
        worst = 1 - (1 - most) * (1 - relaxed) - most / d
        assert 1 - average_gate_fidelity(channel) == pytest.approx(max(min(wanted, worst), relaxed), abs=1e-7)


@given(scale=st.sampled_from([1.0, 30.0, 1e6]), error=st.sampled_from([1e-3, 0.5, 0.75, 1.0]))
def test_relaxation_that_leaves_nothing_is_survived(scale: float, error: float) -> None:
    noise = DeviceNoise(imagined(error, 1e-3, [(1e-9, 1e-9), (1e-5, 3e-6)]), "imagined")
    for kinds in (KINDS, ("gates",), ("relaxation",)):
        for channel in channels(noise.local([0, 1], scale, kinds).model).values():
            assert channel.is_cptp(atol=1e-7)


def test_wrongly_read_bits_scale_up_to_one_half() -> None:
    target = device("FakePerth").target
    wrong = target["measure"][(3,)].error
    for scale, wanted in ((0.5, wrong / 2), (1, wrong), (2, 2 * wrong), (1e5, 0.5)):
        actual = noise_of("FakePerth").local([3], scale).confusion[0]
        np.testing.assert_allclose(actual, [[1 - wanted, wanted], [wanted, 1 - wanted]], atol=EXACT)


class Read(InstructionProperties):
    prob_meas1_prep0, prob_meas0_prep1 = 0.01, 0.7


def test_readout_of_0_and_1_apart_where_the_device_reports_it_and_none_where_it_reports_none() -> None:
    from qiskit.circuit import Measure

    target = imagined(None, None, [(None, None)] * 2)
    target.add_instruction(Measure(), {(0,): Read(error=0.3), (1,): None})
    noise = DeviceNoise(target, "imagined")
    np.testing.assert_allclose(noise.local([1, 0]).confusion, [np.eye(2), [[0.99, 0.01], [0.7, 0.3]]], atol=EXACT)
    np.testing.assert_allclose(noise.local([0], 2).confusion[0], [[0.98, 0.02], [0.7, 0.3]], atol=EXACT)


def test_a_device_without_any_numbers_has_no_noise() -> None:
    bare = Target(num_qubits=2)
    bare.add_instruction(SXGate(), {(0,): None, (1,): None})
    local = DeviceNoise(bare, "bare").local([1])
    assert not channels(local.model)
    assert np.array_equal(local.confusion, [np.eye(2)])
    assert DeviceNoise(bare, "bare").local([]).confusion.shape == (0, 2, 2)


def test_facts_say_what_was_asked_for() -> None:
    calibrated = device("FakePerth").properties().last_update_date
    noise = DeviceNoise(device("FakePerth").target, "fake_perth", calibrated)
    assert noise.local([5, 2], 0.5, ("readout", "gates")).provenance == {
        "name": "fake_perth",
        "calibrated": calibrated.isoformat(),
        "qubits": [5, 2],
        "scale": 0.5,
        "kinds": ["gates", "readout"],
    }


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (lambda noise: noise.target(8), "circuit has 8 qubits, `fake_perth` only 7"),
        (lambda noise: noise.local([0, 7]), "qubit 7.* from 0 to 6"),
        (lambda noise: noise.local([-1]), "qubit -1"),
        (lambda noise: noise.local([2, 2]), "each of them once"),
        (lambda noise: noise.local([0], -0.5), "noise scale .* not -0.5"),
        (lambda noise: noise.local([0], math.nan), "noise scale"),
        (lambda noise: noise.local([0], math.inf), "noise scale"),
        (lambda noise: noise.local([0], "2"), "noise scale"),
        (lambda noise: noise.local([0], True), "noise scale"),
        (lambda noise: noise.local([0], kinds=("gates", "relaxtion")), "Did you mean `relaxation`"),
    ],
)
def test_what_cannot_be_is_refused(ask: Callable[[DeviceNoise], object], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        ask(DeviceNoise(device("FakePerth").target, "fake_perth"))


def test_only_the_model_needs_aer_and_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "qiskit_aer.noise", None)
    local = noise_of("FakePerth").local([0])
    assert local.after("sx", (0,)) is not None
    with pytest.raises(BackendError, match="pip install qiskit-aer"):
        _ = local.model
