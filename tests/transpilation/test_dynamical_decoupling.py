"""Decoupling: the circuit stays what it was, pulses stand where qubits wait, and undo what they are made to undo."""

import math

import numpy as np
import pytest
from qiskit import QuantumCircuit
from qiskit.circuit import Delay, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate, XGate
from qiskit.providers import QubitProperties
from qiskit.quantum_info import Operator, Statevector
from qiskit.transpiler import InstructionProperties, Target

from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import compute_metrics
from qgen.transpilation.dynamical_decoupling import SEQUENCES, decouple
from qgen.transpilation.relayout import final_layout
from qgen.transpilation.transpile import TranspileOptions, transpile

US = 1e-6
PULSE_ERROR = 0.003
NAMES = tuple(SEQUENCES)


def line(dt: float | None = 1e-9, gates: tuple[str, ...] = ("rz", "sx", "x", "delay"), cz: float | None = 10) -> Target:
    """Three qubits in a row, with round numbers; x takes 1 us."""
    target = Target(num_qubits=3, dt=dt, qubit_properties=[QubitProperties(t1=100 * US, t2=50 * US)] * 3)
    known = {
        "rz": (RZGate(Parameter("angle")), InstructionProperties(0, 0)),
        "sx": (SXGate(), InstructionProperties(1 * US, 0.001)),
        "x": (XGate(), InstructionProperties(1 * US, PULSE_ERROR)),
        "delay": (Delay(Parameter("time")), None),
    }
    for name in gates:
        target.add_instruction(known[name][0], {(qubit,): known[name][1] for qubit in range(3)})
    first = InstructionProperties(cz and cz * US, 0.02)
    target.add_instruction(CZGate(), {(0, 1): first, (1, 2): InstructionProperties(20 * US, 0.05)})
    return target


def waiting(last: bool = True, pause: int = 0) -> QuantumCircuit:
    """Qubit 0 waits for 19 us between cz and sx; without the last one for 20 us at the end. The pause is in dt."""
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    circuit.cz(0, 1)
    circuit.cz(1, 2)
    if pause:
        circuit.delay(pause, 0)
    if last:
        circuit.sx(0)
    return circuit


@pytest.mark.parametrize(("sequence", "pulses"), [("XX", 2), ("XpXm", 2), ("XY4", 4)])
def test_a_wait_is_covered_and_paid_for(sequence: str, pulses: int) -> None:
    plain, target = waiting(), line()
    made = decouple(plain, target, [0, 1, 2], sequence)
    assert made.pulses == {0: pulses}
    assert made.total_pulses == made.circuit.count_ops()["x"] == pulses
    assert made.idle_us == pytest.approx({0: 19, 1: 0, 2: 0})
    assert made.covered_us == pytest.approx({0: 19})
    assert made.coverage == pytest.approx(1)
    assert made.gates == pytest.approx((1 - PULSE_ERROR) ** pulses)
    before, after = (compute_metrics(circuit, target, [0, 1, 2], 0) for circuit in (plain, made.circuit))
    assert after.duration_us == pytest.approx(before.duration_us)
    assert after.idle_us[0] == pytest.approx(19 - pulses)
    # In its 1 us a qubit relaxes by more than a pulse's error: at most it loses what an entangled one does.
    relaxed = (1 + math.exp(-1 / 100) + 2 * math.exp(-1 / 50)) / 4
    assert before.success.gates * relaxed**pulses <= after.success.gates < before.success.gates


def test_pulses_stand_where_they_should() -> None:
    made = decouple(waiting(), line(), [0, 1, 2], "XX")
    times = [
        (step.operation.name, step.operation.duration if step.operation.name == "delay" else 0)
        for step in made.circuit.data
        if made.circuit.find_bit(step.qubits[0]).index == 0
    ]
    assert times == [
        ("sx", 0),
        ("cz", 0),
        ("delay", 4250),
        ("x", 0),
        ("delay", 8500),
        ("x", 0),
        ("delay", 4250),
        ("sx", 0),
    ]


