"""Tiles: where they may lie, how good they are by an independent count, and that they are about as many as can be."""

from __future__ import annotations

from itertools import combinations, permutations

import networkx as nx
import numpy as np
import pytest
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Gate, Measure, Parameter
from qiskit.circuit.library import CXGate, CZGate, ECRGate, RZGate, SXGate
from qiskit.providers import QubitProperties
from qiskit.quantum_info import Operator
from qiskit.transpiler import InstructionProperties, Target
from scipy.optimize import Bounds, LinearConstraint, milp

from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import compute_metrics, tiling
from qgen.transpilation.independent_set import DistanceGraph, heavy_independent_set
from qgen.transpilation.relayout import fix_directions, relabel_qubits
from qgen.transpilation.tiling import Tiling, find_tiles, refresh_tiling

US = 1e-6


def chain(qubits: int, layers: int, rng: np.random.Generator, closed: bool = False) -> QuantumCircuit:
    circuit = QuantumCircuit(qubits)
    for _ in range(layers):
        for qubit in range(qubits):
            circuit.ry(rng.uniform(0, 6), qubit)
        for qubit in range(qubits if closed else qubits - 1):
            circuit.cx(qubit, (qubit + 1) % qubits)
    return circuit


def placed(circuit: QuantumCircuit, target: Target, **options: object) -> tuple[QuantumCircuit, list[int]]:
    manager = generate_preset_pass_manager(2, target=target, seed_transpiler=0, **options)
    isa = manager.run(circuit)
    return isa, isa.layout.final_index_layout()


def device(
    graph: nx.Graph, rng: np.random.Generator, pair: Gate, one_way: bool = False, waiting: bool = True
) -> Target:
    """A small device with these couplers and random errors."""
    qubits = graph.number_of_nodes()
    lives = [QubitProperties(t1=rng.uniform(50, 200) * US, t2=rng.uniform(50, 200) * US) for _ in range(qubits)]
    target = Target(num_qubits=qubits, qubit_properties=lives if waiting else None)
    target.add_instruction(RZGate(Parameter("angle")), {(q,): InstructionProperties(0, 0) for q in range(qubits)})
    target.add_instruction(SXGate(), {(q,): InstructionProperties(0.05 * US, 2e-4) for q in range(qubits)})
    pairs = [edge if rng.random() < 0.5 else edge[::-1] for edge in graph.edges]
    about = {edge: InstructionProperties(0.5 * US, rng.uniform(0.002, 0.1)) for edge in pairs}
    target.add_instruction(pair, about if one_way else about | {edge[::-1]: about[edge] for edge in pairs})
    reads = {(q,): InstructionProperties(1 * US, rng.uniform(0.005, 0.1)) for q in range(qubits)}
    target.add_instruction(Measure(), reads)
    return target


def couplers(target: Target) -> nx.Graph:
    graph = nx.Graph()
    graph.add_nodes_from(range(target.num_qubits))
    graph.add_edges_from(pair for pair in target.build_coupling_map().get_edges())
    return graph


def used_by(isa: QuantumCircuit, measured: list[int]) -> set[int]:
    gates = [step for step in isa.data if step.operation.name != "barrier"]
    return {isa.find_bit(qubit).index for step in gates for qubit in step.qubits} | set(measured)


