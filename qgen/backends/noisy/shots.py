"""Shots of a noisy circuit: bits drawn from exact probabilities, at the engine's speed."""

from __future__ import annotations

from itertools import product

from qgen.backends.device.noisy_device import Placed
from qgen.backends.drawing import Bits, bits_of
from qgen.backends.measurement import Basis, Outcomes, read_by_qubits, sample_bitstrings
from qgen.backends.measurement.estimates import walsh_hadamard_rows
from qgen.backends.mitigation.compile import Part
from qgen.backends.mitigation.readout import without_readout
from qgen.backends.noisy.choice import MethodOptions, choose
from qgen.backends.noisy.executable import NoisySimulation
from qgen.backends.parameters import Doubles
from qgen.circuits import LayerCircuit
from qgen.errors import BackendError
from qgen.noise import apply_readout_error
from qgen.randomness import NO_STREAMS, Streams

#: Qubits whose bits are drawn together: 2^n products of Z are computed for each sample.
MOST_READ = 10


class SampledSimulation:
    """A `Submitter` that estimates values from bits, drawn from the exact probabilities of what is read.

    The probabilities of the outcomes of n qubits follow from the expectation values of the 2^n products of Z on them,
    by a Walsh-Hadamard transform. Errors of reading come afterwards.

    Args:
        circuit: the layer's circuit.
        part: the same on a device, with shots.

    Raises:
        BackendError: more than ten qubits are read, or the engine cannot run the circuit.
    """

    def __init__(self, circuit: LayerCircuit, part: Part) -> None:
        if part.shots is None:
            raise BackendError("bits are drawn for a number of shots: give one")
        routed, self._measurement, noise = part.placed
        self._shots, self._calibration = part.shots, part.calibration
        ideal = Placed(routed, self._measurement, without_readout(noise))
        self._bases = [_ReadBasis(circuit, ideal, basis) for basis in routed.bases]
        self._confusion = [noise.confusion[[routed.wires[q] for q in one.qubits]] for one in self._bases]

    @property
    def method(self) -> str:
        return f"exact Pauli vector, {self._shots:,} shots"

    def values(self, angles: Doubles, streams: Streams) -> Doubles:
        outcomes = []
        for number, (basis, confusion) in enumerate(zip(self._bases, self._confusion, strict=True)):
            read = apply_readout_error(basis.probabilities(angles), confusion)
            outcomes.append(basis.outcomes(sample_bitstrings(read, self._shots, streams.generators(number))))
        weights = self._calibration.weights(streams) if self._calibration else None
        return self._measurement.from_outcomes(outcomes, weights)

    def bits(self, angles: Doubles, shots: int, streams: Streams) -> Bits:
        (basis,), (confusion,) = self._bases, self._confusion
        read = apply_readout_error(basis.probabilities(angles), confusion)
        return bits_of(sample_bitstrings(read, shots, streams.generators()), range(len(basis.qubits)))


class _ReadBasis:
    """A circuit read in one basis.

    Attributes:
        qubits: the logical qubits that are read, at most ten.
    """

    def __init__(self, circuit: LayerCircuit, placed: Placed, basis: Basis) -> None:
        self.qubits = basis.read
        if len(self.qubits) > MOST_READ:
            raise BackendError(
                f"backend `noisy:` draws the shots of {MOST_READ} qubits at most, and {len(self.qubits)} are read "
                "together here: take `aer:` in its place, which draws those of more"
            )
        self._count = circuit.qubits
        conditional = circuit.conditional
        strings = LayerCircuit(conditional.circuit, conditional.inputs, conditional.weights, self._products(basis))
        choice = choose(MethodOptions("exact"), placed.routed, placed.noise, strings)
        self._exact = NoisySimulation(choice, lambda _: None)  # it never fails

    def _products(self, basis: Basis) -> list[str]:
        """The Pauli strings of all subsets of the qubits, in the order of their bits."""
        found = []
        for chosen in product((False, True), repeat=len(self.qubits)):
            axes = ["I"] * self._count
            for qubit, is_in in zip(reversed(self.qubits), chosen, strict=True):
                axes[qubit] = basis.axes[qubit] if is_in else "I"
            found.append("".join(reversed(axes)))  # Qiskit names the last qubit first
        return found

    def probabilities(self, angles: Doubles) -> Doubles:
        """Return the probabilities (N, 2^m) of the outcomes of the m qubits, before readout errors."""
        values = self._exact.values(angles, NO_STREAMS)
        return walsh_hadamard_rows(values, len(self.qubits)) / values.shape[1]

    def outcomes(self, drawn: Outcomes) -> Outcomes | Bits:
        """Return outcomes of all logical qubits from those of the ones that are read."""
        places = [-1] * self._count
        for place, qubit in enumerate(self.qubits):
            places[qubit] = place
        return read_by_qubits(drawn, places)
