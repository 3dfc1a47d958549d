"""The image files of a folder: their names, labels, and a digest that tells whether one of them has changed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from qgen.data.decoding import ENDINGS
from qgen.errors import DataError
from qgen.user_files import printable


@dataclass(frozen=True)
class Folder:
    """The image files of a folder, by their suffixes.

    Attributes:
        path: the folder.
        files: names relative to the folder, with "/" between parts, sorted by parts. Plain text, as there may be
            millions: a `Path` takes ten times the memory.
        labels: (N,), int64: the sub-folder of each file; None unless all files lie in sub-folders.
        class_names: printable names of these sub-folders, in the order of their labels.
    """

    path: Path
    files: tuple[str, ...]
    labels: NDArray[np.int64] | None
    class_names: tuple[str, ...] | None

    def digest(self) -> str:
        """Return a digest of names, sizes and times of change; files are not read."""
        digest, root = sha256(), os.fspath(self.path)
        for name in self.files:
            try:
                status = os.stat(os.path.join(root, name))
                facts = f"{status.st_size} {status.st_mtime_ns}"
            except (OSError, ValueError) as error:  # reading it will say the same
                facts = type(error).__name__
            digest.update(b"%s\0%s\0" % (os.fsencode(name), facts.encode()))
        return digest.hexdigest()


def list_folder(path: Path) -> Folder:
    """Find the image files of a folder and its sub-folders; hidden ones are skipped.

    Raises:
        DataError: there are no images, or a folder cannot be listed.
    """
    # By parts, as no name has a NUL. Windows compares paths without case, and the order decides which images a limit
    # selects.
    files = sorted(_walk(os.fspath(path)), key=lambda name: name.replace("/", "\0"))
    if not files:
        raise DataError(f"There are no images in {printable(path)}: none of its files ends in {', '.join(ENDINGS)}.")
    if any("/" not in name for name in files):
        return Folder(path, tuple(files), None, None)
    inside = [name.partition("/")[0] for name in files]
    names = sorted(set(inside))
    label = {name: index for index, name in enumerate(names)}
    labels = np.array([label[name] for name in inside], np.int64)
    return Folder(path, tuple(files), labels, tuple(map(printable, names)))


def _walk(path: str) -> Iterator[str]:
    """Yield the names of image files, relative to `path`. Links are followed, but no folder is entered twice."""

    def refuse(error: OSError) -> None:
        raise DataError(f"Cannot list {printable(error.filename)}: {error.strerror}.") from error

    entered = set()
    for folder, inside, names in os.walk(path, onerror=refuse, followlinks=True):
        real = os.path.realpath(folder)
        inside[:] = [] if real in entered else sorted(name for name in inside if not name.startswith("."))
        below = os.path.relpath(folder, path).replace(os.sep, "/")
        prefix = "" if below == os.curdir else f"{below}/"
        for name in names if real not in entered else ():
            if name.lower().endswith(ENDINGS) and not name.startswith("."):
                yield f"{prefix}{name}"
        entered.add(real)
