"""Whether Aer is there at all."""

from __future__ import annotations

from qgen.errors import BackendError


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
