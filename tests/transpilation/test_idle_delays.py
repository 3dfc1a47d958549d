"""Delays where qubits wait: those that Qiskit's scheduler puts in, and the time that the report calls waiting."""

from __future__ import annotations

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.quantum_info import DensityMatrix
from qiskit.transpiler import InstructionProperties, PassManager, QubitProperties, Target
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay, TimeUnitConversion

from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import compute_metrics
from qgen.transpilation.idle_delays import insert_idle_delays
from qgen.transpilation.transpile import TranspileOptions, transpile

US = 1e-6


def line(duration: float | None = 10 * US) -> Target:
    """Three qubits in a row; `duration` is that of a gate on the first two."""
    target = Target(num_qubits=3, qubit_properties=[QubitProperties(t1=100 * US, t2=50 * US)] * 3)
    target.add_instruction(RZGate(Parameter("angle")), {(q,): InstructionProperties(0.0, 0.0) for q in range(3)})
    target.add_instruction(SXGate(), {(q,): InstructionProperties(1 * US, 0.001) for q in range(3)})
    pairs = {(0, 1): InstructionProperties(duration, 0.02), (1, 2): InstructionProperties(20 * US, 0.05)}
    target.add_instruction(CZGate(), pairs)
    return target


def read(circuit: QuantumCircuit) -> list[tuple[str, tuple[int, ...], float]]:
    """Name, qubits and microseconds of delays, of each instruction but virtual ones."""
    return [
        (
            one.operation.name,
            tuple(circuit.find_bit(bit).index for bit in one.qubits),
            round(one.operation.duration / US, 9) if one.operation.name == "delay" else 0,
        )
        for one in circuit.data
        if one.operation.name != "rz"
    ]


def by_hand() -> QuantumCircuit:
    circuit = QuantumCircuit(3)
    circuit.rz(0.3, 2)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    circuit.sx(0)
    return circuit


def test_a_qubit_waits_between_its_gates_and_until_it_is_read() -> None:
    """Qubit 0 for the second cz; not qubit 2, which stands at zero before; qubit 1 for nothing."""
    gates = [("sx", (0,), 0), ("cz", (0, 1), 0)]
    rest = [("cz", (1, 2), 0), ("sx", (0,), 0)]
    assert read(insert_idle_delays(by_hand(), line(), [0, 1, 2])) == [*gates, ("delay", (0,), 19), *rest]
    circuit = by_hand()
    del circuit.data[-1]
    assert read(insert_idle_delays(circuit, line(), [0, 1])) == [*gates, ("delay", (0,), 20), rest[0]]
    assert read(insert_idle_delays(circuit, line(), [1, 2])) == [*gates, rest[0]]  # nothing is lost of what is not read


def test_a_delay_of_the_circuit_stays_as_it_is() -> None:
    circuit = by_hand()
    circuit.delay(4, 2, "us")
    padded = insert_idle_delays(circuit, line(), [0, 2])
    waits = [
        (padded.find_bit(one.qubits[0]).index, one.operation.duration, one.operation.unit)
        for one in padded.data
        if one.operation.name == "delay"
    ]
    assert waits == [(0, pytest.approx(23 * US), "s"), (2, 4, "us")]


@pytest.mark.parametrize("device", ["fake_lagos", "fake_brisbane", "fake_fez"])
def test_it_is_the_time_that_the_report_calls_waiting(device: str, rng: np.random.Generator) -> None:
    opened = open_device(device)
    name = str(rng.choice(["hqconv", "hardware-efficient"]))
    isa = transpile(ansatz(name, qubits=4, layers=2).circuit, opened.target, TranspileOptions(1, 0))
    ends = isa.layout.final_index_layout()
    measured = [int(qubit) for qubit in rng.permutation(ends)[: rng.integers(1, 5)]]
    padded = insert_idle_delays(isa, opened.target, measured)
    waits: dict[int, float] = {}
    for one in padded.data:
        if one.operation.name == "delay":
            qubit = padded.find_bit(one.qubits[0]).index
            waits[qubit] = waits.get(qubit, 0.0) + one.operation.duration / US
    idle = compute_metrics(isa, opened.target, measured).idle_us
    assert waits == pytest.approx({qubit: time for qubit, time in idle.items() if time > 1e-6})
    assert padded.layout == isa.layout
    assert padded.parameters == isa.parameters
    assert [one for one in padded.data if one.operation.name != "delay"] == list(isa.data)


@pytest.mark.parametrize(("device", "name"), [("fake_manila", "basic"), ("fake_lagos", "hqconv")])
def test_states_are_those_of_what_qiskit_schedules(device: str, name: str, rng: np.random.Generator) -> None:
    """All qubits measured, as in Qiskit's schedule: the noisy states are the same."""
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    opened = open_device(device)
    options = TranspileOptions(1, int(rng.integers(2**31)))
    isa = transpile(ansatz(name, qubits=4, layers=1).circuit, opened.target, options)
    isa = isa.assign_parameters(rng.uniform(0, 2 * np.pi, isa.num_parameters))
    passes = [
        TimeUnitConversion(target=opened.target),
        ALAPScheduleAnalysis(target=opened.target),
        PadDelay(target=opened.target),
    ]
    circuits = [isa, insert_idle_delays(isa, opened.target, range(opened.qubits)), PassManager(passes).run(isa)]
    simulator = AerSimulator(method="density_matrix", noise_model=NoiseModel.from_backend(opened.backend))
    states = []
    for circuit in circuits:
        circuit.save_density_matrix()
        states.append(DensityMatrix(simulator.run(circuit).result().data()["density_matrix"]).data)
    np.testing.assert_allclose(states[1], states[2], rtol=0, atol=1e-8)
    assert np.abs(states[0] - states[1]).max() > 1e-5  # without waiting they are others


def test_a_time_that_is_not_known_is_refused() -> None:
    with pytest.raises(BackendError, match=r"does not say how long `cz` takes on qubits 0, 1.* leave idle noise off"):
        insert_idle_delays(by_hand(), line(duration=None), [0])
    circuit = by_hand()
    circuit.delay(Parameter("t"), 0, "us")
    with pytest.raises(BackendError, match="length of a delay is a parameter: give it a number"):
        insert_idle_delays(circuit, line(), [0])
