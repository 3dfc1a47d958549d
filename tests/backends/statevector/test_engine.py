"""The exact engine against Qiskit's own Statevector, over circuits drawn at random."""

from __future__ import annotations

import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import layer_circuits, small_ansatz
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CUGate

from qgen.backends import Executable, open_backend
from qgen.backends.statevector import backend as glue
from qgen.backends.statevector import cpu_engine, order, torch_engine
from qgen.circuits import LayerCircuit, ansatz, ansatz_names
from qgen.errors import BackendError, InputError

EXACT, SINGLE = 1e-10, 1e-5  # tolerances in float64 and float32, for observables of norm 1
STEP = 1e-5  # of central differences: their error is about STEP**2 and 1e-16 / STEP
DIFFERENCE = 2e-8

shapes = st.sampled_from([((), ()), ((1,), ()), ((3,), ()), ((2, 3), ()), ((2, 1), (3,)), ((), (2,)), ((17,), (17,))])
ENGINES = ["cpu", "device", "blocks", "split"]
engines = pytest.mark.parametrize("engine", ENGINES)


@pytest.fixture
def use_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The processor's engine as it is, with tiles cut into blocks, with blocks split among threads; or torch's."""
    if engine == "device":
        monkeypatch.setattr(glue, "on_processor", lambda tensor: False)
        monkeypatch.setattr(torch_engine, "MOST_BYTES", 1024)  # chunks of 1 to 64 samples
    if engine in ("blocks", "split"):
        monkeypatch.setattr(order, "LARGEST_WHOLE_TILE", 1)
        monkeypatch.setattr(order, "BLOCK", 1)
    threads = torch.get_num_threads()
    if engine == "split":  # more threads than tiles: all of them on each tile in turn
        monkeypatch.setattr(cpu_engine, "choose_samples", lambda *_: 1)
        monkeypatch.setattr(cpu_engine, "LEAST_BLOCKS", 0)
        torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


def drawn_numbers(
    circuit: LayerCircuit, shape: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (*shape[0], circuit.num_inputs), (*shape[1], circuit.num_weights)
    return [torch.randn(size, generator=generator, dtype=torch.float64) for size in sizes]


def norm(circuit: LayerCircuit) -> float:
    return max(float(np.abs(observable.coeffs).sum()) for observable in circuit.observables)


def central_differences(
    executable: Executable, inputs: torch.Tensor, weights: torch.Tensor, upstream: torch.Tensor
) -> list[torch.Tensor]:
    """Gradients of sum(upstream * values) by moving one number at a time, on the given executable."""
    gradients = []
    for tensor in (inputs, weights):
        gradient = torch.zeros_like(tensor)
        for place in np.ndindex(tensor.shape):
            kept = tensor[place].item()
            ends = []
            for moved in (kept + STEP, kept - STEP):
                tensor[place] = moved
                ends.append((upstream * executable.expectations(inputs, weights)).sum().item())
            tensor[place] = kept
            gradient[place] = (ends[0] - ends[1]) / (2 * STEP)
        gradients.append(gradient)
    return gradients


@engines
@pytest.mark.usefixtures("use_engine")
@examples(5)
@given(circuit=layer_circuits(), shape=shapes, seed=st.integers(0, 2**31))
def test_values_are_those_of_the_reference(
    circuit: LayerCircuit, shape: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    inputs, weights = drawn_numbers(circuit, shape, seed)
    wanted = open_backend("reference").compile(circuit).expectations(inputs, weights)
    engine = open_backend("statevector").compile(circuit)
    found = engine.expectations(inputs, weights)
    assert found.shape == (*torch.broadcast_shapes(*shape), circuit.num_observables)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT * max(1, norm(circuit)))
    # float32 rounds the inputs too: compare at the numbers that it sees
    wanted = open_backend("reference").compile(circuit).expectations(inputs.float().double(), weights.float().double())
    found = engine.expectations(inputs.float(), weights.float())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=SINGLE * max(1, norm(circuit)))


@engines
@pytest.mark.usefixtures("use_engine")
@examples(5)
@given(circuit=layer_circuits(most_qubits=5, most_gates=10), seed=st.integers(0, 2**31))
def test_gradients_are_central_differences_of_the_reference(circuit: LayerCircuit, seed: int) -> None:
    inputs, weights = drawn_numbers(circuit, ((2,), ()), seed)
    upstream = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, circuit.num_observables)))
    wanted = central_differences(open_backend("reference").compile(circuit), inputs, weights, upstream)
    found = open_backend("statevector").compile(circuit).vjp(inputs, weights, upstream, (True, True))
    # The drawn expressions have third derivatives up to about 1e3: the differences' own error grows with them.
    for one, other in zip(found, wanted, strict=True):
        assert one is not None
        scale = max(1.0, norm(circuit)) * max(1.0, other.abs().max().item() if other.numel() else 1.0)
        torch.testing.assert_close(one, other, rtol=0, atol=100 * DIFFERENCE * scale)


@engines
@pytest.mark.usefixtures("use_engine")
@examples(5)
@given(circuit=layer_circuits(most_qubits=7), shape=shapes, seed=st.integers(0, 2**31))
def test_float32_gradients_agree_with_float64(
    circuit: LayerCircuit, shape: tuple[tuple[int, ...], tuple[int, ...]], seed: int
) -> None:
    inputs, weights = (numbers.float() for numbers in drawn_numbers(circuit, shape, seed))
    size = (*torch.broadcast_shapes(*shape), circuit.num_observables)
    upstream = torch.from_numpy(np.random.default_rng(seed).normal(size=size)).float()
    engine = open_backend("statevector").compile(circuit)
    single = engine.vjp(inputs, weights, upstream, (True, True))
    double = engine.vjp(inputs.double(), weights.double(), upstream.double(), (True, True))
    for one, other, like in zip(single, double, (inputs, weights), strict=True):
        assert one is not None
        assert other is not None
        assert one.shape == like.shape
        assert one.dtype == torch.float32
        scale = max(1.0, norm(circuit)) * max(1.0, other.abs().max().item() if other.numel() else 1.0)
        torch.testing.assert_close(one.double(), other, rtol=0, atol=SINGLE * scale)


@pytest.mark.parametrize(
    ("engine", "name"),
    [
        pytest.param(engine, name, marks=() if engine == "cpu" else pytest.mark.slow)
        for engine in ENGINES
        for name in ansatz_names()
    ],
)
@pytest.mark.usefixtures("use_engine")
def test_each_ansatz_of_the_catalogue(engine: str, name: str) -> None:
    check_ansatz(engine, name)


@engines
@pytest.mark.usefixtures("use_engine")
def test_an_ansatz_of_the_catalogue(engine: str, rng: np.random.Generator) -> None:
    check_ansatz(engine, str(rng.choice(ansatz_names())))


def check_ansatz(engine: str, name: str) -> None:
    circuit = small_ansatz(name, layers=2 if engine == "cpu" else 1)
    inputs, weights = torch.randn(2, circuit.num_inputs).double(), torch.rand(circuit.num_weights).double()
    reference, exact = (open_backend(where).compile(circuit) for where in ("reference", "statevector"))
    wanted = reference.expectations(inputs, weights)
    torch.testing.assert_close(exact.expectations(inputs, weights), wanted, rtol=0, atol=EXACT)
    upstream = torch.randn_like(wanted)
    d_inputs, d_weights = exact.vjp(inputs, weights, upstream, (True, True))
    differences = central_differences(exact, inputs, weights, upstream)
    torch.testing.assert_close(d_inputs, differences[0], rtol=0, atol=1e-6)
    torch.testing.assert_close(d_weights, differences[1], rtol=0, atol=1e-6)


@pytest.mark.parametrize("wants", [(True, False), (False, True), (False, False)])
def test_only_wanted_gradients_are_computed_and_they_are_the_same(wants: tuple[bool, bool]) -> None:
    circuit = ansatz("hqconv", qubits=8, layers=2)
    engine = open_backend("statevector").compile(circuit)
    inputs, weights = torch.randn(5, 8).double(), torch.rand(circuit.num_weights).double()
    upstream = torch.randn(5, 8).double()
    both = engine.vjp(inputs, weights, upstream, (True, True))
    some = engine.vjp(inputs, weights, upstream, wants)
    for wanted, found, known in zip(wants, some, both, strict=True):
        if wanted:
            torch.testing.assert_close(found, known, rtol=0, atol=1e-13)
        else:
            assert found is None


@pytest.mark.parametrize("rows", [(), (37,)])
@pytest.mark.parametrize("threads", [1, 2, 3])
def test_the_number_of_threads_changes_nothing_but_time(
    threads: int, rows: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cpu_engine, "WAKING", 1)  # every thread is worth its while
    circuit = ansatz("fqconv", qubits=8, layers=1)
    engine = open_backend("statevector").compile(circuit)
    inputs, weights = torch.randn(37, 8).double(), torch.rand(*rows, circuit.num_weights).double()
    upstream = torch.randn(37, 8).double()
    before = torch.get_num_threads()
    known = engine.expectations(inputs, weights), *engine.vjp(inputs, weights, upstream, (True, True))
    try:
        torch.set_num_threads(threads)
        found = engine.expectations(inputs, weights), *engine.vjp(inputs, weights, upstream, (True, True))
    finally:
        torch.set_num_threads(before)
    for one, other in zip(found, known, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-12)


def test_amplitudes_too_small_for_float32_are_no_trouble() -> None:
    """Twelve angles of 1e-5 make amplitudes of 1e-63: they count as zero, and the values stay right."""
    circuit = ansatz("hqconv", layers=1)
    engine = open_backend("statevector").compile(circuit)
    inputs = torch.full((3, 12), 1e-5)
    weights = torch.rand(circuit.num_weights)
    single = engine.expectations(inputs, weights)
    double = engine.expectations(inputs.double(), weights.double())
    torch.testing.assert_close(single.double(), double, rtol=0, atol=1e-6)


@pytest.mark.parametrize("qubits", [16])
def test_float32_keeps_its_digits_on_long_states(qubits: int) -> None:
    circuit = ansatz("hqconv", qubits=qubits, layers=1)
    engine = open_backend("statevector").compile(circuit)
    inputs, weights, upstream = torch.randn(2, qubits), torch.rand(circuit.num_weights), torch.randn(2, qubits)
    single = engine.vjp(inputs, weights, upstream, (True, True))
    double = engine.vjp(inputs.double(), weights.double(), upstream.double(), (True, True))
    for one, other in zip(single, double, strict=True):
        assert one is not None
        assert other is not None
        torch.testing.assert_close(one.double(), other, rtol=0, atol=1e-5)


def test_memory_of_a_backward_pass_does_not_grow_with_depth() -> None:
    """Two states of 2 MB, whatever the depth; a table of coefficients grows by 1.5 KB an op."""
    peaks = []
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    for layers in (1, 1, 8):  # the first one compiles
        circuit = ansatz("basic", qubits=18, layers=layers)
        engine = open_backend("statevector").compile(circuit)
        inputs, weights, upstream = torch.randn(1, 18), torch.rand(circuit.num_weights), torch.randn(1, 18)
        tracemalloc.start()
        engine.vjp(inputs, weights, upstream, (True, True))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    torch.set_num_threads(before)
    assert peaks[1] > 2 * 8 << 18
    assert peaks[2] < 1.3 * peaks[1]


def test_concurrent_calls_do_not_disturb_each_other() -> None:
    circuit = ansatz("hqconv", qubits=8, layers=1)
    engine = open_backend("statevector").compile(circuit)
    cases = [(torch.randn(40, 8).double(), torch.rand(circuit.num_weights).double()) for _ in range(8)]
    upstream = torch.ones(40, 8).double()

    def call(case: tuple[torch.Tensor, torch.Tensor]) -> list[torch.Tensor | None]:
        return [engine.expectations(*case), *engine.vjp(*case, upstream, (True, True))]

    alone = [call(case) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(call, cases))
    for one, other in zip(alone, together, strict=True):
        for a, b in zip(one, other, strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-12)


def test_no_samples_give_no_values() -> None:
    circuit = ansatz("basic")
    engine = open_backend("statevector").compile(circuit)
    assert engine.expectations(torch.zeros(0, 4), torch.zeros(16)).shape == (0, 4)
    d_inputs, d_weights = engine.vjp(torch.zeros(0, 4), torch.zeros(16), torch.zeros(0, 4), (True, True))
    assert d_inputs is not None
    assert d_inputs.shape == (0, 4)
    assert d_weights is not None
    assert not d_weights.any()


def test_arrays_give_arrays() -> None:
    circuit = ansatz("basic")
    engine = open_backend("statevector").compile(circuit)
    inputs, weights = np.random.default_rng().normal(size=(3, 4)), np.zeros(16)
    found = engine.expectations(inputs, weights)
    assert isinstance(found, np.ndarray)
    np.testing.assert_allclose(
        found, open_backend("reference").compile(circuit).expectations(inputs, weights), atol=EXACT
    )


@engines
@pytest.mark.usefixtures("use_engine")
def test_a_gate_is_what_it_does_not_what_it_is_called() -> None:
    """A user's own gate may bear the name of one of Qiskit's."""
    circuit = QuantumCircuit(2)
    for name in ("rx", "swap", "id", "rzz"):
        inner = QuantumCircuit(2, name=name)
        inner.h(0)
        inner.ry(0.7, 1)
        inner.cx(0, 1)
        circuit.append(inner.to_gate(), [0, 1])
    layer = LayerCircuit(circuit, [], [], ["ZI", "IX", "XY"])
    nothing = torch.zeros(0, dtype=torch.float64)
    wanted, found = (
        open_backend(name).compile(layer).expectations(nothing, nothing) for name in ("reference", "statevector")
    )
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("expression", "value", "message"),
    [
        (lambda x: x.log(), -0.5, r"The angle log\(x\) is nan at sample 1"),
        (lambda x: x.arccos(), 1.5, "is nan at sample 1"),
        (lambda x: 1 / x, 0.0, "is inf at sample 1"),
    ],
)
def test_angles_that_are_not_finite_are_named(expression: Any, value: float, message: str) -> None:
    x = Parameter("x")
    circuit = QuantumCircuit(1)
    circuit.ry(expression(x), 0)
    engine = open_backend("statevector").compile(LayerCircuit(circuit, [x], []))
    with pytest.raises(InputError, match=message):
        engine.expectations(torch.tensor([[0.5], [value]]), torch.zeros(0))


def test_gates_under_several_controls_keep_their_phases() -> None:
    circuit = QuantumCircuit(4)
    circuit.h(range(4))
    circuit.append(CUGate(0.3, 0.5, 0.7, 1.1).control(2, annotated=False), [0, 1, 2, 3])
    circuit.h(range(4))
    layer = LayerCircuit(circuit, [], [], ["IIZX", "XIII", "YYII"])
    nothing = torch.zeros(0, dtype=torch.float64)
    wanted, found = (
        open_backend(name).compile(layer).expectations(nothing, nothing) for name in ("reference", "statevector")
    )
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT)


def test_states_that_do_not_fit_are_refused_with_their_size(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = open_backend("statevector").compile(ansatz("basic", qubits=16, layers=1))
    monkeypatch.setattr(cpu_engine.psutil, "virtual_memory", lambda: SimpleNamespace(available=1_500_000))
    engine.expectations(torch.zeros(4, 16), torch.zeros(16))  # two states of 512 KB: one worker fits
    with pytest.raises(BackendError, match="need 2,097,152 bytes in float64, and 1,500,000 bytes are available"):
        engine.expectations(torch.zeros(4, 16).double(), torch.zeros(16).double())
