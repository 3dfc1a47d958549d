"""The search: never worse than qiskit, the same each time, and what it moves still computes the same."""

import dataclasses
import math
import pickle
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise, permutations
from typing import Any

import numpy as np
import pytest
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Parameter
from qiskit.circuit.library import CXGate, UGate
from qiskit.quantum_info import Operator
from qiskit.transpiler import Target

from qgen.circuits import LayerCircuit, ansatz, ansatz_names, get_ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import TranspiledCircuit, TranspileResult, compute_metrics, search
from qgen.transpilation.parallel import ParallelMap
from qgen.transpilation.relayout import final_layout, relayout
from qgen.transpilation.schedule import device_instructions
from qgen.transpilation.search import qiskit_default
from qgen.transpilation.subgraph_isomorphism import LayoutCosts, post_layout

LAGOS, BRISBANE, FEZ = "fake_lagos", "fake_brisbane", "fake_fez"


def ring(qubits: int, layers: int, rng: np.random.Generator) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for _ in range(layers):
        for qubit in range(qubits):
            circuit.ry(rng.uniform(0, 6), qubit)
        for qubit in range(qubits):
            circuit.cx(qubit, (qubit + 1) % qubits)
    return circuit


def timeless(results: list[TranspiledCircuit]) -> list[TranspileResult]:
    return [dataclasses.replace(one.result, seconds=0.0) for one in results]


@pytest.mark.rows(1)
@pytest.mark.parametrize("device", [LAGOS, BRISBANE, FEZ])
def test_it_is_never_worse_than_level_3_of_qiskit(device: str, rng: np.random.Generator) -> None:
    known = [name for name in ansatz_names() if get_ansatz(name).min_qubits <= 4]
    circuits = [one for name in known if (one := ansatz(name, qubits=4, layers=2)).qubits <= 7]
    circuit, target = circuits[rng.integers(len(circuits))].circuit, open_device(device).target
    results = search(circuit, target, [1, 2], range(2))
    isa = generate_preset_pass_manager(3, target=target, seed_transpiler=0).run(circuit)
    theirs = compute_metrics(isa, target, isa.layout.final_index_layout(), 0)
    assert qiskit_default(results).result.metrics == theirs
    totals = [one.result.metrics.success.total for one in results]
    assert totals == sorted(totals, reverse=True)
    assert totals[0] >= theirs.success.total


def test_a_ring_of_12_goes_onto_a_hexagon_without_a_swap(rng: np.random.Generator) -> None:
    target = open_device(BRISBANE).target
    results = search(ring(12, 6, rng), target, [1, 2, 3], range(2), two_qubit_bound=72)
    metrics = results[0].result.metrics
    assert metrics.two_qubit_gates == 72
    assert metrics.extra_two_qubit_gates == 0
    # By the errors that the device reports, one after the other.
    steps = device_instructions(results[0].isa, target)
    assert math.prod(1 - (one.error or 0.0) for one in steps) * metrics.success.readout >= 0.43


@pytest.mark.parametrize("device", [LAGOS, "fake_casablanca"])
def test_every_result_computes_what_the_circuit_does(device: str, rng: np.random.Generator) -> None:
    circuit, target = ring(5, 1, rng), open_device(device).target
    results = search(circuit, target, [0, 3], range(2))
    wanted = Operator(circuit)
    assert any(one.result.moved for one in results)
    for one in results:
        # The other two qubits start and end in their ground state.
        found = Operator.from_circuit(one.isa).data[: 2**5, : 2**5]
        assert Operator(found).equiv(wanted)
        assert one.result.layout == tuple(one.isa.layout.initial_index_layout(filter_ancillas=True))
        metrics = compute_metrics(one.isa, target, one.isa.layout.final_index_layout(), 0)
        assert metrics == one.result.metrics


def test_gates_of_one_direction_are_turned_around(rng: np.random.Generator) -> None:
    target = Target(num_qubits=5)
    target.add_instruction(UGate(*map(Parameter, "abc")), {(q,): None for q in range(5)})
    target.add_instruction(CXGate(), dict.fromkeys([(0, 1), (2, 1), (2, 3), (4, 3)]))
    circuit = ring(3, 1, rng)
    manager = generate_preset_pass_manager(1, target=target, seed_transpiler=0, initial_layout=[0, 1, 2])
    moved = relayout(manager.run(circuit), {0: 1, 1: 2, 2: 3}, target)
    compute_metrics(moved, target, final_layout(moved), 0)  # refuses gates that the device does not have
    assert Operator.from_circuit(moved).equiv(Operator(circuit).expand(Operator(np.eye(4))))


