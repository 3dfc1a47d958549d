"""Circuits routed by blocks: the same unitary on any coupling, with prices that are paid, and no more open angles."""

import random
from collections.abc import Sequence

import numpy as np
import pytest
import rustworkx as rx
from effort import examples
from hypothesis import given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.circuit.library import CXGate, CZGate, ECRGate, RZGate, SXGate, XGate
from qiskit.quantum_info import Operator
from qiskit.transpiler import Target

from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation.block_routing import BlockRouter, Run
from qgen.transpilation.blocks import find_blocks
from qgen.transpilation.kernels.pricing import Prices
from qgen.transpilation.merge_rotations import merge_rotations
from qgen.transpilation.relayout import final_layout, initial_layout
from qgen.transpilation.transpile import BACKEND_DEFAULT, BLOCKS, TranspileOptions, transpile

QUBITS, SITES = 4, 5
COUPLINGS = {
    "line": [(0, 1), (1, 2), (2, 3), (3, 4)],
    "ring": [(0, 1), (1, 2), (2, 3), (3, 4), (4, 0)],
    "star": [(2, 0), (2, 1), (2, 3), (2, 4)],
    "junction": [(0, 1), (1, 2), (1, 3), (3, 4)],
}
NAMES = ("cx", "cz", "crx", "cry", "crz", "cp", "rzz", "rxx", "iswap", "swap", "ecr", "rx", "rz", "h", "ccx")


def device(coupling: str, gate: type) -> Target:
    """A device with this gate, ECR in one direction only, as on the machines that have it."""
    target = Target(num_qubits=SITES)
    for one in (RZGate(Parameter("angle")), SXGate(), XGate()):
        target.add_instruction(one, {(site,): None for site in range(SITES)})
    pairs = COUPLINGS[coupling]
    both = [*pairs, *((b, a) for a, b in pairs)]
    target.add_instruction(gate(), dict.fromkeys(pairs if gate is ECRGate else both))
    return target


@st.composite
def circuits(draw: st.DrawFn) -> QuantumCircuit:
    circuit = QuantumCircuit(QUBITS, global_phase=0.3)
    open_angles = draw(st.booleans())
    for k in range(draw(st.integers(1, 14))):
        name = draw(st.sampled_from(NAMES))
        # Numbers are 0 or far from it: Qiskit's optimisation drops rotations by 1e-5.
        angle = Parameter(f"p{k}") if open_angles else draw(st.integers(-40, 40)) / 10
        wires = draw(st.permutations(range(QUBITS)))
        match name:
            case "rx" | "rz":
                getattr(circuit, name)(angle, wires[0])
            case "h":
                circuit.h(wires[0])
            case "ccx":
                circuit.ccx(*wires[:3])
            case "cx" | "cz" | "swap" | "iswap" | "ecr":
                getattr(circuit, name)(*wires[:2])
            case _:
                getattr(circuit, name)(angle, *wires[:2])
    return circuit


def bound(circuit: QuantumCircuit, seed: int) -> QuantumCircuit:
    names = sorted(circuit.parameters, key=lambda parameter: parameter.name)
    angles = np.random.default_rng(seed).uniform(-7, 7, 100)
    return circuit.assign_parameters({one: angles[int(one.name[1:])] for one in names})


def two_qubit_gates(circuit: QuantumCircuit) -> int:
    return sum(len(step.qubits) == 2 for step in circuit.data)


def open_rotations(circuit: QuantumCircuit) -> int:
    return sum(any(getattr(angle, "parameters", ()) for angle in step.operation.params) for step in circuit.data)


@examples(25)
@given(
    circuit=circuits(),
    coupling=st.sampled_from(sorted(COUPLINGS)),
    gate=st.sampled_from([CXGate, CZGate, ECRGate]),
    level=st.integers(1, 3),
    seed=st.integers(0, 2**31),
)
def test_the_unitary_stays(circuit: QuantumCircuit, coupling: str, gate: type, level: int, seed: int) -> None:
    target = device(coupling, gate)
    options = TranspileOptions(level, seed, BLOCKS, BLOCKS, merge_rotations=True, absorb_swaps=True)
    if not find_blocks(circuit).blocks():
        with pytest.raises(BackendError, match="no route by blocks"):
            transpile(circuit, target, options)
        return
    isa = transpile(circuit, target, options)
    for step in isa.data:
        sites = tuple(isa.find_bit(qubit).index for qubit in step.qubits)
        assert target.instruction_supported(step.operation.name, sites)
    # The last qubit is none of the circuit's: it starts and ends in its ground state.
    wanted = Operator(bound(circuit, seed)).data
    found = Operator.from_circuit(bound(isa, seed)).data[: 2**QUBITS, : 2**QUBITS]
    assert abs(np.trace(found.conj().T @ wanted)) / 2**QUBITS == pytest.approx(1, abs=1e-10)
    assert len(set(initial_layout(isa))) == len(set(final_layout(isa))) == QUBITS


def graph(coupling: Sequence[tuple[int, int]], sites: int) -> tuple[list[list[int]], list[list[float]]]:
    edges = rx.PyGraph()
    edges.add_nodes_from(range(sites))
    edges.add_edges_from_no_data(list(coupling))
    return [sorted(edges.neighbors(site)) for site in range(sites)], rx.distance_matrix(edges).tolist()


