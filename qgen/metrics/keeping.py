"""What a judge has learned, kept in the user's folder: the second judge of the same images need not learn."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from qgen import storage

_FORMAT = "qgen-judge"


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
        with safe_open(path, framework="pt") as file:
            tensors, meta = {key: file.get_tensor(key) for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
        whole = meta.get("format") == _FORMAT and meta.get("sha256") == _digest(tensors, meta["numbers"])
        return (tensors, json.loads(meta["numbers"])) if whole else None
    except (OSError, SafetensorError, ValueError, KeyError):
        return None


def write(path: Path | None, tensors: dict[str, Tensor], numbers: dict[str, Any]) -> None:
    """Keeps them where that is possible. Where it is not, nothing is lost but the time to learn anew."""
    if path is None:
        return
    text = json.dumps(numbers)
    meta = {"format": _FORMAT, "numbers": text, "sha256": _digest(tensors, text)}
    with suppress(OSError, SafetensorError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with storage.aside(path) as temporary:
            save_file({key: tensor.contiguous() for key, tensor in tensors.items()}, temporary, meta)


def _digest(tensors: dict[str, Tensor], text: str) -> str:
    digest = hashlib.sha256(text.encode())
    for key in sorted(tensors):
        digest.update(f"{key} {tensors[key].dtype} {tuple(tensors[key].shape)}".encode())
        digest.update(tensors[key].contiguous().numpy().data)
    return digest.hexdigest()
