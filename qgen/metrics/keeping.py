"""What a judge has learned, kept in the user's folder: the second judge of the same images need not learn."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from torch import Tensor

from qgen import storage
from qgen.errors import RunError
from qgen.tensor_files import TensorFile

_FILE = TensorFile("judge", 1, "It is learned anew.")


def kept_at(digest: str, recipe: int) -> Path | None:
    """Where the judge of these images lies, or would; None where the user has no home.

    Args:
        digest: of the images, SHA-256 in hexadecimal.
        recipe: the version of what is learned and how.
    """
    folder = storage.user_folder(sys.platform, os.environ)
    return None if folder is None else folder / "judges" / f"{digest}-{recipe}.safetensors"


def read(path: Path | None) -> tuple[dict[str, Tensor], dict[str, Any]] | None:
    """The tensors and numbers of a file; None where it is missing, damaged or not one of a judge."""
    if path is None:
        return None
    try:
        return _FILE.read(path)
    except RunError:
        return None


def write(path: Path | None, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Keeps them where that is possible. Where it is not, nothing is lost but the time to learn anew."""
    if path is None:
        return
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        _FILE.write(path, tensors, numbers)
