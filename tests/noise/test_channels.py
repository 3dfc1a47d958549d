"""The errors after a gate as numbers, against the transfer matrices of all errors in Aer's model."""

from __future__ import annotations

import math
import sys
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit.circuit import Delay
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.quantum_info import PTM, SuperOp
from qiskit.transpiler import InstructionProperties, QubitProperties, Target

from qgen.devices import device_names, open_device
from qgen.noise import KINDS, DeviceNoise, FileNoise, GateNoise, LocalNoise, NoiseSettings, NoiseSource, Relaxation
from qgen.noise.channels import depolarizing_beyond
from qgen.noise.settings import TWO_QUBIT_GATES

EXACT = 1e-12
SCALES = (0.0, 0.3, 1.0, 5.0, 1e6)
SWITCHED = ((), KINDS[:1], KINDS[1:2], KINDS[2:], KINDS)
Key = tuple[str, tuple[int, ...]]
Doubles = npt.NDArray[np.float64]


def transfer_matrix(noise: GateNoise) -> Doubles:
    """On the Pauli vector, whose digit of the gate's first qubit is the lowest: depolarisation, then relaxation."""
    relaxed = np.eye(1)
    for e1, e2 in noise.relaxation:
        relaxed = np.kron([[1, 0, 0, 0], [0, e2, 0, 0], [0, 0, e2, 0], [1 - e1, 0, 0, e1]], relaxed)
    depolarized = np.diag([1.0, *[1 - noise.depolarizing] * (len(relaxed) - 1)])
    return relaxed @ depolarized


def aers(local: LocalNoise) -> dict[Key, Doubles]:
    """Aer's transfer matrix after each gate that has errors; of those that are the same everywhere, on wires 0, 1."""
    found = {
        (name, wires): error
        for name, errors in local.model._local_quantum_errors.items()
        for wires, error in errors.items()
    }
    for name, error in local.model._default_quantum_errors.items():
        found[name, tuple(range(error.num_qubits))] = error
    return {key: PTM(SuperOp(error)).data.real for key, error in found.items()}


def check(local: LocalNoise, gates: Collection[Key], channels: dict[Key, Doubles]) -> None:
    """All errors, and no more than there are."""
    noisy = {key: noise for key in gates if (noise := local.after(*key)) is not None}
    assert noisy.keys() == channels.keys()
    for key, noise in noisy.items():
        np.testing.assert_allclose(transfer_matrix(noise), channels[key], rtol=0, atol=EXACT, err_msg=str(key))


def check_waiting(local: LocalNoise, wire: int, seconds: float) -> None:
    """The relaxation in a `delay`, which a pass of Aer's model puts in."""
    waiting = np.eye(4)
    for pass_ in local.model._custom_noise_passes:
        error = pass_._func(Delay(seconds, "s"), [wire])
        waiting = waiting if error is None else PTM(SuperOp(error)).data.real
    rate_1, rate_2 = local.rates(wire)
    relaxed = Relaxation(math.exp(-seconds * rate_1), math.exp(-seconds * rate_2))
    np.testing.assert_allclose(transfer_matrix(GateNoise(0, (relaxed,))), waiting, rtol=0, atol=EXACT)


def gates_on(target: Target, qubits: Sequence[int]) -> list[Key]:
    """All operations of a target on these qubits, by their wires."""
    return [
        (name, tuple(qubits.index(qubit) for qubit in sites))
        for name in target.operation_names
        for sites in target[name] or {}
        if sites is not None and set(sites) <= set(qubits)
    ]


def coupled(target: Target, pairs: int, rng: np.random.Generator) -> list[int]:
    """The qubits of some of the pairs that have a gate, in random order; without pairs all qubits."""
    edges = sorted({sites for name in target.operation_names for sites in target[name] or {} if len(sites or ()) == 2})
    if not edges:
        return list(range(target.num_qubits))
    chosen = [edges[k] for k in rng.permutation(len(edges))[:pairs]]
    return [int(qubit) for qubit in rng.permutation(sorted({qubit for pair in chosen for qubit in pair}))]


def check_device(name: str, pairs: int, rng: np.random.Generator) -> None:
    target = open_device(name).target
    qubits = coupled(target, pairs, rng)
    for scale in SCALES:
        for kinds in SWITCHED:
            local = DeviceNoise(target, name).local(qubits, scale, kinds)
            check(local, gates_on(target, qubits), aers(local))
            check_waiting(local, int(rng.integers(len(qubits))), rng.uniform(0, 1e-5))


def test_they_are_the_channels_of_aers_model(rng: np.random.Generator) -> None:
    for name in ("fake_brisbane", *rng.choice(device_names(), 2, replace=False)):
        check_device(str(name), 1, rng)


@pytest.mark.slow
@pytest.mark.parametrize("name", device_names())
def test_they_are_the_channels_of_aers_model_of_every_snapshot(name: str, rng: np.random.Generator) -> None:
    check_device(name, 3, rng)
    target = open_device(name).target
    everywhere = list(range(target.num_qubits))
    local = DeviceNoise(target, name).local(everywhere)
    check(local, gates_on(target, everywhere), aers(local))
    for wire in everywhere:
        check_waiting(local, wire, 1e-6)


def test_there_are_qubits_whose_relaxation_is_worse_than_the_error_that_is_reported() -> None:
    """A case that a test of all snapshots has to meet: no depolarisation, as on qubit 119 of `fake_brisbane`."""
    local = DeviceNoise(open_device("fake_brisbane").target, "fake_brisbane").local([119, 118])
    alone, beside = local.after("sx", (0,)), local.after("sx", (1,))
    assert alone is not None
    assert beside is not None
    assert alone.depolarizing == 0 < beside.depolarizing
    assert alone.relaxation[0].e1 < 0.995


