"""Every row of a batch draws from its own stream: its value is the same whatever is evaluated beside it."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pytest
import torch
from drawn import layer_circuits
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter

from qgen import LayerCircuit
from qgen.backends import SPSA, Backend, Batch, Capabilities, Executable, ParameterShift, open_backend
from qgen.backends.aer import exact, noisy, runner
from qgen.backends.aer.noisy import Trajectories
from qgen.backends.aer.seeding import GAP, runs_of
from qgen.backends.gradients import Adjoint, GradientMethod
from qgen.backends.measurement import outcomes
from qgen.circuits import Mixture, ansatz
from qgen.errors import InputError
from qgen.randomness import Streams, derive, image_streams, next_image_streams

Doubles = npt.NDArray[np.float64]
NOISE = """
depolarizing: {one_qubit: 0.02, two_qubit: 0.05}
readout: [[0.97, 0.03], [0.05, 0.95]]
basis: [rz, sx, x, cx]
coupling: line
"""
FAR = 4.5  # standard errors: by chance in 1 of 150,000 cases


class Case(NamedTuple):
    """A backend that draws, and how; without shots, by this method."""

    name: str
    shots: int
    way: str
    mitigation: str | None = None

    def __str__(self) -> str:
        return f"{self.name} {self.way}{f' {self.mitigation}' if self.mitigation else ''}"


CASES = [
    Case("aer", 40, "shots"),
    Case("aer:fake_lagos", 200, "density matrix"),
    Case("aer:fake_lagos", 1, "trajectories"),
    Case("aer:noisy.yaml", 100, "density matrix"),
    Case("aer:noisy.yaml", 1, "trajectories"),
    Case("fake_manila", 60, "local mode"),
    Case("noisy:noisy.yaml", 100, "shots"),
    Case("noisy:noisy.yaml", 100, "shots", "readout+zne:1,3"),
    Case("aer:noisy.yaml", 100, "density matrix", "readout"),
    Case("noisy:noisy.yaml", 0, "paths", "zne:1,3"),
    Case("noisy:noisy.yaml", 0, "paths"),
]
UNMITIGATED = [case for case in CASES if case.mitigation is None]
DRAWING = [case for case in CASES if case.mitigation in (None, "readout")]  # values are extrapolated, and no bits
cases = pytest.mark.parametrize("case", CASES, ids=str)
seeds = st.integers(0, 2**63 - 1)


@lru_cache
def opened(case: Case) -> Backend:
    method = None if case.shots else case.way
    return open_backend(case.name, case.shots or None, method=method, mitigation=case.mitigation)


@pytest.fixture(autouse=True, scope="module")
def _noise_file(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("noise")
    (folder / "noisy.yaml").write_text(NOISE)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for case in CASES:
            opened(case)


def angles(circuit: LayerCircuit, rows: int, seed: int) -> tuple[Doubles, Doubles]:
    rng = np.random.default_rng(seed)
    return rng.uniform(-4, 4, (rows, circuit.num_inputs)), rng.uniform(-4, 4, (rows, circuit.num_weights))


@cases
@examples(2)
@given(layer_circuits(most_qubits=4, most_gates=8), st.lists(seeds, min_size=1, max_size=6), st.data())
def test_a_row_is_the_same_alone_and_in_any_batch(
    case: Case, circuit: LayerCircuit, given_seeds: list[int], data: st.DataObject
) -> None:
    executable = opened(case).compile(circuit)
    own = np.array(given_seeds)
    inputs, weights = angles(circuit, len(own), given_seeds[0] % 2**32)
    together = executable.expectations(inputs, weights, own)
    some = data.draw(st.lists(st.integers(0, len(own) - 1), min_size=1, max_size=8))  # any order, some several times
    np.testing.assert_array_equal(executable.expectations(inputs[some], weights[some], own[some]), together[some])
    one = some[0]
    np.testing.assert_array_equal(executable.expectations(inputs[one], weights[one], given_seeds[one]), together[one])


@pytest.mark.parametrize("case", DRAWING, ids=str)
@examples(2)
@given(layer_circuits(most_qubits=4, most_gates=8), st.lists(seeds, min_size=1, max_size=4), st.data())
def test_bits_of_a_row_are_the_same_alone_and_in_any_batch(
    case: Case, circuit: LayerCircuit, given_seeds: list[int], data: st.DataObject
) -> None:
    executable, shots = opened(case).compile(circuit), 30
    own = np.array(given_seeds)
    inputs, weights = angles(circuit, len(own), given_seeds[0] % 2**32)
    together = executable.draw(inputs, weights, shots, own)
    some = data.draw(st.lists(st.integers(0, len(own) - 1), min_size=1, max_size=5))
    np.testing.assert_array_equal(executable.draw(inputs[some], weights[some], shots, own[some]), together[some])
    one = some[0]
    np.testing.assert_array_equal(executable.draw(inputs[one], weights[one], shots, given_seeds[one]), together[one])


@pytest.mark.parametrize("case", [case for case in UNMITIGATED if case.shots > 1], ids=str)
def test_bits_are_those_that_values_are_made_of(case: Case) -> None:
    """Where the observables are read along Z: one seed, the same shots."""
    executable = opened(case).compile(ansatz("basic", qubits=3, layers=1))
    inputs, weights = angles(executable.circuit, 4, 1)
    bits = executable.draw(inputs, weights, case.shots, 5)
    np.testing.assert_allclose(1 - 2.0 * bits.mean(axis=-2), executable.expectations(inputs, weights, 5), atol=1e-12)


@cases
def test_chunks_change_nothing(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    executable = opened(case).compile(circuit)
    inputs, weights = angles(circuit, 7, 3)
    whole = executable.expectations(inputs, weights[0], 5)
    monkeypatch.setattr(outcomes, "CHUNK", 3 * max(16, case.shots))
    for module in (exact, noisy, runner):
        monkeypatch.setattr(module, "RUN_BYTES", 2 * 8 << 4)
    np.testing.assert_array_equal(executable.expectations(inputs, weights[0], 5), whole)


@pytest.mark.rows(4)
@cases
def test_rows_and_bases_are_independent(case: Case) -> None:
    """Equal circuits with neighbouring seeds, and rows of one seed: all deviations scatter as independent ones do."""
    circuit = QuantumCircuit(3)
    for qubit in range(3):
        circuit.ry(0.4 + qubit, qubit)
    circuit.cx(0, 1)
    layer = LayerCircuit(circuit, [], [], ["ZII", "IXI", "YII"])  # three bases
    executable, rows = opened(case).compile(layer), 300 if case.way in ("shots", "density matrix") else 120
    none = np.zeros((rows, 0)), np.zeros(0)
    for drawn in (executable.expectations(*none, np.arange(rows)), executable.expectations(*none, 7)):
        drawn = drawn[:, drawn.std(axis=0) > 1e-6]  # Y is 0 on every path
        spread = (drawn - drawn.mean(axis=0)) / drawn.std(axis=0)
        neighbours = (spread[1:] * spread[:-1]).mean(axis=0) * np.sqrt(rows - 1)
        assert np.abs(neighbours).max() < FAR
        if not case.shots:  # a path is measured in all bases
            continue
        bases = [(spread[:, a] * spread[:, b]).mean() * np.sqrt(rows) for a, b in ((0, 1), (0, 2), (1, 2))]
        assert np.abs(bases).max() < FAR


def test_shots_of_an_ideal_device_scatter_as_binomials(rng: np.random.Generator) -> None:
    angle, circuit, rows, shots = Parameter("a"), QuantumCircuit(1), 400, 50
    circuit.ry(angle, 0)
    executable = open_backend("aer", shots).compile(LayerCircuit(circuit, [angle], []))
    tilt = rng.uniform(0.8, np.pi - 0.8)
    found = executable.expectations(np.full((rows, 1), tilt), np.zeros(0), int(rng.integers(2**62)))[:, 0]
    chance = (1 - np.cos(tilt)) / 2  # of reading 1
    errors = (found - np.cos(tilt)) / (2 * np.sqrt(chance * (1 - chance) / shots))
    spread = np.sqrt(2 + (1 / (chance * (1 - chance)) - 6) / shots)  # of a squared error
    assert abs(errors.mean()) * np.sqrt(rows) < FAR
    assert abs((errors**2).mean() - 1) * np.sqrt(rows) / spread < FAR


def test_trajectories_of_two_rows_share_no_errors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aer seeds every shot by its number: runs whose seeds are closer than that share what they draw."""
    from qiskit_aer.noise import NoiseModel, depolarizing_error

    model = NoiseModel()
    model.add_all_qubit_quantum_error(depolarizing_error(0.3, 1), ["ry"])
    angle, circuit, shots = Parameter("a"), QuantumCircuit(1), 2200
    circuit.ry(angle, 0)
    run, used = Trajectories(circuit, [angle], model), list[int]()
    simulator = run._run.simulator
    measured = circuit.measure_all(inplace=False).assign_parameters([0.9])
    one, shifted = (
        simulator.run(measured, shots=shots, seed_simulator=seed, memory=True).result().get_memory() for seed in (5, 7)
    )
    assert np.mean([a == b for a, b in zip(one[2:], shifted, strict=False)]) > 0.99
    original = simulator.run

    def spied(*args: object, seed_simulator: int, **options: object) -> object:
        used.append(seed_simulator)
        return original(*args, seed_simulator=seed_simulator, **options)

    monkeypatch.setattr(simulator, "run", spied)
    run.bits(np.full((9, 1), 0.9), shots, Streams((4, 5, 6), 3), 0, np.array([np.eye(2)]))
    assert len(used) == 9
    assert np.diff(sorted(used)).min() > 2**32