def test_places_are_the_best_there_are(rng: np.random.Generator) -> None:
    target = open_device(LAGOS).target
    circuit = QuantumCircuit(4)
    for first, second in [(0, 1), (1, 2), (2, 3)] * 2:
        circuit.ry(rng.uniform(0, 6), first)
        circuit.cx(first, second)
    isa = generate_preset_pass_manager(1, target=target, seed_transpiler=0, initial_layout=[0, 1, 3, 5]).run(circuit)

    coupled = set(target.build_coupling_map().get_edges())

    def success(order: tuple[int, ...]) -> float:
        moved = relayout(isa, dict(zip([0, 1, 3, 5], order, strict=True)), target)
        return compute_metrics(moved, target, final_layout(moved), 0).success.total

    def cost(order: tuple[int, ...]) -> float:
        at = dict(zip([0, 1, 3, 5], order, strict=True))
        edges = (of_pair[at[first], at[second]] for (first, second), of_pair in costs.edge.items())
        return sum(costs.node[wire][site] for wire, site in at.items()) + sum(edges)

    costs = LayoutCosts(isa, target, final_layout(isa))
    orders = [order for order in permutations(range(7), 4) if coupled.issuperset(pairwise(order))]
    places = post_layout(isa, target, final_layout(isa)) or {q: q for q in range(7)}
    found = tuple(places[q] for q in (0, 1, 3, 5))
    assert cost(found) == pytest.approx(min(map(cost, orders)), abs=1e-8)
    # Couplers differ in speed, and costs have the times of waiting of the first place: 1.4 % at most in 1,300 circuits.
    assert success(found) == pytest.approx(max(map(success, orders)), rel=0.03)


@contextmanager
def elsewhere(_: int) -> Iterator[ParallelMap]:
    """As worker processes, in this one: what they take and give is pickled, and the last items come first."""

    def parallel_map(
        function: Callable[[Any], Any], items: Sequence[Any], progress: Callable[[int], None]
    ) -> list[Any]:
        sent = [pickle.dumps((function, item)) for item in items]
        results = []
        for one in reversed(sent):
            copied, item = pickle.loads(one)
            results.append(pickle.dumps(copied(item)))
            progress(len(results))
        return [pickle.loads(result) for result in reversed(results)]

    yield parallel_map


def check_equal_results(processes: int) -> None:
    circuit, target = ansatz("hqconv", qubits=4, layers=1).circuit, open_device(LAGOS).target
    calls: list[tuple[int, int]] = []
    alone = search(circuit, target, [2], range(2), progress=lambda done, total: calls.append((done, total)))
    both = search(circuit, target, [2], range(2), processes=processes)
    assert timeless(alone) == timeless(both)
    assert [one.isa for one in alone] == [one.isa for one in both]
    assert calls == sorted(calls)
    assert calls[-1][0] == calls[-1][1]


def test_equal_arguments_give_equal_results_in_any_order_and_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes by themselves are in tests/cli/test_process.py."""
    monkeypatch.setattr(sys.modules[search.__module__], "worker_processes", elsewhere)
    check_equal_results(2)


@pytest.mark.slow
def test_equal_arguments_give_equal_results_on_any_number_of_processes() -> None:
    check_equal_results(2)


@pytest.mark.parametrize(
    ("levels", "seeds", "words"),
    [([4], [0], "levels 0 to 3; given: 4"), ([], [0], "given: none"), ([1], [], "seeds"), ([1], [-1], "seeds")],
)
def test_levels_and_seeds_out_of_range_are_refused(levels: list[int], seeds: list[int], words: str) -> None:
    with pytest.raises(BackendError, match=words):
        search(QuantumCircuit(2), open_device(LAGOS).target, levels, seeds)


def test_a_device_of_one_qubit_has_one_place() -> None:
    circuit = QuantumCircuit(1)
    circuit.ry(Parameter("angle"), 0)
    results = search(circuit, open_device("fake_armonk").target, [2], range(1))
    assert {one.result.layout for one in results} == {(0,)}


def test_a_circuit_that_cannot_be_routed_is_refused_with_the_reason() -> None:
    target = Target(num_qubits=3)
    target.add_instruction(UGate(*map(Parameter, "abc")), {(q,): None for q in range(3)})
    target.add_instruction(CXGate(), {(0, 1): None})  # qubit 2 is coupled to none
    circuit = QuantumCircuit(3)
    circuit.cx(0, 1)
    circuit.cx(1, 2)
    with pytest.raises(BackendError, match=r"the transpiler cannot fit this circuit to the device: \S"):
        search(circuit, target, [1], [0])


def test_an_empty_circuit_has_nothing_to_lose_but_its_readout() -> None:
    circuit = LayerCircuit(QuantumCircuit(2), [], []).circuit
    best = search(circuit, open_device(LAGOS).target, [1], [0])[0].result
    assert best.metrics.success.gates == 1
    two_best = sorted(1 - error for error in open_device(LAGOS).readout_errors)[-2:]
    assert best.metrics.success.total == pytest.approx(two_best[0] * two_best[1])
