"""Results over the wire, from the stock client's own primitives, against Qiskit's statevector and Aer's noise."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from aer_density import noisy_probabilities
from qiskit import QuantumCircuit, generate_preset_pass_manager, transpile
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp, Statevector
from qiskit_aer import AerSimulator
from qiskit_ibm_runtime.executor_estimator import Estimator
from qiskit_ibm_runtime.executor_sampler import Sampler

from qgen.devices import open_device
from qgen.devserver import DeviceModel

SHOTS = 20_000
POLL = 0.1
Drawn = Callable[[np.random.Generator, int], QuantumCircuit]


def isa(circuit: QuantumCircuit, backend: Any, level: int = 1) -> QuantumCircuit:
    return generate_preset_pass_manager(level, backend=backend, seed_transpiler=1).run(circuit)


def frequencies(bits: Any, index: tuple[int, ...] = ()) -> np.ndarray:
    """Of the outcomes of a BitArray, at one of its bindings."""
    counts = bits[index].get_int_counts() if index else bits.get_int_counts()
    found = np.zeros(2**bits.num_bits)
    found[list(counts)] = list(counts.values())
    return found / found.sum()


def assert_close(found: np.ndarray, wanted: np.ndarray, shots: int) -> None:
    """Within five standard errors; small counts are not Gaussian, hence five counts more."""
    wanted = np.asarray(wanted)
    allowed = 5 * np.sqrt(wanted * (1 - wanted) / shots) + 5 / shots
    assert (np.abs(found - wanted) <= allowed).all(), np.abs(found - wanted) / allowed


@pytest.mark.parametrize("twirled", [False, True])
def test_ideal_samples_follow_the_statevector(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, twirled: bool, drawn: Drawn
) -> None:
    server = serve(DeviceModel("fake_brisbane", noisy=False))
    backend = client().backend("ibm_brisbane")
    circuit = drawn(rng, 4)
    values = rng.normal(size=(2, 3, len(circuit.parameters)))
    sampler = Sampler(backend, options={"twirling": {"enable_gates": twirled, "enable_measure": twirled}})
    measured = isa(circuit.measure_all(inplace=False), backend)
    read = sampler.run([(measured, values)], shots=SHOTS).result(poll_interval=POLL)[0].data.meas
    assert read.shape == (2, 3)
    for index in np.ndindex(2, 3):
        wanted = Statevector(circuit.assign_parameters(values[index])).probabilities()
        assert_close(frequencies(read, index), wanted, read.num_shots)
    entry = server.ledger.jobs[0]
    assert entry.executions == entry.circuits * entry.shots == 6 * read.num_shots


def test_noisy_samples_follow_the_density_matrix_under_aers_noise(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, drawn: Drawn
) -> None:
    serve(DeviceModel("fake_manila"))
    backend = client().backend("ibm_manila")
    noticed = False  # of some circuits noise changes next to nothing: those cannot tell it from none
    while not noticed:
        circuit = drawn(rng, 3)
        values = rng.normal(size=(2, len(circuit.parameters)))
        measured = isa(circuit.measure_all(inplace=False), backend)
        wanted = [noisy_probabilities(measured, row) for row in values]
        ideal = [Statevector(circuit.assign_parameters(row)).probabilities() for row in values]
        noticed = np.abs(np.array(wanted) - ideal).max() > 0.01
    read = Sampler(backend).run([(measured, values)], shots=SHOTS).result(poll_interval=POLL)[0].data.meas
    for index in range(2):
        assert_close(frequencies(read, (index,)), wanted[index], SHOTS)


@pytest.mark.slow
def test_noisy_samples_on_a_wide_device_are_those_of_aer(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, drawn: Drawn
) -> None:
    serve(DeviceModel("fake_fez"))
    backend = client().backend("ibm_fez")
    circuit = drawn(rng, 4)
    bound = circuit.assign_parameters(rng.normal(size=len(circuit.parameters)))
    bound.measure_all()
    layout = [141, 142, 143, 136]  # couplers away from the first qubits
    measured = transpile(bound, backend, initial_layout=layout, optimization_level=1, seed_transpiler=1)
    read = Sampler(backend).run([measured], shots=SHOTS).result(poll_interval=POLL)[0].data.meas
    aer = AerSimulator.from_backend(open_device("fake_fez").backend, method="density_matrix")
    counts = aer.run(measured, shots=SHOTS, seed_simulator=int(rng.integers(2**31))).result().get_counts()
    other = np.zeros(16)
    other[[int(bits, 2) for bits in counts]] = list(counts.values())
    assert_close(frequencies(read), other / SHOTS, SHOTS / 2)


def test_estimates_on_a_wide_device(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, drawn: Drawn
) -> None:
    server = serve(DeviceModel("fake_brisbane", noisy=False))
    backend = client().backend("ibm_brisbane")
    circuit = drawn(rng, 3)
    values = rng.normal(size=(4, len(circuit.parameters)))
    observables = [SparsePauliOp(label) for label in ("ZZI", "XIY", "IIZ")]
    placed = isa(circuit, backend)
    laid_out = [[one.apply_layout(placed.layout)] for one in observables]
    wanted = [
        [Statevector(circuit.assign_parameters(row)).expectation_value(one).real for row in values]
        for one in observables
    ]
    for level in (0, 1):
        estimator = Estimator(backend, options={"resilience_level": level, "default_precision": 0.02})
        found = estimator.run([(placed, laid_out, values)]).result(poll_interval=POLL)[0].data
        assert found.evs.shape == (3, 4)
        np.testing.assert_allclose(found.evs, wanted, atol=5 * 0.03)
    assert len(server.ledger.billed) == 2


def test_mitigation_brings_noisy_estimates_closer(serve: Callable[..., Any], client: Callable[[], Any]) -> None:
    serve(DeviceModel("fake_manila"), seed=3)
    backend = client().backend("ibm_manila")
    circuit = QuantumCircuit(3)
    circuit.x([0, 1, 2])
    placed = isa(circuit, backend)
    observable = SparsePauliOp("ZZZ").apply_layout(placed.layout)
    errors = []
    for level in (0, 1):
        estimator = Estimator(backend, options={"resilience_level": level, "default_precision": 0.01})
        found = estimator.run([(placed, observable)]).result(poll_interval=POLL)[0].data.evs
        errors.append(abs(float(found) + 1))
    assert errors[0] > 0.2  # readout errors of a few percent a qubit
    assert errors[1] < errors[0] / 4  # and what twirling and their measured average leave of them


def test_tiles_are_pieces_of_their_own(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator
) -> None:
    serve(DeviceModel("fake_brisbane", noisy=False))
    backend = client().backend("ibm_brisbane")
    tiles = [[0, 1, 2, 3], [5, 6, 7, 8], [20, 21, 22, 23], [37, 38, 39, 40], [56, 57, 58, 59], [113, 114, 115, 116]]
    circuit, values = QuantumCircuit(127, 24), rng.normal(size=(len(tiles), 4))
    for row, tile in enumerate(tiles):
        for angle, qubit in zip(values[row], tile, strict=True):
            circuit.ry(angle, qubit)
        for low, high in pairwise(tile):
            circuit.cz(low, high)
        for qubit in tile:
            circuit.ry(0.7, qubit)
        circuit.measure(tile, range(4 * row, 4 * row + 4))
    placed = transpile(circuit, backend, initial_layout=list(range(127)), optimization_level=1, seed_transpiler=1)
    read = Sampler(backend).run([placed], shots=SHOTS).result(poll_interval=POLL)[0].data.c
    for row in range(len(tiles)):
        small = QuantumCircuit(4)
        for qubit in range(4):
            small.ry(values[row, qubit], qubit)
        for qubit in range(3):
            small.cz(qubit, qubit + 1)
        small.ry(0.7, range(4))
        mine = read.slice_bits(range(4 * row, 4 * row + 4))
        assert_close(frequencies(mine), Statevector(small).probabilities(), SHOTS)


@pytest.mark.parametrize("noisy", [False, True])
def test_measurements_along_the_way_and_resets(
    serve: Callable[..., Any], client: Callable[[], Any], noisy: bool
) -> None:
    serve(DeviceModel("fake_manila", noisy=noisy))
    backend = client().backend("ibm_manila")
    theta = Parameter("t")
    circuit = QuantumCircuit(2, 3)
    circuit.ry(theta, 0)
    circuit.measure(0, 0)
    circuit.cx(0, 1)
    circuit.reset(0)
    circuit.measure([0, 1], [1, 2])
    placed = isa(circuit, backend, level=0)
    values = np.array([[0.0], [1.0], [np.pi]])
    read = Sampler(backend).run([(placed, values)], shots=4000).result(poll_interval=POLL)[0].data.c
    for row, (angle,) in enumerate(values):
        found = frequencies(read, (row,))
        one = np.sin(angle / 2) ** 2
        wanted = np.zeros(8)
        wanted[[0b000, 0b101]] = 1 - one, one
        if noisy:
            assert 0.02 < np.abs(found - wanted).max() < 0.25
        else:
            assert_close(found, wanted, 4000)


def test_a_qubit_goes_on_after_it_was_measured(serve: Callable[..., Any], client: Callable[[], Any]) -> None:
    serve(DeviceModel("fake_manila", noisy=False))
    circuit = QuantumCircuit(1, 2)
    circuit.sx(0)
    circuit.measure(0, 0)
    circuit.x(0)
    circuit.measure(0, 1)
    read = Sampler(client().backend("ibm_manila")).run([circuit], shots=1000).result(poll_interval=POLL)[0].data.c
    assert set(read.get_counts()) == {"01", "10"}


def test_waiting_qubits_relax(serve: Callable[..., Any], client: Callable[[], Any]) -> None:
    server = serve(DeviceModel("fake_manila"))
    backend = client().backend("ibm_manila")
    life = server.device("ibm_manila").target.qubit_properties[0].t1
    fractions = []
    for steps in (0, round(life / backend.dt / 16) * 16):
        circuit = QuantumCircuit(1, 1)
        circuit.x(0)
        circuit.delay(steps, 0, unit="dt")
        circuit.measure(0, 0)
        placed = isa(circuit, backend, level=0)
        fractions.append(frequencies(Sampler(backend).run([placed], shots=SHOTS).result(poll_interval=POLL)[0].data.c))
    flips = server.device("ibm_manila").noise.channels([0]).noise.confusion[0]
    contrast = flips[1, 1] - flips[0, 1]
    ones = [(found[1] - flips[0, 1]) / contrast for found in fractions]
    assert ones[1] / ones[0] == pytest.approx(np.exp(-1), abs=0.02)


def test_dynamical_decoupling_and_twirling_run_on_a_noisy_device(
    serve: Callable[..., Any], client: Callable[[], Any]
) -> None:
    serve(DeviceModel("fake_manila"))
    backend = client().backend("ibm_manila")
    circuit = QuantumCircuit(3)
    circuit.h(0)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    circuit.measure_all()
    options = {"dynamical_decoupling": {"enable": True}, "twirling": {"enable_gates": True}}
    read = Sampler(backend, options=options).run([isa(circuit, backend)], shots=4096).result(poll_interval=POLL)[0]
    found = frequencies(read.data.meas)
    assert found[0] + found[7] > 0.8
    assert abs(found[0] - found[7]) < 0.15


def test_equal_jobs_get_equal_bits_whatever_their_tags(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, drawn: Drawn
) -> None:
    seed = int(rng.integers(2**32))
    values = rng.normal(size=(3, 6))

    def submit(backend: Any, tag: str, twirled: bool) -> np.ndarray:
        circuit = drawn(np.random.default_rng(seed), 3)  # its parameters have identities of their own
        options = {"environment": {"job_tags": [tag]}, "twirling": {"enable_gates": twirled, "enable_measure": twirled}}
        measured = isa(circuit.measure_all(inplace=False), backend)
        rows = values[:, : len(circuit.parameters)]
        job = Sampler(backend, options=options).run([(measured, rows)], shots=500)
        return np.asarray(job.result(poll_interval=POLL)[0].data.meas.array)

    for twirled in (False, True):
        serve(DeviceModel("fake_manila"), seed=1)
        first = submit(client().backend("ibm_manila"), "one", twirled)
        server = serve(DeviceModel("fake_manila"), seed=1)
        again = submit(client().backend("ibm_manila"), "another", twirled)
        np.testing.assert_array_equal(first, again)
        assert server.ledger.tagged("another")
    serve(DeviceModel("fake_manila"), seed=2)
    assert (first != submit(client().backend("ibm_manila"), "one", twirled)).any()


def test_equal_estimates_are_equal(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator, drawn: Drawn
) -> None:
    serve(DeviceModel("fake_manila"))
    backend = client().backend("ibm_manila")
    seed, values = int(rng.integers(2**32)), rng.normal(size=(2, 6))

    def estimate(label: str) -> np.ndarray:
        circuit = drawn(np.random.default_rng(seed), 3)
        placed = isa(circuit, backend)
        observable = SparsePauliOp(label).apply_layout(placed.layout)
        job = Estimator(backend).run([(placed, observable, values[:, : len(circuit.parameters)])], precision=0.1)
        return np.asarray(job.result(poll_interval=POLL)[0].data.evs)

    np.testing.assert_array_equal(estimate("ZZZ"), estimate("ZZZ"))
    assert (estimate("XXX") != estimate("ZZZ")).any()


@pytest.mark.slow
def test_thousands_of_bindings_of_a_twelve_qubit_circuit(
    serve: Callable[..., Any], client: Callable[[], Any], rng: np.random.Generator
) -> None:
    from qgen.circuits import ansatz

    server = serve(DeviceModel("fake_brisbane", noisy=False))
    backend = client().backend("ibm_brisbane")
    layer = ansatz("hqconv", qubits=12, layers=3)
    values = rng.normal(size=(2704, len(layer.circuit.parameters)))
    measured = isa(layer.circuit.measure_all(inplace=False), backend, level=2)
    read = Sampler(backend).run([(measured, values)], shots=256).result(poll_interval=1)[0].data.meas
    assert server.ledger.executions == 2704 * 256
    for row in (0, 2703):
        wanted = Statevector(layer.circuit.assign_parameters(values[row])).probabilities().reshape([2] * 12)
        for qubit in range(12):
            one = wanted.sum(axis=tuple(axis for axis in range(12) if axis != 11 - qubit))[1]
            assert read.slice_bits(qubit)[row].get_int_counts().get(1, 0) / 256 == pytest.approx(one, abs=5 / 32)
