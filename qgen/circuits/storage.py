"""Lossless text of a layer circuit, and the files that hold it."""

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
from qgen.circuits.observables import terms
from qgen.errors import CircuitError
from qgen.user_files import MOST_GENERATED, read_text, shown

FORMAT = "qgen-circuit"
VERSION = 1
_FIELDS = ("qpy", "inputs", "weights", "observables", "mixture")


class Parts(NamedTuple):
    """The arguments of `LayerCircuit`."""

    circuit: QuantumCircuit
    inputs: tuple[Parameter, ...]
    weights: tuple[Parameter, ...]
    observables: tuple[SparsePauliOp, ...]
    mixture: Mixture | None


def encode(parts: Parts) -> str:
    """JSON text from which `decode` makes equal parts; numbers keep every bit."""
    content = {
        "format": FORMAT,
        "version": VERSION,
        "qpy": pack(parts.circuit),
        "inputs": _names(parts.inputs),
        "weights": _names(parts.weights),
        "observables": [[list(term) for term in terms(observable)] for observable in parts.observables],
        "mixture": parts.mixture
        and {"parameters": _names(parts.mixture.parameters), "points": parts.mixture.points.tolist()},
    }
    return json.dumps(content, allow_nan=False)


def decode(text: str) -> Parts:
    """The parts that `encode` wrote.

    Raises:
        CircuitError: the text is not such a text, is damaged, or is of a newer version of qgen.
    """
    content = _content(text)
    circuit = unpack(content["qpy"])
    known = {parameter.name: parameter for parameter in circuit.parameters}
    try:
        mixture = content["mixture"]
        return Parts(
            circuit,
            tuple(known[name] for name in content["inputs"]),
            tuple(known[name] for name in content["weights"]),
            tuple(
                SparsePauliOp.from_list([(label, coefficient) for label, coefficient in observable])
                for observable in content["observables"]
            ),
            mixture and Mixture([known[name] for name in mixture["parameters"]], mixture["points"]),
        )
    # Whatever the damage is (a name, a label, a nesting), the user's answer is the same.
    except Exception as error:
        raise CircuitError(f"The text of this circuit is damaged ({type(error).__name__}: {error}).") from error


def pack(circuit: QuantumCircuit) -> str:
    """A Qiskit circuit as one word: QPY in base 64."""
    buffer = io.BytesIO()
    qpy.dump(circuit, buffer)
    return base64.b64encode(buffer.getvalue()).decode("ascii")


def write(path: str | os.PathLike[str], text: str) -> None:
    """Writes a file that a reader sees whole or not at all.

    Raises:
        CircuitError: the folder does not exist or cannot be written.
    """
    try:
        storage.write_text(path, text)
    except OSError as error:
        raise CircuitError(f"Cannot write the circuit to {path}: {error.strerror or error}.") from error


def read(path: str | os.PathLike[str]) -> str:
    """The text of a file.

    Raises:
        CircuitError: it does not exist, cannot be read, or is not text.
    """
    try:
        return read_text(path, MOST_GENERATED)
    except OSError as error:
        raise CircuitError(f"Cannot read the circuit file {shown(path)}: {error.strerror}.") from error


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


def unpack(encoded: Any) -> QuantumCircuit:
    """The circuit that `pack` wrote.

    Raises:
        CircuitError: this is no such text, or it is damaged.
    """
    try:
        binary = base64.b64decode(encoded, validate=True)
        with warnings.catch_warnings():
            # Qiskit warns where a circuit uses a part of a ParameterVector; the used elements are the same ones.
            warnings.filterwarnings("ignore", message="The ParameterVector", category=UserWarning)
            circuits = qpy.load(io.BytesIO(binary))
    except (binascii.Error, TypeError, ValueError) as error:
        raise CircuitError(f"The circuit in this text is damaged: {error}.") from error
    # A damaged QPY makes its reader fail in ways that it does not list.
    except Exception as error:
        raise CircuitError(f"The circuit in this text cannot be read ({type(error).__name__}: {error}).") from error
    if len(circuits) != 1 or not isinstance(circuits[0], QuantumCircuit):
        raise CircuitError("The circuit in this text is damaged: it does not hold one circuit.")
    return circuits[0]
