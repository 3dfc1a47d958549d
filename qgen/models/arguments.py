"""Arguments that functions which build networks share: the shape of images, and a backend or its name."""

from __future__ import annotations

from qgen.backends import Backend, open_backend
from qgen.errors import ConfigError


def check_square(shape: tuple[int, int, int]) -> None:
    """Refuse images of shape (C, H, W) that are not square, or have no channel.

    Raises:
        ConfigError: they are.
    """
    if shape[0] < 1 or shape[1] != shape[2]:
        raise ConfigError(f"images have to be square, not {shape[1]}x{shape[2]}, and have one channel or more")


def as_backend(backend: str | Backend) -> Backend:
    """Return a backend that is given by name or as it is.

    Raises:
        BackendError: there is none of this name.
    """
    return open_backend(backend) if isinstance(backend, str) else backend
