"""Readout mitigation on hardware: against known errors, for the price of the plan, and the same from the journal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import reduce
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
import torch
from chi_square import outcomes_of
from cloud import cloud, hardware
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import Statevector
from qiskit.transpiler import InstructionProperties, Target

from qgen.backends import open_backend
from qgen.backends.gradients import ParameterShift
from qgen.backends.ibm.client import Client
from qgen.backends.ibm.readout_jobs import MOST_SHOTS
from qgen.circuits import LayerCircuit
from qgen.devserver import DevServer
from qgen.devserver.device import SimulatedDevice
from qgen.devserver.noise import ErrorChannels
from qgen.errors import BackendError, BudgetError
from qgen.noise import DeviceNoise

DEVICE, SHOTS = "ibm_guadalupe", 20_000
NONE = np.zeros(0)
#: In standard errors.
OFF = 5.0


class KnownErrors:
    """The noise of a simulated device: errors of reading a prepared 0 and 1 (qubits, 2), and no others."""

    def __init__(self, target: Target, errors: np.ndarray) -> None:
        self._target, self.errors = target, errors

    def channels(self, qubits: Sequence[int]) -> ErrorChannels:
        noise = DeviceNoise(self._target, "known").local(qubits, kinds=())
        wrong = self.errors[list(qubits)]
        confusion = np.stack([1 - wrong[:, 0], wrong[:, 0], wrong[:, 1], 1 - wrong[:, 1]], axis=1).reshape(-1, 2, 2)
        properties = [self._target.qubit_properties[qubit] for qubit in qubits]
        return ErrorChannels(replace(noise, confusion=confusion), properties, self._target.dt)


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> Iterator[DevServer]:
    with cloud(tmp_path, monkeypatch) as running:
        misread(running, rng, monkeypatch)
        yield running


def misread(server: DevServer, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """Give the device other errors of reading, and return them."""
    device = server.device(DEVICE)
    errors = rng.uniform([0.01, 0.1], [0.05, 0.15], size=(device.qubits, 2))
    monkeypatch.setattr(SimulatedDevice, "noise", KnownErrors(device.target, errors))
    return errors


@pytest.fixture
def layer(rng: np.random.Generator) -> LayerCircuit:
    """Three qubits that are mostly 1, of which two are correlated."""
    angles, circuit = [Parameter(f"w{k}") for k in range(3)], QuantumCircuit(3)
    for qubit, angle in enumerate(angles):
        circuit.ry(angle, qubit)
    circuit.cx(0, 1)
    return LayerCircuit(circuit, [], angles, ["ZII", "IZZ", "IXI"])


@pytest.fixture
def weights(rng: np.random.Generator) -> np.ndarray:
    return rng.uniform(2.2, 2.6, 3)


def probabilities(layer: LayerCircuit, weights: np.ndarray) -> np.ndarray:
    return Statevector(layer.circuit.assign_parameters(weights.tolist())).probabilities()


def shares(bits: np.ndarray) -> np.ndarray:
    return np.bincount(outcomes_of(bits), minlength=1 << bits.shape[-1]) / len(bits)


def spread(errors: np.ndarray, true: np.ndarray, shots: int, calibrated: int) -> float:
    """The root of the expected square of the distance between quasi-probabilities and the true ones.

    Of the shots: the sum over i of (sum over j of inverse[i, j]^2 read[j] - true[i]^2) / shots. Of the calibrations: a
    change of one qubit's errors changes the outcomes along (1, -1) of this qubit, which the inverse stretches by
    1 / (1 - a - b); its variance is at most var(a) + var(b), twice, for both outcomes.
    """
    matrix = reduce(np.kron, [np.array([[1 - a, b], [a, 1 - b]]) for a, b in errors[::-1]])
    inverse = np.linalg.inv(matrix)
    of_shots = ((inverse**2 @ matrix @ true) - true**2).sum() / shots
    of_errors = (errors * (1 - errors)).sum(axis=1) / calibrated
    return float(np.sqrt(of_shots + (2 * of_errors / (1 - errors.sum(axis=1)) ** 2).sum()))


def test_drawn_bits_lose_their_errors_of_reading_for_the_price_of_the_plan(
    server: DevServer,
    layer: LayerCircuit,
    weights: np.ndarray,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    known, true = misread(server, rng, monkeypatch), probabilities(layer, weights)
    with hardware(tmp_path, shots=17, mitigation="readout") as backend:
        executable = backend.compile(layer, weights)
        plan = executable.cost_of_draws(1, SHOTS)
        assert not server.ledger.jobs
        bits = executable.draw(NONE, weights, SHOTS, 1)
        assert backend.facts()["mitigation"] == "readout"
        (tile,) = executable.tiling.tiles
        assert len(tile.qubits) == 3
        circuit, calibration = server.ledger.jobs
        assert (circuit.circuits, circuit.executions) == (1, SHOTS)
        assert (calibration.circuits, calibration.executions) == (2, 2 * MOST_SHOTS)
        assert (plan.jobs, plan.circuits, plan.executions) == (2, 3, server.ledger.executions)
        assert plan.seconds == pytest.approx(server.ledger.seconds)
    # Which logical qubit lies where is the transpiler's choice: the worst of all orders bounds all.
    bound = max(spread(known[list(order)], true, SHOTS, MOST_SHOTS) for order in _orders(tile.qubits))
    found = shares(bits)
    # The nearest probabilities are no further from the true ones; whole numbers of strings miss them by less than 1.
    assert np.linalg.norm(found - true) < OFF * bound + 8**0.5 / SHOTS
    with hardware(tmp_path) as backend:
        read = shares(backend.compile(layer, weights).draw(NONE, weights, SHOTS, 1))  # the same bits, as they were read
    assert len(server.ledger.jobs) == 2
    assert np.abs(read - true).sum() > 2 * np.abs(found - true).sum()


def _orders(qubits: Sequence[int]) -> list[tuple[int, ...]]:
    return list(permutations(qubits))


def test_it_is_answered_from_the_journal_whatever_the_device_reads_by_then(
    server: DevServer,
    layer: LayerCircuit,
    weights: np.ndarray,
    tmp_path: Path,
    rng: np.random.Generator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def both(allow: float) -> tuple[np.ndarray, np.ndarray]:
        with hardware(tmp_path, shots=500, mitigation="readout", allow=allow) as backend:
            executable = backend.compile(layer)
            return executable.draw(NONE, weights, 3000, 1), executable.expectations(NONE, weights, 1)

    first = both(1000.0)
    jobs = len(server.ledger.jobs)
    assert jobs == 4
    misread(server, rng, monkeypatch)
    for one, other in zip(first, both(0.1), strict=True):
        np.testing.assert_array_equal(one, other)
    assert len(server.ledger.jobs) == jobs


def test_what_was_read_without_it_is_corrected_for_the_price_of_a_calibration(
    server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def requests(mitigation: str | None) -> list[tuple[str, int, int]]:
        with hardware(tmp_path, mitigation=mitigation) as backend:
            backend.compile(layer, weights).draw(NONE, weights, 1000, 1)
            return [(one.key, one.circuits, one.shots) for one in backend.runner.journal.records()]

    plain = requests(None)
    assert [size for _, *size in plain] == [[1, 1000]]
    mitigated = requests("readout")
    assert mitigated[:1] == plain
    assert [size for _, *size in mitigated[1:]] == [[2, 1000]]
    assert requests(None) == requests("readout") == mitigated
    assert len(server.ledger.jobs) == 2
    assert "calibrated on" not in caplog.text
    with hardware(tmp_path) as backend:
        backend.runner.journal._execute(
            "update jobs set created = '2026-01-02T03:04:05+00:00' where key = ?", (plain[0][0],)
        )
    requests("readout")
    assert "for bits that were read on 2026-01-02: errors may have changed" in caplog.text
    with hardware(tmp_path) as backend:
        backend.runner.journal._execute("update jobs set created = '2026-01-01T03:04:04+00:00' where circuits = 2")
    requests("readout")
    assert "was calibrated on 2026-01-01 for bits that were read on 2026-01-02" in caplog.text


def test_other_bits_of_the_same_seed_have_a_calibration_of_their_own(
    server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path
) -> None:
    """It may be made long after the first one."""
    for _ in range(2):
        for shift in (0.0, 0.1):
            with hardware(tmp_path, shots=700, mitigation="readout") as backend:
                backend.compile(layer).draw(NONE, weights + shift, 1000, 1)
        assert [job.executions for job in server.ledger.jobs] == 2 * [1000, 2000]


def test_none_is_no_calibration(server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path) -> None:
    with hardware(tmp_path, mitigation="none") as backend:
        backend.compile(layer, weights).draw(NONE, weights, 1000, 1)
        assert "mitigation" not in backend.facts()
    assert [job.executions for job in server.ledger.jobs] == [1000]
    with hardware(tmp_path, mitigation="none", resilience=1) as backend:
        assert backend.mitigation is None


@pytest.mark.parametrize("tiles", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_values_lose_them_too(
    tiles: int, server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path, rng: np.random.Generator
) -> None:
    rows = weights + rng.uniform(-0.2, 0.2, (2, 3))
    wanted, off = open_backend("reference").compile(layer).expectations(np.zeros((2, 0)), rows), []
    for mitigation in (None, "readout"):
        with hardware(tmp_path, shots=SHOTS, mitigation=mitigation, tiles=tiles) as backend:
            executable = backend.compile(layer)
            off.append(np.abs(executable.expectations(np.zeros((2, 0)), rows, 1) - wanted))
            plan = executable.cost(2)
    assert (plan.jobs, plan.executions) == (len(server.ledger.jobs), server.ledger.executions)
    assert plan.executions == 2 * 2 // tiles * SHOTS + 2 * MOST_SHOTS  # two bases
    assert plan.seconds == pytest.approx(server.ledger.seconds)
    # A reading z counts (z - (b - a)) / (1 - a - b), with 0.01 <= a <= 0.05 and 0.1 <= b <= 0.15: at most `most`. Its
    # derivative by a or b is at most 2 / 0.8.
    most, variances = 1.14 / 0.8, (0.05 * 0.95 + 0.15 * 0.85) / MOST_SHOTS
    single = np.sqrt(most**2 / SHOTS + (2 / 0.8) ** 2 * variances)
    pair = np.sqrt(most**4 / SHOTS + 2 * (most * 2 / 0.8) ** 2 * variances)
    assert (off[1] < OFF * np.array([single, pair, single])).all()
    assert (off[0][:, 0] > OFF * single).all()  # Z of the third qubit, from -0.94 to -0.41


def test_each_tile_has_errors_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    angle, circuit, shots = Parameter("x"), QuantumCircuit(1), 10_000
    circuit.ry(angle, 0)
    errors = np.stack([np.full(5, 0.02), 0.02 + 0.1 * np.arange(5)], axis=1)
    with (
        cloud(tmp_path, monkeypatch, "fake_manila") as server,
        hardware(tmp_path, "ibm_manila", shots=shots, mitigation="readout", tiles=2) as backend,
    ):
        noise = KnownErrors(server.device("ibm_manila").target, errors)
        monkeypatch.setattr(SimulatedDevice, "noise", noise)
        executable = backend.compile(LayerCircuit(circuit, [angle], []))
        values = executable.expectations(np.full((3, 1), np.pi), NONE, 1)  # which prepares 1
        tiles = [tile.qubits[0] for tile in executable.tiling.tiles]
    assert len(tiles) == 2
    left, wrong = (1 - errors.sum(axis=1))[tiles], errors[tiles, 1]
    error = 2 * np.sqrt(2 * wrong * (1 - wrong) / shots) / left  # of the shots, and of as many that calibrate
    assert (np.abs(values[:, 0] + 1) < OFF * error[[0, 0, 1]]).all()
    # By the errors of the other tile they would be further off than that.
    assert 2 * abs(wrong[0] - wrong[1]) / left.max() > 2 * OFF * error.max()


def test_gradients_are_those_of_mitigated_values(
    server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path, rng: np.random.Generator
) -> None:
    """A derivative of a mean of Z is a difference of readings: mitigation divides it by 1 - a - b, as found."""
    known, nothing, given, gradients = SimulatedDevice.noise.errors, torch.zeros(0).double(), torch.tensor(weights), []
    shots = 2000
    for mitigation in (None, "readout"):
        with hardware(tmp_path, shots=shots, mitigation=mitigation) as backend:
            executable = backend.compile(layer)
            torch.manual_seed(3)
            recorded = ParameterShift().value_and_vjp(executable, nothing, given, (False, True))
            one_hot = torch.eye(3, dtype=torch.float64)
            gradients.append(torch.stack([recorded.vjp(one)[1] for one in one_hot]).numpy())
            layouts = backend.layouts(layer)
    ends = layouts[0].route(layer, backend.target).layout.final_index_layout()
    assert len(server.ledger.jobs) == 2  # both from the same readings
    for observable, qubit in ((0, 2), (2, 1)):
        a, b = known[ends[qubit]]
        largest = np.abs(gradients[0][observable]).argmax()
        left = gradients[0][observable][largest] / gradients[1][observable][largest]
        np.testing.assert_allclose(gradients[1][observable] * left, gradients[0][observable], rtol=0, atol=1e-9)
        assert abs(left - (1 - a - b)) < OFF * np.sqrt((a * (1 - a) + b * (1 - b)) / shots)
        assert left < 1


def test_rows_without_angles_and_twirled_readings_are_planned_too(server: DevServer, tmp_path: Path) -> None:
    ones = QuantumCircuit(2)
    ones.x([0, 1])
    with hardware(tmp_path, shots=700, mitigation="readout", measure_twirling=True) as backend:
        executable = backend.compile(LayerCircuit(ones, [], []))
        values = executable.expectations(np.zeros((3, 0)), NONE, 1)
        plan = executable.cost(3)
        assert (plan.jobs, plan.executions) == (2, server.ledger.executions)
        bits = executable.draw(np.zeros((3, 0)), NONE, 500, 2)
        assert executable.cost_of_draws(3, 500).executions == server.ledger.executions - plan.executions
    # Twirled, each bit is read wrongly with a probability of at most 0.1, by shots and by as many of a calibration.
    assert np.abs(values + 1).max() < OFF * 2 * np.sqrt(2 * 0.1 * 0.9 / 700) / 0.8
    assert bits.shape == (3, 500, 2)
    # Quasi-probabilities are off along (1, -1) of both qubits, by 2 of these in all; the nearest probabilities are no
    # further off, and the mean of a bit by at most the root of 2 more.
    assert np.abs(bits.mean(axis=1) - 1).max() < OFF * 2 * np.sqrt(2) * np.sqrt(2 * 0.1 * 0.9 / 500) / 0.8


def test_a_kill_between_both_jobs_pays_for_neither_twice(
    server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit = Client.submit

    def killed(*given: object) -> str:
        if server.ledger.jobs:
            raise KeyboardInterrupt
        return submit(*given)

    def draw() -> np.ndarray:
        with hardware(tmp_path, allow=6.0, mitigation="readout") as backend:
            return np.asarray(backend.compile(layer, weights).draw(NONE, weights, 1000, 1))

    monkeypatch.setattr(Client, "submit", killed)
    with pytest.raises(KeyboardInterrupt):
        draw()
    monkeypatch.setattr(Client, "submit", submit)
    assert len(server.ledger.jobs) == 1
    np.testing.assert_array_equal(draw(), draw())
    assert [job.executions for job in server.ledger.jobs] == [1000, 2000]


def test_nothing_is_spent_on_what_is_refused(
    server: DevServer, layer: LayerCircuit, weights: np.ndarray, tmp_path: Path
) -> None:
    for options, words in (
        ({"mitigation": "zne:1,3"}, "extrapolates by an option of hardware"),
        ({"mitigation": "readout+zne:1,3"}, "`hardware.resilience` is 2"),
        ({"mitigation": "readout", "resilience": 1}, "leave out one of the two"),
    ):
        with pytest.raises(BackendError, match=words), hardware(tmp_path, **options):
            pass
    with hardware(tmp_path, mitigation="readout", allow=4.5) as backend, pytest.raises(BudgetError, match="about 6"):
        backend.compile(layer, weights).draw(NONE, weights, 1000, 1)  # both jobs, of three seconds each
    with hardware(tmp_path, mitigation="readout") as backend:
        for qubit in range(backend.target.num_qubits):
            backend.target.update_instruction_properties("measure", (qubit,), InstructionProperties(error=0.48))
        with pytest.raises(
            BackendError, match=r"is read wrongly with a probability of 0\.48, hardly better than chance"
        ):
            backend.compile(layer, weights)
    assert not server.ledger.jobs


def test_what_cannot_be_corrected_is_kept(server: DevServer, tmp_path: Path) -> None:
    coins = QuantumCircuit(16)
    coins.h(range(16))
    layer = LayerCircuit(coins, [], [])
    with (
        hardware(tmp_path, mitigation="readout") as backend,
        pytest.raises(BackendError, match=r"too far .* What was read is kept: without mitigation it is not paid for"),
    ):
        backend.compile(layer).draw(NONE, NONE, 200, 1)
    assert len(server.ledger.jobs) == 2
    with hardware(tmp_path) as backend:
        assert backend.compile(layer).draw(NONE, NONE, 200, 1).shape == (200, 16)
    assert len(server.ledger.jobs) == 2
