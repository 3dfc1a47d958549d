"""Files of layouts, as `qgen transpile --pin` writes them: checked without importing Qiskit, which takes seconds."""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from qgen.errors import BackendError
from qgen.storage import write_text
from qgen.user_files import MAX_GENERATED_BYTES, read_text

FORMAT = "qgen-pins"
VERSION = 2


def write_layout_file(path: str | Path, device: str, circuits: Mapping[str, Any]) -> None:
    """Write packed circuits of a device, by their digests.

    Raises:
        BackendError: the file cannot be written.
    """
    content = {"format": FORMAT, "version": VERSION, "device": device, "circuits": dict(circuits)}
    content["sha256"] = _checksum(content)
    try:
        write_text(path, json.dumps(content, indent=1))
    except OSError as error:
        raise BackendError(f"cannot write {path}: {error.strerror or error}") from error


def read_layout_file(path: str | Path) -> dict[str, Any]:
    """Read the content of a file of layouts, and verify its checksum.

    Raises:
        BackendError: the file cannot be read, is not a file of layouts, is damaged, or is of another version.
    """
    try:
        content = json.loads(read_text(path, MAX_GENERATED_BYTES))
    except OSError as error:
        raise BackendError(f"cannot read {path}: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:  # no text, no JSON, or brackets without end
        raise not_a_layout_file(path) from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise not_a_layout_file(path)
    if content.get("version") != VERSION:
        raise BackendError(
            f"{path} was written by another version of qgen, which knew circuits by other marks: pin them again with "
            "`qgen transpile RUN --backend fake_fez --pin FILE.json`"
        )
    if content.get("sha256") != _checksum(content):  # Qiskit may take minutes over a damaged circuit
        raise BackendError(f"{path} is damaged: it is not what was written. Pin again")
    return content


def not_a_layout_file(path: str | Path) -> BackendError:
    """Return the error for a file of something else."""
    return BackendError(
        f"{path} holds no pinned circuits: `qgen transpile RUN --backend fake_fez --pin FILE.json` writes some"
    )


def _checksum(content: Mapping[str, Any]) -> str:
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