def check(tiling: Tiling, isa: QuantumCircuit, target: Target, measured: list[int], least: float) -> None:
    """Everything that a tiling promises but how many it is."""
    graph, used = couplers(target), used_by(isa, measured)
    far = dict(nx.all_pairs_shortest_path_length(graph))
    for first, second in combinations(tiling.tiles, 2):
        assert min(far[a].get(b, 10**6) for a in first.qubits for b in second.qubits) > tiling.margin
    for tile in tiling.tiles:
        assert set(tile.mapping) == used
        assert len(set(tile.mapping.values())) == len(used)
        moved = fix_directions(relabel_qubits(isa, tile.mapping, target.num_qubits), target)
        for step in moved.data:
            qubits = tuple(moved.find_bit(qubit).index for qubit in step.qubits)
            assert set(qubits) <= set(tile.qubits)
            assert step.operation.name == "barrier" or target[step.operation.name][qubits].error != 1
        assert compute_metrics(moved, target, [tile.mapping[q] for q in measured], 0).success == tile.success
    assert list(tiling.successes) == sorted(tiling.successes, reverse=True)
    assert tiling.worst >= least * tiling.best
    taken = {qubit for tile in tiling.tiles for qubit in tile.qubits}
    near = {q for q in graph if any(far[q].get(t, 10**6) <= tiling.margin for t in taken)}
    assert set(tiling.blocked) == near - taken
    assert set(tiling.idle) == set(graph) - near


@pytest.mark.rows(1)
@pytest.mark.parametrize(
    ("name", "qubits", "closed", "fewest"),
    [
        pytest.param("fake_brisbane", 4, False, 18, marks=pytest.mark.slow),
        ("fake_brisbane", 12, True, 2),
        ("fake_fez", 4, True, 18),
        ("fake_miami", 4, True, 12),
    ],
)
def test_tiles_of_a_device(name: str, qubits: int, closed: bool, fewest: int, rng: np.random.Generator) -> None:
    target = open_device(name).target
    isa, measured = placed(chain(qubits, 1, rng, closed), target)
    tiling = find_tiles(isa, target, measured)
    check(tiling, isa, target, measured, 0.8)
    assert len(tiling.tiles) >= fewest
    assert tiling.expected == pytest.approx(sum(tiling.successes))
    assert tiling.mean == pytest.approx(np.mean(tiling.successes))
    alone = compute_metrics(isa, target, measured, 0).success.total
    assert tiling.expected >= alone


@pytest.mark.rows(2)
@pytest.mark.parametrize("margin", [0, 1, 2])
@pytest.mark.parametrize("one_way", [False, True])
def test_tiles_of_random_devices(margin: int, one_way: bool, rng: np.random.Generator) -> None:
    graph = nx.convert_node_labels_to_integers(nx.random_labeled_tree(22, seed=int(rng.integers(2**31))))
    graph.add_edges_from(rng.permutation(22)[:2].tolist() for _ in range(6))
    target = device(graph, rng, ECRGate() if one_way else CZGate(), one_way)
    isa, measured = placed(chain(3, 2, rng), target)
    least = float(rng.choice([0.0, 0.5, 0.9]))
    tiling = find_tiles(isa, target, measured, margin=margin, min_relative_success=least)
    check(tiling, isa, target, measured, least)
    assert tiling == find_tiles(isa, target, measured, margin=margin, min_relative_success=least)


def every_success(isa: QuantumCircuit, target: Target, measured: list[int]) -> dict[frozenset[int], float]:
    """For each set of qubits the most success that any arrangement there has, by trying all."""
    used, graph = sorted(used_by(isa, measured)), couplers(target)
    pairs = {tuple(isa.find_bit(q).index for q in step.qubits) for step in isa.data if len(step.qubits) == 2}
    best: dict[frozenset[int], float] = {}
    for order in permutations(graph, len(used)):
        places = dict(zip(used, order, strict=True))
        if all(graph.has_edge(places[a], places[b]) for a, b in pairs):
            moved = fix_directions(relabel_qubits(isa, places, target.num_qubits), target)
            total = compute_metrics(moved, target, [places[q] for q in measured], 0).success.total
            best[frozenset(order)] = max(total, best.get(frozenset(order), 0.0))
    return best


def optimum(successes: dict[frozenset[int], float], graph: nx.Graph, margin: int, most: int) -> float:
    """The largest sum, by trying all sets of tiles that are far enough from one another."""
    far = dict(nx.all_pairs_shortest_path_length(graph))
    regions = list(successes)

    def apart(first: frozenset[int], second: frozenset[int]) -> bool:
        return min(far[a].get(b, 10**6) for a in first for b in second) > margin

    def most_from(start: int, taken: list[frozenset[int]]) -> float:
        sums = [0.0]
        if len(taken) < most:
            for k in range(start, len(regions)):
                if all(apart(regions[k], other) for other in taken):
                    sums.append(successes[regions[k]] + most_from(k + 1, [*taken, regions[k]]))
        return max(sums)

    return most_from(0, [])


