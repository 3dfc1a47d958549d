"""Ansatz: an encoding, then layers of one pattern with weights of their own.

An ansatz without an encoding has layers whose gates read the inputs themselves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter, ParameterExpression, ParameterVector

from qgen.circuits.arguments import whole_number
from qgen.circuits.encodings import Encoding
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.circuits.mixture import Mixture
from qgen.circuits.observables import z_observables
from qgen.errors import CircuitError, suggestion

#: What every ansatz takes.
_ARGUMENTS = ("qubits", "layers", "encoding", "mirrored")
MAX_QUBITS, MAX_WEIGHTS, MAX_GATES = 1_000, 100_000, 30_000

#: Append one layer to a circuit, given that layer's weights (or angles made of them) and its index from 0.
AppendLayer = Callable[[QuantumCircuit, Sequence[ParameterExpression], int], None]
#: Return the angles of one layer, given all inputs, that layer's weights and its index from 0.
LayerAngles = Callable[[Sequence[Parameter], Sequence[Parameter], int], list[ParameterExpression]]


def _prepare_nothing(circuit: QuantumCircuit) -> None:
    pass


def _weights_as_angles(
    inputs: Sequence[Parameter], weights: Sequence[Parameter], index: int
) -> list[ParameterExpression]:
    return list(weights)


@final
@dataclass(frozen=True, slots=True)
class Layer:
    """The pattern of an ansatz on a given number of data qubits.

    Attributes:
        weights: the number of weights of one layer.
        append: appends one layer to the circuit.
        angles: what `append` takes instead of the weights, if gates read inputs, too.
        inputs: the number of inputs; None: one per data qubit.
        ancillas: further qubits, after the data qubits; they take no input and are not measured.
        prepare: appends gates after the first encoding, once.
        mixture: parameters and the settings over which to average.
    """

    weights: int
    append: AppendLayer
    angles: LayerAngles = _weights_as_angles
    inputs: int | None = None
    ancillas: int = 0
    prepare: Callable[[QuantumCircuit], None] = _prepare_nothing
    mixture: Mixture | None = None


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ansatz:
    """A family of circuits: one for each number of data qubits and of layers.

    Attributes:
        name: in the registry.
        summary: one line.
        figure: a text drawing of one layer.
        reference: authors, year, title, where.
        qubits: the default number of data qubits; also `layers`.
        encoding: the default encoding; None: the layers' gates read the inputs themselves.
        layer: returns the pattern for a number of data qubits and the options.
        qubit_unit: the number of data qubits is a multiple of this, and at least `min_qubits`.
        options: the keyword options of `layer`, each with a line of help.
    """

    name: str
    summary: str
    figure: str
    reference: str
    qubits: int
    layers: int
    encoding: Encoding | None
    layer: Callable[..., Layer]
    qubit_unit: int = 1
    min_qubits: int = 1
    options: Mapping[str, str] = field(default_factory=dict)

    def weights_per_layer(self, qubits: int | None = None, **options: Any) -> int:
        """Return the number of weights of one layer.

        Raises:
            CircuitError: a number of qubits or an option that the ansatz does not take.
        """
        return self._pattern(qubits, options).weights

    def build(
        self,
        qubits: int | None = None,
        layers: int | None = None,
        encoding: Encoding | None = None,
        mirrored: bool = False,
        **options: Any,
    ) -> LayerCircuit:
        """Build the circuit: inputs `x`, weights `w` layer after layer, Z on every data qubit.

        Args:
            qubits: the number of data qubits; None, here and below: the ansatz' own default.
            layers: the number of layers.
            encoding: of the inputs. With `reupload` it is repeated before each layer, or, in a mirrored
                circuit, before each pair of layers.
            mirrored: layer 2k+1 is layer 2k backwards and inverted, with weights of its own in the same order: equal
                weights in both make the pair the identity, a start away from barren plateaus (Grant et al. 2019, "An
                initialization strategy for addressing barren plateaus in parametrized quantum circuits", Quantum 3,
                214, arXiv:1903.05076).
            **options: the ansatz' own options.

        Raises:
            CircuitError: a number of qubits or layers, or an option, that the ansatz does not take.
        """
        pattern = self._pattern(qubits, options)
        data = self.qubits if qubits is None else int(qubits)
        count = self._check_layers(layers, mirrored)
        _check_at_most("weights", count * pattern.weights, MAX_WEIGHTS)
        encode = self._check_encoding(encoding)
        x = ParameterVector("x", data if pattern.inputs is None else pattern.inputs)
        w = ParameterVector("w", count * pattern.weights)
        circuit = QuantumCircuit(data + pattern.ancillas)
        for index in range(count):
            inverted = mirrored and index % 2 == 1
            if encode and (index == 0 or (encode.reupload and not inverted)):
                encode.append(circuit, x)
            if index == 0:
                pattern.prepare(circuit)
            weights, position = w[index * pattern.weights : (index + 1) * pattern.weights], index - inverted
            angles = pattern.angles(x, weights, position)
            if inverted:
                _append_inverse(circuit, pattern, angles, position)
            else:
                pattern.append(circuit, angles, position)
            if index == 0:
                _check_at_most("gates", count * len(circuit.data), MAX_GATES)
        return LayerCircuit(circuit, x, w, z_observables(range(data), circuit.num_qubits), pattern.mixture)

    def _pattern(self, qubits: int | None, options: Mapping[str, Any]) -> Layer:
        for option in options:
            if option not in self.options:
                raise CircuitError(
                    f"The ansatz {self.name!r} has no option {option!r}. It has: {', '.join(self.options) or 'none'}, "
                    f"beside {', '.join(_ARGUMENTS)}.{suggestion(option, (*self.options, *_ARGUMENTS))}"
                )
        return self.layer(self._check_qubits(qubits), **options)

    def _check_qubits(self, qubits: int | None) -> int:
        number = self.qubits if qubits is None else whole_number("qubits", qubits)
        _check_at_most("qubits", number, MAX_QUBITS)
        if number % self.qubit_unit:
            raise CircuitError(
                f"The ansatz {self.name!r} takes a multiple of {self.qubit_unit} qubits, not {number}; "
                f"the default is {self.qubits}."
            )
        return whole_number(f"qubits of the ansatz {self.name!r}", number, self.min_qubits)

    def _check_layers(self, layers: int | None, mirrored: bool) -> int:
        number = self.layers if layers is None else whole_number("layers", layers)
        if not isinstance(mirrored, bool):
            raise CircuitError(f"mirrored must be True or False, not {mirrored!r}.")
        if mirrored and number % 2:
            raise CircuitError(
                f"A mirrored circuit is made of pairs of layers, so layers must be even, not {number}; "
                f"give layers={number + 1}."
            )
        return number

    def _check_encoding(self, encoding: Encoding | None) -> Encoding | None:
        if encoding is None:
            return self.encoding
        if self.encoding is None:
            raise CircuitError(
                f"The ansatz {self.name!r} has no encoding: its gates read the inputs themselves; leave encoding out."
            )
        if not isinstance(encoding, Encoding):
            raise CircuitError(f"encoding must be an Encoding, such as Encoding('ry', 'arctan'), not {encoding!r}.")
        return encoding


def _check_at_most(what: str, number: int, maximum: int) -> None:
    """Refuse typing errors before they fill the memory."""
    if number > maximum:
        raise CircuitError(
            f"{number:,} {what} are more than any backend runs: give fewer qubits or layers, "
            f"{maximum:,} {what} at most."
        )


def _append_inverse(circuit: QuantumCircuit, pattern: Layer, angles: Sequence[ParameterExpression], index: int) -> None:
    forward = QuantumCircuit(circuit.num_qubits)
    pattern.append(forward, angles, index)
    circuit.compose(forward.inverse(), inplace=True)
