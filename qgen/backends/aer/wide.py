"""Circuits on more qubits than a state vector has memory for: Aer's matrix product states, and bits drawn from them."""

from __future__ import annotations

from collections.abc import Sequence
from math import log2
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from qiskit import QuantumCircuit
from scipy.sparse import coo_array
from scipy.sparse.csgraph import reverse_cuthill_mckee

from qgen.backends.api import Backend, Batch, Executable
from qgen.backends.batch import parameter_rows
from qgen.backends.drawing import Bits
from qgen.backends.parameters import Doubles
from qgen.circuits import LayerCircuit
from qgen.circuits.exact_synthesis import ideal_circuit
from qgen.errors import BackendError
from qgen.memory import format_bytes, free_memory
from qgen.randomness import Streams

#: Instead of a device's errors on a wide circuit.
WITHOUT_ERRORS = "backend `aer`, which has no errors of a device"
#: Gates that a circuit is taken apart into: what else Aer knows has more qubits, or no angles that it binds rightly.
GATES = ["h", "rx", "ry", "rz", "sx", "x", "u", "cx", "cz", "rzz", "swap"]
_STATE = "state"
Tensors = list[npt.NDArray[np.complex128]]
Integers = npt.NDArray[np.int64]


class Chain(NamedTuple):
    """The order in which qubits stand in a matrix product state.

    Attributes:
        order: order[k] is the qubit at place k.
        bond: logarithm to base 2 of the bond dimension, at the most: gates on two qubits across a cut double it each.
        numbers: complex numbers in all tensors, at the most.
    """

    order: tuple[int, ...]
    bond: int
    numbers: float

    @classmethod
    def of(cls, circuit: QuantumCircuit) -> Chain:
        """Return an order with few gates across each cut: as the qubits are numbered, or by reverse Cuthill-McKee."""
        qubits, (pairs, ranks) = circuit.num_qubits, _gates_on_pairs(circuit)
        links = np.ones(2 * len(pairs)), (pairs.T.reshape(-1), pairs[:, ::-1].T.reshape(-1))
        graph = coo_array(links, shape=(qubits, qubits)).tocsr()
        orders = np.arange(qubits), reverse_cuthill_mckee(graph, symmetric_mode=True)
        return min((cls._in_order(order, pairs, ranks) for order in orders), key=lambda chain: chain.numbers)

    @classmethod
    def of_layer(cls, circuit: LayerCircuit) -> Chain:
        """Return it for the circuit of a layer, taken apart into gates that Aer knows."""
        return cls.of(_taken_apart(ideal_circuit(circuit.conditional.circuit)))

    @classmethod
    def as_numbered(cls, circuit: QuantumCircuit) -> Chain:
        """Return the order in which the qubits are numbered."""
        return cls._in_order(np.arange(circuit.num_qubits), *_gates_on_pairs(circuit))

    def check_memory(self, way_out: str = "couplings that reach less far, as `line` or `heavy-hex`") -> None:
        """Refuse a state that may not fit.

        Args:
            way_out: what can be taken instead, beside fewer qubits.

        Raises:
            BackendError: it may need more memory than there is; the message says how much, and the bond dimension.
        """
        needed, free = 16 * self.numbers, free_memory()
        if needed > free:
            raise BackendError(
                f"{len(self.order)} qubits do not fit into memory as a state vector, and with these gates their matrix "
                f"product state has a bond dimension of up to 2^{self.bond}: up to 2^{log2(needed):.0f} bytes, "
                f"and {format_bytes(free)} are free. Take fewer qubits, or {way_out}"
            )

    @classmethod
    def _in_order(cls, order: Integers, pairs: Integers, ranks: Integers) -> Chain:
        ends = np.sort(np.argsort(order)[pairs], axis=1)
        changes = np.zeros(len(order) + 1, dtype=np.int64)  # of the gates across a cut, from each cut to the next
        np.add.at(changes, ends[:, 0] + 1, ranks)
        np.add.at(changes, ends[:, 1] + 1, -ranks)
        cuts = np.arange(len(order) + 1)
        bonds = np.minimum(np.cumsum(changes), np.minimum(cuts, len(order) - cuts))
        return cls(tuple(order.tolist()), int(bonds.max()), float((2.0 ** (1 + bonds[:-1] + bonds[1:])).sum()))


