"""Copies of a circuit on tiles: each computes what the logical circuit does; every binding gets its own outcomes."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import networkx as nx
import numpy as np
import numpy.typing as npt
import pytest
from drawn import layer_circuits
from effort import examples
from hypothesis import assume, given
from hypothesis import strategies as st
from qiskit import QuantumCircuit
from qiskit.circuit import Gate, Parameter
from qiskit.circuit.library import CXGate, CZGate, ECRGate, RXGate, RZGate, SXGate, UGate
from qiskit.primitives import BitArray
from qiskit.quantum_info import Statevector
from qiskit.transpiler import Target
from qiskit_aer.primitives import SamplerV2

from qgen import LayerCircuit
from qgen.backends.device.routing import RoutedCircuit, route
from qgen.backends.device.tiles import TiledCircuits, choose_tiles, single_tile
from qgen.backends.measurement import Measurement
from qgen.circuits import ansatz
from qgen.devices import open_device
from qgen.errors import BackendError
from qgen.transpilation import Success
from qgen.transpilation.tiling import Tile, Tiling

Doubles = npt.NDArray[np.float64]
EXACT = 1e-9


def target_of(gates: Sequence[Gate], pairs: Sequence[tuple[int, int]], qubits: int) -> Target:
    target = Target(num_qubits=qubits)
    for gate in gates:
        places = [(q,) for q in range(qubits)] if gate.num_qubits == 1 else pairs
        target.add_instruction(gate, dict.fromkeys(places))
    return target


ANGLE = Parameter("angle")
ONE_WAY = [(0, 1), (2, 1), (2, 3), (4, 3), (5, 4), (5, 6), (6, 7), (8, 7), (8, 9)]
RING = [*((k, (k + 1) % 10) for k in range(10)), *(((k + 1) % 10, k) for k in range(10))]
LADDER = [*ONE_WAY, (0, 5), (6, 1), (2, 7), (8, 3), (4, 9)]
TARGETS = {
    "one-way line": target_of([UGate(*map(Parameter, "abc")), CXGate()], ONE_WAY, 10),
    "one-way ladder": target_of([RZGate(ANGLE), SXGate(), ECRGate()], LADDER, 10),
    "ring": target_of([RXGate(ANGLE), RZGate(ANGLE), CZGate()], RING, 10),
}


def routed_for(circuit: LayerCircuit, target: Target) -> tuple[RoutedCircuit, Measurement]:
    measurement = Measurement(circuit.observables)
    return route(circuit.circuit, [*circuit.inputs, *circuit.weights], target, measurement.bases), measurement


def logical_values(circuit: LayerCircuit, numbers: Doubles) -> list[float]:
    parameters = [*circuit.inputs, *circuit.weights]
    state = Statevector(circuit.circuit.assign_parameters(dict(zip(parameters, numbers, strict=True))))
    return [state.expectation_value(observable).real for observable in circuit.observables]


def components(wide: QuantumCircuit) -> list[tuple[list[int], QuantumCircuit]]:
    """The parts that no gate joins, as their qubits and a circuit on these alone."""
    gates = [
        (step.operation, [wide.find_bit(qubit).index for qubit in step.qubits])
        for step in wide.data
        if step.operation.name not in ("barrier", "measure")
    ]
    graph = nx.Graph()
    graph.add_nodes_from(range(wide.num_qubits))
    for _, qubits in gates:
        nx.add_path(graph, qubits)
    parts = []
    for some in nx.connected_components(graph):
        qubits = sorted(some)
        part = QuantumCircuit(len(qubits))
        for operation, on in gates:
            if on[0] in some:
                part.append(operation, [qubits.index(qubit) for qubit in on])
        parts.append((qubits, part))
    return parts


def register_probabilities(wide: QuantumCircuit, bound: Doubles) -> list[Doubles]:
    """For each register the probabilities (1, 2^n) of what is read into it, part by part."""
    read = {
        step.clbits[0]: wide.find_bit(step.qubits[0]).index for step in wide.data if step.operation.name == "measure"
    }
    parts = components(wide.assign_parameters(bound))
    found = []
    for register in wide.cregs:
        joint = np.ones(1)
        bits: list[int] = []
        for qubits, part in parts:
            mine = [bit for bit, clbit in enumerate(register) if clbit in read and read[clbit] in qubits]
            if mine:
                some = Statevector(part).probabilities([qubits.index(read[register[bit]]) for bit in mine])
                joint, bits = np.kron(some, joint), bits + mine
        outcomes = np.arange(len(joint))
        whole = np.zeros(1 << len(register))
        whole[sum((outcomes >> k & 1) << bit for k, bit in enumerate(bits))] = joint
        found.append(whole[None])
    return found


def check_values(circuit: LayerCircuit, target: Target, margin: int, seed: int) -> int:
    """Every tile, with numbers of its own, has the values of the logical circuit; how many tiles there are."""
    routed, measurement = routed_for(circuit, target)
    tiling = choose_tiles(routed, target, margin=margin, min_relative_success=0.0)
    tiled, tiles = TiledCircuits(routed, tiling, target), len(tiling.tiles)
    numbers = np.random.default_rng(seed).normal(size=(tiles, circuit.num_inputs + circuit.num_weights))
    columns = routed.parameter_map.values(numbers).reshape(-1)
    by_basis = [register_probabilities(wide, columns) for wide in tiled.circuits]
    for k, row in enumerate(numbers):
        found = measurement.from_probabilities([registers[k] for registers in by_basis])[0]
        np.testing.assert_allclose(found, logical_values(circuit, row), rtol=0, atol=EXACT)
    for wide in tiled.circuits:
        check_gates(wide, target)
    return tiles


def check_gates(wide: QuantumCircuit, target: Target) -> None:
    for step in wide.data:
        qubits = tuple(wide.find_bit(qubit).index for qubit in step.qubits)
        assert step.operation.name in ("barrier", "measure") or target.instruction_supported(
            step.operation.name, qubits
        )
    names = [step.operation.name for step in wide.data]
    first = names.index("measure")
    assert set(names[first:]) == {"measure"}
    assert names[first - 1] == "barrier"


@pytest.mark.rows(1)
@pytest.mark.parametrize("name", TARGETS)
@given(circuit=layer_circuits(most_qubits=3, most_gates=8), margin=st.integers(0, 1), seed=st.integers(0, 2**62))
@examples(5)
def test_every_tile_has_the_values_of_the_logical_circuit(
    name: str, circuit: LayerCircuit, margin: int, seed: int
) -> None:
    assume(Measurement(circuit.observables).bases)
    check_values(circuit, TARGETS[name], margin, seed)


def test_tiles_of_a_device_are_parts_of_their_own() -> None:
    target = open_device("fake_brisbane").target
    parts = ansatz("basic", qubits=4, layers=1)
    circuit = LayerCircuit(parts.circuit, parts.inputs, parts.weights, ["ZZIZ", "XIYI"])
    assert check_values(circuit, target, 1, 5) >= 12


class Encoded(TiledCircuits):
    """A tiling of nothing, so that scattering and gathering stand alone."""

    def __init__(self, tiles: int) -> None:
        circuit, angle = QuantumCircuit(1), Parameter("angle")
        circuit.rx(angle, 0)
        layer, target = LayerCircuit(circuit, [angle], []), TARGETS["ring"]
        wide = target_of([RXGate(ANGLE)], [], tiles) if tiles > target.num_qubits else target
        success = Success(1.0, 1.0, 1.0)
        routed, _ = routed_for(layer, wide)
        (own,) = routed.physical
        super().__init__(routed, Tiling(tuple(Tile({own: k}, success) for k in range(tiles)), 0, (), ()), wide)


def packed(numbers: Doubles, shots: int, tail: npt.NDArray[np.int64]) -> Any:
    """A register that reads a number and, in its low bits, which of the shots it is."""
    values = (numbers.astype(np.int64)[:, None] << 8) + tail[:shots]
    return BitArray(values.astype(">u4").view(np.uint8).reshape(len(numbers), shots, 4)[..., 1:], 24)


@given(samples=st.integers(1, 60), tiles=st.integers(1, 13), shots=st.integers(1, 7), width=st.integers(1, 3))
def test_outcomes_come_back_in_the_order_of_the_bindings(samples: int, tiles: int, shots: int, width: int) -> None:
    tiled, tail = Encoded(tiles), np.arange(7)
    table = np.arange(samples)[:, None] + 1000.0 * np.arange(width)
    scattered = tiled.scatter(table)
    assert scattered.shape == (-(-samples // tiles), tiles * width) == (tiled.rows(samples), tiles * width)
    assert {*scattered[:, 0::width].ravel()} == {*range(samples)}
    by_tile = scattered.reshape(-1, tiles, width)
    np.testing.assert_array_equal(by_tile[..., width - 1] - by_tile[..., 0], 1000.0 * (width - 1))
    data = SimpleNamespace(**{f"tile{k:02}": packed(by_tile[:, k, 0], shots, tail) for k in range(tiles)})
    (found,) = tiled.outcomes([SimpleNamespace(data=data)], samples)
    np.testing.assert_array_equal(found, (np.arange(samples)[:, None] << 8) + tail[:shots])


@given(st.integers(2, 100), st.integers(2, 6), st.integers(1, 4))
def test_the_two_sides_of_a_shift_mostly_share_a_tile(pairs: int, tiles: int, apart: int) -> None:
    by_tile = Encoded(tiles).scatter(np.arange(pairs)[:, None].astype(float)).T
    tile_of = {n: k for k, numbers in enumerate(by_tile) for n in numbers[::-1]}
    split = sum(tile_of[n] != tile_of[n + apart] for n in range(pairs - apart))
    assert split <= apart * (tiles - 1) + apart


def test_one_tile_where_the_circuit_lies_is_the_circuit_itself() -> None:
    target = open_device("fake_brisbane").target
    parts = ansatz("hqconv", qubits=4, layers=1)
    routed, _ = routed_for(LayerCircuit(parts.circuit, parts.inputs, parts.weights, ["ZZIZ", "XIYI"]), target)
    tiled = TiledCircuits(routed, single_tile(routed, target), target)
    table = np.random.default_rng(1).normal(size=(3, len(routed.parameters)))
    np.testing.assert_array_equal(tiled.scatter(table), table)
    for mine, theirs in zip(tiled.circuits, routed.physical_circuits(measure=True), strict=True):
        assert written(mine.assign_parameters(table[0])) == written(theirs.assign_parameters(table[0]))


def written(circuit: QuantumCircuit) -> list[tuple[Any, ...]]:
    index = circuit.find_bit
    return [
        (step.operation.name, step.operation.params, [index(bit).index for bit in (*step.qubits, *step.clbits)])
        for step in circuit.data
    ]


@pytest.mark.parametrize("open_angles", [True, False])
def test_sampled_values_are_those_of_the_logical_circuit(open_angles: bool, rng: np.random.Generator) -> None:
    target, shots, samples = TARGETS["one-way ladder"], 2000, 5
    circuit, angles = QuantumCircuit(3), [Parameter("a"), Parameter("b")]
    given_angles: list[Any] = angles if open_angles else rng.normal(size=2).tolist()
    circuit.ry(given_angles[0], 0)
    circuit.cx(0, 1)
    circuit.rx(given_angles[1], 1)
    circuit.cx(1, 2)
    layer = LayerCircuit(circuit, angles if open_angles else [], [], ["ZII", "IZZ", "XXI", "IIY"])
    routed, measurement = routed_for(layer, target)
    tiling = choose_tiles(routed, target)
    tiled = TiledCircuits(routed, tiling, target)
    assert len(tiling.tiles) == 2
    numbers = rng.normal(size=(samples, layer.num_inputs))
    table = tiled.scatter(routed.parameter_map.values(numbers))
    if open_angles:
        pubs, each = [(wide, table) for wide in tiled.circuits], shots
    else:
        pubs, each = [(wide,) for wide in tiled.circuits], shots * len(table)
    results = SamplerV2(seed=int(rng.integers(2**31))).run(pubs, shots=each).result()
    outcomes = tiled.outcomes(results, samples)
    assert all(some.shape == (samples, shots) for some in outcomes)
    wanted = np.array([logical_values(layer, row) for row in numbers])
    errors = np.sqrt(np.maximum(1 - wanted**2, 0) / shots)
    np.testing.assert_array_less(np.abs(measurement.from_outcomes(outcomes) - wanted), 5.5 * errors + 11 / shots)


def test_a_circuit_that_nothing_is_measured_of_is_refused() -> None:
    circuit = QuantumCircuit(2)
    circuit.cz(0, 1)
    routed, _ = routed_for(LayerCircuit(circuit, [], [], ["II"]), TARGETS["ring"])
    with pytest.raises(BackendError, match="no basis"):
        choose_tiles(routed, TARGETS["ring"])


def test_a_circuit_alone_lies_where_it_was_placed() -> None:
    target = open_device("fake_fez").target
    routed, _ = routed_for(ansatz("basic", qubits=3, layers=1), target)
    alone = single_tile(routed, target)
    assert alone.tiles[0].mapping == {qubit: qubit for qubit in routed.physical}
    assert {*alone.idle} == {*range(156)} - {*routed.physical}
    assert 0.5 < alone.best <= choose_tiles(routed, target, max_tiles=1).best
