"""QgenError and its subclasses: errors that a user can mend.

Each message says what was given, what is allowed and what to do. The command line shows it as one line, without a
traceback (`--debug` shows it).
"""

import re
from collections.abc import Iterable, Sequence


class QgenError(Exception):
    """Base class of errors that a user can mend; the message says how."""


class CircuitError(QgenError, ValueError):
    """A circuit, its parameters or its observables cannot be those of a quantum layer."""


class BackendError(QgenError, ValueError):
    """A backend does not exist, or cannot run a circuit or an option."""


class InputError(QgenError, ValueError):
    """Inputs or weights of a circuit have the wrong shape, or are not finite."""


class ConfigError(QgenError, ValueError):
    """A configuration has an unknown key, a value that is not allowed, or contradictory values."""


class SettingsError(ConfigError):
    """Several values of a configuration may be wrong; the message is that of all.

    Args:
        lines: what is wrong with each.
    """

    def __init__(self, lines: Sequence[str]) -> None:
        super().__init__("; ".join(lines))
        self.lines = tuple(lines)


class DataError(QgenError, ValueError):
    """Images are missing, damaged, or other than requested."""


class RunError(QgenError, RuntimeError):
    """A run folder or a checkpoint is missing, damaged, or of another model or version; or training failed."""


class HardwareError(QgenError, RuntimeError):
    """IBM's service refuses the account, cannot be reached, or did not finish a job."""


class BudgetError(HardwareError):
    """A submission would cost more than the limit."""


class ProductFormulaWarning(UserWarning):
    """A product formula replaces an exact evolution; the message names the formula and its steps."""


#: Longest representation of a value in a message, in characters.
MAX_REPR_LENGTH = 80
#: Messages of torch when memory runs out, on a CPU and on a GPU.
_NO_MEMORY = re.compile(r"can't allocate memory|not enough memory|CUDA out of memory")
#: Message of `Path.resolve` until Python 3.12; later ones leave such a path as it is.
_LOOP = re.compile(r"Symlink loop from (.*)")


def user_message(error: BaseException) -> str | None:
    """Return the message of an error that is no bug of qgen; None for bugs, and for errors that typer handles."""
    if isinstance(error, QgenError):
        return str(error)
    if isinstance(error, OSError) and not isinstance(error, BrokenPipeError):
        return (f"{error.filename}: " if error.filename else "") + (error.strerror or str(error))
    if isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and _NO_MEMORY.search(str(error))):
        return f"out of memory ({str(error) or 'no more is to be had'}): take a smaller model, batch or circuit"
    if isinstance(error, RuntimeError) and (loop := _LOOP.match(str(error))):
        return f"{loop[1]} is a link that leads back to itself: there is no file or folder behind it"
    if type(error).__name__ == "PanicException":  # of Qiskit's Rust code; not a subclass of Exception
        return f"Qiskit broke off with an internal error: {error}"
    return None


def exact_text(number: float) -> str:
    """Return the shortest text that reads back as this number, as in names of files: `1`, `0.3`, `1.0000001`."""
    short = f"{number:g}"
    return short if float(short) == number else repr(number)


def counted(number: int, noun: str) -> str:
    """Return a number and its noun: "1 image", "2,000 images"."""
    return f"{number:,} {noun}{'s' * (number != 1)}"


def short_repr(value: object) -> str:
    """Return a value's `repr` on one short line, for a message; its type if that is longer."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of more digits than Python prints
        text = ""
    if isinstance(value, str | bytes) and len(text) > MAX_REPR_LENGTH:
        return f"{text[: MAX_REPR_LENGTH - 3]}..."
    plain = 0 < len(text) <= MAX_REPR_LENGTH and " object at 0x" not in text
    return text if plain else f"something of type {type(value).__name__}"


def suggestion(value: object, allowed: Iterable[str]) -> str:
    """Return the sentence " Did you mean ...?" with the nearest allowed word, or "" if none is near."""
    from difflib import get_close_matches

    near = get_close_matches(str(value).lower(), list(allowed), n=1, cutoff=0.5)
    return f" Did you mean {near[0]!r}?" if near else ""
