"""How hard a circuit is to simulate by contracting tensors: the treewidth of its variables, from above."""

from __future__ import annotations

from itertools import combinations

from qiskit import QuantumCircuit

#: Gates with a diagonal matrix: what comes in is what goes out, so that they add no variable.
DIAGONAL = frozenset(
    {"z", "s", "sdg", "t", "tdg", "p", "u1", "rz", "cz", "cs", "csdg", "cp", "cu1", "crz", "rzz", "ccz", "id"}
)

Graph = dict[int, set[int]]


def variables(circuit: QuantumCircuit) -> Graph:
    """Return the graph of a circuit's variables: one for each qubit after each gate that is not diagonal.

    Variables of one gate are neighbours; those at the ends of the circuit, which are given, are left out. Source:
    Boixo, Isakov, Smelyanskiy and Neven, "Simulation of low-depth quantum circuits as complex undirected graphical
    models", 2017, arXiv:1712.05384.
    """
    now = list(range(circuit.num_qubits))
    graph: Graph = {variable: set() for variable in now}
    for step in circuit.data:
        operation, places = step.operation, [circuit.find_bit(qubit).index for qubit in step.qubits]
        if operation.name in ("barrier", "measure", "delay"):
            continue
        touched = {now[place] for place in places}
        if operation.name not in DIAGONAL:
            for place in places:
                now[place] = len(graph)
                graph[now[place]] = set()
            touched |= {now[place] for place in places}
        for one, other in combinations(sorted(touched), 2):
            graph[one].add(other)
            graph[other].add(one)
    given = {*range(circuit.num_qubits), *now}
    return {one: others - given for one, others in graph.items() if one not in given}


def treewidth(graph: Graph) -> int:
    """Return an upper bound on the treewidth of a graph, by eliminating a variable of the fewest neighbours each time.

    An amplitude of the circuit is a sum over tensors of at most 2^(treewidth + 1) numbers. Source: Bodlaender and
    Koster, "Treewidth computations I. Upper bounds", Information and Computation 208, 259 (2010).
    """
    left, width = {one: set(others) for one, others in graph.items()}, 0
    while left:
        one = min(left, key=lambda variable: (len(left[variable]), variable))
        others = left.pop(one)
        width = max(width, len(others))
        for other in others:
            left[other] |= others
            left[other] -= {one, other}
    return width