def test_a_ring_of_four_around_a_junction_takes_two_gates_more() -> None:
    circuit = QuantumCircuit(4)
    for k, pair in enumerate([(0, 1), (1, 2), (2, 3), (3, 0)]):
        circuit.crz(Parameter(f"p{k}"), *pair)
    blocks = find_blocks(circuit)
    assert blocks is not None
    pairs = blocks.blocks()
    assert [(block.gates, block.swap_gates) for block in pairs] == [(2, 1)] * 4
    order = [frozenset({k - 1} if k else ()) for k in range(4)]
    router = BlockRouter([one.wires for one in pairs], order, [1] * 4, *graph([(0, 1), (0, 2), (0, 3)], 4))
    route = router.route([1, 0, 2, 3], 50, random.Random(0))
    assert route is not None
    assert route.gates == 2
    assert [move.block for move in route.moves if isinstance(move, Run)] == [0, 1, 2, 3]


@examples(20)
@given(seed=st.integers(0, 2**31))
def test_a_route_costs_what_its_moves_do(seed: int) -> None:
    rng = random.Random(seed)
    pairs = [tuple(rng.sample(range(4), 2)) for _ in range(12)]
    prices = [rng.choice((0, 1, 1)) for _ in pairs]
    order = [frozenset(j for j in range(k) if set(pairs[j]) & set(pairs[k])) for k in range(12)]
    neighbours, distances = graph(COUPLINGS["junction"], 5)
    router = BlockRouter(pairs, order, prices, neighbours, distances)
    route = router.route(rng.sample(range(5), 4), 4, rng)
    assert route is not None
    sites, last, gates, done = list(route.start), {}, 0, set()
    for move in route.moves:
        if isinstance(move, Run):
            a, b = pairs[move.block]
            assert sites[b] in neighbours[sites[a]]
            assert order[move.block] <= done
            done.add(move.block)
            last[sites[a]] = last[sites[b]] = move.block
            exchanged = (sites[a], sites[b]) if move.swap else None
        else:
            exchanged = move.sites
        if exchanged:
            first, second = (last.get(site) for site in exchanged)
            empty = not set(exchanged) <= set(sites)
            gates += 2 if empty else prices[first] if first is not None and first == second else 3
            last |= dict.fromkeys(exchanged)
            sites = [exchanged[1 - exchanged.index(site)] if site in exchanged else site for site in sites]
    assert tuple(sites) == route.end
    assert gates == route.gates
    assert done == set(range(12))


@examples(20)
@given(seed=st.integers(0, 2**31), coupling=st.sampled_from(sorted(COUPLINGS)))
def test_a_route_is_priced_as_a_schedule_of_its_gates(seed: int, coupling: str) -> None:
    rng = random.Random(seed)
    pairs = [tuple(rng.sample(range(4), 2)) for _ in range(10)]
    gates, more = [rng.choice((1, 2, 3)) for _ in pairs], [rng.choice((0, 1)) for _ in pairs]
    order = [frozenset(j for j in range(k) if set(pairs[j]) & set(pairs[k])) for k in range(10)]
    neighbours, distances = graph(COUPLINGS[coupling], SITES)
    lost = np.random.default_rng(seed)
    gate, seconds = (
        one + one.T for one in (lost.uniform(0, 0.02, (SITES, SITES)), lost.uniform(0, 1e-7, (SITES, SITES)))
    )
    waiting, reading = lost.uniform(0, 3e3, SITES), lost.uniform(0, 0.1, SITES)
    prices = Prices(np.array(gates, np.int32), gate, seconds, np.zeros(SITES), np.zeros(SITES), waiting, reading)
    route = BlockRouter(pairs, order, more, neighbours, distances, prices).route(rng.sample(range(SITES), 4), 2, rng)
    sites, steps = list(route.start), []
    for move in route.moves:
        first, second = (sites[wire] for wire in pairs[move.block]) if isinstance(move, Run) else move.sites
        count = 1 + sum(site in (first, second) for site in sites)
        if isinstance(move, Run):
            count = gates[move.block] + more[move.block] * move.swap
        if not isinstance(move, Run) or move.swap:
            sites = [{first: second, second: first}.get(site, site) for site in sites]
        occupied = [site for site in (first, second) if site in sites]  # after it
        steps.append((first, second, occupied, count))
    clock, price = [0.0] * SITES, sum(reading[site] for site in sites)
    for first, second, occupied, count in reversed(steps):  # from the end; a gate needs both of its sites
        start = max(clock[first], clock[second])
        price += count * gate[first, second] + sum((start - clock[site]) * waiting[site] for site in occupied)
        clock[first] = clock[second] = start + count * seconds[first, second]
    assert route.price == pytest.approx(price, rel=1e-9)


def test_controls_of_one_wire_come_in_any_order() -> None:
    circuit, angles = QuantumCircuit(3), [Parameter(f"p{k}") for k in range(4)]
    circuit.crx(angles[0], 0, 1)
    circuit.rz(angles[1], 0)
    circuit.cry(angles[2], 0, 2)
    circuit.crx(angles[3], 1, 2)
    blocks = find_blocks(circuit)
    assert blocks is not None
    assert blocks.block_order() == [frozenset(), frozenset(), frozenset({0, 1})]


def test_what_has_more_than_gates_has_no_blocks() -> None:
    circuit = QuantumCircuit(2)
    circuit.cx(0, 1)
    circuit.barrier()
    assert find_blocks(circuit) is None


@pytest.mark.parametrize("name", ["fake_brisbane", "fake_fez"])
def test_hqconv_takes_fewer_gates_and_no_more_open_angles(name: str) -> None:
    circuit, target = ansatz("hqconv", qubits=8, layers=2).circuit, open_device(name).target
    options = TranspileOptions(2, 0, BLOCKS, BLOCKS, merge_rotations=True, absorb_swaps=True)
    ours, theirs = transpile(circuit, target, options), transpile(circuit, target, BACKEND_DEFAULT)
    assert two_qubit_gates(ours) < two_qubit_gates(theirs)
    assert open_rotations(ours) <= open_rotations(theirs)
    assert sum(block.gates for block in find_blocks(merge_rotations(circuit)).blocks()) == 36
