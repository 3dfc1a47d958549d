"""Metrics of a transpiled circuit: qiskit's own counts and schedule, and success by way of the snapshot's files."""

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.providers import QubitProperties
from qiskit.transpiler import InstructionProperties, PassManager, Target
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay, TimeUnitConversion

from qgen.circuits import ansatz
from qgen.devices import Device, open_device
from qgen.errors import BackendError
from qgen.reports.transpilation.simulation import simulated_fidelity
from qgen.transpilation import CircuitMetrics, compute_metrics

US = 1e-6
VIRTUAL = ("rz", "barrier", "delay")


def line(**changes: object) -> Target:
    """Three qubits in a row, with round numbers."""
    target = Target(num_qubits=3, qubit_properties=[QubitProperties(t1=100 * US, t2=50 * US)] * 3)
    target.add_instruction(
        RZGate(Parameter("angle")), {(q,): InstructionProperties(duration=0, error=0) for q in range(3)}
    )
    target.add_instruction(SXGate(), {(q,): InstructionProperties(1 * US, 0.001 * (q + 1)) for q in range(3)})
    about = {"duration": 10 * US, "error": 0.02} | changes
    pairs = {(0, 1): InstructionProperties(**about), (1, 2): InstructionProperties(20 * US, 0.05)}
    target.add_instruction(CZGate(), pairs)
    return target


def by_hand() -> QuantumCircuit:
    """Qubit 0: sx, cz with 1; then qubits 1 and 2: cz; and sx on 0 as late as possible."""
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    circuit.rz(0.3, 0)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    circuit.sx(0)
    return circuit


def transpiled(name: str, device: Device, seed: int) -> QuantumCircuit:
    manager = generate_preset_pass_manager(2, target=device.target, seed_transpiler=seed)
    return manager.run(ansatz(name, qubits=4, layers=2).circuit)


def test_a_small_circuit_by_hand() -> None:
    metrics = compute_metrics(by_hand(), line(), [0, 1, 2], 2)
    assert (metrics.two_qubit_gates, metrics.two_qubit_depth, metrics.depth) == (2, 2, 3)
    assert metrics.gates == {"cz": 2, "rz": 1, "sx": 2}
    assert metrics.extra_two_qubit_gates == 0
    assert metrics.duration_us == pytest.approx(31)
    # Qubit 0 is at work for 1 + 10 us and for the last one; qubit 1 without a break; qubit 2 starts when it is needed.
    assert metrics.idle_us == pytest.approx({0: 19, 1: 0, 2: 0})
    assert metrics.success.readout == 1  # this device says nothing of it
    # No qubit is entangled, and all angles are numbers: it is what Aer's density matrix has, but for losses of losses,
    # as qubit 0 has lost a fifth of its coherence before it waits.
    simulated = simulated_fidelity(by_hand(), line(), [0, 1, 2], np.zeros((1, 0)))
    assert metrics.success.gates == pytest.approx(simulated.gates, abs=0.003)
    assert metrics.success.gates * metrics.success.idle == pytest.approx(simulated.state, abs=0.05)
    assert metrics.worst_coupler == ((1, 2), 0.05)
    assert metrics.worst_readout is None


def test_a_qubit_that_is_not_read_waits_for_nobody_at_the_end() -> None:
    circuit = QuantumCircuit(3)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    assert compute_metrics(circuit, line(), [1, 2], 0).idle_us == pytest.approx({0: 0, 1: 0, 2: 0})
    assert compute_metrics(circuit, line(), [0], 0).idle_us == pytest.approx({0: 20, 1: 0, 2: 0})


def test_a_delay_is_idle() -> None:
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    circuit.delay(5, 0, "us")
    circuit.sx(0)
    metrics = compute_metrics(circuit, line(), [0], 0)
    assert metrics.idle_us == pytest.approx({0: 5})
    assert (metrics.depth, metrics.gates) == (2, {"sx": 2})


def test_what_a_device_does_not_say_costs_nothing() -> None:
    metrics = compute_metrics(by_hand(), line(duration=None, error=float("nan")), [0, 1, 2], 0)
    assert metrics.duration_us is None
    assert metrics.idle_us == {}
    assert metrics.success.idle == 1
    # Two sx; a cz on qubits in their ground state, which is known to relax as much as it errs, does nothing to them.
    assert 0.5 * 0.002 < 1 - metrics.success.gates < 0.002 + 0.02


