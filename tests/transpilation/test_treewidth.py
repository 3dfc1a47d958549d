"""Bounds on the treewidth of circuits, against all orders of elimination."""

from __future__ import annotations

from itertools import combinations, permutations

import numpy as np
from qiskit import QuantumCircuit

from qgen.circuits.iqp import iqp
from qgen.transpilation.treewidth import treewidth, variables


def graph_of(vertices: int, edges: set[tuple[int, int]]) -> dict[int, set[int]]:
    return {one: {b if a == one else a for a, b in edges if one in (a, b)} for one in range(vertices)}


def exact(graph: dict[int, set[int]]) -> int:
    """The least, over all orders, of the most neighbours that an eliminated vertex has."""
    best = len(graph)
    for order in permutations(graph):
        left, width = {one: set(others) for one, others in graph.items()}, 0
        for one in order:
            others = left.pop(one)
            width = max(width, len(others))
            for a, b in combinations(others, 2):
                left[a].add(b)
                left[b].add(a)
            for other in others:
                left[other].discard(one)
        best = min(best, width)
    return best


def test_the_bound_is_not_below_the_treewidth(rng: np.random.Generator) -> None:
    """And never above it for so few vertices but by one."""
    for _ in range(4):
        edges = {pair for pair in combinations(range(6), 2) if rng.random() < 0.5}
        graph = graph_of(6, edges)
        before = {one: set(others) for one, others in graph.items()}
        assert exact(graph) <= treewidth(graph) <= exact(graph) + 1
        assert graph == before


def test_known_graphs() -> None:
    ring = {(k, k + 1) for k in range(7)} | {(0, 7)}
    assert treewidth({}) == 0
    assert treewidth(graph_of(8, ring - {(0, 7)})) == 1
    assert treewidth(graph_of(8, ring)) == 2
    assert treewidth(graph_of(7, set(combinations(range(7), 2)))) == 6


def test_variables_of_an_iqp_circuit_are_its_qubits_and_couplings() -> None:
    for name, width in (("line", 1), ("all", 8), ("grid", 3)):
        machine = iqp(9, name)
        graph = variables(machine.circuit().circuit)
        assert len(graph) == 9
        assert sum(map(len, graph.values())) == 2 * (len(machine.gates) - 9)
        assert treewidth(graph) == width


def test_gates_that_are_not_diagonal_add_variables() -> None:
    circuit = QuantumCircuit(2)
    circuit.h([0, 1])
    circuit.cx(0, 1)
    circuit.barrier()
    circuit.rx(0.3, 0)
    circuit.h(1)
    # After the first H, and after CX: two each; what follows is the end.
    assert sorted(map(len, variables(circuit).values())) == [3, 3, 3, 3]
