"""Circuits from OpenQASM files; what is wrong in one is said with its line."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.exceptions import MissingOptionalLibraryError, QiskitError
from qiskit.quantum_info import SparsePauliOp

from qgen.circuits import LayerCircuit
from qgen.errors import CircuitError
from qgen.extras import install_command

_VERSION = re.compile(r"^\s*OPENQASM\s+(\d+)", re.MULTILINE)
#: How Qiskit's readers begin a message: `file:5,0: ` or `5,0: `.
_WHERE = re.compile(r"(?:\S*?:)?(?P<line>\d+),\d+: (?P<what>.*)", re.DOTALL)


def read_qasm(path: Path) -> LayerCircuit:
    """The circuit in a file of OpenQASM 2 or 3.

    Measurements at the end say which qubits are read; without any, all are. Inputs of OpenQASM 3 (`input float a;`) are
    weights.

    Raises:
        CircuitError: the file cannot be read, does not parse (the line is given), or holds what a layer cannot be.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        words = error.strerror if isinstance(error, OSError) else "it is no text in UTF-8"
        raise CircuitError(f"{path} cannot be read: {words}.") from error
    parsed = _parsed(text, path)
    read = {parsed.find_bit(step.qubits[0]).index for step in parsed.data if step.operation.name == "measure"}
    circuit = parsed.remove_final_measurements(inplace=False)
    circuit.name = path.stem
    width = circuit.num_qubits
    observables = [SparsePauliOp.from_sparse_list([("Z", [qubit], 1.0)], width) for qubit in sorted(read)]
    try:
        return LayerCircuit(circuit, [], circuit.parameters, observables or None)
    except CircuitError as error:
        raise CircuitError(f"{path}: {error}") from error


def _parsed(text: str, path: Path) -> QuantumCircuit:
    version = _VERSION.search(text)
    try:
        if version is not None and int(version[1]) >= 3:
            return qasm3.loads(text)
        customs = qasm2.LEGACY_CUSTOM_INSTRUCTIONS
        return qasm2.loads(text, include_path=(path.parent,), custom_instructions=customs)
    except MissingOptionalLibraryError as error:
        raise CircuitError(f"OpenQASM 3 needs one more package: {install_command('qasm3')}") from error
    # The parser of OpenQASM 3 has errors of its own, which are no QiskitErrors.
    except Exception as error:
        raise CircuitError(f"{path} is no OpenQASM that Qiskit reads: {_explained(error)}") from error


def _explained(error: Exception) -> str:
    words = str(error.message if isinstance(error, QiskitError) else error).strip()
    if found := _WHERE.fullmatch(words):
        return f"line {found['line']}: {found['what']}"
    token = _offender(error)
    if token is not None:
        return f"line {token.line}: {token.text!r} was not expected here"
    return words.replace("L", "line ", 1) if re.match(r"L\d+:C\d+", words) else words or type(error).__name__


def _offender(error: BaseException) -> Any:
    """The word at which the parser of OpenQASM 3 gave up: it keeps it in the causes of its error."""
    seen: BaseException | None = error
    while seen is not None:
        for inner in (seen, *seen.args):
            if getattr(inner, "offendingToken", None) is not None:
                return inner.offendingToken
        seen = seen.__cause__
    return None
