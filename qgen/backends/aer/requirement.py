"""Whether Aer is there at all."""

from __future__ import annotations

from qgen.errors import BackendError


def require_aer(name: str) -> None:
    """Refuse backend `name` where qiskit-aer cannot be imported.

    Raises:
        BackendError: with what to install, and what to use meanwhile.
    """
    try:
        import qiskit_aer  # noqa: F401
    except ImportError as error:
        raise BackendError(
            f"backend `{name}` needs qiskit-aer ({error}): install it with `pip install qiskit-aer`, "
            "or use backend `statevector`"
        ) from error
