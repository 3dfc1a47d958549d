"""Predicted fidelities beside density matrices: exact where qubits are not entangled, or as much as can be."""

from __future__ import annotations

import numpy as np
import pytest
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, ECRGate, RZGate, SXGate
from qiskit.providers import QubitProperties
from qiskit.quantum_info import Operator, Statevector
from qiskit.transpiler import InstructionProperties, Target

from qgen.circuits import ansatz, ansatz_names
from qgen.circuits.observables import support
from qgen.devices import open_device
from qgen.errors import CircuitError
from qgen.reports.transpilation.compact_circuit import CompactCircuit
from qgen.reports.transpilation.simulation import random_angles, simulated_fidelity
from qgen.transpilation.bloch_moments import BlochMoments
from qgen.transpilation.relayout import final_layout
from qgen.transpilation.schedule import device_instructions
from qgen.transpilation.state_fidelity import StateFidelity, predict_fidelity
from qgen.transpilation.transpile import TranspileOptions, transpile

US = 1e-6
angles = st.floats(-3.1, 3.1)
#: In microseconds; what is shorter than `MIN_IDLE` is rounding, and no wait.
waits = st.just(0.0) | st.floats(0.001, 100)


def device(t1: float = 100.0, t2: float = 70.0, qubits: int = 3) -> Target:
    """A line of qubits without gate errors but those of relaxation, in microseconds; gates take no time."""
    target = Target(num_qubits=qubits, qubit_properties=[QubitProperties(t1=t1 * US, t2=t2 * US)] * qubits)
    free = InstructionProperties(duration=0.0, error=0.0)
    target.add_instruction(RZGate(Parameter("a")), {(q,): free for q in range(qubits)})
    # A nanosecond, so that it ends a wait.
    target.add_instruction(SXGate(), {(q,): InstructionProperties(1e-9, 0.0) for q in range(qubits)})
    pairs = {(q, q + 1): InstructionProperties(1e-9, 0.0) for q in range(qubits - 1)}
    target.add_instruction(CZGate(), pairs)
    target.add_instruction(ECRGate(), pairs)
    return target


def predicted(circuit: QuantumCircuit, target: Target, measured: list[int]) -> StateFidelity:
    return predict_fidelity(circuit, device_instructions(circuit, target), target, measured)


@given(angles, angles, st.floats(5, 200), st.floats(0.1, 1.9), waits)
@examples(30)
def test_a_qubit_that_waits_alone(first: float, second: float, t1: float, ratio: float, wait: float) -> None:
    """Populations and coherences, by the Kraus operators of amplitude damping and dephasing."""
    circuit = QuantumCircuit(1)
    for angle in (first, second):
        circuit.sx(0)
        circuit.rz(angle, 0)
    circuit.sx(0)
    state = Statevector(circuit).data
    circuit.delay(wait, 0, "us")
    e1, e2 = np.exp(-wait / t1), np.exp(-wait / (ratio * t1))
    rho = np.outer(state, state.conj())
    left = np.array([[rho[0, 0] + (1 - e1) * rho[1, 1], e2 * rho[0, 1]], [e2 * rho[1, 0], e1 * rho[1, 1]]])
    wanted = (state.conj() @ left @ state).real
    assert predicted(circuit, device(t1, ratio * t1, 1), [0]).idle == pytest.approx(wanted, abs=1e-9)


@given(st.floats(0.001, 1), st.floats(0.1, 1.9))
@examples(10)
def test_of_an_excited_qubit_that_waits_for_ever_nothing_is_left(t1: float, ratio: float) -> None:
    """Snapshots have such qubits: T1 is 0.8 microseconds on one of fake_kawasaki's, and circuits take tens of these."""
    circuit = QuantumCircuit(1)
    circuit.sx(0)
    circuit.sx(0)
    circuit.delay(100, 0, "us")
    assert predicted(circuit, device(t1, ratio * t1, 1), [0]).idle == pytest.approx(0, abs=1e-15)


