"""Circuits from OpenQASM files; what is wrong in one is said with its line."""

from __future__ import annotations

import re
from contextlib import suppress
from pathlib import Path
from typing import Any

from qiskit import QuantumCircuit, qasm2, qasm3
from qiskit.circuit import Measure
from qiskit.exceptions import MissingOptionalLibraryError, QiskitError

from qgen.circuits import LayerCircuit
from qgen.circuits.ansatze.base import MOST_QUBITS
from qgen.circuits.observables import z_on
from qgen.errors import CircuitError
from qgen.extras import install_command
from qgen.user_files import MOST_GENERATED, read_text, shown

_COMMENT = re.compile(r'"[^"\n]*"|//[^\n]*|/\*.*?\*/', re.DOTALL)
_VERSION = re.compile(r"\s*OPENQASM\s+(\d+)")
#: What a file without a version has only in OpenQASM 2.
_TWO = re.compile(r'\b[qc]reg\b|"qelib1\.inc"')
_DEFINED, _INCLUDED = re.compile(r"\bgate\s+(\w+)"), re.compile(r'\binclude\s*"([^"\n]+)"')
#: A register: `qreg q[5]`, `qubit[5] q`.
_REGISTER = re.compile(r"\b(?:[qc]reg\s+\w+|qubit|bit)\s*\[\s*([\d_]+)\s*\]")
#: Readers of brackets within brackets use up the stack.
_MOST_DEEP = 100
_MOST_DIGITS = 18  # of a whole number that fits into 64 bits
#: How Qiskit's readers begin a message: `file:5,0: ` or `5,0: `.
_WHERE = re.compile(r"(?:\S*?:)?(?P<line>\d+),\d+: (?P<what>.*)", re.DOTALL)


def read_qasm(path: Path) -> LayerCircuit:
    """The circuit in a file of OpenQASM 2 or 3.

    Comments, and a byte order mark, may come first. A file without a version is one of OpenQASM 3, where the version is
    optional, unless it has registers or includes of OpenQASM 2. Measurements at the end say which qubits are read;
    without any, all are. Inputs of OpenQASM 3 (`input float a;`) are weights.

    Raises:
        CircuitError: the file cannot be read, does not parse (the line is given), or holds what a layer cannot be.
    """
    try:
        text = read_text(path, MOST_GENERATED)
    except OSError as error:
        raise CircuitError(f"{shown(path)} cannot be read: {error.strerror}.") from error
    parsed = _parsed(_COMMENT.sub(_blank, text), path)
    if parsed.num_qubits > MOST_QUBITS:
        raise CircuitError(f"{path} has {parsed.num_qubits:,} qubits; any backend runs {MOST_QUBITS:,} at most")
    read = {parsed.find_bit(step.qubits[0]).index for step in parsed.data if isinstance(step.operation, Measure)}
    circuit = parsed.remove_final_measurements(inplace=False)
    circuit.name = path.stem
    try:
        return LayerCircuit(circuit, [], circuit.parameters, z_on(sorted(read), circuit.num_qubits) or None)
    except CircuitError as error:
        raise CircuitError(f"{path}: {error}") from error


def _blank(found: re.Match[str]) -> str:
    """A comment as white space, so that lines keep their numbers; a text in quotes stays."""
    return found[0] if found[0].startswith('"') else re.sub(r"[^\n]", " ", found[0])


