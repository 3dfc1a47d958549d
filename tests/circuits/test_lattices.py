"""Patches of the heavy-hex lattice: parts of it, connected, closed, and free of SWAPs on a device."""

from itertools import pairwise

import pytest
import rustworkx
from qiskit import generate_preset_pass_manager
from qiskit.transpiler import CouplingMap

from qgen.circuits import ansatz
from qgen.circuits.ansatze.lattices import heavy_hex, heavy_hex_sites, line

SIZES = [1, 2, 5, 11, 12, 13, 16, 20, 21, 25, 28, 40, 64, 100, 127, 150]


def graph(qubits: int) -> rustworkx.PyGraph:
    made = rustworkx.PyGraph()
    made.add_nodes_from(range(qubits))
    made.add_edges_from_no_data([edge for layer in heavy_hex(qubits) for edge in layer])
    return made


@pytest.mark.parametrize("qubits", SIZES)
def test_a_patch_has_all_edges_of_the_lattice_between_its_qubits(qubits: int) -> None:
    distance, sites = heavy_hex_sites(qubits)
    assert len(set(sites)) == qubits
    lattice = {frozenset(edge) for edge in CouplingMap.from_heavy_hex(distance).get_edges()}
    edges = [edge for layer in heavy_hex(qubits) for edge in layer]
    assert {frozenset((sites[a], sites[b])) for a, b in edges} == {edge for edge in lattice if edge <= set(sites)}
    assert len({frozenset(edge) for edge in edges}) == len(edges)


@pytest.mark.parametrize("qubits", SIZES)
def test_a_patch_is_connected(qubits: int) -> None:
    assert rustworkx.is_connected(graph(qubits))


@pytest.mark.parametrize("qubits", SIZES)
def test_the_edges_of_a_layer_share_no_qubit(qubits: int) -> None:
    for layers in (line(qubits), heavy_hex(qubits)):
        assert len(layers) <= 3
        for layer in layers:
            wires = [wire for edge in layer for wire in edge]
            assert len(set(wires)) == len(wires)


def test_twelve_qubits_are_one_hexagon() -> None:
    ring = [(qubit, qubit + 1) for qubit in range(11)] + [(0, 11)]
    assert sorted(edge for layer in heavy_hex(12) for edge in layer) == sorted(ring)
    assert len(heavy_hex(12)) == 2


@pytest.mark.parametrize(("qubits", "cells"), [(11, 0), (12, 1), (20, 1), (21, 2), (28, 3)])
def test_cells_close_one_after_the_other(qubits: int, cells: int) -> None:
    # Euler: independent cycles = edges - nodes + 1 in a connected graph
    assert graph(qubits).num_edges() - qubits + 1 == cells


@pytest.mark.parametrize("qubits", [1, 2, 3, 6])
def test_a_line_joins_neighbours(qubits: int) -> None:
    assert sorted(edge for layer in line(qubits) for edge in layer) == list(pairwise(range(qubits)))


@pytest.mark.parametrize("level", [1, 2, 3])
@pytest.mark.parametrize(("coupling", "qubits"), [("line", 8), ("heavy-hex", 9), ("heavy-hex", 12), ("heavy-hex", 21)])
def test_no_swap_is_needed_on_a_device(coupling: str, qubits: int, level: int) -> None:
    device = CouplingMap.from_heavy_hex(7)
    transpile = generate_preset_pass_manager(
        level, coupling_map=device, basis_gates=["cz", "rz", "sx", "x"], seed_transpiler=11
    )
    circuit = ansatz("hardware-efficient", qubits=qubits, coupling=coupling).circuit
    on_device = transpile.run(circuit)
    assert on_device.count_ops()["cz"] == circuit.count_ops()["cz"]