def test_a_gate_that_is_out_of_order_makes_success_impossible() -> None:
    assert compute_metrics(by_hand(), line(error=1.0), [0], 0).success.total == 0


def test_a_circuit_of_another_device_is_refused() -> None:
    circuit = QuantumCircuit(3)
    circuit.cz(0, 2)
    with pytest.raises(BackendError, match=r"no gate `cz` on qubits \[0, 2\]"):
        compute_metrics(circuit, line(), [0], 0)


@pytest.mark.rows(2)
@pytest.mark.parametrize("name", ["hqconv", "hardware-efficient"])
@pytest.mark.parametrize("device", ["fake_lagos", "fake_fez"])
def test_counts_and_times_are_those_of_qiskit(name: str, device: str, rng: np.random.Generator) -> None:
    opened = open_device(device)
    isa = transpiled(name, opened, int(rng.integers(2**31)))
    metrics = compute_metrics(isa, opened.target, range(opened.qubits), 0)
    assert metrics.gates == isa.count_ops()
    assert metrics.two_qubit_gates == isa.num_nonlocal_gates()
    assert metrics.two_qubit_depth == isa.depth(lambda step: len(step.qubits) == 2)
    assert metrics.depth == isa.depth(lambda step: step.operation.name not in VIRTUAL)
    assert metrics.duration_us == pytest.approx(isa.estimate_duration(opened.target, unit="u"))
    assert metrics.idle_us == pytest.approx(qiskit_idle(isa, opened.target), abs=1e-6)


def qiskit_idle(isa: QuantumCircuit, target: Target) -> dict[int, float]:
    """The delays that qiskit's scheduler puts in after the first gate of each qubit, in microseconds."""
    passes = [TimeUnitConversion(target=target), ALAPScheduleAnalysis(target=target), PadDelay(target=target)]
    scheduled = PassManager(passes).run(isa)
    index = {qubit: k for k, qubit in enumerate(scheduled.qubits)}
    idle: dict[int, float] = {}
    for step in scheduled.data:
        qubits = [index[qubit] for qubit in step.qubits]
        if step.operation.name == "delay":
            if qubits[0] in idle:  # it has begun
                idle[qubits[0]] += step.operation.duration * target.dt / US
        elif step.operation.name not in VIRTUAL:
            idle |= {qubit: idle.get(qubit, 0.0) for qubit in qubits}
    return idle


@pytest.mark.rows(1)
@pytest.mark.parametrize("device", ["fake_lagos", "fake_brisbane", "fake_fez"])
def test_success_is_what_the_files_of_the_snapshot_say(device: str, rng: np.random.Generator) -> None:
    opened = open_device(device)
    isa = transpiled("hqconv", opened, int(rng.integers(2**31)))
    ends = isa.layout.final_index_layout()
    metrics = compute_metrics(isa, opened.target, ends, 0)
    losses = sum(
        opened.coupler_errors[min(places), max(places)] if len(places) == 2 else opened.sx_errors[places[0]]
        for step in isa.data
        if step.operation.name != "rz"
        for places in [tuple(isa.find_bit(qubit).index for qubit in step.qubits)]
    )
    relaxed = sum(
        about.duration / US * (1 / opened.t1_us[place] / 4 + 1 / opened.t2_us[place] / 2)
        for step in isa.data
        for places in [tuple(isa.find_bit(qubit).index for qubit in step.qubits)]
        if (about := opened.target[step.operation.name][places]).duration
        for place in places
    )
    # Of a state that is entangled, a gate on two qubits loses 5/4 of its error, or what relaxes; of any, about half.
    assert 0.5 * losses < -math.log(metrics.success.gates) < 1.6 * losses + relaxed
    assert metrics.success.readout == pytest.approx(math.prod(1 - opened.readout_errors[q] for q in ends))
    # Of an entangled qubit t / 4 T1 + t / 2 T2; of others less.
    idle = sum(time / opened.t1_us[q] / 4 + time / opened.t2_us[q] / 2 for q, time in metrics.idle_us.items())
    assert 0.4 * idle - 1e-12 < -math.log(metrics.success.idle) < 1.01 * idle + 1e-12
    check_worst(metrics, opened, ends)


def check_worst(metrics: CircuitMetrics, device: Device, ends: list[int]) -> None:
    assert metrics.worst_readout is not None
    assert metrics.worst_readout[1] == max(device.readout_errors[q] for q in ends)
    assert metrics.worst_coupler is not None
    pair, error = metrics.worst_coupler
    assert error == pytest.approx(device.coupler_errors[pair])
