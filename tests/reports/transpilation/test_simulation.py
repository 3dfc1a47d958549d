"""Simulated fidelity: density matrices by hand in numpy, Qiskit's own schedule on Aer's own model, and its limits."""

import json
import math
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from dense_noise import AER_ACCURACY
from qiskit import QuantumCircuit
from qiskit.circuit import Measure, Parameter
from qiskit.circuit.library import CZGate, RZGate, SXGate
from qiskit.providers import QubitProperties
from qiskit.quantum_info import Statevector, hellinger_fidelity
from qiskit.transpiler import InstructionProperties, PassManager, Target
from qiskit.transpiler.passes import ALAPScheduleAnalysis, PadDelay, TimeUnitConversion

from qgen.circuits import LayerCircuit, Mixture, ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.reports.transpilation.simulation import check_prediction, random_angles, simulated_fidelity
from qgen.transpilation import search
from qgen.transpilation.relayout import final_layout
from qgen.transpilation.transpile import TranspileOptions, transpile

US = 1e-6
T1, T2 = 100 * US, 70 * US
EXACT = 1e-9
Matrix = npt.NDArray[np.complex128]
Gates = list[tuple[str, tuple[int, ...], float]]

SX = np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2
TIMES = {"rz": 0.0, "sx": 1 * US, "cz": 10 * US}


class Read(InstructionProperties):
    """Readout errors of a 0 and a 1 apart."""

    prob_meas1_prep0, prob_meas0_prep1 = 0.02, 0.1


class Worse(InstructionProperties):
    """The same on another qubit."""

    prob_meas1_prep0, prob_meas0_prep1 = 0.05, 0.3


def line(errors: float = 0.0, lives: float = 1.0, read: Any = None, qubits: int = 3) -> Target:
    """Qubits in a row; sx takes 1 us and cz 10 us, with errors in these proportions; T1 and T2 times `lives`."""
    about = [QubitProperties(t1=T1 * lives, t2=T2 * lives)] * qubits
    target = Target(num_qubits=qubits, dt=1e-9, qubit_properties=about)
    ones = {(q,): InstructionProperties(TIMES["sx"], 0.3 * errors) for q in range(qubits)}
    pairs = {(q, q + 1): InstructionProperties(TIMES["cz"], errors) for q in range(qubits - 1)}
    target.add_instruction(RZGate(Parameter("a")), {(q,): InstructionProperties(0, 0) for q in range(qubits)})
    target.add_instruction(SXGate(), ones)
    target.add_instruction(CZGate(), pairs)
    target.add_instruction(Measure(), {(q,): read or InstructionProperties(1 * US, 0.0) for q in range(qubits)})
    return target


def on(qubit: int, matrix: Matrix, qubits: int) -> Matrix:
    """A matrix on one qubit of several, the lowest bit being qubit 0."""
    return np.kron(np.kron(np.eye(2 ** (qubits - 1 - qubit)), matrix), np.eye(2**qubit))


def relaxed(rho: Matrix, qubit: int, seconds: float, qubits: int, t1: float = T1, t2: float = T2) -> Matrix:
    """Amplitude damping and then pure dephasing, by Kraus operators."""
    decay = 1 - math.exp(-seconds / t1)
    flip = (1 - math.exp(-seconds * (1 / t2 - 1 / (2 * t1)))) / 2
    damping = [np.diag([1, math.sqrt(1 - decay)]), np.array([[0, math.sqrt(decay)], [0, 0]])]
    dephasing = [math.sqrt(1 - flip) * np.eye(2), math.sqrt(flip) * np.diag([1, -1])]
    for kraus in (damping, dephasing):
        wide = [on(qubit, one, qubits) for one in kraus]
        rho = sum(one @ rho @ one.conj().T for one in wide)
    return rho