def test_nobody_is_decoupled_who_waits_for_nothing() -> None:
    circuit = waiting(last=False)
    unread = decouple(circuit, line(), [1, 2])
    assert unread.pulses == {}
    assert (unread.gates, unread.coverage) == (1, 0)
    # Qubit 2 is in its ground state before its gate, and qubit 0 is read only when all are.
    assert decouple(circuit, line(), [0, 1, 2]).pulses == {0: 2}
    idle = QuantumCircuit(3)
    idle.cz(0, 1)
    assert decouple(idle, line(), [0, 1, 2]).circuit.count_ops() == {"cz": 1}


def test_a_wait_that_is_too_short_is_left_alone() -> None:
    circuit = QuantumCircuit(3)
    for qubit in (0, 1, 1, 1):
        circuit.sx(qubit)
    circuit.cz(0, 1)
    circuit.sx(0)
    circuit.sx(0)
    made = decouple(circuit, line(), [0, 1], "XX")
    assert made.pulses == {}  # qubit 1 waits for 2 us at the end, which is what two pulses take
    assert made.idle_us == pytest.approx({0: 0, 1: 2})
    assert made.coverage == 0


@pytest.mark.rows(2)
@pytest.mark.parametrize("sequence", NAMES)
@pytest.mark.parametrize("device", ["fake_manila", "fake_lagos"])
def test_the_circuit_does_what_it_did(sequence: str, device: str, rng: np.random.Generator) -> None:
    target = open_device(device).target
    isa = transpile(ansatz("hqconv", qubits=4, layers=1).circuit, target, TranspileOptions(1, int(rng.integers(2**31))))
    made = decouple(isa, target, final_layout(isa), sequence)
    assert made.total_pulses > 0
    assert made.circuit.parameters == isa.parameters
    assert final_layout(made.circuit) == final_layout(isa)
    angles = rng.uniform(0, 2 * math.pi, isa.num_parameters)
    before, after = (Operator(circuit.assign_parameters(angles)) for circuit in (isa, made.circuit))
    assert after.equiv(before)
    for qubit, time in made.covered_us.items():
        assert 0 < time <= made.idle_us[qubit] + 1e-9


def disturbed(circuit: QuantumCircuit, detuning: float, excess: float) -> Statevector:
    """The state where qubits turn about Z while they wait (radians/ns), and every x turns too far."""
    changed = QuantumCircuit(circuit.num_qubits)
    for step in circuit.data:
        place = [circuit.find_bit(qubit).index for qubit in step.qubits]
        if step.operation.name == "delay":
            changed.rz(detuning * step.operation.duration, place)
        elif step.operation.name == "x":
            changed.rx(math.pi + excess, place)
        else:
            changed.append(step.operation, place)
    return Statevector(changed)


@pytest.mark.parametrize("sequence", NAMES)
def test_slow_dephasing_is_undone(sequence: str, rng: np.random.Generator) -> None:
    ideal, detuning = Statevector(waiting()), rng.uniform(5e-5, 2.5e-4)  # 1 to 4.7 radians in all
    made = decouple(waiting(), line(), [0, 1, 2], sequence).circuit
    assert abs(disturbed(made, detuning, 0).inner(ideal)) ** 2 == pytest.approx(1, abs=1e-6)
    undecoupled = waiting(pause=19_000)
    assert abs(disturbed(undecoupled, detuning, 0).inner(ideal)) ** 2 < 0.9


def test_a_pulse_back_makes_up_for_one_that_goes_too_far(rng: np.random.Generator) -> None:
    ideal, excess = Statevector(waiting()), rng.uniform(0.2, 0.4)
    left = {
        name: abs(disturbed(decouple(waiting(), line(), [0, 1, 2], name).circuit, 0, excess).inner(ideal)) ** 2
        for name in NAMES
    }
    assert left["XpXm"] == pytest.approx(1)
    assert left["XX"] < 0.99
    assert left["XY4"] > left["XX"]


@pytest.mark.parametrize(
    ("target", "sequence", "words"),
    [
        (line(), "XYZ", "no sequence of pulses `XYZ`; known: XX, XpXm, XY4"),
        (line(gates=("rz", "sx", "delay")), "XX", "the device has no `x`"),
        (line(cz=None), "XX", "how long every gate takes"),
        (line(dt=None), "XX", "clock"),
    ],
)
def test_what_cannot_be_is_refused(target: Target, sequence: str, words: str) -> None:
    with pytest.raises(BackendError, match=words):
        decouple(waiting(), target, [0], sequence)
