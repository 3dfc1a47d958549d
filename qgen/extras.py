"""What is installed along with qgen only on request, under the name by which package indexes know it."""

from qgen.errors import BackendError

#: Not `qgen`, which is another project there: docs/decisions/0022.
DISTRIBUTION = "qgen-torch"


def install_command(extra: str) -> str:
    """The shell command that installs qgen with this extra of `pyproject.toml`, quoted for every shell."""
    return f'pip install "{DISTRIBUTION}[{extra}]"'


def require_aer(what: str) -> None:
    """Refuse what needs qiskit-aer ("backend `aer`", "noise") where it cannot be imported.

    Raises:
        BackendError: with what to install, and what to use meanwhile.
    """
    try:
        import qiskit_aer.noise  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"{what} needs qiskit-aer ({error}): install it with `pip install qiskit-aer`, or use backend `statevector`"
        ) from error
