"""Backend `aer`: values from Aer in one run a call, gradients from the engine."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from math import prod
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawn import STANDARD
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import CUGate, PauliEvolutionGate, RXGate, UGate, UnitaryGate, XGate, grover_operator
from qiskit.quantum_info import SparsePauliOp, Statevector, random_unitary
from qiskit_aer import AerSimulator

from qgen import LayerCircuit, QuantumLayer
from qgen.backends import Executable, open_backend
from qgen.backends.aer import runner
from qgen.circuits import Mixture, ansatz
from qgen.errors import BackendError, InputError

EXACT = 1e-10
PARAMETERISED = sorted(name for name, gate in STANDARD.items() if gate.params)
GATES: dict[str, tuple[Callable[..., Gate], int]] = {
    **{name: (STANDARD[name].base_class, len(STANDARD[name].params)) for name in PARAMETERISED},
    "rx under an open control": (lambda a: RXGate(a).control(1, ctrl_state=0, annotated=False), 1),
    "rx under three controls, two of them open": (lambda a: RXGate(a).control(3, ctrl_state=2, annotated=False), 1),
    "u under two controls": (lambda a, b, c: UGate(a, b, c).control(2, annotated=False), 3),
    "cu under an open control": (lambda a, b, c, d: CUGate(a, b, c, d).control(1, ctrl_state=0, annotated=False), 4),
    "evolution": (lambda a: PauliEvolutionGate(SparsePauliOp(["XYZ", "ZZI"], [0.5, 0.3]), time=a), 1),
}


@pytest.fixture
def runs(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """The arguments of every run of Aer, as they happen."""
    found: list[dict[str, Any]] = []
    run = AerSimulator.run

    def counted(self: AerSimulator, circuits: Any, parameter_binds: Any = None, **options: Any) -> Any:
        found.append({"parameter_binds": parameter_binds, **options})
        return run(self, circuits, parameter_binds, **options)

    monkeypatch.setattr(AerSimulator, "run", counted)
    return found


def compile_both(circuit: LayerCircuit) -> tuple[Executable, Executable]:
    return open_backend("aer").compile(circuit), open_backend("reference").compile(circuit)


def check(circuit: LayerCircuit, inputs: torch.Tensor, weights: torch.Tensor) -> None:
    found, wanted = (executable.expectations(inputs, weights) for executable in compile_both(circuit))
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT)


@pytest.mark.rows(20)
@pytest.mark.parametrize("name", GATES)
@pytest.mark.parametrize("copies", [1, 2])
def test_each_parameterised_gate_is_bound_right(name: str, copies: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Aer by itself binds crx, cry, crz, cp, cu1, cu3 and mcphase wrongly, and refuses others."""
    make, count = GATES[name]
    monkeypatch.setattr(runner.Runner, "_copies", lambda *_: copies)
    parameters = [Parameter(f"x{k}") for k in range(count)]
    gate = make(*parameters)
    qubits = max(gate.num_qubits, 2)
    before, after = (random_unitary(2**qubits, seed=seed) for seed in (1, 2))
    circuit = QuantumCircuit(qubits)
    circuit.append(UnitaryGate(before), range(qubits))
    circuit.append(gate, range(gate.num_qubits))
    circuit.append(UnitaryGate(after), range(qubits))
    observables = ["I" * (qubits - 1) + "Z", "X" * qubits, "Y" + "Z" * (qubits - 1)]
    layer = LayerCircuit(circuit, parameters, [], observables)
    inputs = 2 * torch.randn(5, count).double()
    found = open_backend("aer").compile(layer).expectations(inputs, torch.zeros(0).double())
    for values, numbers in zip(found, inputs.tolist(), strict=True):
        state = Statevector(circuit.assign_parameters(dict(zip(parameters, numbers, strict=True))))
        wanted = [state.expectation_value(SparsePauliOp(label)).real for label in observables]
        np.testing.assert_allclose(values, wanted, rtol=0, atol=EXACT)


@pytest.mark.parametrize(
    ("qubits", "inputs", "weights"),
    [(4, (64, 4), (16,)), (4, (32, 2, 1, 4), (3, 16)), (4, (4,), (40, 16)), (4, (1, 4), (16,)), (8, (9, 8), (9, 32))],
)
def test_one_call_is_one_run(
    runs: list[dict[str, Any]], qubits: int, inputs: tuple[int, ...], weights: tuple[int, ...]
) -> None:
    circuit = ansatz("basic", qubits=qubits)
    executable = open_backend("aer").compile(circuit)
    drawn = torch.randn(inputs), torch.rand(weights)
    values = executable.expectations(*drawn)
    (run,) = runs
    assert run["runtime_parameter_bind_enable"] is True
    numbers = sum(len(column) for column in run["parameter_binds"][0].values())
    samples = prod(values.shape[:-1])
    assert numbers >= samples * (circuit.num_inputs + circuit.num_weights)  # each sample is bound by itself
    wanted = open_backend("statevector").compile(circuit).expectations(*drawn)
    torch.testing.assert_close(values, wanted, rtol=0, atol=1e-5)