def by_hand(gates: Gates, qubits: int = 3) -> tuple[Matrix, Matrix]:
    """The noisy density matrix, and the ideal one, of gates and waits, where gates have no error but relaxation."""
    start = np.zeros((2**qubits, 2**qubits), dtype=complex)
    start[0, 0] = 1
    noisy, ideal = start, start
    for name, places, number in gates:
        seconds = number * US if name == "wait" else TIMES[name]
        unitary = matrix_of(name, places, number, qubits)
        noisy, ideal = (unitary @ rho @ unitary.conj().T for rho in (noisy, ideal))
        for qubit in places:
            noisy = relaxed(noisy, qubit, seconds, qubits)
    return noisy, ideal


def matrix_of(name: str, places: tuple[int, ...], number: float, qubits: int) -> Matrix:
    if name == "cz":
        both = np.arange(2**qubits)
        return np.diag([(-1.0) ** ((k >> places[0]) & (k >> places[1]) & 1) for k in both]).astype(complex)
    one = {"sx": SX, "rz": np.diag(np.exp([-0.5j * number, 0.5j * number])), "wait": np.eye(2)}[name]
    return on(places[0], one, qubits)


def circuit_of(gates: Gates, qubits: int = 3) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for name, places, number in gates:
        if name != "wait":
            getattr(circuit, name)(*([number] if name == "rz" else []), *places)
    return circuit


def fidelity(circuit: QuantumCircuit, target: Target, measured: list[int]) -> Any:
    return simulated_fidelity(circuit, target, measured, np.zeros((1, 0)))


def test_waiting_is_relaxation_at_its_place(rng: np.random.Generator) -> None:
    first, second = rng.uniform(0, 2 * math.pi, 2)
    gates: Gates = [
        *(("sx", (q,), 0) for q in range(3)),
        ("rz", (0,), first),
        ("cz", (0, 1), 0),
        ("cz", (1, 2), 0),
        ("wait", (0,), 9),
        ("rz", (0,), second),
        ("sx", (0,), 0),
    ]
    noisy, ideal = by_hand(gates)
    simulated = fidelity(circuit_of(gates), line(), [0, 1, 2])
    assert simulated.state == pytest.approx(np.trace(noisy @ ideal).real, abs=EXACT)
    at_once, _ = by_hand([gate for gate in gates if gate[0] != "wait"])
    assert simulated.gates == pytest.approx(np.trace(at_once @ ideal).real, abs=EXACT)
    assert simulated.idle == pytest.approx(simulated.state / simulated.gates)
    assert simulated.total == pytest.approx(simulated.state)
    assert (simulated.readout, simulated.bindings, simulated.standard_error) == (pytest.approx(1), 1, 0)


def test_who_is_not_read_waits_for_nobody_and_who_is_waits_for_all() -> None:
    gates: Gates = [("sx", (0,), 0), ("cz", (0, 1), 0), ("sx", (1,), 0), ("cz", (1, 2), 0)]
    for measured, wait in (([1, 2], 0.0), ([0], 11.0)):
        noisy, ideal = by_hand([*gates, ("wait", (0,), wait)])
        simulated = fidelity(circuit_of(gates), line(), measured)
        assert simulated.state == pytest.approx(np.trace(noisy @ ideal).real, abs=EXACT)


def test_a_delay_is_waiting() -> None:
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    circuit.delay(5, 0, "us")
    circuit.sx(0)
    noisy, ideal = by_hand([("sx", (0,), 0), ("wait", (0,), 5), ("sx", (0,), 0)])
    assert fidelity(circuit, line(), [0]).state == pytest.approx(np.trace(noisy @ ideal).real, abs=EXACT)


def test_the_error_of_a_gate_is_what_the_device_reports() -> None:
    """Without times an error is depolarising: of infidelity r on one half of a Bell pair, 3/2 r of the pair is lost."""
    target, error = line(0.1, lives=1e9), 0.03
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    # A pure state on one qubit loses the average infidelity itself.
    assert fidelity(circuit, target, [0]).gates == pytest.approx(1 - error, abs=1e-6)
    bell = QuantumCircuit(3)
    bell.sx(0)
    bell.sx(1)
    bell.cz(0, 1)
    with_one, without = (fidelity(one, target, [0, 1]).gates for one in (bell.compose(SXGate(), [0]), bell))
    # Depolarisation by x = 2r: the rest of a pair keeps 1/4 of what is lost, less what was lost before.
    assert with_one == pytest.approx((1 - 2 * error) * without + 2 * error / 4, abs=0.002)
    assert 1.4 < (1 - with_one / without) / error < 1.6


