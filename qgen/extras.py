"""Optional dependencies: how to install an extra, and how to refuse what needs a missing package."""

from qgen.errors import BackendError

#: Name of the distribution; `qgen` is another project on PyPI (docs/decisions/0022).
DISTRIBUTION = "qgen-torch"


def install_command(extra: str) -> str:
    """Return the shell command that installs qgen with an extra of `pyproject.toml`, quoted for every shell."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def require_aer(what: str) -> None:
    """Check that qiskit-aer can be imported.

    Args:
        what: what needs it, as "backend `aer`" or "noise".

    Raises:
        BackendError: it cannot; the message says what to install, and what to use instead.
    """
    try:
        import qiskit_aer.noise  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"{what} needs qiskit-aer ({error}): install it with `pip install qiskit-aer`, or use backend `statevector`"
        ) from error
