"""Check arguments of constructors: a choice, a whole number; errors say what is allowed."""

import operator
from collections.abc import Iterable

from qgen.errors import CircuitError, short_repr, suggestion

#: Python writes no integer of more than 4300 digits into a message.
_TOO_LARGE = 10**100


def one_of(what: str, value: object, allowed: Iterable[str]) -> str:
    """Return `value` if it is one of the `allowed` words.

    Raises:
        CircuitError: it is not one; the message lists the allowed words and the nearest one.
    """
    words = tuple(allowed)
    if isinstance(value, str) and value in words:
        return value
    listed = ", ".join(words) if words else "none"
    raise CircuitError(f"{what} {short_repr(value)} does not exist. Allowed: {listed}.{suggestion(value, words)}")


def whole_number(what: str, value: object, minimum: int = 1) -> int:
    """Return `value` as an int if it is a whole number of at least `minimum`, NumPy integers included.

    Raises:
        CircuitError: it is not an integer, is a bool, is too small, or has more than 100 digits.
    """
    try:
        number = operator.index(value)  # type: ignore[arg-type]  # whatever has no __index__ raises TypeError here
    except TypeError:
        number = None
    if number is None or isinstance(value, bool):
        raise CircuitError(f"{what} must be a whole number of at least {minimum}, not {short_repr(value)}.")
    if abs(number) >= _TOO_LARGE:
        raise CircuitError(f"{what} must be at least {minimum}, and have at most 100 digits.")
    if number < minimum:
        raise CircuitError(f"{what} must be at least {minimum}, not {number}.")
    return number