@given(st.floats(5, 200), st.floats(0.1, 1.9), waits)
@examples(10)
def test_half_of_a_bell_pair_waits(t1: float, ratio: float, wait: float) -> None:
    circuit = QuantumCircuit(2)
    for qubit in (0, 1):
        circuit.rz(np.pi / 2, qubit)
        circuit.sx(qubit)
        circuit.rz(np.pi / 2, qubit)
    circuit.cz(0, 1)
    circuit.delay(wait, 0, "us")
    left = predicted(circuit, device(t1, ratio * t1, 2), [0]).idle
    assert left == pytest.approx((1 + np.exp(-wait / t1) + 2 * np.exp(-wait / ratio / t1)) / 4, abs=1e-9)


def test_what_cannot_reach_a_measured_qubit_does_not_count() -> None:
    target, circuit = device(), QuantumCircuit(3)
    circuit.sx(0)
    circuit.sx(1)
    circuit.cz(0, 1)
    circuit.delay(30, 1, "us")
    circuit.cz(1, 2)
    circuit.delay(10, 2, "us")
    alone, both = predicted(circuit, target, [0]), predicted(circuit, target, [0, 2])
    assert alone.idle > both.idle  # qubit 0 waits either way, for the end
    without = QuantumCircuit(3)
    without.sx(0)
    without.sx(1)
    without.cz(0, 1)
    without.delay(40 + 1e-3, 0, "us")
    assert alone.idle == pytest.approx(predicted(without, target, [0]).idle, abs=1e-9)
    assert predicted(circuit, target, []) == (1.0, 1.0)


def followed(circuit: QuantumCircuit) -> BlochMoments:
    moments = BlochMoments(range(circuit.num_qubits))
    for step in circuit.data:
        moments.apply(step.name, step.params, [circuit.find_bit(qubit).index for qubit in step.qubits])
    return moments


def bloch_vector(state: Statevector, qubit: int) -> list[float]:
    return [state.expectation_value(Operator.from_label(label), [qubit]).real for label in "XYZ"]


@given(st.data(), st.integers(1, 4))
@examples(20)
def test_moments_of_a_product_state_are_those_of_its_state(data: st.DataObject, gates: int) -> None:
    circuit = QuantumCircuit(2)
    for _ in range(gates):
        for qubit in (0, 1):
            name = data.draw(st.sampled_from(["rz", "rx", "ry", "p", "sx", "x", "h", "s", "sxdg", "u"]))
            turns = data.draw(st.tuples(*[angles] * {"u": 3, "rz": 1, "rx": 1, "ry": 1, "p": 1}.get(name, 0)))
            getattr(circuit, name)(*turns, qubit)
    circuit.swap(0, 1)
    moments = followed(circuit)
    state = Statevector(circuit)
    for qubit in (0, 1):
        wanted = bloch_vector(state, qubit)
        assert moments.mean(qubit)[1:] == pytest.approx(wanted, abs=1e-9)
        assert moments.square(qubit)[1:] == pytest.approx(np.square(wanted), abs=1e-9)
    assert moments.purity([0, 1]) == pytest.approx(1)


@given(st.data(), st.integers(1, 6))
@examples(20)
def test_two_qubits_are_followed_as_they_are(data: st.DataObject, gates: int) -> None:
    """Whatever a block of gates does, and undoes, as long as no third qubit comes in between."""
    circuit = QuantumCircuit(2)
    for _ in range(gates):
        for qubit in (0, 1):
            circuit.u(*(data.draw(angles) for _ in range(3)), qubit)
        name = data.draw(st.sampled_from(["cx", "cz", "ecr", "iswap", "swap", "rzz", "cry", "rxx", "cu"]))
        turns = [data.draw(angles) for _ in range({"rzz": 1, "cry": 1, "rxx": 1, "cu": 4}.get(name, 0))]
        getattr(circuit, name)(*turns, *data.draw(st.permutations([0, 1])))
    moments = followed(circuit)
    state = Statevector(circuit)
    for qubit in (0, 1):
        wanted = bloch_vector(state, qubit)
        assert moments.mean(qubit)[1:] == pytest.approx(wanted, abs=1e-9)
        assert moments.square(qubit)[1:] == pytest.approx(np.square(wanted), abs=1e-9)
    assert moments.purity([1, 0]) == pytest.approx(1)


