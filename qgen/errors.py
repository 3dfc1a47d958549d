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
