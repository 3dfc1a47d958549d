"""Circuits drawn as plain descriptions, of which one thing can be changed: built again they are equal, changed not."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
from qiskit import QuantumCircuit
from qiskit.circuit import (
    AnnotatedOperation,
    ControlModifier,
    Gate,
    InverseModifier,
    Operation,
    Parameter,
    PowerModifier,
)
from qiskit.circuit.library import (
    DiagonalGate,
    HamiltonianGate,
    PauliEvolutionGate,
    PauliGate,
    PermutationGate,
    StatePreparation,
    UnitaryGate,
    get_standard_gate_name_mapping,
)
from qiskit.quantum_info import SparsePauliOp, random_clifford, random_unitary
from qiskit.synthesis import LieTrotter, SuzukiTrotter

from qgen.circuits import LayerCircuit

QUBITS = 4
ROTATIONS = ("rx", "ry", "rz", "p", "rzz", "rxx", "crx", "cry", "cp", "u", "cu", "xx_plus_yy")
FIXED = ("h", "x", "s", "sdg", "sx", "cx", "cz", "cy", "swap", "ccx", "rccx")
NAMES = ("a", "b", "c")
GATES = {name: type(gate) for name, gate in get_standard_gate_name_mapping().items()}


@dataclass(frozen=True)
class Leaf:
    """A value, and what else it could be; of a number its neighbour."""

    value: Any
    others: tuple[Any, ...] = ()

    def changed(self, rng: np.random.Generator) -> Leaf:
        if not self.others:
            return Leaf(float(np.nextafter(self.value, rng.choice([-9.0, 9.0]))))
        different = [one for one in self.others if one != self.value]
        return Leaf(different[rng.integers(len(different))], self.others)


def one_of(rng: np.random.Generator, *options: Any) -> Leaf:
    return Leaf(options[rng.integers(len(options))], options)


def number(rng: np.random.Generator) -> Leaf:
    return Leaf(float(rng.uniform(0.1, 3)))


def describe_circuit(rng: np.random.Generator, depth: int = 2) -> tuple[Any, ...]:
    """Steps, a global phase and an observable."""
    steps = tuple(_step(rng, QUBITS, depth) for _ in range(rng.integers(1, 6)))
    return steps, number(rng), one_of(rng, "ZIII", "IXII", "YYIZ"), number(rng)


def _step(rng: np.random.Generator, qubits: int, depth: int) -> tuple[Any, ...]:
    gate, width = _gate(rng, qubits, depth)
    return gate, one_of(rng, *permutations(range(qubits), width))


def _gate(rng: np.random.Generator, qubits: int, depth: int) -> tuple[tuple[Any, ...], int]:
    kinds = ["rotation"] * 4 + [
        "fixed",
        "unitary",
        "diagonal",
        "pauli",
        "evolution",
        "state",
        "clifford",
        "hamiltonian",
    ]
    kinds += ["permutation"] if qubits > 2 else []
    kinds += ["block", "controlled", "annotated"] * (depth > 0 and qubits > 2)
    kind = kinds[rng.integers(len(kinds))]
    if kind == "rotation":
        names = [name for name in ROTATIONS if GATES[name](*[0.1] * _angles(name)).num_qubits <= min(qubits, 2)]
        name = names[rng.integers(len(names))]
        gate = GATES[name](*[0.1] * _angles(name))
        same = [
            n
            for n in names
            if GATES[n](*[0.1] * _angles(n)).num_qubits == gate.num_qubits and _angles(n) == _angles(name)
        ]
        return (
            kind,
            Leaf(name, tuple(same)) if len(same) > 1 else name,
            [_angle(rng) for _ in gate.params],
        ), gate.num_qubits
    if kind == "fixed":
        names = [name for name in FIXED if GATES[name]().num_qubits <= qubits]
        name = names[rng.integers(len(names))]
        width = GATES[name]().num_qubits
        return (kind, Leaf(name, tuple(n for n in names if GATES[n]().num_qubits == width))), width
    if kind in ("unitary", "clifford", "diagonal"):
        return (kind, one_of(rng, *range(20))), 2
    if kind == "hamiltonian":
        return (kind, one_of(rng, *range(20)), number(rng)), 2
    if kind == "state":
        return (kind, one_of(rng, *range(20))), 1
    if kind == "pauli":
        return (kind, one_of(rng, "XY", "YX", "ZZ", "IY")), 2
    if kind == "permutation":
        return (kind, one_of(rng, *permutations(range(3)))), 3
    if kind == "evolution":
        terms = [(one_of(rng, "XI", "ZZ", "YX", "ZI"), number(rng)) for _ in range(rng.integers(1, 4))]
        return (kind, terms, _angle(rng), one_of(rng, "lie", "suzuki"), one_of(rng, 1, 2)), 2
    if kind == "block":
        steps = [_step(rng, qubits - 1, depth - 1) for _ in range(rng.integers(1, 4))]
        return (kind, qubits - 1, steps, number(rng)), qubits - 1
    inner, width = _gate(rng, qubits - 1, 0)
    if kind == "controlled":
        return (kind, inner, one_of(rng, 0, 1)), width + 1
    return (kind, inner, one_of(rng, 0, 1), one_of(rng, "inverse", "power 2", "power 3")), width + 1


def _angles(name: str) -> int:
    return {"u": 3, "cu": 4, "xx_plus_yy": 2}.get(name, 1)


def _angle(rng: np.random.Generator) -> tuple[Any, ...]:
    form = ("number", "affine", "curved", "product")[rng.integers(4)]
    return (form, number(rng)) if form == "number" else (form, number(rng), number(rng), one_of(rng, *NAMES))


def change_one(described: Any, rng: np.random.Generator) -> Any:
    """The same description with one of its leaves changed."""
    place = int(rng.integers(len(_leaves(described))))
    counter = iter(range(1 << 30))

    def walk(part: Any) -> Any:
        if isinstance(part, Leaf):
            return part.changed(rng) if next(counter) == place else part
        return type(part)(map(walk, part)) if isinstance(part, (list, tuple)) else part

    return walk(described)


def _leaves(part: Any) -> list[Leaf]:
    if isinstance(part, Leaf):
        return [part]
    return [leaf for one in part for leaf in _leaves(one)] if isinstance(part, (list, tuple)) else []


def build(described: Any, name: str = "block") -> LayerCircuit:
    """A layer with parameters of its own, the first of them an input."""
    steps, phase, label, coefficient = described
    known = {letter: Parameter(letter) for letter in NAMES}
    circuit = QuantumCircuit(QUBITS, global_phase=phase.value)
    for parameter in known.values():  # all are used, whatever is changed
        circuit.rx(parameter, 0)
    for gate, places in steps:
        circuit.append(_made(gate, known, name), list(places.value))
    observable = SparsePauliOp([label.value], [coefficient.value])
    return LayerCircuit(circuit, [known["a"]], [known["b"], known["c"]], [observable])


def _made(gate: Any, known: dict[str, Parameter], name: str) -> Operation:
    kind, *parts = gate
    plain = [part.value if isinstance(part, Leaf) else part for part in parts]
    match kind:
        case "rotation":
            return GATES[plain[0]](*[_value(one, known) for one in plain[1]])
        case "fixed":
            return GATES[plain[0]]()
        case "unitary":
            return UnitaryGate(random_unitary(4, seed=plain[0]))
        case "clifford":
            return random_clifford(2, seed=plain[0])
        case "hamiltonian":
            return HamiltonianGate(SparsePauliOp(["XZ"], [1.0 + plain[0]]).to_matrix(), plain[1])
        case "diagonal":
            return DiagonalGate(np.exp(1j * np.arange(4) * (1 + plain[0])))
        case "state":
            return StatePreparation([np.cos(1 + plain[0]), 1j * np.sin(1 + plain[0])])
        case "pauli":
            return PauliGate(plain[0])
        case "permutation":
            return PermutationGate(list(plain[0]))
        case "evolution":
            terms = [(label.value, factor.value) for label, factor in plain[0]]
            formula = LieTrotter if plain[2] == "lie" else SuzukiTrotter
            return PauliEvolutionGate(
                SparsePauliOp.from_list(terms), _value(plain[1], known), synthesis=formula(reps=plain[3])
            )
        case "block":
            inner = QuantumCircuit(plain[0], global_phase=plain[2], name=name)
            for one, places in plain[1]:
                inner.append(_made(one, known, name), list(places.value))
            gates = all(isinstance(step.operation, Gate) for step in inner.data)
            return inner.to_gate() if gates else inner.to_instruction()
        case "controlled":
            base = _made(plain[0], known, name)
            if isinstance(base, Gate) and not isinstance(base, PermutationGate):
                return base.control(1, ctrl_state=plain[1], annotated=False)
            return AnnotatedOperation(base, [ControlModifier(1, plain[1])])
        case "annotated":
            power, _, times = plain[2].partition(" ")
            last = PowerModifier(int(times)) if power == "power" else InverseModifier()
            return AnnotatedOperation(_made(plain[0], known, name), [ControlModifier(1, plain[1]), last])
    raise ValueError(kind)


def _value(angle: Any, known: dict[str, Parameter]) -> Any:
    form, first, *rest = angle
    if form == "number":
        return first.value
    offset, parameter = rest[0].value, known[rest[1].value]
    match form:
        case "affine":
            return first.value * parameter + offset
        case "curved":
            return (first.value * parameter).arctan() + offset
    return parameter * known["b"] * first.value - offset