@pytest.mark.parametrize("margin", [0, 1])
def test_a_small_device_is_tiled_as_well_as_can_be(margin: int, rng: np.random.Generator) -> None:
    most = int(rng.choice([1, 2, 9]))
    graph = nx.convert_node_labels_to_integers(nx.grid_2d_graph(3, 4))
    target = device(graph, rng, CXGate(), one_way=True)
    isa, measured = placed(chain(3, 1, rng), target)
    tiling = find_tiles(isa, target, measured, margin=margin, max_tiles=most, min_relative_success=0.0)
    check(tiling, isa, target, measured, 0.0)
    assert len(tiling.tiles) <= most
    successes = every_success(isa, target, measured)
    # Gates that have to be fix_directions cost a little, which the search finds out only for what it measures.
    assert tiling.expected >= 0.99 * optimum(successes, graph, margin, most)


def test_packings_of_a_device_are_close_to_the_best(rng: np.random.Generator) -> None:
    """An integer program: of all paths that touch a coupler one is taken at most."""
    graph = couplers(open_device("fake_kolkata").target)
    paths = {frozenset(p) for a in graph for p in nx.single_source_shortest_path(graph, a, 3).values() if len(p) == 4}
    regions = sorted(map(sorted, paths))
    weights = rng.uniform(0.7, 1.0, len(regions))
    rules = [[float(bool({*edge} & {*region})) for region in regions] for edge in graph.edges]
    best = milp(-weights, integrality=1, bounds=Bounds(0, 1), constraints=LinearConstraint(rules, ub=1.0))
    apart = DistanceGraph(len(graph), graph.edges, 1)
    chosen = heavy_independent_set(apart.conflicts(regions), weights.tolist())
    rows = np.array(rules)[:, chosen]
    assert rows.sum(axis=1).max() <= 1
    assert weights[chosen].sum() >= -0.95 * best.fun


