"""Write parts of a routed circuit anew with fewer two-qubit gates, on the same couplers; angles stay open.

A part is rotations about Pauli operators and one Clifford operator (`pauli_frames`). Two-qubit gates change the
operators; a rotation can be done where its operator is on one qubit, and it does not matter whether the circuit's own
qubits are in their places then. A SWAP of a qubit that others were controlled by since its last gate costs two gates
instead of three, for one. That Clifford gates may be moved through rotations is after Litinski (2019),
arXiv:1808.02892; the search goes from gate to gate as that of Schmitz et al. (2021), arXiv:2103.08602.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import rustworkx as rx
from qiskit import QuantumCircuit
from qiskit.circuit import CircuitInstruction
from qiskit.quantum_info import PauliList

from qgen.randomness import derive
from qgen.transpilation.kernels.frames import BITS, find_gates
from qgen.transpilation.pauli_frames import PauliProgram, emit, goals, pauli_program, phase_between, simplified

#: Qubits of a part, and its two-qubit gates, at most; and at least.
_QUBITS, _GATES, _FEWEST_GATES = 5, 30, 4
#: States that the search keeps.
_WIDTH = 60
#: Parts that are tried, and without success before the search ends.
_MOST_PARTS, _PATIENCE = 400, 60
#: Probability that a part takes in one more qubit where it could.
_GROWTH = 0.8
_PAULIS = "XZY"


class _Part(NamedTuple):
    """Gates of a circuit, by their places: what comes before the part, the part, and what comes after it."""

    before: list[int]
    part: list[int]
    after: list[int]
    qubits: list[int]


def resynthesize(circuit: QuantumCircuit, seed: int, tries: int = 1) -> QuantumCircuit:
    """Write parts anew wherever that saves two-qubit gates.

    The unitary and its phase stay the same, and so do the angles, but for their signs.

    Args:
        circuit: in CX, CY, CZ and one-qubit gates.
        seed: of the choice of parts.
        tries: times that it is done, with other parts; that with the fewest gates is taken.
    """
    simple = simplified(circuit)
    if simple is None:
        return circuit
    shorter = [_shortened(simple, random.Random(derive(seed, attempt))) for attempt in range(tries)]
    return min([circuit, *shorter], key=lambda one: _two_qubit_gates(one.data))


def _shortened(circuit: QuantumCircuit, rng: random.Random) -> QuantumCircuit:
    wires, failures, tried = _wires(circuit), 0, set[tuple[int, ...]]()
    for _ in range(_MOST_PARTS if _two_qubit_gates(circuit.data) else 0):
        part = _draw_part(wires, rng)
        shorter = None if tuple(part.part) in tried else _rewritten(circuit, part)
        tried.add(tuple(part.part))
        failures += 1
        if shorter is not None:
            circuit, wires, failures = shorter, _wires(shorter), 0
            tried.clear()  # places of gates are others now
        if failures == _PATIENCE:
            break
    return circuit


def _wires(circuit: QuantumCircuit) -> list[tuple[int, ...]]:
    """Return the qubits of each gate."""
    index = {qubit: k for k, qubit in enumerate(circuit.qubits)}
    return [tuple([index[qubit] for qubit in step.qubits]) for step in circuit.data]


def _two_qubit_gates(steps: Sequence[CircuitInstruction]) -> int:
    return sum(len(step.qubits) == 2 for step in steps)


def _draw_part(wires: Sequence[tuple[int, ...]], rng: random.Random) -> _Part:
    """Draw gates on few qubits that can run without others in between, from one of a circuit's gates on."""
    first, size = rng.choice([k for k, some in enumerate(wires) if len(some) == 2]), rng.randint(3, _QUBITS)
    limit = rng.randint(_GATES // 2, _GATES)
    before, part, after = list(range(first)), [first], list[int]()
    qubits, closed, gates = list(wires[first]), set[int](), 1
    for k in range(first + 1, len(wires)):
        some = wires[k]
        new = [qubit for qubit in some if qubit not in qubits]
        if closed.intersection(some):
            closed.update(some)
            after.append(k)
        elif len(new) == len(some):
            before.append(k)
        elif len(qubits) + len(new) <= size and gates < limit and (not new or rng.random() < _GROWTH):
            part.append(k)
            qubits += new
            gates += len(some) == 2
        else:
            closed.update(some)
            after.append(k)
    return _Part(before, part, after, qubits)


def _rewritten(circuit: QuantumCircuit, part: _Part) -> QuantumCircuit | None:
    """Return the circuit with one part anew, with fewer gates; None if none was found."""
    steps = [circuit.data[k] for k in part.part]
    gates = _two_qubit_gates(steps)
    if gates < _FEWEST_GATES:
        return None
    qubits = [circuit.qubits[k] for k in part.qubits]
    index = {qubit: k for k, qubit in enumerate(qubits)}
    couplers = sorted({tuple(sorted(index[qubit] for qubit in step.qubits)) for step in steps if len(step.qubits) == 2})
    program = pauli_program(steps, index)
    found = _search(program, couplers, gates - 1)
    if found is None:
        return None
    before, chosen = found
    small = emit(program, before, chosen)
    old = QuantumCircuit(len(index))
    for step in steps:
        old.append(step.operation, [index[qubit] for qubit in step.qubits])
    shorter = circuit.copy_empty_like()
    shorter.global_phase += phase_between(small, old)
    for k in part.before:
        shorter.append(circuit.data[k])
    for step in small.data:
        shorter.append(step.operation, [qubits[small.find_bit(qubit).index] for qubit in step.qubits])
    for k in part.after:
        shorter.append(circuit.data[k])
    return shorter


def _search(
    program: PauliProgram, couplers: Sequence[tuple[int, ...]], most: int
) -> tuple[list[list[int]], list[tuple[tuple[int, int], str]]] | None:
    """Return the rotations before each rotation, and the gates; None if there are no `most` or fewer."""
    rotations = program.rotations
    before = [[j for j in range(k) if rotations[j].anticommutes(rotations[k])] for k in range(len(rotations))]
    ends = np.cumsum([0, *map(len, before)]).astype(np.int32)
    flat = np.array([j for some in before for j in some], np.int32)
    gates = np.empty(most, np.int32)
    count = find_gates(
        _numbers(goals(program.clifford)),
        _numbers(rotations),
        ends,
        flat,
        np.array(couplers, np.int32),
        _spans(couplers, program.clifford.num_qubits),
        most,
        _WIDTH,
        gates,
    )
    return None if count < 0 else (before, list(_gates(gates[:count].tolist(), couplers)))


def _gates(numbers: Sequence[int], couplers: Sequence[tuple[int, ...]]) -> Iterator[tuple[tuple[int, int], str]]:
    for number in numbers:
        (first, second), (p, q) = couplers[number // 9], divmod(number % 9, 3)
        yield (first, second), _PAULIS[p] + _PAULIS[q]


def _numbers(paulis: PauliList) -> np.ndarray:
    """Return operators as numbers; see `kernels.frames`."""
    bits = 1 << np.arange(paulis.num_qubits, dtype=np.uint32)
    return np.asarray(paulis.x @ bits | (paulis.z @ bits) << BITS, np.uint32)


def _spans(couplers: Sequence[tuple[int, ...]], qubits: int) -> np.ndarray:
    """For each set of qubits, as bits, the couplers of the smallest tree that connects them; of none, 0."""
    graph = rx.PyGraph(multigraph=False)
    graph.add_nodes_from(range(qubits))
    graph.add_edges_from_no_data([(pair[0], pair[1]) for pair in couplers])
    spans = np.full(1 << qubits, 1e3)
    spans[0] = 0.0
    connected = [
        chosen
        for chosen in range(1, 1 << qubits)
        if rx.is_connected(graph.subgraph([k for k in range(qubits) if chosen >> k & 1]))
    ]
    for chosen in connected:
        part = chosen
        while part:
            spans[part] = min(spans[part], chosen.bit_count() - 1)
            part = (part - 1) & chosen
    return spans