class WideExecutable(Executable):
    """A circuit as a matrix product state, whose bond dimension is what two halves of the qubits share.

    Values are exact up to rounding, bits are drawn qubit by qubit, each given those before it. There are no gradients.

    Args:
        circuit: the layer's circuit.
        backend: that it was compiled for.

    Raises:
        BackendError: the state may need more memory than there is; the message says how much, and the bond dimension.
    """

    def __init__(self, circuit: LayerCircuit, backend: Backend) -> None:
        super().__init__(circuit, backend)
        conditional = circuit.conditional
        self._parameters = conditional.inputs + conditional.weights
        self._circuit = _taken_apart(ideal_circuit(conditional.circuit))
        self.chain = Chain.of(self._circuit)
        self.chain.check_memory()

    def __reduce__(self) -> Any:
        return WideExecutable, (self.circuit, self.backend)

    @property
    def method(self) -> str:
        return f"matrix product state, bond dimension up to 2^{self.chain.bond}"

    def evaluate(self, batch: Batch, streams: Streams) -> torch.Tensor:
        if self.backend.capabilities.shots is not None:
            raise BackendError(
                f"values of {self.circuit.qubits} qubits come from a matrix product state, exactly: leave shots out or "
                "draw bits"
            )
        observables = self.circuit.conditional.observables
        place, labels = np.argsort(self.chain.order), [f"value{k}" for k in range(len(observables))]
        values = np.empty((len(batch.inputs), len(observables)))
        for row, numbers in enumerate(parameter_rows(batch)):
            circuit = self._bound(numbers)
            for label, observable in zip(labels, observables, strict=True):
                circuit.save_expectation_value(observable.apply_layout(place.tolist()), circuit.qubits, label=label)
            data = self._run(circuit)
            values[row] = [np.real(data[label]) for label in labels]
        return torch.from_numpy(values).to(batch.inputs.device)

    def draw_rows(self, batch: Batch, shots: int, streams: Streams) -> Bits:
        bits = np.empty((len(batch.inputs), shots, self.circuit.qubits), dtype=np.uint8)
        last, tensors = None, Tensors()
        for row, (numbers, rng) in enumerate(zip(parameter_rows(batch), streams.generators(), strict=True)):
            if last is None or not np.array_equal(numbers, last):
                circuit, last = self._bound(numbers), numbers
                circuit.save_matrix_product_state(label=_STATE)
                tensors = right_normalised(*self._run(circuit)[_STATE])
            bits[row][:, list(self.chain.order)] = draw_from(tensors, shots, rng)
        return bits

    def _bound(self, numbers: Doubles) -> QuantumCircuit:
        """The circuit with its angles, qubits in the order of the chain."""
        values = dict(zip(self._parameters, numbers.tolist(), strict=True))
        bound = self._circuit.assign_parameters(values, strict=False)
        place = np.argsort(self.chain.order).tolist()
        return QuantumCircuit(bound.num_qubits).compose(bound, place)

    def _run(self, circuit: QuantumCircuit) -> Any:
        from qiskit_aer import AerSimulator

        simulator = AerSimulator(method="matrix_product_state", max_parallel_threads=torch.get_num_threads())
        result = simulator.run(circuit, shots=1).result()
        if not result.success:
            raise BackendError(f"Aer could not run this circuit of {circuit.num_qubits} qubits: {result.status}")
        return result.data(0)


def _gates_on_pairs(circuit: QuantumCircuit) -> tuple[Integers, Integers]:
    """Return the qubits (G, 2) of gates on two, and the logarithms (G,) to base 2 of the products that they sum."""
    gates = [step for step in circuit.data if len(step.qubits) == 2 and step.operation.name != "barrier"]
    pairs = [[circuit.find_bit(qubit).index for qubit in step.qubits] for step in gates]
    ranks = [2 if step.operation.name == "swap" else 1 for step in gates]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array(ranks, dtype=np.int64)


def _taken_apart(circuit: QuantumCircuit) -> QuantumCircuit:
    from qiskit import transpile

    return transpile(circuit, basis_gates=GATES, optimization_level=0)


def right_normalised(gammas: Sequence[Any], lambdas: Sequence[Any]) -> Tensors:
    """Return tensors (2, left, right) of a state in Vidal's form, each times what stands to its right.

    Source: Schollwoeck, "The density-matrix renormalization group in the age of matrix product states", 2011,
    arXiv:1008.3477, section 4.6.
    """
    tensors = [np.array([np.asarray(one) for one in pair]) for pair in gammas]
    for tensor, weights in zip(tensors, lambdas, strict=False):
        tensor *= np.asarray(weights).reshape(1, 1, -1)
    return tensors


def draw_from(tensors: Tensors, shots: int, rng: np.random.Generator) -> Bits:
    """Draw bits (shots, n) from a right-normalised matrix product state, for all shots at once.

    Source: Ferris and Vidal, "Perfect sampling with unitary tensor networks", 2012, arXiv:1201.3974.
    """
    bits = np.empty((shots, len(tensors)), dtype=np.uint8)
    left = np.ones((shots, 1), dtype=np.complex128)
    for place, tensor in enumerate(tensors):
        both = left @ tensor  # (2, shots, right)
        weights = (both.real**2 + both.imag**2).sum(axis=2)
        drawn = (rng.random(shots) * weights.sum(axis=0) >= weights[0]).astype(np.uint8)
        bits[:, place] = drawn
        rows = np.arange(shots)
        left = both[drawn, rows] / np.sqrt(weights[drawn, rows])[:, None]
    return bits
