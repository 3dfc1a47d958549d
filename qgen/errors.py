"""The one family of exceptions that a user of qgen is meant to read.

Each message says what was given, what is allowed and what to do. The command line shows it as one line, without a
traceback (`--debug` shows it).
"""


class QgenError(Exception):
    """Something that the user can mend; the message says how."""


class CircuitError(QgenError, ValueError):
    """A circuit, its parameters or its observables are not what a quantum layer can be."""


class BackendError(QgenError, ValueError):
    """A backend does not exist, or cannot run what it was given."""


class InputError(QgenError, ValueError):
    """The numbers handed to a circuit have the wrong shape, or are not finite."""


class ConfigError(QgenError, ValueError):
    """A configuration holds an unknown key, a value that is not allowed, or values that contradict each other."""


class DataError(QgenError, ValueError):
    """Images are missing, damaged, or not what was asked for."""


class RunError(QgenError, RuntimeError):
    """A run folder or a checkpoint is missing, damaged, or of another model or version; or training had to stop."""


class HardwareError(QgenError, RuntimeError):
    """IBM's service refuses the account, cannot be reached, or did not finish a job."""


class BudgetError(HardwareError):
    """What is about to be submitted would cost more than was allowed."""


class ProductFormulaWarning(UserWarning):
    """A product formula runs in place of an exact evolution; the message names the formula and its steps."""


LONGEST_SHOWN = 80


def shown(value: object) -> str:
    """A value as a message names it: what Python writes for it, on one short line; else what kind of thing it is."""
    try:
        text = " ".join(repr(value).split())
    except ValueError:  # an integer of more digits than Python writes
        text = ""
    if isinstance(value, str | bytes) and len(text) > LONGEST_SHOWN:
        return f"{text[: LONGEST_SHOWN - 3]}..."
    plain = 0 < len(text) <= LONGEST_SHOWN and " object at 0x" not in text
    return text if plain else f"something of type {type(value).__name__}"