def test_values_come_from_aer(monkeypatch: pytest.MonkeyPatch) -> None:
    """What Aer returns is what the layer answers."""
    executable = open_backend("aer").compile(ansatz("basic", qubits=4, layers=1))
    uniform = SimpleNamespace(**{f"sample{k}": np.full(16, 1 / 16) for k in range(runner.MOST_COPIES)})
    result = SimpleNamespace(success=True, results=[SimpleNamespace(data=uniform)] * 100)
    monkeypatch.setattr(AerSimulator, "run", lambda *_, **__: SimpleNamespace(result=lambda: result))
    assert not executable.expectations(torch.randn(10, 4), torch.rand(4)).any()


@pytest.mark.parametrize("copies", [1, 2, 4, 16])
@pytest.mark.parametrize("samples", [1, 2, 7, 16, 33])
def test_samples_that_share_a_binding_do_not_disturb_each_other(
    samples: int, copies: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner.Runner, "_copies", lambda *_: copies)
    circuit = ansatz("hqconv", qubits=4, layers=1)
    observed = LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, ["ZIII", "IXYZ", "YIIX"])
    check(observed, torch.randn(samples, 4).double(), torch.rand(samples, circuit.num_weights).double())


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_threads_change_nothing_but_time(threads: int) -> None:
    circuit = ansatz("hqconv", qubits=4, layers=1)
    inputs, weights = torch.randn(50, 4).double(), torch.rand(circuit.num_weights).double()
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        check(circuit, inputs, weights)
    finally:
        torch.set_num_threads(before)


def test_large_batches_take_as_few_runs_as_memory_allows(
    runs: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    circuit = ansatz("basic", qubits=4)
    executable = open_backend("aer").compile(circuit)
    inputs, weights = torch.randn(100, 4).double(), torch.rand(circuit.num_weights).double()
    whole = executable.expectations(inputs, weights)
    sample = 8 * 2**4 + runner.NUMBER_BYTES * executable._lowering.columns + runner.BINDING_BYTES
    monkeypatch.setattr(runner, "RUN_BYTES", 30 * sample)
    torch.testing.assert_close(executable.expectations(inputs, weights), whole, rtol=0, atol=1e-13)
    assert len(runs) == 1 + 4  # of 30, 30, 30 and 10 samples


def test_a_training_step_is_that_of_the_exact_engine(runs: list[dict[str, Any]]) -> None:
    inputs, target = torch.randn(16, 4).double(), torch.rand(16, 4).double()
    found = []
    for backend in ("aer", "statevector"):
        layer = QuantumLayer(ansatz("hqconv", qubits=4, layers=1), backend=backend).double()
        optimiser = torch.optim.SGD(layer.parameters(), lr=0.01)
        here = inputs.clone().requires_grad_()
        before = (layer(here) - target).square().mean()
        before.backward()
        gradient = layer.weight.grad.clone()
        optimiser.step()
        after = (layer(inputs) - target).square().mean()
        assert after < before
        found.append([before.detach(), here.grad, gradient, layer.weight.detach(), after.detach()])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=EXACT)
    assert len(runs) == 2  # a backward pass runs nothing


def test_circuits_without_inputs_or_weights() -> None:
    x, w = Parameter("x"), Parameter("w")
    nothing = torch.zeros(0).double()
    circuit = QuantumCircuit(2)
    circuit.h(0)
    circuit.ry(x, 0)
    circuit.cx(0, 1)
    check(LayerCircuit(circuit, [x], []), torch.randn(7, 1).double(), nothing)
    check(LayerCircuit(circuit, [], [x]), nothing, torch.randn(7, 1).double())
    check(LayerCircuit(circuit.assign_parameters([0.3]), [], []), torch.zeros(7, 0).double(), nothing)
    check(LayerCircuit(QuantumCircuit(1), [], [], ["Z", "X"]), torch.zeros(2, 0).double(), nothing)
    circuit.crx(x * w, 0, 1)  # one angle of both
    check(LayerCircuit(circuit, [x], [w]), torch.randn(4, 3, 1).double(), torch.randn(3, 1).double())


