"""Circuits of any number of registers that meet late, or never, against Qiskit's own Statevector."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter, ParameterExpression, library
from qiskit.quantum_info import SparsePauliOp, Statevector

from qgen import QuantumLayer
from qgen.backends import open_backend
from qgen.backends.statevector import cpu_engine, kept, order, registers
from qgen.backends.statevector.layout import make_layout
from qgen.backends.statevector.program import compile_program
from qgen.circuits import LayerCircuit, ansatz
from qgen.nn import QuantumProbabilities

EXACT, SINGLE = 1e-12, 1e-5
INPUTS = [Parameter(f"x{k}") for k in range(3)]
WEIGHTS = [Parameter(f"w{k}") for k in range(5)]
TURNS = {1: [library.RXGate, library.RYGate, library.RZGate], 2: [library.CRXGate, library.CRZGate, library.RZZGate]}
FIXED = {1: [library.HGate, library.SGate], 2: [library.CXGate, library.CZGate, library.SwapGate], 3: [library.CCXGate]}
QUARTER = np.pi / 2
WANTS = st.sampled_from([(1, 1), (1, 0), (0, 1)])


engines = pytest.mark.parametrize("engine", ["cpu", "apart", "blocks", "split"])


@pytest.fixture
def use_engine(engine: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The engine as it is; with registers apart whatever it costs; the same with blocks, also shared by threads."""
    threads = torch.get_num_threads()
    if engine != "cpu":
        monkeypatch.setattr(registers, "EACH", -1e6)
        monkeypatch.setattr(registers, "FREE_ROWS", 1 << 30)
    if engine in ("blocks", "split"):
        monkeypatch.setattr(order, "LARGEST_WHOLE_TILE", 1)
        monkeypatch.setattr(order, "BLOCK", 1)
    if engine == "split":
        monkeypatch.setattr(cpu_engine, "choose_samples", lambda *_: 1)
        monkeypatch.setattr(cpu_engine, "LEAST_BLOCKS", 0)
        torch.set_num_threads(3)
    yield
    torch.set_num_threads(threads)


@st.composite
def meeting_circuits(draw: Callable[..., object], most_qubits: int = 8) -> LayerCircuit:
    """Gates within registers, then between some of them, then anywhere; observables on few qubits or on many."""
    qubits = draw(st.integers(1, most_qubits))
    of = [draw(st.integers(0, 3)) for _ in range(qubits)]
    circuit = QuantumCircuit(qubits)

    def append(available: list[int]) -> None:
        size = draw(st.integers(1, min(3, len(available))))
        on = draw(st.permutations(available))[:size]
        classes = FIXED[size] if size == 3 or draw(st.booleans()) else TURNS[size]
        kind = draw(st.sampled_from(classes))
        circuit.append(kind() if kind in FIXED[size] else _turn(draw, kind), on)

    for _ in range(draw(st.integers(0, 14))):
        register = draw(st.sampled_from(of))
        append([qubit for qubit in range(qubits) if of[qubit] == register])
    for _ in range(draw(st.integers(0, 5))):
        append(list(range(qubits)))
    observables = []
    for _ in range(draw(st.integers(1, 4))):
        labels = [_label(draw, qubits) for _ in range(draw(st.integers(1, 2)))]
        observables.append(SparsePauliOp(labels, [draw(st.sampled_from([1.0, -0.5])) for _ in labels]))
    used = circuit.parameters
    inputs, weights = ([name for name in names if name in used] for names in (INPUTS, WEIGHTS))
    return LayerCircuit(circuit, inputs, weights, observables)


def _turn(draw: Callable[..., object], kind: type[Gate]) -> Gate:
    first, second = draw(st.sampled_from(INPUTS + WEIGHTS)), draw(st.sampled_from(WEIGHTS))
    angle: ParameterExpression = draw(st.sampled_from([first, 0.5 * first - second + 0.2, first.sin()]))
    return kind(angle)