def test_an_image_has_all_of_its_rows_to_itself() -> None:
    """Seeds of the first axis: patches and points of a mixture are numbered within their image."""
    parameter = [Parameter(name) for name in "xwm"]
    circuit = QuantumCircuit(2)
    for qubit in range(2):
        circuit.rx(parameter[0], qubit)
        circuit.ry(parameter[1] + parameter[2], qubit)
    layer = LayerCircuit(circuit, parameter[:1], parameter[1:2], None, Mixture(parameter[2:], [[0.0], [0.5], [2.0]]))
    executable = open_backend("aer", 100).compile(layer)
    inputs, weights = np.full((4, 5, 1), 0.7), np.array([0.3])
    own = np.array([3, 9, 3, 2**62])
    found = executable.expectations(inputs, weights, own)
    np.testing.assert_array_equal(found[0], found[2])
    assert len(np.unique(found[0], axis=0)) > 1  # patches draw apart, though all are the same circuit
    assert not np.array_equal(found[0], found[1])
    np.testing.assert_array_equal(executable.expectations(inputs[[1, 3]], weights, own[[1, 3]]), found[[1, 3]])
    every = np.arange(20).reshape(4, 5)
    alone = executable.expectations(inputs[1, 2], weights, int(every[1, 2]))
    np.testing.assert_array_equal(executable.expectations(inputs, weights, every)[1, 2], alone)