def test_readout_is_that_of_the_ideal_state(rng: np.random.Generator) -> None:
    """Of a 0 and a 1 apart, of the measured qubits alone."""
    angle = rng.uniform(0, math.pi)
    circuit = QuantumCircuit(3)
    for _ in range(2):
        circuit.sx(1)
        circuit.rz(angle, 1)
    circuit.sx(2)
    circuit.sx(2)
    one = abs(Statevector(circuit).probabilities([1])[1])
    target = line(lives=1e9, read=Read())
    target.update_instruction_properties("measure", (2,), Worse())
    simulated = fidelity(circuit, target, [1, 2])
    right = (1 - one) * (1 - Read.prob_meas1_prep0) + one * (1 - Read.prob_meas0_prep1)
    assert simulated.readout == pytest.approx(right * (1 - Worse.prob_meas0_prep1), abs=1e-6)
    assert simulated.total == pytest.approx(simulated.state * simulated.readout)
    assert fidelity(circuit, target, []).readout == pytest.approx(1, abs=EXACT)


def test_hellinger_fidelity_is_that_of_qiskit() -> None:
    circuit = QuantumCircuit(3)
    circuit.sx(0)
    noisy, _ = by_hand([("sx", (0,), 0)])
    zero = noisy[0, 0].real
    read = {
        "0": zero * (1 - Read.prob_meas1_prep0) + (1 - zero) * Read.prob_meas0_prep1,
        "1": zero * Read.prob_meas1_prep0 + (1 - zero) * (1 - Read.prob_meas0_prep1),
    }
    simulated = fidelity(circuit, line(read=Read()), [0]).hellinger
    assert simulated == pytest.approx(hellinger_fidelity(read, {"0": 0.5, "1": 0.5}), abs=EXACT)


@pytest.mark.parametrize(("device", "name"), [("fake_manila", "basic"), ("fake_lagos", "hqconv")])
def test_it_is_what_qiskit_schedules_and_aer_simulates(device: str, name: str, rng: np.random.Generator) -> None:
    from qiskit_aer import AerSimulator
    from qiskit_aer.noise import NoiseModel

    opened = open_device(device)
    isa = transpile(
        ansatz(name, qubits=4, layers=1).circuit, opened.target, TranspileOptions(1, int(rng.integers(2**31)))
    )
    angles = rng.uniform(0, 2 * math.pi, (1, isa.num_parameters))
    simulated = simulated_fidelity(isa, opened.target, range(opened.qubits), angles)
    passes = [
        TimeUnitConversion(target=opened.target),
        ALAPScheduleAnalysis(target=opened.target),
        PadDelay(target=opened.target),
    ]
    bound = isa.assign_parameters(angles[0])
    scheduled = PassManager(passes).run(bound)
    scheduled.save_density_matrix()
    simulator = AerSimulator(method="density_matrix", noise_model=NoiseModel.from_backend(opened.backend))
    noisy = np.asarray(simulator.run(scheduled).result().data()["density_matrix"])
    ideal = Statevector(bound).data
    # Of the 4^4 strings' values that make up a fidelity, each may be off by that much; those of the ideal state have
    # 2^4 as the sum of their squares, which leaves sqrt(2^4) of it.
    accuracy = 4 * AER_ACCURACY
    assert simulated.state == pytest.approx((ideal.conj() @ noisy @ ideal).real, abs=accuracy)


def test_without_noise_nothing_is_lost(rng: np.random.Generator) -> None:
    target = line(lives=math.inf)
    isa = transpile(ansatz("basic", qubits=3, layers=2).circuit, target, TranspileOptions(1, 0))
    simulated = simulated_fidelity(isa, target, [0, 1, 2], rng.uniform(0, 7, (3, isa.num_parameters)))
    parts = (simulated.gates, simulated.state, simulated.readout, simulated.total, simulated.hellinger, simulated.idle)
    assert parts == pytest.approx([1] * 6, abs=EXACT)
    assert simulated.standard_error == pytest.approx(0, abs=EXACT)