def _label(draw: Callable[..., object], qubits: int) -> str:
    few = draw(st.booleans())
    return "".join(draw(st.sampled_from("IIIIIZX" if few else "IXYZ")) for _ in range(qubits))


def numbers(circuit: LayerCircuit, seed: int, samples: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = (samples, circuit.num_inputs), (circuit.num_weights,)
    return [torch.randn(*size, generator=generator, dtype=torch.float64) for size in sizes]


def by_qiskit(circuit: LayerCircuit, inputs: np.ndarray, weights: np.ndarray) -> np.ndarray:
    names = [*circuit.inputs, *circuit.weights]
    rows = []
    for row in inputs:
        bound = dict(zip(names, [*row, *weights], strict=True))
        state = Statevector(circuit.circuit.assign_parameters(bound, strict=False))
        rows.append([state.expectation_value(observable).real for observable in circuit.observables])
    return np.array(rows)


@engines
@pytest.mark.usefixtures("use_engine")
@examples(10)
@given(circuit=meeting_circuits(), seed=st.integers(0, 2**31))
def test_values_are_those_of_qiskit(circuit: LayerCircuit, seed: int) -> None:
    inputs, weights = numbers(circuit, seed, samples=3)
    found = open_backend("statevector").compile(circuit).expectations(inputs, weights)
    np.testing.assert_allclose(found.numpy(), by_qiskit(circuit, inputs.numpy(), weights.numpy()), rtol=0, atol=EXACT)


@engines
@pytest.mark.usefixtures("use_engine")
@examples(10)
@given(
    circuit=meeting_circuits(most_qubits=6), seed=st.integers(0, 2**31), wants=st.sampled_from([(1, 1), (1, 0), (0, 1)])
)
def test_gradients_are_differences_of_qiskits_values(circuit: LayerCircuit, seed: int, wants: tuple[int, int]) -> None:
    inputs, weights = numbers(circuit, seed, samples=2)
    upstream = torch.from_numpy(np.random.default_rng(seed).normal(size=(2, circuit.num_observables)))
    executable = open_backend("statevector").compile(circuit)
    found = executable.vjp(inputs, weights, upstream, (bool(wants[0]), bool(wants[1])))
    wanted = _differences(circuit, inputs.numpy(), weights.numpy(), upstream.numpy())
    for one, other, asked in zip(found, wanted, wants, strict=True):
        assert (one is not None) == bool(asked)
        if one is not None:
            np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=1e-7)
    single = executable.vjp(inputs.float(), weights.float(), upstream.float(), (True, True))
    for one, other in zip(single, wanted, strict=True):
        np.testing.assert_allclose(one.numpy(), other, rtol=0, atol=20 * SINGLE)


def _differences(
    circuit: LayerCircuit, inputs: np.ndarray, weights: np.ndarray, upstream: np.ndarray, step: float = 3e-4
) -> list[np.ndarray]:
    """Central differences of fourth order: their error is some step^4 and 1e-15 / step."""
    gradients = []
    for array in (inputs, weights):
        gradient = np.zeros_like(array)
        for place in np.ndindex(array.shape):
            kept, total = array[place], 0.0
            for moved, factor in ((1, 8), (-1, -8), (2, -1), (-2, 1)):
                array[place] = kept + moved * step
                total += factor * float((upstream * by_qiskit(circuit, inputs, weights)).sum())
            array[place] = kept
            gradient[place] = total / (12 * step)
        gradients.append(gradient)
    return gradients