def test_mixtures_are_averaged() -> None:
    x, m, w = Parameter("x"), Parameter("m"), Parameter("w")
    circuit = QuantumCircuit(2)
    circuit.rx(x, 0)
    circuit.cry(w + m, 0, 1)
    layer = LayerCircuit(circuit, [x], [w], mixture=Mixture([m], [[0.0], [0.4], [1.3]]))
    check(layer, torch.randn(5, 1).double(), torch.randn(1).double())


def test_global_phases_unused_qubits_and_sums_of_paulis() -> None:
    x = Parameter("x")
    circuit = QuantumCircuit(5, global_phase=2 * x + 0.7)
    circuit.ry(x, 1)
    circuit.cp(x, 1, 3)
    circuit.swap(1, 3)
    circuit.p(-x, 3)
    observables = [SparsePauliOp(["IIIZI", "IZIII", "IIIII"], [0.5, -2, 3]), SparsePauliOp(["IXIYI", "ZIIII"], [1, 1])]
    check(LayerCircuit(circuit, [x], [], observables), torch.randn(4, 1).double(), torch.zeros(0).double())


def test_gates_of_ones_own_and_oracles_with_many_controls() -> None:
    x = Parameter("x")
    inner = QuantumCircuit(2, name="rx")  # a name that Aer knows as another gate
    inner.h(0)
    inner.cry(x, 0, 1)
    circuit = QuantumCircuit(5)
    circuit.h(range(5))
    circuit.append(inner.to_gate(), [3, 1])
    circuit.append(XGate().control(4, ctrl_state=0, annotated=False), range(5))
    oracle = QuantumCircuit(3)
    oracle.ccz(0, 1, 2)
    circuit.append(grover_operator(oracle).to_gate(), [0, 2, 4])
    observables = ["ZIIII", "IIYXI", "XXXXX"]
    check(LayerCircuit(circuit, [x], [], observables), torch.randn(3, 1).double(), torch.zeros(0).double())


@pytest.mark.parametrize("observables", [["Z" + "I" * 15, "IZZ" + "I" * 13], ["XY" + "Z" * 14]])
def test_sixteen_qubits(observables: list[str]) -> None:
    circuit = ansatz("basic", qubits=16, layers=1)
    layer = LayerCircuit(circuit.circuit, circuit.inputs, circuit.weights, observables)
    inputs, weights = torch.randn(3, 16).double(), torch.rand(circuit.num_weights).double()
    found, wanted = (open_backend(name).compile(layer).expectations(inputs, weights) for name in ("aer", "statevector"))
    torch.testing.assert_close(found, wanted, rtol=0, atol=EXACT)


def test_calls_from_several_threads() -> None:
    circuit = ansatz("basic", qubits=4, layers=1)
    executable = open_backend("aer").compile(circuit)
    cases = [(torch.randn(k, 4).double(), torch.rand(circuit.num_weights).double()) for k in range(1, 9)]
    alone = [executable.expectations(*case) for case in cases]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda case: executable.expectations(*case), cases))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=1e-13)


def test_a_pickled_executable_runs_again() -> None:
    executable = open_backend("aer").compile(ansatz("basic", qubits=4, layers=1))
    case = torch.randn(3, 4), torch.rand(4)
    again = pickle.loads(pickle.dumps(executable))
    torch.testing.assert_close(again.expectations(*case), executable.expectations(*case))


def test_angles_that_are_not_finite_are_named() -> None:
    x = Parameter("x")
    circuit = QuantumCircuit(1)
    circuit.ry(1 / x, 0)
    executable = open_backend("aer").compile(LayerCircuit(circuit, [x], []))
    with pytest.raises(InputError, match="is inf at sample 1"):
        executable.expectations(torch.tensor([[0.5], [0.0]]), torch.zeros(0))


def test_without_qiskit_aer_there_is_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "qiskit_aer", None)
    with pytest.raises(BackendError, match=r"needs qiskit-aer .*`pip install qiskit-aer`"):
        open_backend("aer")


def test_what_aer_cannot_run_is_said_in_its_words() -> None:
    executable = open_backend("aer").compile(ansatz("basic", qubits=17, layers=1))
    executable._runner._simulator.set_options(max_memory_mb=1)
    with pytest.raises(BackendError, match=r"Aer could not run this circuit of 17 qubits: .*memory"):
        executable.expectations(torch.zeros(2, 17), torch.zeros(17))


def test_too_many_qubits_are_refused_at_compile() -> None:
    circuit = QuantumCircuit(45)
    for pair in combinations(range(45), 2):
        circuit.cx(*pair)
    with pytest.raises(BackendError, match=r"45 qubits do not fit into memory as a state vector, and .* 2\^22"):
        open_backend("aer").compile(LayerCircuit(circuit, [], [], ["Z" * 45]))
