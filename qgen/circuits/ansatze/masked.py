"""Rotations that a fair coin switches on, qubit by qubit: with ancillas, as published, or as an equal mixture."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector

from qgen.circuits.ansatze.base import Ansatz, Layer
from qgen.circuits.ansatze.rotations import append_cnot_ring, append_controlled_rot, append_rot
from qgen.circuits.arguments import one_of, whole_number
from qgen.circuits.encodings import Encoding
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.circuits.mixture import Mixture
from qgen.errors import CircuitError

_FIGURE = """\
One layer on n data qubits, n = 3; weights (n, 3): phi, theta, omega of each.
form="ancilla", 2n qubits; H on each ancilla once, before the first layer;
ancillas are not measured:
  q0 -Rot-----------o-----x--   Rot(phi, theta, omega) =
  q1 --|---Rot------x--o--|--     RZ(phi), RY(theta), RZ(omega);
  q2 --|----|---Rot----x--o--   controlled: CRZ, CRY, CRZ
  a0 --o----|----|-----------
  a1 -------o----|-----------
  a2 ------------o-----------
form="mixture", n qubits: an ancilla is only ever a control, so the output is
exactly the average over the 2^n masks m:
  q0 -Rot(m0*phi, m0*theta, m0*omega)--o-----x--
  q1 -Rot(m1*...)----------------------x--o--|--
  q2 -Rot(m2*...)-------------------------x--o--
The option masks draws K of them, which stay the same for a given seed: their
average is unbiased over seeds only.
Yao and Hasegawa remove the control qubits after the start; here they stay.
Weights a layer: 3n. The last layer's omega do not change the expectation of Z:
they commute with what is measured."""

#: Up to this number of qubits all 2^n masks are evaluated: 4096 circuits per value.
_MAX_QUBITS_FOR_ALL_MASKS = 12
#: A mask is drawn as one 64-bit integer.
_MAX_QUBITS = 62
#: Masks that are drawn at most; each is one circuit per value.
_MAX_MASKS = 1 << 16


def _layer(qubits: int, form: str = "mixture", masks: int | None = None, seed: int | None = None) -> Layer:
    if one_of("The form of the ansatz 'masked'", form, ("mixture", "ancilla")) == "mixture":
        return _mixture_layer(qubits, _masks(qubits, masks, seed))
    if masks is not None or seed is not None:
        raise CircuitError("The options masks and seed belong to form='mixture'; with form='ancilla', leave them out.")
    return _ancilla_layer(qubits)


def _ancilla_layer(qubits: int) -> Layer:
    def prepare(circuit: QuantumCircuit) -> None:
        circuit.h(range(qubits, 2 * qubits))

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for qubit in range(qubits):
            append_controlled_rot(circuit, weights[3 * qubit : 3 * qubit + 3], qubits + qubit, qubit)
        append_cnot_ring(circuit, qubits)

    return Layer(weights=3 * qubits, append=append, ancillas=qubits, prepare=prepare)


def _mixture_layer(qubits: int, masks: NDArray[np.float64]) -> Layer:
    m = ParameterVector("m", qubits)

    def append(circuit: QuantumCircuit, weights: Sequence[ParameterExpression], index: int) -> None:
        for qubit in range(qubits):
            append_rot(circuit, [m[qubit] * weight for weight in weights[3 * qubit : 3 * qubit + 3]], qubit)
        append_cnot_ring(circuit, qubits)

    return Layer(weights=3 * qubits, append=append, mixture=Mixture(m, masks))


def _masks(qubits: int, masks: int | None, seed: int | None) -> NDArray[np.float64]:
    """Return masks of 0 and 1, shape `(K, n)`: all 2^n, or K drawn without replacement, unbiased over seeds."""
    if qubits > _MAX_QUBITS:
        raise CircuitError(f"The ansatz 'masked' takes at most {_MAX_QUBITS} qubits with form='mixture', not {qubits}.")
    if masks is None:
        if seed is not None:
            raise CircuitError(
                "The option seed draws masks: set the option masks, for example masks=64, or leave seed out."
            )
        if qubits > _MAX_QUBITS_FOR_ALL_MASKS:
            raise CircuitError(
                f"{qubits} qubits have 2^{qubits} masks, too many to evaluate all (the most is "
                f"2^{_MAX_QUBITS_FOR_ALL_MASKS}); set the option masks, for example masks=64, to draw that "
                "many at random."
            )
        return _bits(np.arange(2**qubits), qubits)
    count = whole_number("masks", masks)
    if count > _MAX_MASKS:
        raise CircuitError(
            f"masks={count:,} circuits for one value are more than any backend runs: {_MAX_MASKS:,} at most."
        )
    if count > 2**qubits:
        raise CircuitError(f"{qubits} qubits have {2**qubits} masks; {count} cannot be drawn; leave masks out.")
    generator = np.random.default_rng(0 if seed is None else whole_number("seed", seed, minimum=0))
    return _bits(generator.choice(2**qubits, size=count, replace=False), qubits)


def mask_of_weights(circuit: LayerCircuit) -> NDArray[np.int64]:
    """Return for each weight of a masked circuit, (W,), which column of its masks switches it on.

    Raises:
        CircuitError: the circuit has no masks, or a weight that none of them switches.
    """
    columns = {} if circuit.mixture is None else {m: column for column, m in enumerate(circuit.mixture.parameters)}
    places: dict[Parameter, set[int]] = {weight: set() for weight in circuit.weights}
    for instruction in circuit.circuit.data:
        for angle in instruction.operation.params:
            names = angle.parameters if isinstance(angle, ParameterExpression) else set()
            for weight in names & places.keys():
                places[weight] |= {columns[name] for name in names & columns.keys()} or {-1}
    if not columns or any(len(found) != 1 or -1 in found for found in places.values()):
        raise CircuitError("The circuit has no mask for each of its weights: take the ansatz 'masked'.")
    return np.array([found.pop() for found in places.values()], dtype=np.int64)


def without_masks(circuit: LayerCircuit) -> LayerCircuit:
    """Return a masked circuit with all its rotations switched on."""
    if circuit.mixture is None:
        return circuit
    bound = circuit.circuit.assign_parameters(dict.fromkeys(circuit.mixture.parameters, 1.0))
    return LayerCircuit(bound, circuit.inputs, circuit.weights, circuit.observables)


def _bits(numbers: NDArray[np.int64], qubits: int) -> NDArray[np.float64]:
    # (K, 1) shifted by (n,) -> (K, n)
    return ((numbers[:, None] >> np.arange(qubits)) & 1).astype(np.float64)


ANSATZ = Ansatz(
    name="masked",
    summary="Rotations that a fair coin for each qubit switches on in all layers, averaged over the coins.",
    figure=_FIGURE,
    reference=(
        "The circuit of the code utai-utai/quantum-diffusion-model-anime (2026), after Y. Yao, Y. Hasegawa (2025), "
        "'Avoiding barren plateaus with entanglement', Physical Review A 111, 022426, arXiv:2406.03748."
    ),
    qubits=4,
    layers=2,
    encoding=Encoding("ry", "arctan"),
    layer=_layer,
    options={
        "form": "'mixture' (default): n qubits, averaged over masks; 'ancilla': 2n qubits, as published",
        "masks": "how many masks to draw at random, once, without replacement; default: all 2^n, up to 12 qubits",
        "seed": "the seed of that draw; default 0; the masks stay the same for a given seed",
    },
)
