"""Encode the values that a circuit can hold as canonical bytes: equal values, and no others, have equal bytes.

Numbers keep all their bits, whatever their type: 1, 1.0 and (1+0j) are one number, and so are 0.0 and -0.0. Within an
expression numbers below 2e-15 are zero, as they are for Qiskit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from numbers import Complex, Integral
from typing import Any, TypeAlias

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from qgen.circuits.expressions import linear_coefficients
from qgen.errors import CircuitError

#: Maps a parameter to the value that is encoded in its place.
Key: TypeAlias = Callable[[Parameter], tuple[Any, ...]]
#: Commutative operations.
_COMMUTATIVE = ("ADD", "MUL")
_UNARY = ("SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "EXP", "LOG", "SIGN", "CONJ", "ABS")
_MAX_EXACT = 2**53  # integers up to it are exact as floats
#: Within an expression Qiskit treats smaller numbers as zero, and its formats write a zero.
_SMALLEST = 8 * float(np.finfo(np.float64).eps)


def canonical_bytes(value: Any, key: Key) -> bytes:
    """Encode None, text, bytes, a number, an array, an expression, or a list or tuple of these.

    Args:
        value: to encode.
        key: see `Key`.

    Raises:
        CircuitError: a value of another type, or an expression that cannot be read.
    """
    if value is None:
        return b"n"
    if isinstance(value, bytes):
        return _sized(b"b", value)
    if isinstance(value, str):
        return _sized(b"s", value.encode())
    if isinstance(value, ParameterExpression):
        return _expression(value, key)
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        return _sized(b"a", repr(value.shape).encode() + (value.astype("<c16") + 0.0).tobytes())
    if isinstance(value, (Complex, np.bool_)):
        return _number(value)
    if isinstance(value, (list, tuple)):
        return _sized(b"l", b"".join(canonical_bytes(item, key) for item in value))
    raise CircuitError(
        f"{value!r} ({type(value).__name__}) in a circuit has no identity: give numbers, text or arrays."
    )


def _sized(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<q", len(content)) + content


def _number(value: Any) -> bytes:
    if isinstance(value, Integral) and abs(int(value)) > _MAX_EXACT:
        return _sized(b"i", str(int(value)).encode())
    number = complex(value) + 0.0
    return b"c" + struct.pack("<dd", number.real + 0.0, number.imag + 0.0)


def _expression(expression: ParameterExpression, key: Key) -> bytes:
    if isinstance(expression, Parameter):
        return _affine(0.0, [(expression, 1.0)], key)
    if not expression.parameters:
        return _number(expression.numeric())
    coefficients = linear_coefficients(expression)
    if coefficients is not None:
        constant = expression.bind(dict.fromkeys(expression.parameters, 0.0)).numeric()
        return _affine(constant, coefficients, key)
    return _sized(b"x", _replay(expression, key))


def _affine(constant: complex, coefficients: Sequence[tuple[Parameter, complex]], key: Key) -> bytes:
    """Encode constant + sum of coefficient * parameter, independent of the order of terms."""
    terms = sorted(canonical_bytes((key(parameter), _rounded(factor)), key) for parameter, factor in coefficients)
    return _sized(b"f", _number(_rounded(constant)) + b"".join(terms))


def _rounded(number: complex) -> complex:
    return number if abs(number) >= _SMALLEST else 0.0


def _replay(expression: ParameterExpression, key: Key) -> bytes:
    """Encode Qiskit's stored operations of an expression, a stack machine in which None is the top of the stack.

    Qiskit's formats exchange the operands of sums and products: those are sorted.
    """
    stack: list[bytes] = []

    def operand(value: Any) -> bytes:
        if value is None:
            return stack.pop()
        return canonical_bytes(value if isinstance(value, ParameterExpression) else _rounded(value), key)

    for step in expression._qpy_replay:  # noqa: SLF001  # there is no public access
        name = str(step.op).rpartition(".")[2]
        operands = [operand(step.lhs)] if name in _UNARY else [operand(step.rhs), operand(step.lhs)][::-1]
        ordered = sorted(operands) if name in _COMMUTATIVE else operands
        stack.append(_sized(b"o", canonical_bytes(name, key) + b"".join(ordered)))
    if len(stack) != 1:
        raise CircuitError(f"The angle {expression} has no identity: write it with fewer functions of Qiskit.")
    return stack[0]