def test_a_circuit_in_parts_has_many_regions(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more regions than are compared at once tiles are taken one after the other, after a limited search."""
    target = device(nx.convert_node_labels_to_integers(nx.grid_2d_graph(4, 4)), rng, CZGate())
    isa, measured = placed(chain(2, 0, rng).compose(chain(1, 1, rng)).compose(chain(1, 1, rng), [1]), target)
    together = find_tiles(isa, target, measured)
    monkeypatch.setattr(tiling, "MOST_REGIONS", 20)
    monkeypatch.setattr(tiling, "MOST_COMPUTED", 3)
    found = find_tiles(isa, target, measured)
    check(found, isa, target, measured, 0.0)
    assert found.expected > 0.8 * together.expected
    best = find_tiles(isa, target, measured, max_tiles=1)
    assert len(best.tiles) == 1
    check(best, isa, target, measured, 0.0)


def test_the_best_place_comes_alone_or_first(rng: np.random.Generator) -> None:
    target = device(nx.convert_node_labels_to_integers(nx.grid_2d_graph(5, 5)), rng, CZGate())
    isa, measured = placed(chain(3, 1, rng), target)
    one = find_tiles(isa, target, measured, max_tiles=1)
    assert len(one.tiles) == 1
    assert one.best >= compute_metrics(isa, target, measured, 0).success.total
    some = find_tiles(isa, target, measured, max_tiles=3)
    assert len(some.tiles) == 3
    assert some.best <= one.best
    assert some.expected >= 0.99 * sum(find_tiles(isa, target, measured, min_relative_success=0.0).successes[:3])
    strict = find_tiles(isa, target, measured, min_relative_success=0.97)
    assert strict.worst >= 0.97 * one.best


def test_a_coupler_that_is_out_of_order_is_in_no_tile(rng: np.random.Generator) -> None:
    graph = nx.path_graph(8)
    target = device(graph, rng, CZGate())
    for pair in [(3, 4), (4, 3)]:
        target.update_instruction_properties("cz", pair, InstructionProperties(0.5 * US, 1.0))
    isa, measured = placed(chain(3, 1, rng), target, initial_layout=[0, 1, 2])
    tiling = find_tiles(isa, target, measured, margin=1, min_relative_success=0.0)
    assert len(tiling.tiles) == 2
    assert not any({3, 4} <= {*tile.qubits} for tile in tiling.tiles)


def test_turned_gates_compute_the_same(rng: np.random.Generator) -> None:
    target = device(nx.path_graph(7), rng, ECRGate(), one_way=True)
    isa, measured = placed(chain(3, 2, rng), target, initial_layout=[0, 1, 2])
    for tile in find_tiles(isa, target, measured, margin=0, min_relative_success=0.0).tiles:
        moved = fix_directions(relabel_qubits(isa, tile.mapping, 7), target)
        assert Operator(moved).equiv(Operator(relabel_qubits(isa, tile.mapping, 7)))


def test_routed_circuits_keep_what_they_pass_through(rng: np.random.Generator) -> None:
    """A triangle on a lattice of squares takes swaps; qubits that only help are touched as well."""
    target = open_device("fake_miami").target
    isa, measured = placed(chain(5, 2, rng, closed=True), target)
    check(find_tiles(isa, target, measured), isa, target, measured, 0.8)


def test_a_device_of_one_place_has_one_tile(rng: np.random.Generator) -> None:
    target = device(nx.path_graph(3), rng, CZGate())
    isa, measured = placed(chain(3, 1, rng), target)
    tiling = find_tiles(isa, target, measured)
    assert (len(tiling.tiles), tiling.blocked, tiling.idle) == (1, (), ())
    everywhere = Target(num_qubits=4)
    for gate in [RZGate(Parameter("angle")), SXGate(), CZGate()]:
        everywhere.add_instruction(gate)
    circuit = QuantumCircuit(4)
    circuit.cz(1, 3)
    tiling = find_tiles(circuit, everywhere, [3])
    assert [dict(tile.mapping) for tile in tiling.tiles] == [{1: 1, 3: 3}]


@pytest.mark.parametrize("wrong", [{"margin": -1}, {"max_tiles": 0}, {"min_relative_success": 1.5}])
def test_numbers_out_of_range_are_refused(wrong: dict[str, float], rng: np.random.Generator) -> None:
    target = device(nx.path_graph(3), rng, CZGate())
    isa, measured = placed(chain(2, 1, rng), target)
    with pytest.raises(BackendError, match="given: margin"):
        find_tiles(isa, target, measured, **wrong)
    with pytest.raises(BackendError, match="nothing to copy"):
        find_tiles(QuantumCircuit(3), target, [])


def test_the_same_tiles_on_another_day(rng: np.random.Generator) -> None:
    """Found on a device as it was, measured on it as it is: what a gate of each tile and its readout do today."""
    then = device(nx.path_graph(8), rng, CZGate(), waiting=False)
    now = device(nx.path_graph(8), rng, CZGate(), waiting=False)
    isa = QuantumCircuit(8)
    isa.cz(3, 4)
    tiling = find_tiles(isa, then, [3, 4], margin=0, min_relative_success=0)
    assert refresh_tiling(tiling, isa, then, [3, 4]) == tiling
    again = refresh_tiling(tiling, isa, now, [3, 4])
    assert [tile.mapping for tile in again.tiles] == [tile.mapping for tile in tiling.tiles]
    for tile in again.tiles:
        a, b = tile.mapping[3], tile.mapping[4]
        expected = 1 - now["cz"][a, b].error
        for qubit in (a, b):
            expected *= 1 - now["measure"][(qubit,)].error
        assert tile.success.total == pytest.approx(expected, abs=1e-12)