@pytest.mark.parametrize("open_gate", ["rz", "rzz"])
def test_open_angles_are_averaged(open_gate: str, rng: np.random.Generator) -> None:
    """A mean over eight equally spaced angles is exact: values have frequency one, and their squares two."""
    free, circuit = Parameter("a"), QuantumCircuit(2)
    for qubit in (0, 1):
        circuit.u(*rng.uniform(-3, 3, 3), qubit)
    circuit.cx(0, 1)
    getattr(circuit, open_gate)(free, *([1] if open_gate == "rz" else [0, 1]))
    circuit.u(*rng.uniform(-3, 3, 3), 0)
    circuit.cx(1, 0)
    moments = followed(circuit)
    states = [Statevector(circuit.assign_parameters([angle])) for angle in np.arange(8) * np.pi / 4]
    for qubit in (0, 1):
        values = np.array([bloch_vector(state, qubit) for state in states])
        assert moments.mean(qubit)[1:] == pytest.approx(values.mean(axis=0), abs=1e-9)


def test_squares_of_open_angles(rng: np.random.Generator) -> None:
    """Where fixed gates that follow take Paulis to Paulis."""
    free, circuit = Parameter("a"), QuantumCircuit(2)
    for qubit in (0, 1):
        circuit.u(*rng.uniform(-3, 3, 3), qubit)
    circuit.cx(0, 1)
    circuit.rz(free, 1)
    circuit.sx(1)
    circuit.cx(0, 1)
    moments = followed(circuit)
    states = [Statevector(circuit.assign_parameters([angle])) for angle in np.arange(8) * np.pi / 4]
    for qubit in (0, 1):
        values = np.array([bloch_vector(state, qubit) for state in states])
        assert moments.square(qubit)[1:] == pytest.approx((values**2).mean(axis=0), abs=1e-9)
    assert moments.purity([0, 1]) == pytest.approx(1)


DEVICES = ("fake_brisbane", "fake_torino", "fake_fez", "fake_kingston", "fake_boston", "fake_miami", "fake_guadalupe")
#: By at most this factor a predicted loss is above the simulated one.
TOO_LARGE = 1.35
#: How far it may be below, as a factor, and beyond either.
TOO_SMALL, SMALL = 0.95, 0.005


def compare(rng: np.random.Generator, of: str, name: str) -> None:
    while True:
        qubits, layers, seed = int(rng.integers(4, 7)), int(rng.integers(1, 4)), int(rng.integers(100))
        try:
            circuit = ansatz(name, qubits=qubits, layers=layers)
        except CircuitError:  # not at this size
            circuit = ansatz(name, qubits=8 if "conv" in name else 4, layers=1)
        opened = open_device(of)
        isa = transpile(circuit.circuit, opened.target, TranspileOptions(2, seed, merge_rotations=True))
        wires = len(CompactCircuit(isa, opened.target, ()).wires)
        if wires <= 8:
            break
    measured = [final_layout(isa)[qubit] for qubit in support(circuit.observables)]
    found = predicted(isa, opened.target, measured)
    simulated = simulated_fidelity(isa, opened.target, measured, random_angles(circuit, isa, seed, 48))
    mixed = 2.0**-wires  # what noise leaves at least, and a product of losses does not
    for ours, mean in ((found.gates, simulated.gates), (found.idle, simulated.idle)):
        most, least = mean + 4 * simulated.standard_error, mean - 4 * simulated.standard_error
        assert -TOO_SMALL * np.log(most) - SMALL <= -np.log(ours)
        assert -np.log(ours) <= -TOO_LARGE * np.log((least - mixed) / (1 - mixed)) + SMALL


def test_one_of_the_catalogue(rng: np.random.Generator) -> None:
    compare(rng, str(rng.choice(DEVICES)), str(rng.choice(["basic", "ry-cz", "hardware-efficient", "masked"])))


@pytest.mark.slow
@pytest.mark.parametrize("of", DEVICES)
@pytest.mark.parametrize("name", ansatz_names())
def test_all_of_the_catalogue(of: str, name: str, rng: np.random.Generator) -> None:
    compare(rng, of, name)
