"""The files of a cache of images: one with the images, and what is finished, or how far it is, each with a digest."""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from dataclasses import asdict, dataclass
from hashlib import sha256
from math import prod
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from qgen import storage
from qgen.data.image_set import image_digest
from qgen.data.listing import Folder
from qgen.data.mapped import Shape, npy_header, read_blocks
from qgen.user_files import MAX_GENERATED_BYTES, printable, read_text

#: Names of the two files; that with the images begins with the third.
FINISHED, BUILDING, IMAGES = "cache.json", "building.json", "images-"


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
        storage.write_text(path, json.dumps(content | {"digest": _digest(content)}, indent=1) + "\n")


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


def digest_file(path: Path, shape: Shape, folder: Folder, indices: NDArray[np.int64]) -> str:
    """Return the digest of the images in a file, with the labels of these files of the folder.

    Raises:
        OSError: it cannot be read.
    """
    labels = None if folder.labels is None else folder.labels[indices]
    return image_digest(shape, read_blocks(path, len(npy_header(shape))), labels)


def clear(path: Path, kept: str) -> None:
    """Remove the files of former states of a cache; processes that have mapped one keep it until they end."""
    leftovers = [file for file in path.glob(f"{IMAGES}*") if file.name != kept]
    # Last the note that something may be left.
    for file in (*leftovers, *path.glob(f".*{storage.TEMPORARY_MARK}*"), path / BUILDING):
        with suppress(OSError):
            file.unlink()


def find_caches(folder: Path) -> dict[str, int]:
    """Return the finished caches of a folder's images, whether or not they are of its present files: bytes by path."""
    root, name = storage.cache_folder(sys.platform, os.environ), printable(os.path.abspath(folder))
    records = {} if root is None else {file.parent: Finished.read(file) for file in root.glob(f"images/*/{FINISHED}")}
    return {str(path): prod(made.shape) for path, made in records.items() if made and made.folder == name}


def describe(path: Path, shape: Shape) -> str:
    """Return where a cache is, and how large."""
    return f"{printable(path)} ({format_size(prod(shape))})"


def format_size(size: int) -> str:
    """Format a number of bytes, as "1.5 GiB"."""
    for unit, name in ((2**30, "GiB"), (2**20, "MiB")):
        if size >= unit:
            return f"{size / unit:,.1f} {name}"
    return f"{size / 2**10:,.1f} KiB"


def _digest(content: dict[str, Any]) -> str:
    return sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
