"""The two small files of a cache of images: what is finished, and how far the rest is; each with its own digest."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from qgen.data.mapped import Shape
from qgen.storage import write_text
from qgen.user_files import MAX_GENERATED_BYTES, read_text


@dataclass(frozen=True)
class _Record:
    """A JSON file with a digest of its content.

    Attributes:
        listing: digest of the folder's files when they were listed (`Folder.digest`).
        file: name of the file with the images.
        shape: (N, C, H, W) of these images.
        looked_at: number of files, in their order, that were read or found unreadable.
        unreadable: reason by file.
    """

    listing: str
    file: str
    shape: Shape
    looked_at: int
    unreadable: dict[str, str]

    @classmethod
    def read(cls, path: Path) -> Self | None:
        """Read a file; None if it is missing, damaged or of another version."""
        try:
            content = json.loads(read_text(path, MAX_GENERATED_BYTES))
            if content.pop("digest") != _digest(content):
                return None
            return cls(**content | {key: tuple(value) for key, value in content.items() if isinstance(value, list)})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None

    def write(self, path: Path) -> None:
        """Replace the file atomically.

        Raises:
            OSError: it cannot be written.
        """
        content = asdict(self)
        write_text(path, json.dumps(content | {"digest": _digest(content)}, indent=1) + "\n")


@dataclass(frozen=True)
class Building(_Record):
    """`building.json`: images are being written. `shape` is of as many images as are wanted.

    Attributes:
        written: images in the file.
    """

    written: int


@dataclass(frozen=True)
class Finished(_Record):
    """`cache.json`: the file with the images is whole.

    Attributes:
        folder: the folder of the images, for people.
        sha256: digest of the images (`ImageSet.sha256`).
        status: of the file when its digest was last seen to be right (`file_status`).
    """

    folder: str
    sha256: str
    status: tuple[int, ...]


def file_status(path: Path) -> tuple[int, ...]:
    """Return what changes when a file does, by whatever program: its size, its times of change, its number.

    Raises:
        OSError: there is no such file.
    """
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