def _parsed(text: str, path: Path) -> QuantumCircuit:
    if not text.strip():
        raise CircuitError(f"{path} holds no circuit: there is no statement in it")
    _check_sizes(text, path)
    three = _is_three(text)
    try:
        if three:
            return qasm3.loads(text)
        return qasm2.loads(text, include_path=(path.parent,), custom_instructions=_customs(text, path.parent))
    except MissingOptionalLibraryError as error:
        raise CircuitError(f"OpenQASM 3 needs one more package: {install_command('qasm3')}") from error
    except (KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    # The parser of OpenQASM 3 has errors of its own, which are no QiskitErrors; that of OpenQASM 2, which is written in
    # Rust, may end in a panic, which is no Exception.
    except BaseException as error:
        words = _explained(error, text if three else None)
        raise CircuitError(
            f"{path} is no OpenQASM that Qiskit reads: {words} (read as OpenQASM {3 if three else 2})"
        ) from error


def _customs(text: str, folder: Path) -> list[qasm2.CustomInstruction]:
    """Qiskit's gates, without those that the file, or what it includes, defines: it would go by their names."""
    own: set[str] = set()
    left, known = [text], {"qelib1.inc"}
    while left:
        part = left.pop()
        own.update(_DEFINED.findall(part))
        included = set(_INCLUDED.findall(part)) - known
        known |= included
        for name in included:
            with suppress(OSError):  # the parser says it with its line
                left.append(_COMMENT.sub(_blank, read_text(folder / name)))
    return [custom for custom in qasm2.LEGACY_CUSTOM_INSTRUCTIONS if custom.name not in own]


def _is_three(text: str) -> bool:
    version = _VERSION.match(text)
    return int(version[1]) >= 3 if version else _TWO.search(text) is None


def _check_sizes(text: str, path: Path) -> None:
    """Refuses what would take memory, or the stack, while it is read.

    Raises:
        CircuitError: registers of more qubits than any backend has, or too many brackets within brackets.
    """
    for found in _REGISTER.finditer(text):
        digits = found[1].replace("_", "").lstrip("0") or "0"
        if len(digits) > _MOST_DIGITS or int(digits) > MOST_QUBITS:
            size = f"{int(digits):,}" if len(digits) <= _MOST_DIGITS else f"a number of {len(digits)} digits"
            raise CircuitError(
                f"{path}: line {_line(text, found.start())}: a register of {size} is more than any backend runs, "
                f"{MOST_QUBITS:,} qubits at most"
            )
    depth = 0
    for found in re.finditer(r"[(\[{]|[)\]}]", text):
        depth += 1 if found[0] in "([{" else -1
        if depth > _MOST_DEEP:
            raise CircuitError(f"{path}: line {_line(text, found.start())}: more than {_MOST_DEEP} brackets are open")


def _line(text: str, position: int) -> int:
    return text.count("\n", 0, position) + 1


def _explained(error: BaseException, three: str | None) -> str:
    """What is wrong, with its line.

    Args:
        error: of a parser.
        three: the text, where it is one of OpenQASM 3.
    """
    words = str(error.message if isinstance(error, QiskitError) else error).strip()
    if found := _WHERE.fullmatch(words):
        return f"line {found['line']}: {found['what']}"
    token = _offender(error)
    if token is not None:
        return f"line {token.line}: {token.text!r} was not expected here"
    if re.match(r"L\d+:C\d+", words):
        return words.replace("L", "line ", 1)
    line = _unreadable(three) if three else None
    words = words or type(error).__name__
    return words if line is None else f"line {line}: Qiskit cannot read this statement ({words})"


def _unreadable(text: str) -> int | None:
    """The line of the first statement that Qiskit's reader fails at, where it does not say so; None: not found."""
    from openqasm3 import ast, parse
    from qiskit_qasm3_import import convert

    try:
        statements = parse(text).statements
    except Exception:  # the error that is explained is another one
        return None
    for count, statement in enumerate(statements, 1):
        try:
            convert(ast.Program(statements=statements[:count]))
        except Exception:
            return int(statement.span.start_line) if statement.span else None
    return None


def _offender(error: BaseException) -> Any:
    """The word at which the parser of OpenQASM 3 gave up: it keeps it in the causes of its error."""
    seen: BaseException | None = error
    while seen is not None:
        for inner in (seen, *seen.args):
            if getattr(inner, "offendingToken", None) is not None:
                return inner.offendingToken
        seen = seen.__cause__
    return None