METHODS = {"shift": ParameterShift(), "spsa": SPSA(directions=3, step=0.2), "adjoint": Adjoint()}


@pytest.mark.parametrize(
    ("case", "name"),
    [
        *((case, name) for case in CASES[:3] for name in ("shift", "spsa")),
        *((CASES[-1], name) for name in METHODS),
    ],
    ids=str,
)
def test_gradients_of_a_row_are_its_own(case: Case, name: str) -> None:
    method: GradientMethod = METHODS[name]
    circuit = ansatz("hqconv", qubits=4, layers=1)
    executable = opened(case).compile(circuit)
    inputs, weights = (torch.from_numpy(array) for array in angles(circuit, 3, 2))
    own = torch.tensor([5, 6, 7])
    torch.manual_seed(0)  # of SPSA's directions
    values, vjp = method.value_and_vjp(executable, inputs, weights, (True, True), own)
    assert torch.equal(values, executable.expectations(inputs, weights, own))
    if isinstance(method, SPSA):
        return
    upstream = torch.ones_like(values)
    alone, back = method.value_and_vjp(executable, inputs[2:], weights[2:], (True, True), own[2:])
    assert torch.equal(alone, values[2:])
    for all_rows, row in zip(vjp(upstream), back(upstream[2:]), strict=True):
        assert all_rows is not None
        assert row is not None
        torch.testing.assert_close(all_rows[2:], row, rtol=0, atol=1e-12)


class Telling(Backend):
    """One with an adjoint and errors that are drawn; it tells what it was given to draw from."""

    name, capabilities = "telling", Capabilities(exact=False, noisy=True, adjoint=True)

    def __init__(self) -> None:
        self.told: list[tuple[str, Streams]] = []

    def compile(self, circuit: LayerCircuit) -> Executable:
        told, exact = self.told, open_backend("statevector").compile(circuit)

        class Told(Executable):
            def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
                told.append(("evaluate", streams))
                return exact.evaluate(batch, streams)

            def evaluate_vjp(
                self, batch: Batch, upstream: torch.Tensor, wants: tuple[bool, bool], streams: Streams
            ) -> tuple[torch.Tensor | None, torch.Tensor | None]:
                told.append(("evaluate_vjp", streams))
                return exact.evaluate_vjp(batch, upstream, wants, streams)

            def evaluate_autograd(self, batch: Batch, streams: Streams) -> torch.Tensor:
                told.append(("evaluate_autograd", streams))
                return exact.evaluate_autograd(batch, streams)

        return Told(circuit, self)