def drawn(low: float, high: float) -> st.SearchStrategy[float | None]:
    """A number, often a small one; or none at all."""
    return st.none() | st.floats(math.log(low), math.log(high)).map(math.exp)


def seen_by_aer(local: LocalNoise, gates: Collection[Key]) -> bool:
    """Whether no part of an error is so small that Aer leaves it out: it drops Kraus operators of weights below 1e-8.

    The weights of relaxation are the eigenvalues of its Choi matrix; the one of dephasing alone is 0 where T2 = 2 T1.
    """
    for noise in (local.after(*key) for key in gates):
        weights = [noise.depolarizing / 16] if noise else []
        for e1, e2 in noise.relaxation if noise else ():
            weights += [1 - e1, (1 + e1) / 2 - math.hypot((1 - e1) / 2, e2)]
        if any(1e-15 < abs(weight) < 1.1e-8 for weight in weights):
            return False
    return True


SCALE = st.sampled_from(SCALES) | st.floats(0.01, 100)
LIVES = st.tuples(drawn(1e-8, 1e-2), drawn(1e-8, 1e-2))  # T2 beyond 2 T1 is among them


@examples(60)
@given(
    errors=st.tuples(drawn(1e-6, 1), drawn(1e-6, 1)),
    durations=st.tuples(drawn(1e-9, 1e-4), drawn(1e-9, 1e-4)),
    lives=st.tuples(LIVES, LIVES),
    scale=SCALE,
    kinds=st.sampled_from(SWITCHED),
)
def test_they_are_aers_for_devices_of_any_numbers(
    errors: Any, durations: Any, lives: Any, scale: float, kinds: tuple[str, ...]
) -> None:
    target = Target(num_qubits=2, qubit_properties=[QubitProperties(t1=t1, t2=t2) for t1, t2 in lives])
    reported = [InstructionProperties(duration, error) for duration, error in zip(durations, errors, strict=True)]
    target.add_instruction(RZGate(0.1), {(k,): InstructionProperties(0.0, 0.0) for k in range(2)})
    target.add_instruction(SXGate(), {(0,): reported[0], (1,): None})
    target.add_instruction(CZGate(), {(0, 1): reported[1], (1, 0): reported[0]})
    local, gates = DeviceNoise(target, "imagined").local([1, 0], scale, kinds), gates_on(target, [1, 0])
    assume(seen_by_aer(local, gates))
    check(local, gates, aers(local))
    for wire in (0, 1):
        check_waiting(local, wire, durations[1] or 0)  # as long as the gate on both


@examples(60)
@given(
    probabilities=st.tuples(drawn(1e-6, 1), drawn(1e-6, 1)),
    t1=drawn(0.2, 1e4),
    ratio=st.none() | st.floats(0.01, 2),
    durations=st.tuples(st.floats(0, 1e5), st.floats(0, 1e5)),
    scale=SCALE,
    kinds=st.sampled_from(SWITCHED),
)
def test_they_are_aers_for_files(
    probabilities: Any, t1: float | None, ratio: float | None, durations: Any, scale: float, kinds: tuple[str, ...]
) -> None:
    """Times are in microseconds, durations of gates in nanoseconds."""
    t2 = (7.0 if t1 is None else t1) * ratio if ratio else None
    content: dict[str, Any] = {
        "basis": ["rz", "sx", "x", "cx", "rzz"],
        "depolarizing": {"one_qubit": probabilities[0] or 0, "cx": probabilities[1] or 0},
    }
    if t1 or t2:
        times = dict(zip(("one_qubit_ns", "two_qubit_ns"), durations, strict=True))
        content["relaxation"] = {"t1_us": t1, "t2_us": t2, **times}
    noise = FileNoise(NoiseSettings.read(content))
    local = noise.local([3, 1], scale, kinds)
    gates = [(name, (0, 1) if name in TWO_QUBIT_GATES else (0,)) for name in (*noise.settings.basis, "cz", "delay")]
    assume(seen_by_aer(local, gates))
    check(local, gates, aers(local))
    check_waiting(local, 1, durations[0] * 1e-9)  # as long as a gate on one
    assert local.after("cx", (1, 0)) == local.after("cx", (0, 1))


@given(error=st.floats(1e-6, 0.5), lost=st.lists(st.floats(0, 0.1), min_size=1, max_size=2), share=st.floats(0, 1))
def test_depolarisation_makes_up_the_rest_of_an_infidelity(error: float, lost: list[float], share: float) -> None:
    relaxed = [Relaxation(1 - loss, math.sqrt(1 - loss) * share**0.01) for loss in lost]
    alone = GateNoise(0.0, tuple(relaxed)).infidelity
    both = GateNoise(depolarizing_beyond(error, relaxed), tuple(relaxed))
    assert both.infidelity == pytest.approx(max(error, alone), abs=EXACT)


def test_a_step_of_the_clock_is_that_of_the_device() -> None:
    target = open_device("fake_fez").target
    assert DeviceNoise(target, "fake_fez").local([0]).dt == target.dt == pytest.approx(4e-9)
    assert FileNoise(NoiseSettings()).local([0]).dt is None


@pytest.mark.parametrize("device", [False, True])
def test_they_are_known_without_aer(device: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit_aer.noise", None)
    settings = NoiseSettings.read({"depolarizing": {"one_qubit": 0.1, "two_qubit": 0.2}})
    source: NoiseSource = DeviceNoise(open_device("fake_perth").target, "fake_perth") if device else FileNoise(settings)
    target = source.target(2)
    local = source.local([0, 1])
    assert local.after("cx", (0, 1)) is not None
    assert local.after("rz", (0,)) is None
    assert target["sx"][(0,)].error > 0
