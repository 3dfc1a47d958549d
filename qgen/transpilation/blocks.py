"""See a circuit as blocks: the two-qubit gates of one pair in a row, what each costs with a SWAP, and their order.

Routing is paid by block: a SWAP beside a block of its pair is part of it (`absorb_swaps`). Blocks that commute on the
wire that they share, such as those it controls, may come in any order.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from qiskit import QuantumCircuit, generate_preset_pass_manager
from qiskit.circuit import Gate, Instruction, ParameterExpression
from qiskit.circuit.library import CXGate, SwapGate, get_standard_gate_name_mapping
from qiskit.exceptions import QiskitError
from qiskit.synthesis import TwoQubitBasisDecomposer

from qgen.transpilation.absorb_swaps import Step

#: Two-qubit gates of which blocks are made, and SWAPs, which are free: they change names of wires.
_PAIRS = ("cx", "cy", "cz", "swap")
_TOLERANCE = 1e-9
_Z, _X = np.diag([1.0, -1.0]), np.array([[0.0, 1.0], [1.0, 0.0]])
_Matrix = npt.NDArray[Any]


@dataclass
class Node:
    """A block, or a one-qubit gate outside of blocks.

    Attributes:
        wires: one or two.
        steps: gates on these wires.
        axes: wire -> the Paulis, of Z and X, that the node commutes with there.
    """

    wires: tuple[int, ...]
    steps: list[Step]
    axes: dict[int, frozenset[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Block:
    """What routing has to know of a block.

    Attributes:
        wires: its pair.
        gates: CX gates that it takes.
        swap_gates: how many more it takes with a SWAP; fewer than 0 for some with numbers for angles.
    """

    wires: tuple[int, int]
    gates: int
    swap_gates: int


@dataclass(frozen=True)
class BlockCircuit:
    """A circuit as blocks and one-qubit gates.

    Attributes:
        circuit: all of it, in CX, CY, CZ, SWAP and one-qubit gates.
        nodes: in an order in which they can run.
        before: for each node, the indices of those that have to run before it.
        ends: the wire on which each qubit ends; its first wire has its own number.
    """

    circuit: QuantumCircuit
    nodes: tuple[Node, ...]
    before: tuple[frozenset[int], ...]
    ends: tuple[int, ...]

    @property
    def block_indices(self) -> list[int]:
        """The nodes that are blocks."""
        return [k for k, node in enumerate(self.nodes) if len(node.wires) == 2]

    def blocks(self) -> list[Block]:
        """Return the blocks, in the order of `block_indices`."""
        return [_block(self.nodes[k]) for k in self.block_indices]

    def block_order(self) -> list[frozenset[int]]:
        """For each block, the positions in `blocks` of those before it."""
        position = {k: index for index, k in enumerate(self.block_indices)}
        behind: list[frozenset[int]] = []  # node -> the nearest blocks before it
        for before in self.before:
            nearest = (frozenset({position[one]}) if one in position else behind[one] for one in before)
            behind.append(frozenset().union(*nearest))
        return [behind[k] for k in self.block_indices]


def find_blocks(circuit: QuantumCircuit) -> BlockCircuit | None:
    """Divide a circuit into blocks; None if it has more than gates, such as barriers or delays.

    Args:
        circuit: see `prepare_for_transpiler`; angles may be open.
    """
    if any(not isinstance(instruction.operation, Gate) for instruction in circuit.data):
        return None
    one_qubit = [name for name, gate in get_standard_gate_name_mapping().items() if gate.num_qubits == 1]
    try:
        # Without an argument `target`, so that no gate is lost for being absent from a device.
        plain = generate_preset_pass_manager(1, basis_gates=[*_PAIRS, *one_qubit], seed_transpiler=0).run(circuit)
    except (QiskitError, TypeError):  # see `run_preset`
        return None
    if any(len(step.qubits) == 2 and step.operation.name not in _PAIRS for step in plain.data):
        return None
    nodes, ends = _nodes(plain)
    _set_axes(nodes)
    return BlockCircuit(plain, tuple(nodes), tuple(_order(nodes)), ends)


def _nodes(circuit: QuantumCircuit) -> tuple[list[Node], tuple[int, ...]]:
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    wire = list(range(circuit.num_qubits))
    nodes: list[Node] = []
    last: dict[int, int] = {}  # wire -> its last block
    pending: dict[int, list[Step]] = {k: [] for k in wire}  # one-qubit gates since
    for instruction in circuit.data:
        qubits = [index[qubit] for qubit in instruction.qubits]
        step = Step(instruction.operation, tuple(wire[qubit] for qubit in qubits))
        if len(qubits) == 0:
            continue
        if len(qubits) == 1:
            pending[step.wires[0]].append(step)
        elif instruction.operation.name == "swap":
            wire[qubits[0]], wire[qubits[1]] = wire[qubits[1]], wire[qubits[0]]
        else:
            a, b = step.wires
            if a in last and last[a] == last.get(b):
                nodes[last[a]].steps += [*pending[a], *pending[b], step]
            else:
                nodes += [Node(one.wires, [one]) for k in (a, b) for one in pending[k]]
                last[a] = last[b] = len(nodes)
                nodes.append(Node((a, b), [step]))
            pending[a], pending[b] = [], []
    nodes += [Node(one.wires, [one]) for steps in pending.values() for one in steps]
    return nodes, tuple(wire)


def _set_axes(nodes: Sequence[Node]) -> None:
    """Find the Paulis by matrices, with angles drawn at random: what holds for them holds for all."""
    rng = np.random.default_rng(0)
    for node in nodes:
        matrix = _matrix(node, rng)
        size = len(node.wires)
        for k, wire in enumerate(node.wires):
            paulis = {name: np.kron(np.eye(2 ** (size - 1 - k)), np.kron(one, np.eye(2**k))) for name, one in _AXES}
            node.axes[wire] = frozenset(
                name for name, pauli in paulis.items() if np.abs(matrix @ pauli - pauli @ matrix).max() < _TOLERANCE
            )


_AXES = (("Z", _Z), ("X", _X))


def _matrix(node: Node, rng: np.random.Generator | None) -> _Matrix:
    """Return the matrix, the first wire the least significant; open angles are drawn."""
    values: dict[str, float] = {}
    small = QuantumCircuit(len(node.wires))
    for operation, wires in node.steps:
        small.append(_bound(operation, values, rng), [node.wires.index(wire) for wire in wires])
    matrix = np.eye(2 ** len(node.wires), dtype=np.complex128)
    for instruction in small.data:
        positions = [small.find_bit(qubit).index for qubit in instruction.qubits]
        matrix = _embedded(instruction.operation.to_matrix(), positions, len(node.wires)) @ matrix
    return matrix


def _embedded(gate: _Matrix, positions: Sequence[int], size: int) -> _Matrix:
    if size == 1 or list(positions) == [0, 1]:
        return gate
    if list(positions) == [1, 0]:
        order = [0, 2, 1, 3]
        return gate[np.ix_(order, order)]
    return np.kron(np.eye(2), gate) if positions[0] == 0 else np.kron(gate, np.eye(2))


def _bound(operation: Instruction, values: dict[str, float], rng: np.random.Generator | None) -> Instruction:
    if rng is None or not operation.params:
        return operation
    bound = operation.to_mutable()
    bound.params = [_number(angle, values, rng) for angle in operation.params]
    return bound


def _number(angle: object, values: dict[str, float], rng: np.random.Generator) -> object:
    if not isinstance(angle, ParameterExpression):
        return angle
    for parameter in angle.parameters:
        values.setdefault(parameter.name, float(rng.uniform(0.1, 6.0)))
    return float(angle.bind({parameter: values[parameter.name] for parameter in angle.parameters}).numeric().real)


def _block(node: Node) -> Block:
    a, b = node.wires
    if any(_is_open(step) for step in node.steps):
        return Block((a, b), sum(len(step.wires) == 2 for step in node.steps), 1)
    matrix, count = _matrix(node, None), TwoQubitBasisDecomposer(CXGate()).num_basis_gates
    gates = count(matrix)
    return Block((a, b), gates, count(SwapGate().to_matrix() @ matrix) - gates)


def _is_open(step: Step) -> bool:
    return any(isinstance(angle, ParameterExpression) and angle.parameters for angle in step.operation.params)


def _order(nodes: Sequence[Node]) -> Iterator[frozenset[int]]:
    """Yield for each node those that have to be before it: on each wire, the last group that it does not commute with.

    A group are nodes in a row that commute with one Pauli of their wire.
    """
    groups: dict[int, list[tuple[list[int], frozenset[str]]]] = {}
    for k, node in enumerate(nodes):
        before: set[int] = set()
        for wire in node.wires:
            on_wire = groups.setdefault(wire, [])
            members, axes = on_wire[-1] if on_wire else ([], frozenset())
            common = axes & node.axes[wire]
            if common:
                on_wire[-1] = [*members, k], common
            else:
                on_wire.append(([k], node.axes[wire]))
            if len(on_wire) > 1:
                before.update(on_wire[-2][0])
        yield frozenset(before)