def test_more_noise_loses_more(rng: np.random.Generator) -> None:
    isa = transpile(ansatz("basic", qubits=3, layers=2).circuit, line(), TranspileOptions(1, 0))
    angles = rng.uniform(0, 7, (2, isa.num_parameters))
    runs = [
        simulated_fidelity(isa, line(errors, lives, InstructionProperties(US, errors)), [0, 1, 2], angles)
        for errors, lives in ((0.01, 100.0), (0.02, 50.0), (0.06, 10.0))
    ]
    for part in ("gates", "state", "idle", "readout", "total", "hellinger"):
        values = [getattr(run, part) for run in runs]
        assert values == sorted(values, reverse=True)
        assert 0 < values[-1] < values[0] < 1


def test_the_standard_error_is_that_of_the_mean(rng: np.random.Generator) -> None:
    target = line(0.05, read=Read())
    isa = transpile(ansatz("basic", qubits=3, layers=1).circuit, target, TranspileOptions(1, 0))
    angles = rng.uniform(0, 7, (5, isa.num_parameters))
    single = [simulated_fidelity(isa, target, [0, 1], row[None]) for row in angles]
    totals = [one.total for one in single]
    simulated = simulated_fidelity(isa, target, [0, 1], angles)
    assert simulated.total == pytest.approx(np.mean(totals))
    assert simulated.standard_error == pytest.approx(np.std(totals, ddof=1) / math.sqrt(5))
    assert single[0].standard_error is None


def test_a_found_circuit_is_checked_and_can_be_repeated() -> None:
    circuit, device = ansatz("hqconv", qubits=4, layers=1), open_device("fake_lagos")
    transpiled = search(circuit.circuit, device.target, [1], [0])[0]
    check = check_prediction(circuit, transpiled, device, seed=3, bindings=3)
    assert check.predicted == transpiled.result.metrics.success
    assert (check.device, check.seed, check.simulated.bindings) == ("fake_lagos", 3, 3)
    assert check.simulated.total == pytest.approx(check.predicted.total, abs=0.08)
    assert check.simulated.readout == pytest.approx(check.predicted.readout, abs=0.02)
    again = check_prediction(circuit, transpiled, device, seed=3, bindings=3)
    assert again.simulated == check.simulated
    assert check_prediction(circuit, transpiled, device, seed=4, bindings=3).simulated != check.simulated
    assert json.loads(json.dumps(asdict(check)))["simulated"]["total"] == check.simulated.total


def test_a_mixture_takes_its_own_settings() -> None:
    circuit = QuantumCircuit(1)
    angles = [Parameter(name) for name in "abc"]
    for angle in angles:
        circuit.rx(angle, 0)
    mixed = LayerCircuit(circuit, angles[:1], angles[1:2], mixture=Mixture(angles[2:], [[0.25], [0.75]]))
    table = random_angles(mixed, circuit, 0, 20)
    assert set(table[:, 2]) == {0.25, 0.75}
    assert len(set(table[:, :2].ravel())) == 40
    np.testing.assert_array_equal(random_angles(mixed, circuit, 0, 5), table[:5])


def test_what_cannot_be_simulated_is_refused() -> None:
    wide = QuantumCircuit(12)
    for qubit in range(11):
        wide.sx(qubit)
    with pytest.raises(BackendError, match="uses 11 qubits of the device, and its noise is simulated on 10 at most"):
        fidelity(wide, line(qubits=12), [0])
    circuit = ansatz("basic", qubits=3, layers=1)
    transpiled = search(circuit.circuit, line(), [1], [0])[0]
    with pytest.raises(BackendError, match=r"angles have shape \(N, 6\).*given: \(2, 5\)"):
        simulated_fidelity(transpiled.isa, line(), final_layout(transpiled.isa), np.zeros((2, 5)))
    with pytest.raises(BackendError, match="2 or more settings, not 1"):
        check_prediction(circuit, transpiled, open_device("fake_manila"), bindings=1)