@engines
@pytest.mark.usefixtures("use_engine")
def test_gradients_are_those_of_the_shift_rule() -> None:
    """RY gates alone have open angles: their derivative is half the difference of two values, exactly."""
    qubits = 6
    w = [Parameter(f"v{k}") for k in range(9)]
    circuit = QuantumCircuit(qubits)
    for k in range(qubits):
        circuit.ry(w[k], k)
    for pair in ((0, 1), (2, 3), (4, 5)):
        circuit.cx(*pair)
    circuit.ry(w[6], 1)
    circuit.cz(1, 2)
    circuit.ry(w[7], 2)
    circuit.cx(5, 0)
    circuit.ry(w[8], 5)
    layer = LayerCircuit(circuit, [], w, ["IIIIIZ", "ZIIIXI", "IIZZII", "XIIIIX", "IIIIII"])
    weights = torch.randn(9, dtype=torch.float64)
    upstream = torch.randn(5, dtype=torch.float64)
    nothing = torch.zeros(0, dtype=torch.float64)
    shifts = QUARTER * torch.eye(9, dtype=torch.float64)
    ends = [by_qiskit(layer, np.zeros((1, 0)), (weights + shift).numpy())[0] for shift in (*shifts, *-shifts)]
    wanted = [0.5 * float((upstream.numpy() * (ends[k] - ends[k + 9])).sum()) for k in range(9)]
    found = open_backend("statevector").compile(layer).vjp(nothing, weights, upstream, (False, True))[1]
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=EXACT)


@engines
@pytest.mark.usefixtures("use_engine")
def test_probabilities_of_registers_that_meet_are_those_of_qiskit() -> None:
    circuit = ansatz("hqconv", qubits=8, layers=1)
    layer = QuantumProbabilities(LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights), seed=1).double()
    inputs = torch.randn(8, dtype=torch.float64)
    bound = circuit.circuit.assign_parameters(
        dict(zip([*circuit.inputs, *circuit.weights], [*inputs.tolist(), *layer.circuits.weight.tolist()], strict=True))
    )
    np.testing.assert_allclose(layer(inputs).detach().numpy(), Statevector(bound).probabilities(), rtol=0, atol=EXACT)


def test_registers_of_the_hierarchical_ansatz_stay_apart_until_they_meet() -> None:
    program = compile_program(ansatz("hqconv", qubits=12, layers=3))
    [root] = registers.registers(program)
    sizes = {register.wires.bit_count(): register for register in root.walk()}
    assert set(sizes) == {1, 2, 3, 4, 8, 12}
    assert [len(sizes[wires].ops) for wires in (8, 12)] == [1, 29]  # 12 gates and their encoding ran below
    layout = make_layout(program, samples=1, lanes=16)
    assert len(layout.tables.registers) > 3
    assert layout.rows < 2 * 256


def test_what_is_measured_on_few_qubits_is_measured_on_few() -> None:
    """Two pairs meet last, in a gate that no observable sees: nothing of 16 amplitudes is left."""
    circuit = QuantumCircuit(4)
    circuit.rx(INPUTS[0], range(4))
    circuit.crx(WEIGHTS[0], 0, 1)
    circuit.crx(WEIGHTS[1], 2, 3)
    circuit.cz(1, 2)
    program = compile_program(LayerCircuit(circuit, INPUTS[:1], WEIGHTS[:2], ["IIIZ", "IIZI", "ZIII"]))
    assert len(program.ops) == 6
    assert sorted(root.wires for root in registers.registers(program)) == [0b0011, 0b1100]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_states_that_are_kept_change_nothing(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    layer = QuantumLayer(ansatz("hqconv", qubits=12, layers=1)).to(dtype)
    inputs = torch.randn(20, 12, dtype=dtype, requires_grad=True)
    upstream = torch.randn(20, 12, dtype=dtype)
    gc.collect()  # of graphs that other tests left
    before, found = kept._kept, []
    for most in (1 << 30, 0):
        monkeypatch.setattr(kept, "MOST_KEPT", most)
        values = layer(inputs)
        assert (kept._kept > before) == (most > 0)
        for _ in range(2):  # a graph that is retained is walked twice
            found.append(torch.autograd.grad(values, (inputs, layer.weight), upstream, retain_graph=True))
        del values
        assert kept._kept == before
    for other in found[1:]:
        for one, two in zip(found[0], other, strict=True):
            torch.testing.assert_close(one, two, rtol=0, atol=0)
