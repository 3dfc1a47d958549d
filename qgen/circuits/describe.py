"""What a circuit is, in numbers and in a drawing."""

from dataclasses import asdict, dataclass
from typing import Any, final

from qiskit import QuantumCircuit
from qiskit.circuit import Barrier, CircuitInstruction

from qgen.circuits.flattening import flattened
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.circuits.observables import observable_text

#: Gates times qubits of the largest circuit that is drawn: about a second.
MOST_DRAWN = 300_000


@final
@dataclass(frozen=True, slots=True)
class Description:
    """The facts of a circuit.

    `depth`, `two_qubit_gates`, `two_qubit_depth` and `gates` are those of the circuit with composite blocks written out
    in standard gates on one or two qubits, but not transpiled: a controlled rotation is one two-qubit gate, every pair
    of qubits counts as coupled, barriers do not count.

    Attributes:
        qubits: the number of qubits; likewise `inputs`, `weights`.
        observables: what is measured, as `Z0` or `0.5*Z0Z1+X2`.
        depth: the number of time steps, all gates.
        two_qubit_gates: the number of gates on two qubits.
        two_qubit_depth: the number of time steps, two-qubit gates only.
        gates: how often each gate appears, as pairs of name and count, the most frequent first.
        circuits_per_evaluation: circuits that are run for one vector of inputs: the mixture's K, or 1.
        drawing: the circuit as given, drawn as text; "" where nobody asked for it.
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
        """The facts as plain lists, dicts, numbers and text, ready for JSON."""
        return asdict(self) | {"observables": list(self.observables), "gates": dict(self.gates)}


def describe(circuit: LayerCircuit, *, fold: int = 100, draw: bool = True) -> Description:
    """The facts of a circuit.

    Args:
        circuit: which one.
        fold: columns at which its drawing is folded; -1: not at all.
        draw: whether it is drawn at all; one that is larger than `MOST_DRAWN` never is, and its drawing says so.
    """
    drawn = circuit.circuit
    flat = flattened(drawn)
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


def is_too_large(circuit: QuantumCircuit) -> bool:
    """Whether drawing it would take long, and nobody could look at it."""
    return len(circuit.data) * int(circuit.num_qubits) > MOST_DRAWN


def _drawing(circuit: QuantumCircuit, fold: int) -> str:
    if is_too_large(circuit):
        return f"Not drawn: {len(circuit.data):,} gates on {circuit.num_qubits:,} qubits are too many to be looked at."
    return str(circuit.draw("text", fold=fold))


def _is_two_qubit_gate(instruction: CircuitInstruction) -> bool:
    return instruction.operation.num_qubits == 2 and not isinstance(instruction.operation, Barrier)


def _gate_counts(flat: QuantumCircuit) -> tuple[tuple[str, int], ...]:
    counts = {name: count for name, count in flat.count_ops().items() if name != "barrier"}
    return tuple(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
