"""Read circuits from OpenQASM files; errors are reported with their line."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit import Measure
from qiskit.exceptions import MissingOptionalLibraryError, QiskitError

from qgen.circuits.ansatze.base import MAX_QUBITS
from qgen.circuits.layer_circuit import LayerCircuit
from qgen.circuits.observables import z_observables
from qgen.errors import CircuitError
from qgen.extras import install_command
from qgen.user_files import MAX_GENERATED_BYTES, printable, read_text

_COMMENT = re.compile(r'"[^"\n]*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)")
#: Statements of OpenQASM 2 only, for files without a version.
_QASM2 = re.compile(r'\b[qc]reg\b|"qelib1\.inc"')
_DEFINED, _INCLUDED = re.compile(r"\bgate\s+(\w+)"), re.compile(r'\binclude\s*"([^"\n]+)"')
#: A register: `qreg q[5]`, `qubit[5] q`.
_REGISTER = re.compile(r"\b(?:[qc]reg\s+\w+|qubit|bit)\s*\[\s*([\d_]+)\s*\]")
#: Parsers of nested brackets use up the stack.
_MAX_DEPTH = 100
_MAX_DIGITS = 18  # of an integer that fits into 64 bits
#: The start of a message of Qiskit's parsers: `file:5,0: ` or `5,0: `.
_WHERE = re.compile(r"(?:\S*?:)?(?P<line>\d+),\d+: (?P<what>.*)", re.DOTALL)


def read_qasm(path: Path) -> LayerCircuit:
    """Read a circuit from a file of OpenQASM 2 or 3.

    Comments, and a byte order mark, may come first. A file without a version is one of OpenQASM 3, where the version is
    optional, unless it has registers or includes of OpenQASM 2. Measurements at the end determine which qubits are
    measured; without any, all are. Inputs of OpenQASM 3 (`input float a;`) are weights.

    Raises:
        CircuitError: the file cannot be read, does not parse (the line is given), or has what a layer cannot have.
    """
    try:
        text = read_text(path, MAX_GENERATED_BYTES)
    except OSError as error:
        raise CircuitError(f"{printable(path)} cannot be read: {error.strerror}.") from error
    parsed = _parse(_COMMENT.sub(_blank, text), path)
    if parsed.num_qubits > MAX_QUBITS:
        raise CircuitError(f"{path} has {parsed.num_qubits:,} qubits; any backend runs {MAX_QUBITS:,} at most")
    measurements = [instruction for instruction in parsed.data if isinstance(instruction.operation, Measure)]
    read = {parsed.find_bit(measurement.qubits[0]).index for measurement in measurements}
    circuit = parsed.remove_final_measurements(inplace=False)
    circuit.name = path.stem
    try:
        return LayerCircuit(circuit, [], circuit.parameters, z_observables(sorted(read), circuit.num_qubits) or None)
    except CircuitError as error:
        raise CircuitError(f"{path}: {error}") from error


def _blank(match: re.Match[str]) -> str:
    """Replace a comment by white space, so that lines keep their numbers; quoted text stays."""
    return match[0] if match[0].startswith('"') else re.sub(r"[^\n]", " ", match[0])


def _parse(text: str, path: Path) -> QuantumCircuit:
    if not text.strip():
        raise CircuitError(f"{path} holds no circuit: there is no statement in it")
    _check_sizes(text, path)
    version = _version(text)
    try:
        if version == 3:
            return qasm3.loads(text)
        return qasm2.loads(
            text, include_path=(path.parent,), custom_instructions=_custom_instructions(text, path.parent)
        )
    except MissingOptionalLibraryError as error:
        raise CircuitError(f"OpenQASM 3 needs one more package: {install_command('qasm3')}") from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # The parser of OpenQASM 3 has errors of its own, which are not QiskitErrors; that of OpenQASM 2, written in Rust,
    # may panic, which is not an Exception.
    except BaseException as error:
        words = _explain(error, text if version == 3 else None)
        raise CircuitError(f"{path} is no OpenQASM that Qiskit reads: {words} (read as OpenQASM {version})") from error


def _custom_instructions(text: str, folder: Path) -> list[qasm2.CustomInstruction]:
    """Qiskit's gates, without those that the file or its includes define: the parser goes by names."""
    own: set[str] = set()
    left, seen = [text], {"qelib1.inc"}
    while left:
        part = left.pop()
        own.update(_DEFINED.findall(part))
        included = set(_INCLUDED.findall(part)) - seen
        seen |= included
        for name in included:
            with suppress(OSError):  # the parser reports it with its line
                left.append(_COMMENT.sub(_blank, read_text(folder / name)))
    return [gate for gate in qasm2.LEGACY_CUSTOM_INSTRUCTIONS if gate.name not in own]


def _version(text: str) -> int:
    stated = _VERSION.match(text)
    is_three = int(stated[1]) >= 3 if stated else _QASM2.search(text) is None
    return 3 if is_three else 2


def _check_sizes(text: str, path: Path) -> None:
    """Refuse what would use up the memory or the stack of the parser.

    Raises:
        CircuitError: registers of more qubits than any backend has, or too many nested brackets.
    """
    for match in _REGISTER.finditer(text):
        digits = match[1].replace("_", "").lstrip("0") or "0"
        if len(digits) > _MAX_DIGITS or int(digits) > MAX_QUBITS:
            size = f"{int(digits):,}" if len(digits) <= _MAX_DIGITS else f"a number of {len(digits)} digits"
            raise CircuitError(
                f"{path}: line {_line(text, match.start())}: a register of {size} is more than any backend runs, "
                f"{MAX_QUBITS:,} qubits at most"
            )
    depth = 0
    for match in re.finditer(r"[(\[{]|[)\]}]", text):
        depth += 1 if match[0] in "([{" else -1
        if depth > _MAX_DEPTH:
            raise CircuitError(f"{path}: line {_line(text, match.start())}: more than {_MAX_DEPTH} brackets are open")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _explain(error: BaseException, qasm3_text: str | None) -> str:
    """Describe an error of a parser, with its line.

    Args:
        error: of a parser.
        qasm3_text: the text if it is OpenQASM 3.
    """
    words = str(error.message if isinstance(error, QiskitError) else error).strip()
    if match := _WHERE.fullmatch(words):
        return f"line {match['line']}: {match['what']}"
    token = _offending_token(error)
    if token is not None:
        return f"line {token.line}: {token.text!r} was not expected here"
    if re.match(r"L\d+:C\d+", words):
        return words.replace("L", "line ", 1)
    line = _failing_line(qasm3_text) if qasm3_text else None
    words = words or type(error).__name__
    return words if line is None else f"line {line}: Qiskit cannot read this statement ({words})"


def _failing_line(text: str) -> int | None:
    """Return the line of the first statement that Qiskit's importer fails at; None if it is not found."""
    from openqasm3 import ast, parse
    from qiskit_qasm3_import import convert

    try:
        statements = parse(text).statements
    except Exception:  # another error is being explained
        return None
    for count, statement in enumerate(statements, 1):
        try:
            convert(ast.Program(statements=statements[:count]))
        except Exception:
            return int(statement.span.start_line) if statement.span else None
    return None


def _offending_token(error: BaseException) -> Any:
    """Return the token at which the parser of OpenQASM 3 failed, which is in the causes of its error."""
    seen: BaseException | None = error
    while seen is not None:
        for inner in (seen, *seen.args):
            if getattr(inner, "offendingToken", None) is not None:
                return inner.offendingToken
        seen = seen.__cause__
    return None
