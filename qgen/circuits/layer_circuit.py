"""A quantum layer as a value: a circuit, its inputs, weights and observables."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast, final

from qiskit import QuantumCircuit
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qgen.circuits import serialization
from qgen.circuits.custom_gates import replace_derived_gates
from qgen.circuits.digest import layer_digest
from qgen.circuits.initial_resets import remove_initial_resets
from qgen.circuits.mixture import Mixture
from qgen.circuits.observables import ObservableLike, as_observables, default_observables
from qgen.circuits.validation import as_parameters, check_instructions, check_roles
from qgen.errors import CircuitError


@final
@dataclass(frozen=True, slots=True, init=False, eq=False, repr=False)
class LayerCircuit:
    """A parameterised circuit with I inputs, W weights and O observables, which a backend compiles.

    It is immutable. Two are equal if their content is (`digest`), however they were made: gates, numbers, observables,
    mixture, and the parameters' roles, order and names. Names of circuits and gates, and metadata, are left out.

    Args:
        circuit: a unitary Qiskit circuit; barriers and delays are allowed, measurements are not. It is copied, without
            initial resets.
        inputs: the I parameters that differ from image to image, in the order of the input axis `(..., I)`.
        weights: the W trainable parameters, in the order of the weight axis `(..., W)`.
        observables: the O Hermitian operators whose expectations are the outputs `(..., O)`; None: Z on every qubit, in
            qubit order.
        mixture: further parameters, with settings over which the expectations are averaged.

    Attributes:
        inputs: as given, as a tuple; also `weights`.
        observables: as `SparsePauliOp` in canonical form: like terms merged, sorted, real coefficients.
        mixture: as given.

    Raises:
        CircuitError: parameters in no role, in two, or not in the circuit; observables that are not Hermitian or not on
            the circuit's qubits; instructions that are not unitary; angles that are not finite.
    """

    _circuit: QuantumCircuit
    inputs: tuple[Parameter, ...]
    weights: tuple[Parameter, ...]
    observables: tuple[SparsePauliOp, ...]
    mixture: Mixture | None
    _digest: str | None
    _conditional: "LayerCircuit | None"

    def __init__(
        self,
        circuit: QuantumCircuit,
        inputs: Iterable[Parameter],
        weights: Iterable[Parameter],
        observables: Iterable[ObservableLike] | ObservableLike | None = None,
        mixture: Mixture | None = None,
    ) -> None:
        copy = _private_copy(circuit)
        roles = {"inputs": as_parameters("inputs", inputs), "weights": as_parameters("weights", weights)}
        check_roles(copy, roles | {"mixture parameters": _mixture_parameters(mixture)})
        measured = (
            default_observables(copy.num_qubits)
            if observables is None
            else as_observables(observables, copy.num_qubits)
        )
        content = {"_circuit": copy, **roles, "observables": measured, "mixture": mixture}
        for name, value in {**content, "_digest": None, "_conditional": None}.items():
            object.__setattr__(self, name, value)

    @property
    def circuit(self) -> QuantumCircuit:
        """A copy of the circuit; changing it does not change this value."""
        return self._circuit.copy()

    @property
    def qubits(self) -> int:
        """The number of qubits."""
        return int(self._circuit.num_qubits)

    @property
    def num_inputs(self) -> int:
        """The number I of inputs."""
        return len(self.inputs)

    @property
    def num_weights(self) -> int:
        """The number W of weights."""
        return len(self.weights)

    @property
    def num_observables(self) -> int:
        """The number O of observables."""
        return len(self.observables)

    @property
    def digest(self) -> str:
        """The digest of the content: 64 hexadecimal digits, the same for equal circuits only, in any process.

        Raises:
            CircuitError: an operation has no identity: it is no gate of Qiskit's, and has no definition.
        """
        if self._digest is None:
            digest = layer_digest(self._circuit, self.inputs, self.weights, self.observables, self.mixture)
            object.__setattr__(self, "_digest", digest)
        return str(self._digest)

    @property
    def conditional(self) -> "LayerCircuit":
        """The circuit at one setting of its mixture: the M mixture parameters follow the inputs.

        A backend evaluates it at all K points on a leading axis and averages over that axis. Without a mixture it is
        the circuit itself.
        """
        if self.mixture is None:
            return self
        if self._conditional is None:  # built once: it takes milliseconds, and each evaluation needs it
            inputs = self.inputs + self.mixture.parameters
            object.__setattr__(
                self, "_conditional", LayerCircuit(self._circuit, inputs, self.weights, self.observables)
            )
        return cast(LayerCircuit, self._conditional)

    def to_json(self) -> str:
        """Return JSON text from which `from_json` makes an equal value.

        QPY, Qiskit's binary format, does not know a gate class of your own: it comes back as a plain `Gate` of the same
        definition, which is equal.

        Raises:
            CircuitError: QPY would lose a part of the circuit, such as a matrix of a user's own gate class.
        """
        parts = serialization.LayerParts(self._circuit, self.inputs, self.weights, self.observables, self.mixture)
        try:
            text = serialization.dumps(parts)
            same = LayerCircuit.from_json(text) == self
        # QPY does not document how it fails on what it cannot hold.
        except Exception as error:
            raise _not_storable(f"cannot hold this circuit ({error})") from error
        if not same:
            raise _not_storable("would lose a part of this circuit")
        return text

    @classmethod
    def from_json(cls, text: str) -> "LayerCircuit":
        """Return the circuit that `to_json` wrote.

        Raises:
            CircuitError: the text is not a qgen circuit, is damaged, or is of a newer version.
        """
        return cls(*serialization.loads(text))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the text of `to_json` to a file atomically; an existing file is replaced.

        Raises:
            CircuitError: the file cannot be written, or `to_json` refuses the circuit.
        """
        serialization.write_file(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "LayerCircuit":
        """Return the circuit that `save` wrote.

        Raises:
            CircuitError: the file cannot be read, or is not a whole qgen circuit; the message names the file.
        """
        text = serialization.read_file(path)
        try:
            return cls.from_json(text)
        except CircuitError as error:
            raise CircuitError(f"{os.fspath(path)}: {error}") from error

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, LayerCircuit):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        mixture = f", mixture={self.mixture!r}" if self.mixture is not None else ""
        return (
            f"LayerCircuit(qubits={self.qubits}, inputs={self.num_inputs}, weights={self.num_weights}, "
            f"observables={self.num_observables}{mixture})"
        )


def _private_copy(circuit: QuantumCircuit) -> QuantumCircuit:
    if not isinstance(circuit, QuantumCircuit):
        raise CircuitError(f"A layer needs a qiskit QuantumCircuit, not {circuit!r} ({type(circuit).__name__}).")
    if circuit.num_qubits == 0:
        raise CircuitError("The circuit has no qubits; give at least one.")
    check_instructions(circuit)
    copy = replace_derived_gates(remove_initial_resets(circuit)).copy()
    # Metadata need not be serialisable, and does not change what the circuit computes.
    copy.metadata = {}
    return copy


def _mixture_parameters(mixture: Mixture | None) -> tuple[Parameter, ...]:
    if mixture is None:
        return ()
    if not isinstance(mixture, Mixture):
        raise CircuitError(f"mixture must be a qgen Mixture or None, not {mixture!r} ({type(mixture).__name__}).")
    return mixture.parameters


def _not_storable(what: str) -> CircuitError:
    return CircuitError(
        f"Qiskit's format QPY {what}: write its special gates out with circuit.decompose(), or as a UnitaryGate."
    )
