"""Check arguments of constructors: a choice, a whole number; errors say what is allowed."""

import operator
from collections.abc import Iterable
from difflib import get_close_matches

from qgen.errors import CircuitError, shown

#: Python writes no integer of more than 4300 digits into a message.
_TOO_LARGE = 10**100


def suggestion(given: object, allowed: Iterable[str]) -> str:
    """Return the sentence " Did you mean ...?" with the nearest allowed word, or "" if none is near."""
    near = get_close_matches(str(given).lower(), list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""


def one_of(what: str, given: object, allowed: Iterable[str]) -> str:
    """Return `given` if it is one of the `allowed` words.

    Raises:
        CircuitError: it is not one; the message lists the allowed words and the nearest one.
    """
    words = tuple(allowed)
    if isinstance(given, str) and given in words:
        return given
    listed = ", ".join(words) if words else "none"
    raise CircuitError(f"{what} {shown(given)} does not exist. Allowed: {listed}.{suggestion(given, words)}")


def whole_number(what: str, given: object, minimum: int = 1) -> int:
    """Return `given` as an int if it is a whole number of at least `minimum`, NumPy integers included.

    Raises:
        CircuitError: it is not an integer, is a bool, is too small, or has more than 100 digits.
    """
    try:
        number = operator.index(given)  # type: ignore[arg-type]  # whatever has no __index__ raises TypeError here
    except TypeError:
        number = None
    if number is None or isinstance(given, bool):
        raise CircuitError(f"{what} must be a whole number of at least {minimum}, not {shown(given)}.")
    if abs(number) >= _TOO_LARGE:
        raise CircuitError(f"{what} must be at least {minimum}, and have at most 100 digits.")
    if number < minimum:
        raise CircuitError(f"{what} must be at least {minimum}, not {number}.")
    return number