def test_backward_sees_what_forward_drew() -> None:
    from qgen import QuantumLayer

    backend = Telling()
    layer = QuantumLayer(ansatz("basic"), backend, gradient=Adjoint())
    inputs = torch.randn(3, 4, requires_grad=True)
    first, second = layer(inputs), layer(inputs + 1)
    second.sum().backward()
    (slope,) = torch.autograd.grad(first.sum(), inputs, create_graph=True)
    slope.square().sum().backward()
    order = [step for step, _ in backend.told]
    drawn = [streams for _, streams in backend.told]
    assert order == ["evaluate", "evaluate", "evaluate_vjp", "evaluate_vjp", "evaluate_autograd"]
    assert drawn[2] == drawn[1]
    assert drawn[3] == drawn[4] == drawn[0]
    assert drawn[0] != drawn[1]


def test_streams_within_images_follow_from_the_image_and_the_call() -> None:
    with image_streams([4, 7]):
        first = next_image_streams((2, 3), 6)
        of_all = next_image_streams((), 1)
        flat = next_image_streams((6,), 6)
    assert next_image_streams((2,), 2) is None
    with image_streams([7]):
        alone = next_image_streams((1, 3), 3)
        same = next_image_streams((), 1)
    assert first is not None
    assert alone is not None
    assert flat is not None
    assert (first.seeds[1], first.rows_per_seed) == (alone.seeds[0], alone.rows_per_seed) == (derive(7, "shots", 0), 3)
    assert (len(flat.seeds), flat.rows_per_seed) == (2, 3)
    assert flat.seeds != first.seeds
    assert of_all == Streams((derive(0, "shots of all", 1),), 1)
    assert same is not None  # with one image every axis is its own
    assert of_all == same


def test_one_seed_for_a_call_is_kept_where_rows_run_as_one() -> None:
    """IBM's journal knows requests by it: a change would run paid jobs again."""
    assert Streams.from_seed(123, (5,), 5).joint_seed == 123
    assert Streams.from_seed(123, (5,), 5).for_evaluations(range(9)).joint_seed == 123
    assert (
        Streams.from_seed([1, 2], (2,), 4).joint_seed
        == Streams.from_seed([1, 2], (2,), 4).joint_seed
        != Streams.from_seed([2, 1], (2,), 4).joint_seed
    )


def test_streams_never_repeat() -> None:
    repeated = Streams.from_seed(2**63 - 1, (), 1).for_evaluations(range(4))
    streams = [Streams.from_seed(0, (2, 3), 6), Streams.from_seed([1, 2], (2, 3), 6), repeated]
    drawn = [tuple(rng.integers(2**63, size=3)) for one in streams for k in range(3) for rng in one.generators(k)]
    assert len(set(drawn)) == len(drawn) == 3 * (6 + 6 + 4)
    parts = [rng.random() for part in (range(1), range(1, 4)) for rng in repeated.for_evaluations(part).generators()]
    assert parts == [rng.random() for rng in repeated.generators()]


@pytest.mark.parametrize(
    ("seed", "words"),
    [
        (-1, "whole numbers in"),
        (2**63, "whole numbers in"),
        (1.5, "whole numbers in"),
        (True, "whole numbers in"),
        ([1, -2, 3], "whole numbers in"),
        ("one", "whole numbers in"),
        ([1, 2], r"shape \(2,\), the leading axes of the batch are \(3,\)"),
        (np.ones((3, 1), int), r"shape \(3, 1\)"),
        (Streams((1,), 4), "for 4 rows, not for 3"),
    ],
)
def test_seeds_that_do_not_fit_are_refused(seed: object, words: str) -> None:
    executable = open_backend("aer", 10).compile(ansatz("basic"))
    with pytest.raises(InputError, match=words):
        executable.expectations(np.zeros((3, 4)), np.zeros(16), seed)  # type: ignore[call-overload]


def test_local_mode_runs_the_rows_of_a_seed_together_where_they_share_nothing() -> None:
    streams = Streams((4, 5), 3).for_evaluations(range(4))
    together = runs_of(streams, 1, GAP)
    first = [0, 1, 2, 6, 7, 8, 12, 13, 14, 18, 19, 20]
    assert [run.rows for run in together] == [first, [row + 3 for row in first]]
    part = runs_of(streams.for_evaluations(range(2, 4)), 1, GAP)
    assert [run.seed for run in part] == [run.seed + GAP * 2 * 3 for run in together]
    apart = runs_of(streams, 1, GAP + 1)
    assert [run.rows for run in apart] == [[row] for row in range(24)]
    assert np.diff(sorted(run.seed for run in apart)).min() > 2**32
