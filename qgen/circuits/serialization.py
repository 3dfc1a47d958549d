"""Serialise layer circuits to text and files, without loss."""

import base64
import binascii
import io
import json
import os
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from qiskit import QuantumCircuit, qpy
from qiskit.circuit import Parameter
from qiskit.quantum_info import SparsePauliOp

from qgen import storage
from qgen.circuits.mixture import Mixture
from qgen.circuits.observables import pauli_terms
from qgen.errors import CircuitError
from qgen.user_files import MAX_GENERATED_BYTES, printable, read_text

FORMAT = "qgen-circuit"
VERSION = 1
_FIELDS = ("qpy", "inputs", "weights", "observables", "mixture")


class LayerParts(NamedTuple):
    """The arguments of `LayerCircuit`."""

    circuit: QuantumCircuit
    inputs: tuple[Parameter, ...]
    weights: tuple[Parameter, ...]
    observables: tuple[SparsePauliOp, ...]
    mixture: Mixture | None


def dumps(parts: LayerParts) -> str:
    """Return JSON text from which `loads` makes equal parts; numbers keep every bit."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "qpy": encode_qpy(parts.circuit),
        "inputs": _names(parts.inputs),
        "weights": _names(parts.weights),
        "observables": [[list(term) for term in pauli_terms(observable)] for observable in parts.observables],
        "mixture": parts.mixture
        and {"parameters": _names(parts.mixture.parameters), "points": parts.mixture.points.tolist()},
    }
    return json.dumps(content, allow_nan=False)


def loads(text: str) -> LayerParts:
    """Return the parts of a text that `dumps` wrote.

    Raises:
        CircuitError: the text is of another format, damaged, or of a newer version of qgen.
    """
    content = _content(text)
    circuit = decode_qpy(content["qpy"])
    by_name = {parameter.name: parameter for parameter in circuit.parameters}
    try:
        mixture = content["mixture"]
        return LayerParts(
            circuit,
            tuple(by_name[name] for name in content["inputs"]),
            tuple(by_name[name] for name in content["weights"]),
            tuple(
                SparsePauliOp.from_list([(label, coefficient) for label, coefficient in observable])
                for observable in content["observables"]
            ),
            mixture and Mixture([by_name[name] for name in mixture["parameters"]], mixture["points"]),
        )
    # Whatever is damaged (a name, a label, a nesting), the user can do the same.
    except Exception as error:
        raise CircuitError(f"The text of this circuit is damaged ({type(error).__name__}: {error}).") from error


def encode_qpy(circuit: QuantumCircuit) -> str:
    """Return a Qiskit circuit as QPY in base 64."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def decode_qpy(encoded: Any) -> QuantumCircuit:
    """Return the circuit that `encode_qpy` wrote.

    Raises:
        CircuitError: the text is of another format, or damaged.
    """
    try:
        binary = base64.b64decode(encoded, validate=True)
        with warnings.catch_warnings():
            # Qiskit warns if a circuit uses a part of a ParameterVector; the used elements are the same ones.
            warnings.filterwarnings("ignore", message="The ParameterVector", category=UserWarning)
            circuits = qpy.load(io.BytesIO(binary))
    except (binascii.Error, TypeError, ValueError) as error:
        raise CircuitError(f"The circuit in this text is damaged: {error}.") from error
    # The reader of QPY does not document how it fails on damaged data.
    except Exception as error:
        raise CircuitError(f"The circuit in this text cannot be read ({type(error).__name__}: {error}).") from error
    if len(circuits) != 1 or not isinstance(circuits[0], QuantumCircuit):
        raise CircuitError("The circuit in this text is damaged: it does not hold one circuit.")
    return circuits[0]


def write_file(path: str | os.PathLike[str], text: str) -> None:
    """Write a file atomically.

    Raises:
        CircuitError: the folder does not exist or cannot be written.
    """
    try:
        storage.write_text(path, text)
    except OSError as error:
        raise CircuitError(f"Cannot write the circuit to {path}: {error.strerror or error}.") from error


def read_file(path: str | os.PathLike[str]) -> str:
    """Read the text of a file.

    Raises:
        CircuitError: it does not exist, cannot be read, or is not text.
    """
    try:
        return read_text(path, MAX_GENERATED_BYTES)
    except OSError as error:
        raise CircuitError(f"Cannot read the circuit file {printable(path)}: {error.strerror}.") from error


def _names(parameters: Sequence[Parameter]) -> list[str]:
    return [parameter.name for parameter in parameters]


def _content(text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CircuitError(f"This is not a qgen circuit: the text is not JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CircuitError(f'This is not a qgen circuit: the JSON text has no "format": "{FORMAT}".')
    if content.get("version") != VERSION:
        raise CircuitError(
            f"This qgen circuit has version {content.get('version')!r}; this qgen reads version {VERSION}. Update qgen."
        )
    missing = [field for field in _FIELDS if field not in content]
    if missing:
        raise CircuitError(f"The text of this circuit is damaged: it has no {', '.join(missing)}.")
    return content
