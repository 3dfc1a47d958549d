"""One sequence of bytes for each value that a circuit can hold: equal values have equal ones, others never.

Numbers count with all their bits, whatever their type: 1, 1.0 and (1+0j) are one number, and so are 0.0 and -0.0.
Within an expression those below 2e-15 are zero, as they are for Qiskit.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from numbers import Complex, Integral
from typing import Any, TypeAlias

import numpy as np
from qiskit.circuit import Parameter, ParameterExpression

from qgen.errors import CircuitError

#: What stands for a parameter.
Key: TypeAlias = Callable[[Parameter], tuple[Any, ...]]
#: Operations on two values that do not depend on their order.
_COMMUTE = ("ADD", "MUL")
_ONE_VALUE = ("SIN", "COS", "TAN", "ASIN", "ACOS", "ATAN", "EXP", "LOG", "SIGN", "CONJ", "ABS")
_MOST_EXACT = 2**53  # whole numbers up to it are floats too
#: Qiskit takes what is smaller for zero within an expression, and its formats write a zero.
_SMALLEST = 8 * float(np.finfo(np.float64).eps)


def encode(value: Any, key: Key) -> bytes:
    """The bytes of a value: None, text, bytes, a number, an array, an expression, or a list or tuple of these.

    Args:
        value: what is encoded.
        key: what stands for a parameter in expressions.

    Raises:
        CircuitError: it is something else, or an expression that cannot be read.
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
        return _sized(b"l", b"".join(encode(one, key) for one in value))
    raise CircuitError(
        f"{value!r} ({type(value).__name__}) in a circuit has no identity: give numbers, text or arrays."
    )


def _sized(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("<q", len(content)) + content


def _number(value: Any) -> bytes:
    if isinstance(value, Integral) and abs(int(value)) > _MOST_EXACT:
        return _sized(b"i", str(int(value)).encode())
    number = complex(value) + 0.0
    return b"c" + struct.pack("<dd", number.real + 0.0, number.imag + 0.0)


def _expression(expression: ParameterExpression, key: Key) -> bytes:
    if isinstance(expression, Parameter):
        return _affine(0.0, [(expression, 1.0)], key)
    if not expression.parameters:
        return _number(expression.numeric())
    slopes = linear_slopes(expression)
    if slopes is not None:
        at_zero = expression.bind(dict.fromkeys(expression.parameters, 0.0)).numeric()
        return _affine(at_zero, slopes, key)
    return _sized(b"x", _steps(expression, key))


def _affine(constant: complex, slopes: Sequence[tuple[Parameter, complex]], key: Key) -> bytes:
    """Of constant + sum of slope * parameter: whatever the order in which it was written."""
    terms = sorted(encode((key(parameter), _seen(slope)), key) for parameter, slope in slopes)
    return _sized(b"f", _number(_seen(constant)) + b"".join(terms))


def _seen(number: complex) -> complex:
    return number if abs(number) >= _SMALLEST else 0.0


def linear_slopes(expression: ParameterExpression) -> list[tuple[Parameter, complex]] | None:
    """What each parameter is multiplied with; None where the expression is not linear."""
    slopes = []
    for parameter in expression.parameters:
        try:
            gradient = expression.gradient(parameter)
        except RuntimeError:  # Qiskit differentiates all functions but sign()
            return None
        if isinstance(gradient, ParameterExpression):
            if gradient.parameters:
                return None
            gradient = gradient.numeric()
        slopes.append((parameter, gradient))
    return slopes


def _steps(expression: ParameterExpression, key: Key) -> bytes:
    """How an expression is computed, as Qiskit stores it: steps in the order of a stack, in which None is its top.

    Qiskit's formats exchange the sides of sums and products: those are sorted.
    """
    stack: list[bytes] = []

    def side(value: Any) -> bytes:
        if value is None:
            return stack.pop()
        return encode(value if isinstance(value, ParameterExpression) else _seen(value), key)

    for step in expression._qpy_replay:  # noqa: SLF001  # there is no other way to look into one
        name = str(step.op).rpartition(".")[2]
        sides = [side(step.lhs)] if name in _ONE_VALUE else [side(step.rhs), side(step.lhs)][::-1]
        ordered = sorted(sides) if name in _COMMUTE else sides
        stack.append(_sized(b"o", encode(name, key) + b"".join(ordered)))
    if len(stack) != 1:
        raise CircuitError(f"The angle {expression} has no identity: write it with fewer functions of Qiskit.")
    return stack[0]
