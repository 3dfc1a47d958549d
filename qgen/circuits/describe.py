"""Describe a circuit: its size, gates and depth, and a drawing."""

from dataclasses import asdict, dataclass
from typing import Any, final

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, CircuitInstruction, Instruction, Operation
from qiskit.circuit.library import UnitaryGate
from qiskit.transpiler import PassManager
from qiskit.transpiler.passes import HighLevelSynthesis

from qgen.circuits.exact_synthesis import MAX_SIMULATED_QUBITS, synthesize
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.circuits.observables import observable_text

#: Gates times qubits of the largest circuit that is drawn, which takes about a second.
MAX_DRAWN = 300_000


@final
@dataclass(frozen=True, slots=True)
class Description:
    """A description of a circuit.

    `depth`, `two_qubit_gates`, `two_qubit_depth` and `gates` are those of the circuit with composite blocks written out
    in standard gates on one or two qubits, but not transpiled: a controlled rotation is one two-qubit gate, every pair
    of qubits counts as coupled, barriers do not count.

    Attributes:
        qubits: the number of qubits; likewise `inputs`, `weights`.
        observables: what is measured, as `Z0` or `0.5*Z0Z1+X2`.
        depth: the number of time steps, all gates.
        two_qubit_gates: the number of gates on two qubits.
        two_qubit_depth: the number of time steps, two-qubit gates only.
        gates: pairs of a gate's name and its number, the most frequent first.
        circuits_per_evaluation: circuits that are run for one vector of inputs: the mixture's K, or 1.
        drawing: the circuit as given, drawn as text; "" if none was asked for.
    """

    qubits: int
    inputs: int
    weights: int
    observables: tuple[str, ...]
    depth: int
    two_qubit_gates: int
    two_qubit_depth: int
    gates: tuple[tuple[str, int], ...]
    circuits_per_evaluation: int
    drawing: str

    def to_dict(self) -> dict[str, Any]:
        """Return plain lists, dicts, numbers and text, ready for JSON."""
        return asdict(self) | {"observables": list(self.observables), "gates": dict(self.gates)}


def describe(circuit: LayerCircuit, *, fold: int = 100, draw: bool = True) -> Description:
    """Describe a circuit.

    Args:
        circuit: to describe.
        fold: columns at which its drawing is folded; -1: never.
        draw: whether to draw it; one that is larger than `MAX_DRAWN` is not drawn, and its drawing says so.
    """
    drawn = circuit.circuit
    flat = flatten(drawn)
    mixture = circuit.mixture
    return Description(
        qubits=circuit.qubits,
        inputs=circuit.num_inputs,
        weights=circuit.num_weights,
        observables=tuple(observable_text(observable) for observable in circuit.observables),
        depth=flat.depth(),
        two_qubit_gates=flat.size(_is_two_qubit_gate),
        two_qubit_depth=flat.depth(_is_two_qubit_gate),
        gates=_gate_counts(flat),
        circuits_per_evaluation=1 if mixture is None else len(mixture),
        drawing=_drawing(drawn, fold) if draw else "",
    )


def flatten(circuit: QuantumCircuit) -> QuantumCircuit:
    """Decompose a circuit into gates on one or two qubits and barriers, without transpiling it.

    Composite blocks and gates on three or more qubits are replaced by their definitions until only Qiskit's standard
    gates and unitary matrices on at most two qubits are left. A controlled rotation stays one gate. An operation
    without a definition stays as it is.
    """
    return _flatten(synthesize(circuit, MAX_SIMULATED_QUBITS)[0])


def is_too_large_to_draw(circuit: QuantumCircuit) -> bool:
    """Return whether a circuit is too large for its drawing to be readable, and to be drawn quickly."""
    return len(circuit.data) * int(circuit.num_qubits) > MAX_DRAWN


def _drawing(circuit: QuantumCircuit, fold: int) -> str:
    if is_too_large_to_draw(circuit):
        return f"Not drawn: {len(circuit.data):,} gates on {circuit.num_qubits:,} qubits are too many to be looked at."
    return str(circuit.draw("text", fold=fold))


def _is_two_qubit_gate(instruction: CircuitInstruction) -> bool:
    return instruction.operation.num_qubits == 2 and not isinstance(instruction.operation, Barrier)


def _gate_counts(flat: QuantumCircuit) -> tuple[tuple[str, int], ...]:
    counts = {name: count for name, count in flat.count_ops().items() if name != "barrier"}
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _flatten(circuit: QuantumCircuit) -> QuantumCircuit:
    if not all(isinstance(instruction.operation, Instruction) for instruction in circuit.data):
        # Annotated operations have no definition; the pass decomposes just those.
        circuit = PassManager([HighLevelSynthesis()]).run(circuit)
    flat = circuit.copy_empty_like()
    for instruction in circuit.data:
        if _is_flat(instruction.operation, instruction.is_standard_gate()):
            flat.append(instruction)
        else:
            flat.compose(_flatten(instruction.operation.definition), instruction.qubits, inplace=True)
    return flat


def _is_flat(operation: Operation, standard: bool) -> bool:
    if isinstance(operation, Barrier) or operation.definition is None:
        return True
    return operation.num_qubits <= 2 and (standard or isinstance(operation, UnitaryGate))
